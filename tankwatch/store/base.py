"""What every table shares: names of constraints, and times that mean the same on each backend."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, MetaData, TypeDecorator
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeEngine

from tankwatch.core.times import from_ms, to_ms

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite numbers rows by itself only for a column declared INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time: ``timestamptz`` on PostgreSQL, integer epoch milliseconds on SQLite.

    The integer keeps SQLite's clustered index half as large as text would and lets a block be read
    without parsing; the dashboard views show it as ISO 8601.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type of the backend."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return what the driver is given; both backends keep milliseconds."""
        if value is None:
            return None
        epoch_ms = to_ms(value)
        return from_ms(epoch_ms) if dialect.name == "postgresql" else epoch_ms

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the aware UTC time that the driver's value means."""
        if value is None:
            return None
        return from_ms(to_ms(value) if dialect.name == "postgresql" else int(value))


class Base(DeclarativeBase):
    """Base of every table."""

    metadata = MetaData(naming_convention=NAMING)

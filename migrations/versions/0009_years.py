"""Roll-ups by hour and day, what is due for one, data quality, and exported files."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import RowId, UtcTime
from tankwatch.store.views import create_view, drop_view

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

VIEWS = ("dash_readings_hourly", "dash_readings_daily", "dash_data_quality")
FIGURES = ("filled_share", "quality_share", "mean", "low", "high", "first_value", "last_value")


def upgrade() -> None:
    for name in ("reading_hour", "reading_day"):
        rollups(name)
    by_tank(
        "tank_channel",
        sa.Column("channel_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("from_day", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.channel_id"], name="fk_tank_channel_channel_id_channel"
        ),
        key=("tank_id", "channel_id"),
    )
    op.create_table(
        "plant_day",
        sa.Column("starts_at", UtcTime(), autoincrement=False, nullable=False),
        sa.Column("share", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("starts_at", name="pk_plant_day"),
    )
    by_tank(
        "rollup",
        sa.Column("rolled_at", UtcTime(), nullable=True),
        sa.Column("closed_until", UtcTime(), nullable=True),
        key=("tank_id",),
    )
    by_tank(
        "rollup_due",
        sa.Column("hour_at", UtcTime(), nullable=False),
        key=("tank_id", "hour_at"),
    )
    by_tank(
        "arrival_day",
        sa.Column("day_at", UtcTime(), nullable=False),
        sa.Column("late", sa.Integer(), nullable=False),
        sa.Column("contradicted", sa.Integer(), nullable=False),
        key=("tank_id", "day_at"),
    )
    op.create_table(
        "archive",
        sa.Column("archive_id", RowId, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("month_at", UtcTime(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("exported_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_archive_site_id_site"),
        sa.PrimaryKeyConstraint("archive_id", name="pk_archive"),
    )
    op.create_index("ix_archive_site_id", "archive", ["site_id"])
    for name in VIEWS:
        create_view(op.get_bind(), name, 1)


def downgrade() -> None:
    for name in VIEWS:
        drop_view(op.get_bind(), name)
    op.drop_index("ix_archive_site_id", table_name="archive")
    for name in (
        *("archive", "arrival_day", "rollup_due", "rollup", "plant_day", "tank_channel"),
        *("reading_day", "reading_hour"),
    ):
        op.drop_table(name)


def rollups(name: str) -> None:
    """Create a table of roll-ups."""
    by_tank(
        name,
        sa.Column("starts_at", UtcTime(), nullable=False),
        sa.Column("channel_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("readings", sa.Integer(), nullable=False),
        sa.Column("valid", sa.Integer(), nullable=False),
        *(sa.Column(figure, sa.Float(precision=53), nullable=False) for figure in FIGURES),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.channel_id"], name=f"fk_{name}_channel_id_channel"
        ),
        key=("tank_id", "starts_at", "channel_id"),
        sqlite_with_rowid=False,
    )


def by_tank(name: str, *parts: Any, key: tuple[str, ...], **options: Any) -> None:
    """Create a table whose key begins with the tank."""
    op.create_table(
        name,
        sa.Column("tank_id", sa.Integer(), autoincrement=False, nullable=False),
        *parts,
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name=f"fk_{name}_tank_id_tank"),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        **options,
    )

"""Readings and scores by month on PostgreSQL, in place of one default partition."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEYS = {"reading": "tank_id, observed_at", "score": "tank_id, model_version_id, observed_at"}
EARLY, LATE = "2000-01-01 00:00:00+00", "2100-01-01 00:00:00+00"
# A time zone of the session must not move the months.
MONTHS = """
SELECT DISTINCT date_trunc('month', observed_at, 'UTC') AS first,
  date_trunc('month', observed_at, 'UTC') + interval '1 month' AS last,
  to_char(observed_at AT TIME ZONE 'UTC', '"y"YYYY"m"MM') AS name
FROM {table}_default WHERE observed_at >= '{early}' AND observed_at < '{late}' ORDER BY 1
"""
CHILDREN = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = CAST(:parent AS regclass) ORDER BY c.relname
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("SET LOCAL timezone = 'UTC'")
    for table, key in KEYS.items():
        op.execute(f"ALTER TABLE {table} DETACH PARTITION {table}_default")
        make(table, "before_2000", "MINVALUE", f"'{EARLY}'")
        make(table, "from_2100", f"'{LATE}'", "MAXVALUE")
        months = sa.text(MONTHS.format(table=table, early=EARLY, late=LATE))
        for first, last, name in op.get_bind().execute(months).all():
            make(table, name, f"'{first}'", f"'{last}'")
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_default ORDER BY {key}")
        op.execute(f"DROP TABLE {table}_default")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, key in KEYS.items():
        op.execute(f"CREATE TABLE {table}_default (LIKE {table} INCLUDING ALL)")
        op.execute(f"INSERT INTO {table}_default SELECT * FROM {table} ORDER BY {key}")
        for child in op.get_bind().execute(sa.text(CHILDREN), {"parent": table}).scalars().all():
            op.execute(f"DROP TABLE {child}")
        op.execute(f"ALTER TABLE {table} ATTACH PARTITION {table}_default DEFAULT")


def make(table: str, name: str, low: str, high: str) -> None:
    """Make a partition of `table` for times from `low` up to but without `high`."""
    bounds = f"FOR VALUES FROM ({low}) TO ({high})"
    op.execute(f"CREATE TABLE {table}_{name} PARTITION OF {table} {bounds}")

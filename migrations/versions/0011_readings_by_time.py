"""An index of readings by time on PostgreSQL, the size of a few pages a month."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEX = (
    "CREATE INDEX ix_reading_observed_at ON reading USING brin (observed_at) "
    "WITH (pages_per_range = 32, autosummarize = on)"
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(INDEX)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX ix_reading_observed_at")

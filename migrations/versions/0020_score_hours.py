"""The highest score of each hour, of all scores so far too."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import UtcTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "score_hour",
        sa.Column("tank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_version_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("starts_at", UtcTime(), nullable=False),
        sa.Column("high", sa.REAL(), nullable=False),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_score_hour_tank_id_tank"),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_version.model_version_id"],
            name="fk_score_hour_model_version_id_model_version",
        ),
        sa.PrimaryKeyConstraint("tank_id", "model_version_id", "starts_at", name="pk_score_hour"),
        sqlite_with_rowid=False,
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    hour = (
        "observed_at / 3600000 * 3600000" if is_sqlite else "date_trunc('hour', observed_at, 'UTC')"
    )
    op.execute(
        "INSERT INTO score_hour (tank_id, model_version_id, starts_at, high) "
        f"SELECT tank_id, model_version_id, {hour}, max(score) FROM score GROUP BY 1, 2, 3"
    )


def downgrade() -> None:
    op.drop_table("score_hour")

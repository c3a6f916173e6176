"""What was expected of tanks, sixty steps in a row, for charts."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import UtcTime

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "expected_band",
        sa.Column("tank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("begins_at", UtcTime(), nullable=False),
        sa.Column("step_s", sa.Integer(), nullable=False),
        sa.Column("edges", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tank_id", "begins_at", name=op.f("pk_expected_band")),
        sa.ForeignKeyConstraint(
            ["tank_id"], ["tank.tank_id"], name=op.f("fk_expected_band_tank_id_tank")
        ),
    )


def downgrade() -> None:
    op.drop_table("expected_band")

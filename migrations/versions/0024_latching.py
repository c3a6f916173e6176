"""Incidents that latch: they stay in sight when they are over, until somebody resets them."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.views import create_view

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# What the version before makes of those that wait for a reset.
UNLATCH = (
    "UPDATE incident SET state = 'returned_unacknowledged' WHERE state = 'latched_unacknowledged'"
)
CLOSE = (
    "UPDATE incident SET state = 'closed', closed_at = acknowledged_at "
    "WHERE state = 'latched_acknowledged'"
)


def upgrade() -> None:
    op.add_column(
        "incident",
        sa.Column("latching", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    create_view(op.get_bind(), "dash_tank_status", 5)


def downgrade() -> None:
    create_view(op.get_bind(), "dash_tank_status", 4)
    op.execute(UNLATCH)
    op.execute(CLOSE)
    op.drop_column("incident", "latching")

"""A tank is shown as shelved only if what it shows is, and out of service before that."""

from alembic import op

from tankwatch.store.views import create_view

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_view(op.get_bind(), "dash_tank_status", 4)


def downgrade() -> None:
    create_view(op.get_bind(), "dash_tank_status", 3)

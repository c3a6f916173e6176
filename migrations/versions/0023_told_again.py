"""Alarms that are told again, or that come and go: messages are found by their kind."""

from alembic import op

from tankwatch.store.views import create_view

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# The version before knows none of these messages.
MESSAGES = (
    "SELECT outbox_id FROM outbox "
    "WHERE kind IN ('realarm', 'site_realarm', 'chattering', 'settled')"
)


def upgrade() -> None:
    create_view(op.get_bind(), "dash_site_incidents", 3)
    op.create_index("ix_outbox_kind_incident_id", "outbox", ["kind", "incident_id"])


def downgrade() -> None:
    create_view(op.get_bind(), "dash_site_incidents", 2)
    for table in ("push", "delivery", "notification", "outbox"):
        op.execute(f"DELETE FROM {table} WHERE outbox_id IN ({MESSAGES})")
    op.drop_index("ix_outbox_kind_incident_id", "outbox")

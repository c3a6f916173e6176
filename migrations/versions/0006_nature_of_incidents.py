"""The nature of an incident: sensor, process or operation."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.views import create_view, drop_view

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What was stored before is told by its symptom alone.
TELL = "UPDATE incident SET nature = 'sensor' WHERE symptom IN ('flat_line', 'stale')"


def upgrade() -> None:
    kind = sa.String(length=12)
    column = sa.Column("nature", kind, nullable=False, server_default="process")
    op.add_column("incident", column)
    op.execute(TELL)
    create_view(op.get_bind(), "dash_incidents", 2)


def downgrade() -> None:
    drop_view(op.get_bind(), "dash_incidents")
    op.drop_column("incident", "nature")
    create_view(op.get_bind(), "dash_incidents", 1)

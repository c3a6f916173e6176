"""A tank that is judged by its own first hours is shown as learning.

Both versions of the view name the columns they use: on PostgreSQL, one that takes all of a table's
would keep columns that later revisions added from being dropped.
"""

from alembic import op

from tankwatch.store.views import create_view

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_view(op.get_bind(), "dash_tank_status", 2)


def downgrade() -> None:
    create_view(op.get_bind(), "dash_tank_status", 1)

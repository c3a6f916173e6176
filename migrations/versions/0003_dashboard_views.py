"""Dashboard views, first version."""

from alembic import op

from tankwatch.store.views import create_view, drop_view, reading_columns

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

VIEWS = (
    *("dash_tank_status", "dash_readings", "dash_scores", "dash_incidents"),
    *("dash_alarm_kpis", "dash_job_health", "dash_model_health"),
)


def upgrade() -> None:
    connection = op.get_bind()
    for name in VIEWS:
        create_view(connection, name, 1, channels=reading_columns(connection))


def downgrade() -> None:
    connection = op.get_bind()
    for name in VIEWS:
        drop_view(connection, name)

"""Views that find what a panel asks for through an index, and the last score of each tank."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import UtcTime
from tankwatch.store.views import create_view, reading_columns

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# View: its version before, and now.
VERSIONS = {
    "dash_readings": (1, 2),
    "dash_scores": (2, 3),
    "dash_incidents": (3, 4),
    "dash_job_health": (1, 2),
    "dash_alarm_kpis": (1, 2),
    "dash_tank_status": (2, 3),
    "dash_readings_daily": (1, 2),
    "dash_data_quality": (1, 2),
    "dash_site_incidents": (1, 2),
}
OPEN = "state <> 'closed'"
FILL = """
INSERT INTO last_score (model_version_id, tank_id, observed_at, score, channel_id)
SELECT s.model_version_id, s.tank_id, s.observed_at, s.score, s.channel_id
FROM (SELECT tank_id, model_version_id, max(observed_at) AS observed_at
      FROM score GROUP BY tank_id, model_version_id) newest
JOIN score s ON s.tank_id = newest.tank_id AND s.model_version_id = newest.model_version_id
  AND s.observed_at = newest.observed_at
"""


def upgrade() -> None:
    last_scores()
    op.create_index("ix_incident_started_at", "incident", ["started_at"])
    op.create_index(
        "ix_incident_tank_id",
        "incident",
        ["tank_id"],
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )
    op.create_index("ix_incident_tank_id_raised_at", "incident", ["tank_id", "raised_at"])
    op.create_index("ix_incident_severity_raised_at", "incident", ["severity", "raised_at"])
    op.drop_index("ix_outbox_incident_id", table_name="outbox")
    op.create_index("ix_outbox_incident_id_state", "outbox", ["incident_id", "state"])
    op.create_index("ix_shelf_from_at", "shelf", ["from_at"])
    op.drop_index("ix_job_run_job", table_name="job_run")
    op.create_index("ix_job_run_job_job_run_id", "job_run", ["job", "job_run_id"])
    op.create_index(
        "ix_job_run_job_outcome_job_run_id", "job_run", ["job", "outcome", "job_run_id"]
    )
    views(1)


def downgrade() -> None:
    views(0)
    op.drop_index("ix_job_run_job_outcome_job_run_id", table_name="job_run")
    op.drop_index("ix_job_run_job_job_run_id", table_name="job_run")
    op.create_index("ix_job_run_job", "job_run", ["job"])
    op.drop_index("ix_shelf_from_at", table_name="shelf")
    op.drop_index("ix_outbox_incident_id_state", table_name="outbox")
    op.create_index("ix_outbox_incident_id", "outbox", ["incident_id"])
    op.drop_index("ix_incident_severity_raised_at", table_name="incident")
    op.drop_index("ix_incident_tank_id_raised_at", table_name="incident")
    op.drop_index("ix_incident_tank_id", table_name="incident")
    op.drop_index("ix_incident_started_at", table_name="incident")
    op.drop_table("last_score")


def views(place: int) -> None:
    """Make each view in its version at `place`."""
    connection = op.get_bind()
    for name, versions in VERSIONS.items():
        create_view(connection, name, versions[place], channels=reading_columns(connection))


def last_scores() -> None:
    """Create the table of each tank's last score by each version, and fill it."""
    op.create_table(
        "last_score",
        sa.Column("model_version_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("observed_at", UtcTime(), nullable=False),
        sa.Column("score", sa.REAL(), nullable=False),
        sa.Column("channel_id", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_version.model_version_id"],
            name="fk_last_score_model_version_id_model_version",
        ),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_last_score_tank_id_tank"),
        sa.PrimaryKeyConstraint("model_version_id", "tank_id", name="pk_last_score"),
        sqlite_with_rowid=False,
    )
    op.execute(FILL)

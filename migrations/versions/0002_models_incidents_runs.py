"""Models, scores, incidents, messages, runs."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import RowId, UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_version",
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("detector", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("trained_at", UtcTime(), nullable=False),
        sa.Column("promoted_at", UtcTime(), nullable=True),
        sa.Column("tanks", sa.Integer(), nullable=False),
        sa.Column("train_windows", sa.Integer(), nullable=False),
        sa.Column("excluded_windows", sa.Integer(), nullable=False),
        sa.Column("validation_error", sa.Float(precision=53), nullable=True),
        sa.Column("false_alarms_per_tank_month", sa.Float(precision=53), nullable=True),
        sa.Column("drift", sa.Float(precision=53), nullable=True),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("keras", sa.LargeBinary(), nullable=True),
        sa.Column("onnx", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("model_version_id", name="pk_model_version"),
    )
    op.create_index("ix_model_version_detector", "model_version", ["detector"])
    op.create_table(
        "score",
        sa.Column("tank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_version_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("observed_at", UtcTime(), nullable=False),
        sa.Column("score", sa.REAL(), nullable=False),
        sa.Column("flag", sa.Boolean(), nullable=False),
        sa.Column("channel_id", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_version.model_version_id"],
            name="fk_score_model_version_id_model_version",
        ),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_score_tank_id_tank"),
        sa.PrimaryKeyConstraint("tank_id", "model_version_id", "observed_at", name="pk_score"),
        postgresql_partition_by="RANGE (observed_at)",
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE score_default PARTITION OF score DEFAULT")
    op.create_table(
        "detector_state",
        sa.Column("tank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tank_id"], ["tank.tank_id"], name="fk_detector_state_tank_id_tank"
        ),
        sa.PrimaryKeyConstraint("tank_id", "kind", name="pk_detector_state"),
    )
    op.create_table(
        "incident",
        sa.Column("incident_id", RowId, nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("tank_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.Column("detector", sa.String(length=40), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=True),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("share", sa.Float(precision=53), nullable=False),
        sa.Column("symptom", sa.String(length=32), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("raised_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("acknowledged_at", UtcTime(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=120), nullable=True),
        sa.Column("closed_at", UtcTime(), nullable=True),
        sa.Column("peak_score", sa.Float(precision=53), nullable=False),
        sa.Column("historical", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.channel_id"], name="fk_incident_channel_id_channel"
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_version.model_version_id"],
            name="fk_incident_model_version_id_model_version",
        ),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_incident_tank_id_tank"),
        sa.PrimaryKeyConstraint("incident_id", name="pk_incident"),
        sa.UniqueConstraint("uid", name="uq_incident_uid"),
    )
    op.create_index("ix_incident_raised_at", "incident", ["raised_at"])
    op.create_index("ix_incident_state", "incident", ["state"])
    op.create_index("ix_incident_tank_id_started_at", "incident", ["tank_id", "started_at"])
    op.create_table(
        "transition",
        sa.Column("transition_id", RowId, nullable=False),
        sa.Column("incident_id", RowId, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("event", sa.String(length=24), nullable=False),
        sa.Column("from_state", sa.String(length=32), nullable=True),
        sa.Column("to_state", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.incident_id"], name="fk_transition_incident_id_incident"
        ),
        sa.PrimaryKeyConstraint("transition_id", name="pk_transition"),
    )
    op.create_index("ix_transition_incident_id", "transition", ["incident_id"])
    op.create_table(
        "label",
        sa.Column("label_id", RowId, nullable=False),
        sa.Column("tank_id", sa.Integer(), nullable=False),
        sa.Column("incident_id", RowId, nullable=True),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("verdict", sa.String(length=24), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("labelled_by", sa.String(length=120), nullable=False),
        sa.Column("labelled_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.incident_id"], name="fk_label_incident_id_incident"
        ),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_label_tank_id_tank"),
        sa.PrimaryKeyConstraint("label_id", name="pk_label"),
    )
    op.create_index("ix_label_incident_id", "label", ["incident_id"])
    op.create_index("ix_label_tank_id", "label", ["tank_id"])
    op.create_table(
        "shelf",
        sa.Column("shelf_id", RowId, nullable=False),
        sa.Column("tank_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("from_at", UtcTime(), nullable=False),
        sa.Column("until_at", UtcTime(), nullable=True),
        sa.Column("shelved_by", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_shelf_tank_id_tank"),
        sa.PrimaryKeyConstraint("shelf_id", name="pk_shelf"),
    )
    op.create_index("ix_shelf_tank_id", "shelf", ["tank_id"])
    op.create_table(
        "maintenance",
        sa.Column("maintenance_id", RowId, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("tank_id", sa.Integer(), nullable=True),
        sa.Column("from_at", UtcTime(), nullable=False),
        sa.Column("until_at", UtcTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_maintenance_site_id_site"),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_maintenance_tank_id_tank"),
        sa.PrimaryKeyConstraint("maintenance_id", name="pk_maintenance"),
    )
    op.create_index("ix_maintenance_site_id", "maintenance", ["site_id"])
    op.create_index("ix_maintenance_tank_id", "maintenance", ["tank_id"])
    op.create_table(
        "outbox",
        sa.Column("outbox_id", RowId, nullable=False),
        sa.Column("incident_id", RowId, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("thread_id", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("queued_at", UtcTime(), nullable=False),
        sa.Column("next_attempt_at", UtcTime(), nullable=False),
        sa.Column("leased_by", sa.String(length=120), nullable=True),
        sa.Column("leased_until", UtcTime(), nullable=True),
        sa.Column("sent_at", UtcTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.incident_id"], name="fk_outbox_incident_id_incident"
        ),
        sa.PrimaryKeyConstraint("outbox_id", name="pk_outbox"),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
    )
    op.create_index("ix_outbox_incident_id", "outbox", ["incident_id"])
    op.create_index("ix_outbox_state_next_attempt_at", "outbox", ["state", "next_attempt_at"])
    op.create_table(
        "delivery",
        sa.Column("delivery_id", RowId, nullable=False),
        sa.Column("outbox_id", RowId, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.outbox_id"], name="fk_delivery_outbox_id_outbox"
        ),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_delivery"),
    )
    op.create_index("ix_delivery_outbox_id", "delivery", ["outbox_id"])

    op.create_table(
        "job_run",
        sa.Column("job_run_id", RowId, nullable=False),
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("finished_at", UtcTime(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("lag_s", sa.Float(precision=53), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_run_id", name="pk_job_run"),
    )
    op.create_index("ix_job_run_job", "job_run", ["job"])
    op.create_index("ix_job_run_started_at", "job_run", ["started_at"])
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("until", UtcTime(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )
    op.create_table(
        "audit",
        sa.Column("audit_id", RowId, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_table("lease")
    op.drop_table("job_run")
    op.drop_table("delivery")
    op.drop_table("outbox")
    op.drop_table("maintenance")
    op.drop_table("shelf")
    op.drop_table("label")
    op.drop_table("transition")
    op.drop_table("incident")
    op.drop_table("detector_state")
    op.drop_table("score")
    op.drop_table("model_version")

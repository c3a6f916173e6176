"""Routes, and for each message a notification a recipient, with the mail that it left in."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import RowId, UtcTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_route()
    op.create_table(
        "mail",
        sa.Column("mail_id", RowId, nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("thread_id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=True),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("composed_at", UtcTime(), nullable=False),
        sa.Column("sent_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operator.operator_id"], name="fk_mail_operator_id_operator"
        ),
        sa.PrimaryKeyConstraint("mail_id", name="pk_mail"),
        sa.UniqueConstraint("message_id", name="uq_mail_message_id"),
    )
    op.create_index("ix_mail_operator_id", "mail", ["operator_id"])
    op.create_index("ix_mail_sent_at", "mail", ["sent_at"])
    _create_notification()
    op.add_column("outbox", sa.Column("addressed_at", UtcTime(), nullable=True))


def _create_route() -> None:
    op.create_table(
        "route",
        sa.Column("route_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.Column("days", sa.String(length=7), nullable=False),
        sa.Column("from_time", sa.String(length=5), nullable=False),
        sa.Column("until_time", sa.String(length=5), nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=True),
        sa.Column("operator_group_id", sa.Integer(), nullable=True),
        sa.Column("after_s", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("removed_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_route_site_id_site"),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operator.operator_id"], name="fk_route_operator_id_operator"
        ),
        sa.ForeignKeyConstraint(
            ["operator_group_id"],
            ["operator_group.operator_group_id"],
            name="fk_route_operator_group_id_operator_group",
        ),
        sa.PrimaryKeyConstraint("route_id", name="pk_route"),
    )


def _create_notification() -> None:
    op.create_table(
        "notification",
        sa.Column("notification_id", RowId, nullable=False),
        sa.Column("outbox_id", RowId, nullable=False),
        sa.Column("operator_id", sa.Integer(), nullable=True),
        sa.Column("route_id", sa.Integer(), nullable=True),
        sa.Column("chosen_by", sa.String(length=24), nullable=False),
        sa.Column("after_s", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("leased_by", sa.String(length=120), nullable=True),
        sa.Column("leased_until", UtcTime(), nullable=True),
        sa.Column("sent_at", UtcTime(), nullable=True),
        sa.Column("mail_id", RowId, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.outbox_id"], name="fk_notification_outbox_id_outbox"
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operator.operator_id"], name="fk_notification_operator_id_operator"
        ),
        sa.ForeignKeyConstraint(
            ["route_id"], ["route.route_id"], name="fk_notification_route_id_route"
        ),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.mail_id"], name="fk_notification_mail_id_mail"),
        sa.PrimaryKeyConstraint("notification_id", name="pk_notification"),
        sa.UniqueConstraint(
            "outbox_id", "operator_id", name="uq_notification_outbox_id_operator_id"
        ),
    )
    for column in ("outbox_id", "operator_id", "mail_id"):
        op.create_index(f"ix_notification_{column}", "notification", [column])
    op.create_index("ix_notification_state_due_at", "notification", ["state", "due_at"])


def downgrade() -> None:
    op.drop_column("outbox", "addressed_at")
    op.drop_table("notification")
    op.drop_table("mail")
    op.drop_table("route")

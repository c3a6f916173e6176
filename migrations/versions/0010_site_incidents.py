"""What many tanks of a site do together is one incident of the site."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import RowId, UtcTime
from tankwatch.store.views import create_view, drop_view

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The version before knows no message of a site.
UNKNOWN = "kind IN ('site_alarm', 'site_all_clear')"


def upgrade() -> None:
    op.create_table(
        "site_incident",
        sa.Column("site_incident_id", RowId, nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("raised_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.channel_id"], name="fk_site_incident_channel_id_channel"
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["site.site_id"], name="fk_site_incident_site_id_site"
        ),
        sa.PrimaryKeyConstraint("site_incident_id", name="pk_site_incident"),
        sa.UniqueConstraint("uid", name="uq_site_incident_uid"),
    )
    op.create_index("ix_site_incident_site_id", "site_incident", ["site_id"])
    op.create_table(
        "site_member",
        sa.Column("incident_id", RowId, autoincrement=False, nullable=False),
        sa.Column("site_incident_id", RowId, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.incident_id"], name="fk_site_member_incident_id_incident"
        ),
        sa.ForeignKeyConstraint(
            ["site_incident_id"],
            ["site_incident.site_incident_id"],
            name="fk_site_member_site_incident_id_site_incident",
        ),
        sa.PrimaryKeyConstraint("incident_id", name="pk_site_member"),
    )
    op.create_index("ix_site_member_site_incident_id", "site_member", ["site_incident_id"])
    create_view(op.get_bind(), "dash_site_incidents", 1)


def downgrade() -> None:
    drop_view(op.get_bind(), "dash_site_incidents")
    op.execute(
        f"DELETE FROM delivery WHERE outbox_id IN (SELECT outbox_id FROM outbox WHERE {UNKNOWN})"
    )
    op.execute(f"DELETE FROM outbox WHERE {UNKNOWN}")
    op.drop_table("site_member")
    op.drop_table("site_incident")

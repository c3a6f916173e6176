"""What mutes tanks: shelves that end, rules, transfers, and maintenance that comes again."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import RowId, UtcTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SHELF = ("incident_id", "ended_at", "ended_by")
_MAINTENANCE = (
    *("rrule", "time_zone", "mutes", "put_by", "put_at", "cancelled_at", "cancelled_by"),
)


def upgrade() -> None:
    op.add_column("shelf", sa.Column("incident_id", RowId, nullable=True))
    op.create_index("ix_shelf_incident_id", "shelf", ["incident_id"])
    op.add_column("shelf", sa.Column("ended_at", UtcTime(), nullable=True))
    op.add_column("shelf", sa.Column("ended_by", sa.String(length=120), nullable=True))
    for name, kind, default in (
        ("rrule", sa.Text(), ""),
        ("time_zone", sa.String(length=64), "UTC"),
        ("mutes", sa.Boolean(), sa.true()),
        ("put_by", sa.String(length=120), ""),
    ):
        column = sa.Column(name, kind, nullable=False, server_default=default)
        op.add_column("maintenance", column)
    op.add_column("maintenance", sa.Column("put_at", UtcTime(), nullable=True))
    op.add_column("maintenance", sa.Column("cancelled_at", UtcTime(), nullable=True))
    op.add_column("maintenance", sa.Column("cancelled_by", sa.String(length=120), nullable=True))
    _create_suppression()
    _create_transfer()


def _create_suppression() -> None:
    op.create_table(
        "suppression",
        sa.Column("suppression_id", RowId, nullable=False),
        sa.Column("rule", sa.String(length=24), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("tank_id", sa.Integer(), nullable=True),
        sa.Column("from_at", UtcTime(), nullable=False),
        sa.Column("until_at", UtcTime(), nullable=True),
        sa.Column("put_by", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=120), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_suppression_site_id_site"),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_suppression_tank_id_tank"),
        sa.PrimaryKeyConstraint("suppression_id", name="pk_suppression"),
    )
    op.create_index("ix_suppression_site_id", "suppression", ["site_id"])
    op.create_index("ix_suppression_tank_id", "suppression", ["tank_id"])


def _create_transfer() -> None:
    op.create_table(
        "transfer",
        sa.Column("transfer_id", RowId, nullable=False),
        sa.Column("tank_id", sa.Integer(), nullable=False),
        sa.Column("from_at", UtcTime(), nullable=False),
        sa.Column("until_at", UtcTime(), nullable=False),
        sa.Column("put_by", sa.String(length=120), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=120), nullable=True),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_transfer_tank_id_tank"),
        sa.PrimaryKeyConstraint("transfer_id", name="pk_transfer"),
    )
    op.create_index("ix_transfer_tank_id", "transfer", ["tank_id"])


def downgrade() -> None:
    op.drop_table("transfer")
    op.drop_table("suppression")
    for name in reversed(_MAINTENANCE):
        op.drop_column("maintenance", name)
    op.drop_index("ix_shelf_incident_id", "shelf")
    for name in reversed(_SHELF):
        op.drop_column("shelf", name)

"""Plant, readings, quarantine, watermarks."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import RowId, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("site_id", name="pk_site"),
        sa.UniqueConstraint("name", name="uq_site_name"),
    )
    op.create_table(
        "tank",
        sa.Column("tank_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("pressure_reference", sa.String(length=8), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_tank_site_id_site"),
        sa.PrimaryKeyConstraint("tank_id", name="pk_tank"),
        sa.UniqueConstraint("name", name="uq_tank_name"),
    )
    op.create_index("ix_tank_site_id", "tank", ["site_id"])
    op.create_table(
        "channel",
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=48), nullable=False),
        sa.Column("unit", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name="pk_channel"),
        sa.UniqueConstraint("name", name="uq_channel_name"),
    )
    channel = sa.table("channel", sa.column("name", sa.String), sa.column("unit", sa.String))
    op.bulk_insert(
        channel,
        [{"name": "pressure", "unit": "kPa"}, {"name": "temperature", "unit": "degC"}],
    )
    op.create_table(
        "channel_limit",
        sa.Column("channel_limit_id", sa.Integer(), nullable=False),
        sa.Column("tank_id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("low", sa.Float(precision=53), nullable=True),
        sa.Column("high", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.channel_id"], name="fk_channel_limit_channel_id_channel"
        ),
        sa.ForeignKeyConstraint(
            ["tank_id"], ["tank.tank_id"], name="fk_channel_limit_tank_id_tank"
        ),
        sa.PrimaryKeyConstraint("channel_limit_id", name="pk_channel_limit"),
        sa.UniqueConstraint("tank_id", "channel_id", name="uq_channel_limit_tank_id_channel_id"),
    )
    op.create_table(
        "reading",
        sa.Column("tank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("observed_at", UtcTime(), nullable=False),
        sa.Column("pressure", sa.Float(precision=53), nullable=True),
        sa.Column("temperature", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_reading_tank_id_tank"),
        sa.PrimaryKeyConstraint("tank_id", "observed_at", name="pk_reading"),
        postgresql_partition_by="RANGE (observed_at)",
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE reading_default PARTITION OF reading DEFAULT")
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", RowId, nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("raw", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("quarantine_id", name="pk_quarantine"),
    )
    op.create_index("ix_quarantine_received_at", "quarantine", ["received_at"])
    op.create_table(
        "watermark",
        sa.Column("tank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_reading_at", UtcTime(), nullable=True),
        sa.Column("last_reading_at", UtcTime(), nullable=True),
        sa.Column("claimed_until", UtcTime(), nullable=True),
        sa.Column("scored_until", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_watermark_tank_id_tank"),
        sa.PrimaryKeyConstraint("tank_id", name="pk_watermark"),
    )
    op.create_table(
        "dirty_window",
        sa.Column("dirty_window_id", RowId, nullable=False),
        sa.Column("tank_id", sa.Integer(), nullable=False),
        sa.Column("from_at", UtcTime(), nullable=False),
        sa.Column("until_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_dirty_window_tank_id_tank"),
        sa.PrimaryKeyConstraint("dirty_window_id", name="pk_dirty_window"),
    )
    op.create_index("ix_dirty_window_tank_id", "dirty_window", ["tank_id"])


def downgrade() -> None:
    op.drop_table("dirty_window")
    op.drop_table("watermark")
    op.drop_table("quarantine")
    op.drop_table("reading")
    op.drop_table("channel_limit")
    op.drop_table("channel")
    op.drop_table("tank")
    op.drop_table("site")

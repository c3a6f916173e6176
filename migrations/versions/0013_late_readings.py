"""Memories that scoring can go back to, and incidents that late readings withdraw."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import UtcTime
from tankwatch.store.views import create_view, drop_view

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site_memory",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until_at", UtcTime(), nullable=False),
        sa.Column("origin_at", UtcTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_due", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_site_memory_site_id_site"),
        sa.PrimaryKeyConstraint("site_id", name="pk_site_memory"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("tank_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tank_id"], ["tank.tank_id"], name="fk_checkpoint_tank_id_tank"),
        sa.PrimaryKeyConstraint("tank_id", "kind", "at", name="pk_checkpoint"),
    )
    op.add_column("incident", sa.Column("withdrawn_at", UtcTime(), nullable=True))
    op.add_column("job_run", sa.Column("owner", sa.String(length=120), nullable=True))
    create_view(op.get_bind(), "dash_incidents", 3)


def downgrade() -> None:
    drop_view(op.get_bind(), "dash_incidents")
    op.drop_column("job_run", "owner")
    op.drop_column("incident", "withdrawn_at")
    create_view(op.get_bind(), "dash_incidents", 2)
    # Without them, a site's memories are taken from where each tank was scored up to.
    op.drop_table("checkpoint")
    op.drop_table("site_memory")

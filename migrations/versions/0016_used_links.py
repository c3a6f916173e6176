"""Links of mails that have acted."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import UtcTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used_link",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column(
            "incident_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("used_at", UtcTime(), nullable=False),
        sa.Column("address", sa.String(length=60), nullable=False),
        sa.Column("until_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.incident_id"], name="fk_used_link_incident_id_incident"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_used_link"),
    )
    op.create_index("ix_used_link_incident_id", "used_link", ["incident_id"])


def downgrade() -> None:
    op.drop_table("used_link")

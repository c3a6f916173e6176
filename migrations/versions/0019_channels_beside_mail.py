"""What channels beside mail are told."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import RowId, UtcTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "push",
        sa.Column("push_id", RowId, nullable=False),
        sa.Column("outbox_id", RowId, nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("leased_by", sa.String(length=120), nullable=True),
        sa.Column("leased_until", UtcTime(), nullable=True),
        sa.Column("sent_at", UtcTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.outbox_id"], name="fk_push_outbox_id_outbox"
        ),
        sa.PrimaryKeyConstraint("push_id", name="pk_push"),
        sa.UniqueConstraint("outbox_id", "channel", name="uq_push_outbox_id_channel"),
    )
    op.create_index("ix_push_channel_state_due_at", "push", ["channel", "state", "due_at"])


def downgrade() -> None:
    op.drop_table("push")

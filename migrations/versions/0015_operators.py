"""Operators and their groups, the key that links are signed with, and from where somebody acted."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import UtcTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operator",
        sa.Column("operator_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("full_name", sa.String(length=120), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("session_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("operator_id", name="pk_operator"),
        sa.UniqueConstraint("name", name="uq_operator_name"),
    )
    op.create_table(
        "operator_group",
        sa.Column("operator_group_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("operator_group_id", name="pk_operator_group"),
        sa.UniqueConstraint("name", name="uq_operator_group_name"),
    )
    op.create_table(
        "group_member",
        sa.Column("operator_group_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("operator_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_group_id"],
            ["operator_group.operator_group_id"],
            name="fk_group_member_operator_group_id_operator_group",
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operator.operator_id"], name="fk_group_member_operator_id_operator"
        ),
        sa.PrimaryKeyConstraint("operator_group_id", "operator_id", name="pk_group_member"),
    )
    op.create_index("ix_group_member_operator_id", "group_member", ["operator_id"])
    op.create_table(
        "secret",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secret"),
    )
    for name, length in (("via", 12), ("address", 60)):
        text = sa.String(length=length)
        op.add_column("audit", sa.Column(name, text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("audit", "address")
    op.drop_column("audit", "via")
    op.drop_table("secret")
    op.drop_table("group_member")
    op.drop_table("operator_group")
    op.drop_table("operator")

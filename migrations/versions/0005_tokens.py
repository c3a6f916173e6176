"""Tokens of sources, and the sites that each may write to."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ACTIVE = sa.text("revoked_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "token",
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("every_site", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("last_used_at", UtcTime(), nullable=True),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("token_id", name="pk_token"),
        sa.UniqueConstraint("key", name="uq_token_key"),
    )
    op.create_index(
        "ix_token_name",
        "token",
        ["name"],
        unique=True,
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )
    op.create_table(
        "token_site",
        sa.Column("token_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.site_id"], name="fk_token_site_site_id_site"),
        sa.ForeignKeyConstraint(
            ["token_id"], ["token.token_id"], name="fk_token_site_token_id_token"
        ),
        sa.PrimaryKeyConstraint("token_id", "site_id", name="pk_token_site"),
    )
    op.create_index("ix_token_site_site_id", "token_site", ["site_id"])


def downgrade() -> None:
    op.drop_table("token_site")
    op.drop_table("token")

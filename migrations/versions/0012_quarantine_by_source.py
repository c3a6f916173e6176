"""What a source had refused before is found without reading all of quarantine."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_quarantine_source", "quarantine", ["source"])


def downgrade() -> None:
    op.drop_index("ix_quarantine_source", table_name="quarantine")

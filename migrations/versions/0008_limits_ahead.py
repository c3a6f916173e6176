"""The time in which somebody can act on a tank, and the limit ahead that an incident warned of."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


# The version before knows no limit ahead.
FORGET = """
UPDATE incident
SET symptom = CASE symptom WHEN 'to_high_limit' THEN 'above_expected' ELSE 'below_expected' END
WHERE symptom IN ('to_high_limit', 'to_low_limit')
"""


def upgrade() -> None:
    op.add_column("tank", sa.Column("response_s", sa.Float(precision=53), nullable=True))
    op.add_column("incident", sa.Column("outlook", sa.Text(), nullable=True))


def downgrade() -> None:
    op.execute(FORGET)
    op.drop_column("incident", "outlook")
    op.drop_column("tank", "response_s")

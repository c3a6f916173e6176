"""One champion a detector, scores in shadow, drift of scores."""

import sqlalchemy as sa
from alembic import op

from tankwatch.store.base import UtcTime
from tankwatch.store.views import create_view, drop_view

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = ("drift_at", "drift_note", "shadow_from", "shadow_until")
CHAMPIONS = sa.text("state = 'champion'")
# Two promotions at once may have left two champions: the newest stays.
RETIRE = """
UPDATE model_version SET state = 'retired'
WHERE state = 'champion' AND EXISTS (
  SELECT 1 FROM model_version o
  WHERE o.detector = model_version.detector AND o.state = 'champion'
    AND (o.promoted_at > model_version.promoted_at
      OR (o.promoted_at = model_version.promoted_at
        AND o.model_version_id > model_version.model_version_id))
)
"""


def upgrade() -> None:
    op.execute(RETIRE)
    for name in COLUMNS:
        kind = sa.Text() if name == "drift_note" else UtcTime()
        op.add_column("model_version", sa.Column(name, kind, nullable=True))
    op.create_index(
        "ix_model_version_champion",
        "model_version",
        ["detector"],
        unique=True,
        sqlite_where=CHAMPIONS,
        postgresql_where=CHAMPIONS,
    )
    create_view(op.get_bind(), "dash_scores", 2)


def downgrade() -> None:
    drop_view(op.get_bind(), "dash_scores")
    # The version before knows no shadow, and would never score with one.
    op.execute("UPDATE model_version SET state = 'candidate' WHERE state = 'shadow'")
    op.drop_index("ix_model_version_champion", table_name="model_version")
    for name in reversed(COLUMNS):
        op.drop_column("model_version", name)
    create_view(op.get_bind(), "dash_scores", 1)

"""Every table in one metadata, for migrations and for the check that none is forgotten."""

from sqlalchemy import MetaData

from tankwatch.store import (
    incidents,
    intake,
    operators,
    outbox,
    plant,
    readings,
    registry,
    runs,
    scores,
    watermarks,
)
from tankwatch.store.base import Base

MODULES = (
    incidents,
    intake,
    operators,
    outbox,
    plant,
    readings,
    registry,
    runs,
    scores,
    watermarks,
)
METADATA: MetaData = Base.metadata

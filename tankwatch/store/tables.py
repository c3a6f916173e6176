"""Every table in one metadata, for migrations and for the check that none is forgotten."""

from sqlalchemy import MetaData

from tankwatch.store import (
    archives,
    arrivals,
    checkpoints,
    incidents,
    intake,
    mail_acts,
    maintenance,
    operators,
    outbox,
    people,
    plant,
    readings,
    registry,
    rollup_due,
    rollups,
    runs,
    scores,
    shelves,
    siblings,
    signing,
    suppression,
    tokens,
    transitions,
    watermarks,
)
from tankwatch.store.base import Base

MODULES = (
    archives,
    arrivals,
    checkpoints,
    incidents,
    intake,
    mail_acts,
    maintenance,
    operators,
    outbox,
    people,
    plant,
    readings,
    registry,
    rollup_due,
    rollups,
    runs,
    scores,
    shelves,
    siblings,
    signing,
    suppression,
    tokens,
    transitions,
    watermarks,
)
METADATA: MetaData = Base.metadata

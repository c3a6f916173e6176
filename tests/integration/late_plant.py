"""A plant of three tanks for tests of readings that come late."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from tankwatch.jobs.commit import PassResult
from tankwatch.jobs.context import Context
from tankwatch.jobs.detect import detect
from tankwatch.jobs.train import train
from tankwatch.store.engine import Engine, reading
from tests.integration.plant import at, make_context, make_settings, store

LEARNED, STEPS, TANKS = 1440, 2160, 3
Values = NDArray[np.float64]


def plant(engine: Engine, home: Path, values: Values, **sections: dict[str, Any]) -> Context:
    """Return a plant that has learned its first day."""
    context = make_context(engine, make_settings(home, **sections))
    store(engine, values, slice(0, LEARNED))
    train(context, "robust_z", now=at(LEARNED))
    detect(context, now=at(LEARNED))
    return context


def send(context: Context, values: Values, first: int, last: int, *tanks: int) -> PassResult:
    """Store steps, and make a pass when the last of them has come."""
    store(context.engine, values, slice(first, last), tanks=tanks or None)
    return detect(context, now=at(last))


def audit(context: Context) -> list[tuple[str, str, str, str]]:
    columns = "action, actor, subject, detail"
    query = f"SELECT {columns} FROM audit WHERE action <> 'promote' ORDER BY audit_id"  # noqa: S608
    with reading(context.engine) as connection:
        return [tuple(row) for row in connection.execute(text(query))]

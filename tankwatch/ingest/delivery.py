"""What several sources sent, into the store in one transaction, with a verdict for each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.readings import ReadingBatch
from tankwatch.errors import WrongSiteError
from tankwatch.ingest.chunk import Chunk
from tankwatch.store.engine import Connection
from tankwatch.store.intake import quarantine, store_rows
from tankwatch.store.plant import Tank, ensure_tanks, load_tanks
from tankwatch.store.readings import ReadingRows
from tankwatch.store.tokens import Token, mark_used


@dataclass(frozen=True)
class Delivery:
    """What a source sent at once, parsed.

    Attributes:
        chunks: its readings and what was refused of them.
        site: of tanks that are new.
        token: the source's, which says where it may write.
    """

    chunks: Sequence[Chunk]
    site: str
    token: Token

    @cached_property
    def batches(self) -> list[ReadingBatch]:
        """Return the readings, without the parts that hold none."""
        return [chunk.batch for chunk in self.chunks if chunk.batch.rows]

    @cached_property
    def rows(self) -> int:
        """Return the number of readings."""
        return sum(batch.rows for batch in self.batches)

    @cached_property
    def tanks(self) -> frozenset[str]:
        """Return the names of the tanks that it brings readings of."""
        return frozenset(name for batch in self.batches for name in batch.tanks)

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channels of its readings; empty if it has none."""
        return self.batches[0].channels if self.batches else ()

    @cached_property
    def first_ms(self) -> int:
        """Return the earliest time in epoch milliseconds, 0 if there is none."""
        return min((int(batch.observed_ms.min()) for batch in self.batches), default=0)

    @cached_property
    def last_ms(self) -> int:
        """Return the latest time in epoch milliseconds, 0 if there is none."""
        return max((int(batch.observed_ms.max()) for batch in self.batches), default=0)


def accept_deliveries(
    connection: Connection,
    deliveries: Sequence[Delivery],
    plant: Mapping[str, Tank],
    *,
    now: datetime,
) -> tuple[list[NDArray[np.int8]], dict[str, Tank]]:
    """Store deliveries whose readings have different keys, in the open transaction.

    Args:
        connection: with an open transaction.
        deliveries: which all have the same channels.
        plant: tanks that are known to be stored, by name.
        now: the present.

    Returns:
        int8 (readings,) of each delivery, places in ``VERDICTS``; and the tanks by name, which hold
        once the transaction is committed.

    Raises:
        WrongSiteError: a tank belongs to a site that its source may not write to.
    """
    known = _ensure(connection, deliveries, plant, now=now)
    for delivery in deliveries:
        _check_scope(delivery, known)
    stored = _store(connection, [b for one in deliveries for b in one.batches], known)
    rejected = [record for one in deliveries for chunk in one.chunks for record in chunk.rejected]
    quarantine(connection, rejected, at=now)
    mark_used(connection, [delivery.token for delivery in deliveries], at=now)
    edges = np.cumsum([delivery.rows for delivery in deliveries])
    return np.split(stored, edges[:-1]), known


def _ensure(
    connection: Connection,
    deliveries: Sequence[Delivery],
    plant: Mapping[str, Tank],
    *,
    now: datetime,
) -> dict[str, Tank]:
    """Return `plant` with the tanks that it lacked, made where they were new."""
    missing: dict[str, set[str]] = {}
    for delivery in deliveries:
        if fresh := delivery.tanks.difference(plant):
            missing.setdefault(delivery.site, set()).update(fresh)
    if not missing:
        return dict(plant)
    for site, names in missing.items():
        ensure_tanks(connection, sorted(names), site=site, at=now)
    return {tank.name: tank for tank in load_tanks(connection)}


def _check_scope(delivery: Delivery, known: Mapping[str, Tank]) -> None:
    token = delivery.token
    for name in () if token.every_site else delivery.tanks:
        if not token.may_write(known[name].site):
            message = (
                f"the tank {name!r} belongs to a site that the token of {token.name!r} may not "
                "write to: use a token for that site"
            )
            raise WrongSiteError(message)


def _store(
    connection: Connection, batches: Sequence[ReadingBatch], known: Mapping[str, Tank]
) -> NDArray[np.int8]:
    if not batches:
        return np.zeros(0, dtype=np.int8)
    tank_ids = []
    for batch in batches:
        ids = np.array([known[name].tank_id for name in batch.tanks], dtype=np.int64)
        tank_ids.append(ids[batch.tank_index])
    rows = ReadingRows(
        np.concatenate(tank_ids),
        np.concatenate([batch.observed_ms for batch in batches]),
        np.concatenate([batch.values for batch in batches]),
    )
    return store_rows(connection, rows, batches[0].channels).verdict

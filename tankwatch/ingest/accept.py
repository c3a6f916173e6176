"""Taking parsed readings into the store: one transaction a chunk, then the source may forget it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from tankwatch.core.readings import Accepted, ReadingBatch, Rejected, RejectReason
from tankwatch.core.times import from_ms, iso, to_ms
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.file import read_file
from tankwatch.ingest.options import FileOptions
from tankwatch.settings import Settings
from tankwatch.store.engine import Connection, Engine, reading, writing
from tankwatch.store.intake import quarantine, store_readings
from tankwatch.store.plant import ensure_tanks, load_channels, tank_ids
from tankwatch.store.readings import ReadingRows


@dataclass(frozen=True, slots=True)
class Intake:
    """Where readings go, and what holds for tanks that are new."""

    engine: Engine
    site: str
    create_tanks: bool


def file_options(
    engine: Engine, settings: Settings, *, now: datetime, default_tank: str | None = None
) -> FileOptions:
    """Return how files are understood, from the settings and the channels in the store."""
    with reading(engine) as connection:
        channels = load_channels(connection)
    ingest = settings.ingest
    return FileOptions(
        channels=tuple(channel.name for channel in channels),
        canonical={channel.name: channel.unit for channel in channels},
        columns=ingest.columns,
        units=ingest.units,
        absolute=frozenset(ingest.absolute),
        atmospheric_kpa=ingest.atmospheric_kpa,
        time_zone=ingest.time_zone,
        default_tank=default_tank,
        skip_columns=ingest.skip_columns,
        latest_ms=to_ms(now + timedelta(seconds=ingest.future_s)),
    )


def intake_of(engine: Engine, settings: Settings) -> Intake:
    """Return the intake that the settings describe."""
    return Intake(engine, settings.plant.site, settings.ingest.unknown_tank == "create")


def accept_file(
    intake: Intake,
    path: Path,
    options: FileOptions,
    *,
    now: datetime,
    on_chunk: Callable[[Chunk], None] | None = None,
) -> Accepted:
    """Store a file's readings, and return what became of its rows.

    Each chunk is committed by itself; taking the same file again changes nothing, so one that was
    cut off is simply taken again.

    Raises:
        SourceError: the file cannot be read at all.
        StoreError: the database refused; the chunks before are stored.
    """
    return accept_chunks(intake, read_file(path, options), now=now, on_chunk=on_chunk)


def accept_chunks(
    intake: Intake,
    chunks: Iterator[Chunk],
    *,
    now: datetime,
    on_chunk: Callable[[Chunk], None] | None = None,
) -> Accepted:
    """Store chunks of readings, and return what became of their rows."""
    total = Accepted()
    for chunk in chunks:
        with writing(intake.engine) as connection:
            total += accept(connection, intake, chunk.batch, chunk.rejected, now=now)
        if on_chunk is not None:
            on_chunk(chunk)
    return total


def accept(
    connection: Connection,
    intake: Intake,
    batch: ReadingBatch,
    rejected: list[Rejected],
    *,
    now: datetime,
) -> Accepted:
    """Store a batch and what was refused of it in the open transaction."""
    known = _known_tanks(connection, intake, batch, now)
    ids = np.array([known.get(name, -1) for name in batch.tanks], dtype=np.int64)
    tank_id = ids[batch.tank_index] if batch.rows else np.zeros(0, dtype=np.int64)
    refused = [_unknown_tank(batch, row) for row in np.flatnonzero(tank_id < 0).tolist()]
    sound = tank_id >= 0
    accepted = Accepted()
    if sound.any():
        rows = ReadingRows(tank_id[sound], batch.observed_ms[sound], batch.values[sound])
        accepted = store_readings(connection, rows, batch.channels)
    quarantine(connection, [*rejected, *refused], at=now)
    return replace(accepted, rejected=len(rejected) + len(refused))


def _known_tanks(
    connection: Connection, intake: Intake, batch: ReadingBatch, now: datetime
) -> dict[str, int]:
    if intake.create_tanks:
        return ensure_tanks(connection, batch.tanks, site=intake.site, at=now)
    return tank_ids(connection, batch.tanks)


def _unknown_tank(batch: ReadingBatch, row: int) -> Rejected:
    tank, moment = batch.tanks[batch.tank_index[row]], iso(from_ms(int(batch.observed_ms[row])))
    detail = "not a tank of this plant, and ingest.unknown_tank refuses new ones"
    return Rejected("readings", 0, RejectReason.UNKNOWN_TANK, detail, f"{tank},{moment}")

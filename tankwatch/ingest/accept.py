"""Taking parsed readings into the store: one transaction a chunk, then the source may forget it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from tankwatch.core.readings import Accepted, ReadingBatch, Rejected
from tankwatch.core.times import to_ms
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.file import read_file
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.rows import Rows, assemble_rows
from tankwatch.settings import Settings
from tankwatch.store.engine import Connection, Engine, reading, writing
from tankwatch.store.intake import quarantine, store_readings
from tankwatch.store.partitions import ensure_partitions
from tankwatch.store.patience import written
from tankwatch.store.plant import ensure_tanks, load_channels, load_tanks
from tankwatch.store.readings import ReadingRows


@dataclass(frozen=True, slots=True)
class Intake:
    """Where readings go, the site of tanks that are new, and the wish to stop."""

    engine: Engine
    site: str
    stop: threading.Event = field(default_factory=threading.Event)


def file_options(engine: Engine, settings: Settings, *, now: datetime) -> FileOptions:
    """Return how files are understood, from the settings and the plant in the store."""
    with reading(engine) as connection:
        channels = load_channels(connection)
        tanks = frozenset(tank.name for tank in load_tanks(connection))
    ingest = settings.ingest
    return FileOptions(
        channels=tuple(channel.name for channel in channels),
        canonical={channel.name: channel.unit for channel in channels},
        columns=ingest.columns,
        units=ingest.units,
        absolute=frozenset(ingest.absolute),
        atmospheric_kpa=ingest.atmospheric_kpa,
        time_zone=ingest.time_zone,
        known_tanks=tanks if ingest.unknown_tank == "refuse" else None,
        skip_columns=ingest.skip_columns,
        latest_ms=to_ms(now + timedelta(seconds=ingest.future_s)),
    )


def intake_of(engine: Engine, settings: Settings, *, stop: threading.Event | None = None) -> Intake:
    """Return the intake that the settings describe."""
    return Intake(engine, settings.plant.site, stop or threading.Event())


def accept_file(
    intake: Intake,
    path: Path,
    options: FileOptions,
    *,
    now: datetime,
    on_chunk: Callable[[Chunk], None] | None = None,
) -> Accepted:
    """Store a file's readings, and return what became of its rows.

    Each chunk is committed by itself, and tried again while PostgreSQL is away.  Taking the same
    file again changes nothing, so one that was cut off is simply taken again.

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
    """Store chunks of readings, and return what became of their rows.

    A chunk whose commit was cut off is stored again, which changes nothing; its rows may then be
    counted as duplicates.
    """
    total = Accepted()
    for chunk in chunks:
        store = partial(accept, intake=intake, batch=chunk.batch, rejected=chunk.rejected, now=now)
        total += written(intake.engine, store, stop=intake.stop)
        if on_chunk is not None:
            on_chunk(chunk)
    return total


def accept_rows(intake: Intake, rows: Rows, options: FileOptions, *, now: datetime) -> Accepted:
    """Store the rows that a live source has gathered, in one transaction.

    The source may forget them once this returns; taking them again changes nothing.

    Raises:
        StoreError: the database refused; nothing is stored.
    """
    batch, rejected = assemble_rows(rows, options)
    with writing(intake.engine) as connection:
        ensure_partitions(connection, "reading", batch.observed_ms)
        for site, names in rows.tanks_by_site(batch.tanks).items():
            ensure_tanks(connection, names, site=site, at=now)
        return accept(connection, intake, batch, rejected, now=now)


def accept(
    connection: Connection,
    intake: Intake,
    batch: ReadingBatch,
    rejected: list[Rejected],
    *,
    now: datetime,
) -> Accepted:
    """Store a batch and what was refused of it in the open transaction."""
    accepted = Accepted()
    if batch.rows:
        # Before anything is locked: two that make the same months would wait for each other.
        ensure_partitions(connection, "reading", batch.observed_ms)
        known = ensure_tanks(connection, batch.tanks, site=intake.site, at=now)
        ids = np.array([known[name] for name in batch.tanks], dtype=np.int64)
        rows = ReadingRows(ids[batch.tank_index], batch.observed_ms, batch.values)
        accepted = store_readings(connection, rows, batch.channels)
    quarantine(connection, rejected, at=now)
    return replace(accepted, rejected=len(rejected))

"""Old readings: rolled up, exported, read back, and only then deleted, a site's month at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from tankwatch.core.times import from_ms, to_ms
from tankwatch.errors import StoreError
from tankwatch.jobs.archive_file import ArchiveWriter, fingerprint, read_all, read_archive
from tankwatch.jobs.context import LOG, Context
from tankwatch.jobs.rollup import roll_up
from tankwatch.store.archives import Archive, load_archives, store_archive
from tankwatch.store.engine import reading, writing
from tankwatch.store.old_readings import (
    delete_stretch,
    has_due_hours,
    is_covered,
    load_oldest,
)
from tankwatch.store.partitions import drop_partitions
from tankwatch.store.plant import Tank, load_channels, load_tanks
from tankwatch.store.readings import load_readings
from tankwatch.store.watermarks import lock_watermarks

# A group's month of readings, which is in memory twice and deleted in one transaction.
_READINGS_AT_ONCE = 300_000


@dataclass(slots=True)
class RetentionResult:
    """Files that were written, and readings that were deleted."""

    files: int = 0
    rows: int = 0
    months_dropped: int = 0


@dataclass(frozen=True, slots=True)
class _Month:
    """The readings of one site in one calendar month, UTC."""

    site: str
    tanks: Sequence[Tank]
    start_ms: int
    end_ms: int
    channels: tuple[str, ...]

    @property
    def span(self) -> dict[str, int]:
        return {"from_ms": self.start_ms, "until_ms": self.end_ms}

    def groups(self, step_ms: int) -> Iterator[dict[str, int]]:
        """Yield the ids of a few tanks by name, by as many as fit into memory."""
        at_once = max(_READINGS_AT_ONCE * step_ms // (self.end_ms - self.start_ms), 1)
        for first in range(0, len(self.tanks), at_once):
            yield {tank.name: tank.tank_id for tank in self.tanks[first : first + at_once]}


def drop_old_readings(context: Context, *, now: datetime) -> RetentionResult:
    """Export and delete the months that are older than readings are kept; return what was done.

    A reading is deleted in a transaction that has just found it, value for value, in files that
    were read back; what came late for an exported month goes into a further file.  Whatever is cut
    off is taken up by the next run.

    Raises:
        StoreError: an archived file cannot be written or read; nothing of its month was deleted.
    """
    keep = context.settings.keep
    days = max(keep.reading_days, context.settings.train.history_days)
    before_ms = to_ms(_month_of(now - timedelta(days=days)))
    roll_up(context)
    result = RetentionResult()
    for month in _months(context, before_ms):
        if context.stop.is_set():
            return result
        archives = _export(context, month, now=now, result=result) if keep.export else []
        _delete(context, month, archives, result)
    dropped = drop_partitions(context.engine, "reading", before=from_ms(before_ms), only_empty=True)
    result.months_dropped = len(dropped)
    return result


def _months(context: Context, before_ms: int) -> Iterator[_Month]:
    """Yield each site's months that hold readings before `before_ms`, the oldest first."""
    with reading(context.engine) as connection:
        tanks = load_tanks(connection)
        channels = tuple(channel.name for channel in load_channels(connection))
    for site in sorted({tank.site for tank in tanks}):
        own = [tank for tank in tanks if tank.site == site]
        ids = [tank.tank_id for tank in own]
        done_ms: int | None = None
        while True:
            with reading(context.engine) as connection:
                oldest_ms = load_oldest(connection, ids)
            if oldest_ms is None or oldest_ms >= before_ms or oldest_ms < (done_ms or oldest_ms):
                break
            start = _month_of(from_ms(max(oldest_ms, done_ms or oldest_ms)))
            end_ms = to_ms(_month_of(start + timedelta(days=32)))
            if to_ms(start) >= before_ms:
                break
            yield _Month(site, own, to_ms(start), end_ms, channels)
            done_ms = end_ms


def _export(
    context: Context, month: _Month, *, now: datetime, result: RetentionResult
) -> list[Archive]:
    """Return the files that hold every reading of a month, after writing one for what they lack."""
    folder = context.settings.path(context.settings.keep.archive)
    with reading(context.engine) as connection:
        known = [
            archive
            for archive in load_archives(connection)
            if archive.site == month.site and to_ms(archive.month_at) == month.start_ms
        ]
    # A file that was taken elsewhere is no proof: what came back goes into a further one.
    here = [archive for archive in known if (folder / archive.path).is_file()]
    if here and _holds_all(context, month, [folder / archive.path for archive in here]):
        return here
    number = known[-1].number + 1 if known else 1
    name = f"{from_ms(month.start_ms):%Y-%m}{'' if number == 1 else f'.{number}'}.parquet"
    relative = Path(_folder_name(month.site)) / name
    try:
        digest, rows = _write(context, month, folder / relative)
    except OSError as error:
        message = f"{folder / relative} cannot be written ({error}): is the disk full?"
        raise StoreError(message) from error
    archive = Archive(
        month.site, from_ms(month.start_ms), number, relative.as_posix(), rows, digest, now
    )
    with writing(context.engine) as connection:
        store_archive(connection, archive)
    result.files += 1
    LOG.info("exported", site=month.site, file=str(relative), rows=rows)
    return [*here, archive]


def _holds_all(context: Context, month: _Month, paths: Sequence[Path]) -> bool:
    for ids in month.groups(context.step_ms):
        with reading(context.engine) as connection:
            rows = load_readings(connection, list(ids.values()), month.channels, **month.span)
        if not is_covered(rows, read_all(paths, ids, month.channels)):
            return False
    return True


def _write(context: Context, month: _Month, path: Path) -> tuple[str, int]:
    """Write what is stored of a month, read it back, and return the file's SHA-256 and rows."""
    names = {tank.tank_id: tank.name for tank in month.tanks}
    written = []
    with ArchiveWriter(path, month.channels, names) as writer:
        for ids in month.groups(context.step_ms):
            with reading(context.engine) as connection:
                rows = load_readings(connection, list(ids.values()), month.channels, **month.span)
            writer.write(rows)
            written.append(fingerprint(rows))
    for ids, told in zip(month.groups(context.step_ms), written, strict=True):
        if fingerprint(read_archive(writer.part, ids, month.channels)) != told:
            writer.part.unlink()
            message = f"{path} does not hold what was written to it: check the disk"
            raise StoreError(message)
    return writer.finish(), writer.rows


def _delete(
    context: Context, month: _Month, archives: Sequence[Archive], result: RetentionResult
) -> None:
    """Delete a month's readings, those of a group of tanks only if the files hold them all."""
    keep = context.settings.keep
    paths = [context.settings.path(keep.archive) / archive.path for archive in archives]
    for ids in month.groups(context.step_ms):
        if context.stop.is_set():
            return
        tank_ids = list(ids.values())
        archived = read_all(paths, ids, month.channels)
        with writing(context.engine) as connection:
            lock_watermarks(connection, tank_ids)
            rows = load_readings(connection, tank_ids, month.channels, **month.span)
            if has_due_hours(connection, tank_ids, until_ms=month.end_ms):
                continue  # readings came just now: tomorrow
            if keep.export and not is_covered(rows, archived):
                continue
            result.rows += delete_stretch(connection, tank_ids, **month.span)


def _month_of(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def _folder_name(site: str) -> str:
    """Return a site's name as a folder's: no separators, and never `.` or `..`."""
    return quote(site, safe=" ").replace(".", "%2E")

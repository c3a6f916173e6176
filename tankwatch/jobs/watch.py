"""The drop folder: each settled file is taken in, then moved away."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from tankwatch.core.readings import Accepted, Rejected, RejectReason
from tankwatch.errors import SourceError
from tankwatch.ingest.accept import accept_file, file_options, intake_of
from tankwatch.ingest.chunk import Chunk
from tankwatch.jobs.context import LOG, Context
from tankwatch.store.intake import quarantine
from tankwatch.store.patience import written

DONE, REFUSED = "done", "refused"
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")


@dataclass(slots=True)
class WatchResult:
    """What a look into the drop folder did."""

    files: int = 0
    refused: int = 0
    accepted: Accepted = field(default_factory=Accepted)


class _StoppedError(Exception):
    """The program is to stop; the file stays and is taken again from its beginning."""


def watch(context: Context, *, now: datetime) -> WatchResult:
    """Take in every settled file of the drop folder, in order of name, and return what was done.

    A file is moved to ``done`` after its last chunk is committed, or to ``refused`` if it cannot be
    read at all.  A crash before the move takes it in again, which changes nothing.
    """
    folder = context.settings.path(context.settings.ingest.folder)
    result = WatchResult()
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
    for path in settled_files(folder, settle_s=context.settings.ingest.settle_s, now=now):
        if context.stop.is_set():
            break
        try:
            result.accepted += _take(context, path, now=now)
            result.files += 1
        except SourceError as error:
            _refuse(context, path, error, now=now)
            result.refused += 1
        except _StoppedError:
            break
    return result


def settled_files(folder: Path, *, settle_s: float, now: datetime) -> list[Path]:
    """Return the files, by name, that have not changed for `settle_s` and are not partial."""
    latest_s = now.timestamp() - settle_s
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and not path.name.startswith(".")
        and not path.name.endswith(_UNFINISHED)
        and path.stat().st_mtime <= latest_s
    )


def _take(context: Context, path: Path, *, now: datetime) -> Accepted:
    def on_chunk(_chunk: Chunk) -> None:
        if context.stop.is_set():
            raise _StoppedError

    options = file_options(context.engine, context.settings, now=now)
    intake = intake_of(context.engine, context.settings, stop=context.stop)
    accepted = accept_file(intake, path, options, now=now, on_chunk=on_chunk)
    _move(path, DONE)
    LOG.info("file", path=path.name, stored=accepted.stored, rejected=accepted.rejected)
    return accepted


def _refuse(context: Context, path: Path, error: SourceError, *, now: datetime) -> None:
    LOG.warning("file refused", path=path.name, error=str(error))
    record = Rejected(str(path), 0, RejectReason.BROKEN_ROW, str(error), "")
    note = partial(quarantine, rejected=[record], at=now)
    written(context.engine, note, stop=context.stop)
    _move(path, REFUSED)


def _move(path: Path, where: str) -> None:
    """Move a file into a folder beside it; one of the same name there gets out of its way."""
    folder = path.parent / where
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}.{number}{path.suffix}"
    path.replace(target)

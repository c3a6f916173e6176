"""History on its way through the production path: into a scratch store, trained on, scored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tankwatch import clock
from tankwatch.core.readings import Accepted, ReadingBatch
from tankwatch.core.times import to_ms
from tankwatch.errors import UsageError
from tankwatch.ingest.accept import accept_chunks, intake_of
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.file import read_file
from tankwatch.ingest.options import FileOptions
from tankwatch.jobs.context import Context
from tankwatch.shaping.grid import step_floor

_ENDINGS = {".csv", ".gz", ".parquet", ".pq", ".jsonl", ".ndjson", ".txt", ".tsv"}
_NOT_A_NAME = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where training ends: at a time for every tank, or after each tank's first rows."""

    train_until: datetime | None = None
    train_rows: int | None = None

    def __post_init__(self) -> None:
        if (self.train_until is None) == (self.train_rows is None):
            message = (
                "say where training ends: --train-until TIME or --train-rows N, one of the two"
            )
            raise UsageError(message)


@dataclass(slots=True)
class Clocks:
    """Times of each tank in the scratch store, epoch milliseconds.

    With `--train-rows` every tank is moved to a common beginning, since such files were often
    recorded one after the other, and a common grid over all of them would be empty mostly.

    Attributes:
        moved_ms: added to a tank's times.
        trained_ms: beginning of a tank's first step after training.
        last_ms: a tank's last reading.
    """

    origin_ms: int | None = None
    moved_ms: dict[str, int] = field(default_factory=dict)
    trained_ms: dict[str, int] = field(default_factory=dict)
    last_ms: dict[str, int] = field(default_factory=dict)


def history_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of readings among `paths`, folders searched through, labels left out.

    Raises:
        UsageError: there are none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in _ENDINGS and p.is_file())
            files += [p for p in inside if not p.name.startswith("labels")]
        else:
            files.append(path)
    if not files:
        message = f"no CSV, Parquet or JSON lines files in {', '.join(map(str, paths))}"
        raise UsageError(message)
    return files


def channel_name(column: str) -> str:
    """Return the channel that stands for a column of any name."""
    name = _NOT_A_NAME.sub("_", column.strip().lower()).strip("_")
    return name if name[:1].isalpha() else f"c_{name}"


def default_tank(path: Path, files: Sequence[Path]) -> str:
    """Return the tank of a file that has no column for it: its name, its folder's where needed."""
    stem = path.name.split(".")[0]
    same = [other for other in files if other.name.split(".")[0] == stem]
    return stem if len(same) == 1 else f"{path.parent.name}-{stem}"


def typical_step_s(files: Sequence[Path], options: FileOptions) -> int:
    """Return the usual seconds between readings of a tank, at least 1."""
    for chunk in read_file(files[0], replace(options, default_tank="any")):
        batch = chunk.batch
        first = batch.observed_ms[batch.tank_index == batch.tank_index[0]] if batch.rows else []
        if len(first) > 1:
            return max(1, round(float(np.median(np.diff(np.sort(first)))) / 1000))
    message = f"{files[0]}: too few readings to tell how far apart they are: say it with --step"
    raise UsageError(message)


class Parts:
    """Splits chunks of history into what is trained on and the rest, and keeps the clocks."""

    def __init__(self, cut: Cut, step_s: int) -> None:
        self.clocks = Clocks()
        self._cut = cut
        self._step_s = step_s
        self._rows: dict[str, int] = {}

    def rewind(self) -> None:
        """Begin again with the first file."""
        self._rows.clear()

    def split(self, batch: ReadingBatch) -> tuple[ReadingBatch, ReadingBatch]:
        """Return the part of a batch that is trained on, and the rest, on the scratch clock."""
        early = np.zeros(batch.rows, dtype=bool)
        observed_ms = batch.observed_ms.copy()
        for index, tank in enumerate(batch.tanks):
            mine = np.flatnonzero(batch.tank_index == index)
            if not mine.size:
                continue
            early[mine] = self._is_early(tank, batch.observed_ms[mine])
            observed_ms[mine] += self._move_ms(tank, batch.observed_ms[mine])
            self._note(tank, observed_ms[mine], early[mine])
        whole = replace(batch, observed_ms=observed_ms)
        return _rows_of(whole, early), _rows_of(whole, ~early)

    def _is_early(self, tank: str, observed_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        if self._cut.train_until is not None:
            return observed_ms < to_ms(self._cut.train_until)
        before = self._rows.get(tank, 0)
        self._rows[tank] = before + observed_ms.size
        return np.arange(before, before + observed_ms.size) < (self._cut.train_rows or 0)

    def _move_ms(self, tank: str, observed_ms: NDArray[np.int64]) -> int:
        clocks = self.clocks
        if self._cut.train_rows is None:
            return clocks.moved_ms.setdefault(tank, 0)
        first_ms = step_floor(int(observed_ms.min()), self._step_s)
        if clocks.origin_ms is None:
            clocks.origin_ms = first_ms
        return clocks.moved_ms.setdefault(tank, clocks.origin_ms - first_ms)

    def _note(self, tank: str, observed_ms: NDArray[np.int64], early: NDArray[np.bool_]) -> None:
        clocks = self.clocks
        clocks.last_ms[tank] = max(clocks.last_ms.get(tank, 0), int(observed_ms.max()))
        if early.any():
            after = step_floor(int(observed_ms[early].max()), self._step_s) + self._step_s * 1000
            clocks.trained_ms[tank] = max(clocks.trained_ms.get(tank, 0), after)


def take(
    context: Context,
    files: Sequence[Path],
    options: FileOptions,
    *,
    parts: Parts,
    training: bool,
) -> Accepted:
    """Store the training part of `files`, or the rest, and return what became of the rows."""
    parts.rewind()
    total = Accepted()
    intake = intake_of(context.engine, context.settings)
    for path in files:
        chosen = replace(options, default_tank=default_tank(path, files))
        chunks = (_part(chunk, parts, training=training) for chunk in read_file(path, chosen))
        total += accept_chunks(intake, chunks, now=clock.now())
    return total


def _part(chunk: Chunk, parts: Parts, *, training: bool) -> Chunk:
    early, late = parts.split(chunk.batch)
    return replace(chunk, batch=early if training else late)


def _rows_of(batch: ReadingBatch, chosen: NDArray[np.bool_]) -> ReadingBatch:
    return replace(
        batch,
        tank_index=batch.tank_index[chosen],
        observed_ms=batch.observed_ms[chosen],
        values=batch.values[chosen],
    )

"""What is known to have been wrong: faults from a file, or from a 0/1 column."""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tankwatch.core.times import parse_time, to_ms
from tankwatch.errors import UsageError

NEEDED = ("tank", "start", "end")
_GAP_STEPS = 10
_GZIP = b"\x1f\x8b"
_REMEDY = "the first line must name the columns tank, start and end"


def read_labels(path: Path) -> pd.DataFrame:
    """Return the faults of a CSV file, packed with gzip or not: tank, start, end and the rest.

    `start` and `end` are aware UTC times; a time without a zone means UTC.  The end is the first
    moment that is well again; a fault may be a single moment.  Further columns stay text; one of
    them may be `kind`.

    Raises:
        UsageError: the file cannot be read, or a line of it is no fault.
    """
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        message = f"{path} is empty: {_REMEDY}"
        raise UsageError(message)
    names = [name.strip() for name in first[1]]
    names = [name.lower() if name.lower() in (*NEEDED, "kind") else name for name in names]
    missing = [name for name in NEEDED if name not in names]
    if missing or len(set(names)) < len(names):
        fault = f"has no column {', '.join(missing)}" if missing else "names a column twice"
        message = f"{path} {fault}; found {', '.join(names)}: {_REMEDY}"
        raise UsageError(message)
    faults = [_fault(names, cells, f"{path}, line {line}") for line, cells in rows]
    columns = [*NEEDED, *(name for name in names if name not in NEEDED)]
    frame = pd.DataFrame(faults, columns=columns)
    return _with_times(frame, epoch_ms(frame["start"]), epoch_ms(frame["end"]))


def labels_from_column(
    tank: str, observed_ms: ArrayLike, label: ArrayLike, *, step_s: int
) -> pd.DataFrame:
    """Return the runs of 1 in a tank's label column as faults: tank, start, end.

    A run lasts from its first reading to one step after its last.  More than ten steps without a
    reading end it.

    Args:
        tank: name.
        observed_ms: int64 (rows,), epoch milliseconds, in any order.
        label: 0/1 (rows,), 1 where something is wrong.
        step_s: usual seconds between readings.
    """
    times_ms = np.asarray(observed_ms, dtype=np.int64)
    order = np.argsort(times_ms, kind="stable")
    times_ms, is_wrong = times_ms[order], np.asarray(label)[order] == 1
    cut = np.diff(times_ms) > _GAP_STEPS * step_s * 1000
    before = np.concatenate([[False], is_wrong[:-1] & ~cut])[: is_wrong.size]
    after = np.concatenate([is_wrong[1:] & ~cut, [False]])[: is_wrong.size]
    starts = times_ms[is_wrong & ~before]
    ends = times_ms[is_wrong & ~after] + step_s * 1000
    return _with_times(pd.DataFrame({"tank": [tank] * starts.size}), starts, ends)


def label_steps(
    labels: pd.DataFrame, tank: str, *, times_ms: NDArray[np.int64], step_s: int
) -> NDArray[np.bool_]:
    """Return bool (steps,), true where a step shares time with a fault of `tank`.

    Args:
        labels: faults: tank, start, end.
        tank: name.
        times_ms: int64 (steps,), beginning of each step, rising.
        step_s: length of a step in seconds.
    """
    marked = np.zeros(times_ms.size, dtype=bool)
    mine = labels[labels["tank"] == tank]
    for start_ms, end_ms in zip(epoch_ms(mine["start"]), epoch_ms(mine["end"]), strict=True):
        # A fault of a single moment marks the step that holds it.
        first = np.searchsorted(times_ms, start_ms - step_s * 1000, side="right")
        last = np.searchsorted(times_ms, max(end_ms, start_ms + 1), side="left")
        marked[first:last] = True
    return marked


def epoch_ms(times: "pd.Series[datetime]") -> NDArray[np.int64]:
    """Return aware times as int64 (rows,), epoch milliseconds; an empty column may be of any type.

    Raises:
        UsageError: a time has no zone, or there is none.
    """
    moments = [pd.Timestamp(moment) for moment in times]
    if any(pd.isna(moment) for moment in moments):
        message = f"the column {times.name!r} has a row without a time: fill it in"
        raise UsageError(message)
    return np.array([to_ms(moment.to_pydatetime()) for moment in moments], dtype=np.int64)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not blank, each with its number."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == _GZIP else data).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""))
        yield from ((reader.line_num, cells) for cells in reader if any(map(str.strip, cells)))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        message = f"the labels {path} cannot be read: {error}: give a CSV file in UTF-8"
        raise UsageError(message) from error


def _fault(names: Sequence[str], cells: Sequence[str], where: str) -> Mapping[str, object]:
    """Return a line as a row."""
    if len(cells) != len(names):
        message = f"{where} has {len(cells)} fields where the first line has {len(names)}: mend it"
        raise UsageError(message)
    row: dict[str, object] = {n: cell.strip() for n, cell in zip(names, cells, strict=True)}
    if not row["tank"]:
        message = f"{where} names no tank: write the name that its readings have"
        raise UsageError(message)
    start, end = (_time(str(row[name]), f"{where}, {name}") for name in ("start", "end"))
    if end < start:
        message = f"{where}: the fault ends ({row['end']}) before it starts: swap the two times"
        raise UsageError(message)
    return row | {"start": start, "end": end}


def _time(text: str, where: str) -> datetime:
    try:
        return parse_time(text)
    except UsageError as error:
        message = f"{where}: {error}"
        raise UsageError(message) from error


def _with_times(
    faults: pd.DataFrame, start_ms: NDArray[np.int64], end_ms: NDArray[np.int64]
) -> pd.DataFrame:
    """Return `faults` with times of one type, whether there are any or none."""
    start, end = (
        pd.Series(pd.to_datetime(ms, unit="ms", utc=True).as_unit("ms"))
        for ms in (start_ms, end_ms)
    )
    return faults.assign(start=start, end=end)

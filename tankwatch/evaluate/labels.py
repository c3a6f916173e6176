"""Known faults: from a file of stretches, or from a 0/1 column beside the readings."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tankwatch.core.times import from_ms
from tankwatch.errors import UsageError

COLUMNS = ("tank", "start", "end")
_GAP_STEPS = 10


def read_labels(path: Path) -> pd.DataFrame:
    """Return the faults of a CSV file: tank, start, end (aware, UTC) and whatever else it has.

    Raises:
        UsageError: the file cannot be read, lacks a column, or a row's times make no sense.
    """
    try:
        frame = pd.read_csv(path, dtype={"tank": str})
    except (OSError, ValueError) as error:
        message = f"the labels {path} cannot be read: {error}"
        raise UsageError(message) from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        message = (
            f"the labels {path} have no column {' or '.join(missing)}: "
            f"found {', '.join(map(str, frame.columns))}, needed {', '.join(COLUMNS)}"
        )
        raise UsageError(message)
    for name in ("start", "end"):
        times = pd.to_datetime(frame[name], utc=True, errors="coerce", format="ISO8601")
        if times.isna().any():
            row = int(np.flatnonzero(times.isna())[0])
            value = frame[name].iloc[row]
            message = f"{path}, line {row + 2}: {name} {value!r} is not a time (ISO 8601)"
            raise UsageError(message)
        frame[name] = times
    backwards = frame["end"] < frame["start"]
    if backwards.any():
        row = int(np.flatnonzero(backwards)[0])
        message = f"{path}, line {row + 2}: the end lies before the start"
        raise UsageError(message)
    return frame


def labels_from_column(
    tank: str, observed_ms: NDArray[np.int64], label: NDArray[np.int64], *, step_s: int
) -> pd.DataFrame:
    """Return the runs of 1 in a label column as faults of `tank`.

    A hole in time of more than ten steps ends a run.

    Args:
        tank: name.
        observed_ms: int64 (rows,), epoch milliseconds.
        label: int (rows,), 1 where something is wrong.
        step_s: length of a step in seconds.
    """
    order = np.argsort(observed_ms, kind="stable")
    times, wrong = observed_ms[order], label[order] > 0
    rows = []
    places = np.flatnonzero(wrong)
    if places.size:
        far = np.diff(times[places]) > _GAP_STEPS * step_s * 1000
        borders = np.flatnonzero((np.diff(places) > 1) | far) + 1
        for run in np.split(places, borders):
            end_ms = int(times[run[-1]]) + step_s * 1000
            rows.append((tank, from_ms(int(times[run[0]])), from_ms(end_ms)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def label_steps(
    labels: pd.DataFrame, tank: str, times_ms: NDArray[np.int64], *, step_s: int
) -> NDArray[np.bool_]:
    """Return which steps of a tank overlap a fault, bool (steps,).

    Args:
        labels: tank, start, end (aware times).
        tank: name.
        times_ms: int64 (steps,), beginning of each step.
        step_s: length of a step in seconds.
    """
    wrong = np.zeros(times_ms.size, dtype=bool)
    for start, end in zip(*stretches(labels, tank), strict=True):
        wrong |= (times_ms + step_s * 1000 > start) & (times_ms < end)
    return wrong


def stretches(labels: pd.DataFrame, tank: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return begin and end of a tank's faults, int64 epoch milliseconds, by begin."""
    mine = labels[labels["tank"] == tank].sort_values("start")
    edges = (
        np.array([pd.Timestamp(t).value // 1_000_000 for t in mine[name]], dtype=np.int64)
        for name in ("start", "end")
    )
    start, end = edges
    return start, end

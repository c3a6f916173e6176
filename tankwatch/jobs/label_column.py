"""Labels that stand in a column beside the readings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tankwatch.errors import UsageError
from tankwatch.evaluate.labels import labels_from_column
from tankwatch.jobs.replay import default_tank


def labels_of_files(
    files: Sequence[Path], column: str, *, step_s: int | None = None
) -> pd.DataFrame:
    """Return the faults that a 0/1 column of CSV or Parquet files names.

    Raises:
        UsageError: a file has no such column, or it holds something else than 0 and 1.
    """
    parts = []
    for path in files:
        frame = _read(path)
        if column not in frame.columns:
            message = f"{path} has no column {column!r}: found {', '.join(map(str, frame.columns))}"
            raise UsageError(message)
        wrong = pd.to_numeric(frame[column], errors="coerce")
        if not wrong.isin([0, 1]).all():
            message = f"{path}: the label column {column!r} must hold 0 and 1 only"
            raise UsageError(message)
        if "timestamp" not in frame.columns:
            message = f"{path} has no column 'timestamp', which the labels are read by"
            raise UsageError(message)
        moments = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
        observed_ms = moments.astype("datetime64[ms, UTC]").astype("int64").to_numpy()
        names = frame["tank"].astype(str) if "tank" in frame.columns else None
        tanks = [default_tank(path, files)] if names is None else sorted(set(names))
        for tank in tanks:
            mine = np.ones(len(frame), dtype=bool) if names is None else (names == tank).to_numpy()
            times = observed_ms[mine]
            usual = step_s or max(1, round(float(np.median(np.diff(np.sort(times)))) / 1000))
            flags = wrong.to_numpy()[mine].astype(np.int64)
            parts.append(labels_from_column(tank, times, flags, step_s=usual))
    return pd.concat(parts, ignore_index=True)


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path) if ".parquet" in path.suffixes else pd.read_csv(path)
    except (OSError, ValueError) as error:
        message = f"the labels of {path} cannot be read: {error}"
        raise UsageError(message) from error

"""The tables of a backtest: scores.csv and incidents.csv."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from tankwatch.core.times import iso
from tankwatch.evaluate.result import BacktestResult

SCORE_COLUMNS = ("tank", "timestamp", "score", "flag", "channel")
INCIDENT_COLUMNS = ("tank", "start", "end", "peak_score", "channel", "symptom")
_QUOTED = frozenset('",\r\n')


def write_scores(path: Path, result: BacktestResult) -> None:
    """Write a row for each scored step of the production path; `flag` is 1 at 1.0 or more."""
    names = [*result.tanks, *result.channels]
    is_plain = not any(_QUOTED & set(name) for name in names)
    # Arrow quotes either every text or, where none needs it, no text at all.
    style = csv.WriteOptions(include_header=False, quoting_style="none" if is_plain else "needed")
    with path.open("wb") as file:
        file.write((",".join(SCORE_COLUMNS) + "\n").encode())
        for table in _score_tables(result):
            csv.write_csv(table, file, style)


def write_incidents(path: Path, result: BacktestResult) -> None:
    """Write a row for each incident of the production path, by start."""
    frame = result.primary.incidents
    rows = incident_rows(frame).loc[:, list(INCIDENT_COLUMNS)]
    rows.to_csv(path, index=False, lineterminator="\n")


def incident_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return incidents by start and tank, with times as text and peaks to four figures."""
    ordered = frame.sort_values(["start", "tank"], kind="stable", ignore_index=True)
    peaks = [float(f"{peak:.4g}") for peak in ordered["peak_score"]]
    times = {
        name: [_iso(moment) for moment in ordered[name]] for name in ("start", "raised", "end")
    }
    return ordered.assign(peak_score=peaks, **times)


def _score_tables(result: BacktestResult) -> Iterator[Any]:
    channels = pa.array(list(result.channels), type=pa.string())
    shown_ms: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    timestamps = pa.array([], type=pa.string())
    for tank in result.tanks:
        series = result.primary.scores.get(tank)
        if series is None:
            continue
        scored = ~np.isnan(series.score)
        times_ms, score = series.times_ms[scored], series.score[scored]
        # Tanks mostly share one grid, and writing times out is the slow part.
        if not np.array_equal(times_ms, shown_ms):
            shown_ms, timestamps = times_ms, _timestamps(times_ms)
        index = pa.array(series.channel[scored], mask=series.channel[scored] < 0)
        yield pa.table(
            {
                "tank": pa.repeat(pa.scalar(tank), score.size),
                "timestamp": timestamps,
                "score": pa.array(score),
                "flag": pa.array((score >= 1.0).astype(np.int8)),
                "channel": channels.take(index),
            }
        )


def _timestamps(times_ms: NDArray[np.int64]) -> Any:
    """Return times as ``2026-03-02T06:30:00Z``, with milliseconds where there are any."""
    unit = "ms" if (times_ms % 1000).any() else "s"
    moments = pa.array(times_ms, type=pa.timestamp("ms", "UTC")).cast(pa.timestamp(unit, "UTC"))
    return pc.replace_substring(moments.cast(pa.string()), " ", "T")


def _iso(moment: datetime) -> str:
    return iso(pd.Timestamp(moment).to_pydatetime())

"""A simulated farm as tables and files."""

import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from tankwatch.core.times import iso, to_ms
from tankwatch.simulate.farm import Farm


def to_frame(farm: Farm) -> pd.DataFrame:
    """Return the readings: tank, timestamp (UTC), pressure (kPa gauge), temperature (degC).

    A row for each tank and time, in order of time and then of tank; a missing value is NaN, and
    where both are missing there is no row.
    """
    tanks = len(farm.tanks)
    frame = pd.DataFrame(
        {
            "tank": np.tile(np.array(farm.tanks, dtype=object), farm.observed_ms.size),
            "timestamp": pd.to_datetime(np.repeat(farm.observed_ms, tanks), unit="ms", utc=True),
            "pressure": farm.values[:, :, 0].T.ravel(),
            "temperature": farm.values[:, :, 1].T.ravel(),
        }
    )
    return frame.dropna(subset=["pressure", "temperature"], how="all", ignore_index=True)


def labels_frame(farm: Farm) -> pd.DataFrame:
    """Return the faults: tank, start, end (ISO 8601, UTC), kind, channel, severity."""
    return pd.DataFrame(
        [
            {
                "tank": farm.tanks[fault.tank],
                "start": iso(fault.start),
                "end": iso(fault.end),
                "kind": str(fault.kind),
                "channel": str(fault.channel),
                "severity": fault.severity,
            }
            for fault in farm.faults
        ],
        columns=["tank", "start", "end", "kind", "channel", "severity"],
    )


def write_farm(
    farm: Farm, folder: Path, *, split_at: datetime | None = None, compress: bool = True
) -> list[Path]:
    """Write the readings and the labels into `folder`, and return the files.

    Equal farms give equal bytes.

    Args:
        farm: what to write.
        folder: is made where it does not exist.
        split_at: aware; readings before it go to ``history.csv`` and the others to ``live.csv``.
            None writes ``readings.csv``.
        compress: adds ``.gz`` to the files of readings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frame = to_frame(farm)
    written = []
    for name, part in _parts(frame, split_at):
        text = part.assign(timestamp=_iso_column(part)).to_csv(index=False, lineterminator="\n")
        path = folder / (f"{name}.csv.gz" if compress else f"{name}.csv")
        data = text.encode()
        # A time of 0 in the header keeps equal readings equal in bytes.
        path.write_bytes(gzip.compress(data, mtime=0) if compress else data)
        written.append(path)
    labels = folder / "labels.csv"
    labels.write_bytes(labels_frame(farm).to_csv(index=False, lineterminator="\n").encode())
    return [*written, labels]


def _parts(frame: pd.DataFrame, split_at: datetime | None) -> Iterator[tuple[str, pd.DataFrame]]:
    if split_at is None:
        yield "readings", frame
        return
    is_live = frame["timestamp"] >= pd.Timestamp(to_ms(split_at), unit="ms", tz="UTC")
    yield "history", frame[~is_live]
    yield "live", frame[is_live]


def _iso_column(frame: pd.DataFrame) -> "pd.Series[str]":
    times: pd.Series[str] = frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return times

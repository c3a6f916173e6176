"""The long form: which channel each row means, and rows of one tank and time made one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tankwatch.core.readings import RejectReason
from tankwatch.errors import UsageError
from tankwatch.ingest.chunk import RawRows
from tankwatch.ingest.headers import LongColumns, match_label
from tankwatch.ingest.keys import distinct_names
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.verdicts import Verdicts


@dataclass(frozen=True, slots=True)
class Labels:
    """What the rows of the long form hold; canonical = raw * factor + offset.

    Attributes:
        channel: int64 (rows,), place in the store's channels, -1 where there is none.
        factor: float64 (rows,).
        offset: float64 (rows,), canonical unit.
        meaning: int64 (rows,), place in `faults`.
        faults: reason and detail of each distinct label and unit that cannot be used.
    """

    channel: NDArray[np.int64]
    factor: NDArray[np.float64]
    offset: NDArray[np.float64]
    meaning: NDArray[np.int64]
    faults: list[tuple[RejectReason, str] | None]

    def refuse(self, rows: NDArray[np.bool_], verdicts: Verdicts) -> None:
        """Add `rows`, bool (rows,), to `verdicts`."""
        for row in np.flatnonzero(rows).tolist():
            fault = self.faults[int(self.meaning[row])]
            if fault is not None:
                verdicts.add(row, *fault)


def read_labels(rows: RawRows, long: LongColumns, options: FileOptions) -> Labels:
    """Return the channel and conversion of each row; each distinct label is looked up once."""
    names, places = distinct_names(rows.cells[long.channel])
    units, unit_places = [""], np.zeros(places.size, dtype=np.int64)
    if long.unit is not None:
        units, unit_places = distinct_names(rows.cells[long.unit])
    pairs, meaning = np.unique(places * len(units) + unit_places, return_inverse=True)
    found = [
        _look_up(names[pair // len(units)], units[pair % len(units)], options) for pair in pairs
    ]
    channel = np.array([entry[0] for entry in found], dtype=np.int64)
    factor = np.array([entry[1] for entry in found], dtype=np.float64)
    offset = np.array([entry[2] for entry in found], dtype=np.float64)
    faults = [entry[3] for entry in found]
    return Labels(channel[meaning], factor[meaning], offset[meaning], meaning, faults)


def combine_rows(
    tank_index: NDArray[np.int32],
    observed_ms: NDArray[np.int64],
    *,
    channel: NDArray[np.int64],
    values: NDArray[np.float64],
    channels: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return one wide row for each tank and time, in the order of their first rows.

    A channel that comes again for the same tank and time begins another wide row, so that the
    store sees the repetition and the later value wins there.

    Returns:
        intp (wide rows,), the first row of each; intp (rows,), the wide row of each; float64
        (wide rows, channels), NaN where absent.
    """
    key = pd.DataFrame({"tank": tank_index, "ms": observed_ms, "channel": channel})
    key["turn"] = key.groupby(["tank", "ms", "channel"], sort=False).cumcount()
    turns = key.groupby(["tank", "ms", "turn"], sort=False).ngroup()
    grouped: NDArray[np.intp] = np.asarray(turns, dtype=np.intp)
    _, first = np.unique(grouped, return_index=True)
    wide = np.full((first.size, channels), np.nan)
    wide[grouped, channel] = values
    return first, grouped, wide


def _look_up(
    label: str, unit: str, options: FileOptions
) -> tuple[int, float, float, tuple[RejectReason, str] | None]:
    """Return channel, factor, offset, and why the label cannot be used."""
    try:
        column = match_label(label, unit, options)
    except UsageError as error:
        return -1, 1.0, 0.0, (RejectReason.BAD_UNIT, str(error))
    if column is not None:
        return column.channel, column.factor, column.offset, None
    known = ", ".join(options.channels)
    detail = f"no channel {label[:60]!r}: the store knows {known}"
    return -1, 1.0, 0.0, (RejectReason.UNKNOWN_CHANNEL, detail)

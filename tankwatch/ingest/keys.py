"""Which tank and which time each row of a chunk belongs to."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tankwatch.core.readings import ReadingBatch, RejectReason
from tankwatch.ingest.chunk import RawRows
from tankwatch.ingest.headers import Layout
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.timestamps import parse_times
from tankwatch.ingest.verdicts import Verdicts

_LONGEST_NAME = 120  # what the store keeps of a tank's name


@dataclass(frozen=True, slots=True)
class RowKeys:
    """Tank and time of each row.

    Attributes:
        tanks: distinct names.
        tank_index: int32 (rows,), position in `tanks`, -1 where there is none.
        observed_ms: int64 (rows,), epoch milliseconds.
        sound: bool (rows,), true where both are known.
    """

    tanks: tuple[str, ...]
    tank_index: NDArray[np.int32]
    observed_ms: NDArray[np.int64]
    sound: NDArray[np.bool_]

    def batch(
        self,
        rows: NDArray[np.intp] | NDArray[np.bool_] | slice,
        values: NDArray[np.float64],
        *,
        channels: tuple[str, ...],
    ) -> ReadingBatch:
        """Return `values`, float64 (kept rows, channels), as the batch of the chosen `rows`."""
        tank_index = self.tank_index[rows]
        used = np.bincount(tank_index, minlength=len(self.tanks)) > 0
        place = np.cumsum(used, dtype=np.int32) - 1
        return ReadingBatch(
            tanks=tuple(np.array(self.tanks, dtype=object)[used].tolist()),
            channels=channels,
            tank_index=place[tank_index].astype(np.int32),
            observed_ms=self.observed_ms[rows],
            values=values,
        )


def read_keys(
    rows: RawRows, layout: Layout, *, options: FileOptions, verdicts: Verdicts
) -> RowKeys:
    """Return tank and time of each of `rows`, and add those that lack either to `verdicts`."""
    if layout.tank is None:
        tanks: tuple[str, ...] = (options.default_tank or "",)
        tank_index = np.zeros(rows.lines.size, dtype=np.int32)
    else:
        tanks, tank_index = _read_tanks(rows.cells[layout.tank], verdicts)
    sound = tank_index >= 0
    if options.known_tanks is not None:
        strange = [name not in options.known_tanks for name in tanks]
        unknown = sound & np.array([*strange, False])[tank_index]
        detail = "not a tank of this plant, and ingest.unknown_tank refuses new ones"
        verdicts.add_all(unknown, RejectReason.UNKNOWN_TANK, detail)
        sound &= ~unknown
    if options.foreign_tanks:
        strange = [name in options.foreign_tanks for name in tanks]
        foreign = sound & np.array([*strange, False])[tank_index]
        detail = "a tank of a site that this source may not write to: use a token for that site"
        verdicts.add_all(foreign, RejectReason.WRONG_SITE, detail)
        sound &= ~foreign
    times = parse_times(rows.cells[layout.timestamp], options)
    for row, why in times.faults.items():
        if sound[row]:
            verdicts.add(row, RejectReason.BAD_TIME, why)
            sound[row] = False
    if options.latest_ms is not None:
        ahead = sound & (times.observed_ms > options.latest_ms)
        verdicts.add_all(ahead, RejectReason.FUTURE_TIME, "the time lies ahead of the clock")
        sound &= ~ahead
    return RowKeys(tanks, tank_index, times.observed_ms, sound)


def holds_names(kind: pa.DataType) -> bool:
    """Return whether a column of this type can hold names of tanks or channels."""
    if pa.types.is_dictionary(kind):
        return holds_names(kind.value_type)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(is_text or is_number or pa.types.is_null(kind))


def distinct_names(cells: pa.Array) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct texts of a column, trimmed, and int64 (rows,), the place of each row's.

    The last name is always empty; it stands for cells without one.
    """
    encoded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
    texts = pc.cast(encoded.dictionary, pa.string()).to_pylist()
    names = [(text or "").strip() for text in texts] + [""]
    places = pc.cast(encoded.indices, pa.int64()).fill_null(len(texts)).to_numpy()
    return names, places


def _read_tanks(cells: pa.Array, verdicts: Verdicts) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    names, places = distinct_names(cells)
    sound = dict.fromkeys(name for name in names if not _fault(name))
    tanks = {name: index for index, name in enumerate(sound)}
    found = np.array([tanks.get(name, -1) for name in names], dtype=np.int32)
    tank_index = found[places]
    for row in np.flatnonzero(tank_index < 0).tolist():
        verdicts.add(row, RejectReason.NO_TANK, _fault(names[places[row]]))
    return tuple(tanks), tank_index


def _fault(name: str) -> str:
    """Return why `name` cannot be a tank's, or nothing."""
    if not name:
        return "the row names no tank"
    if len(name) > _LONGEST_NAME:
        return f"the tank's name is longer than {_LONGEST_NAME} characters"
    return "" if name.isprintable() else "the tank's name holds unprintable characters"

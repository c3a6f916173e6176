"""Times from columns of text, numbers or typed values, as epoch milliseconds in UTC."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tankwatch.ingest.epochs import EARLIEST_MS, LATEST_MS, epoch_ms
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.time_text import NO_TIME, UNCLEAR_EPOCH, read_text
from tankwatch.ingest.zones import WallTimes, utc_of

_MS_PER = {"s": 1000, "ms": 1}
_UNITS_IN_MS = {"us": 1000, "ns": 1_000_000}
_DAY_FIRST = r"^(\d\d)\.(\d\d)\.(\d{4})"
_FORMS = (
    *(pa.timestamp(unit, zone) for unit in ("us", "ns") for zone in ("UTC", None)),
    pa.float64(),
)


@dataclass(slots=True)
class Times:
    """A column of times.

    Attributes:
        observed_ms: int64 (rows,), epoch milliseconds, rounded down; 0 where there is a fault.
        faults: why a row has no usable time, by row.
    """

    observed_ms: NDArray[np.int64]
    faults: dict[int, str] = field(default_factory=dict)

    def blame(self, rows: NDArray[np.bool_], why: str) -> None:
        """Add `why` as the fault of each of `rows` (bool, (rows,)) that has none yet."""
        for row in np.flatnonzero(rows).tolist():
            self.faults.setdefault(row, why)
        self.observed_ms[rows] = 0


def parse_times(cells: pa.Array, options: FileOptions) -> Times:
    """Return the times in `cells`."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    kind = cells.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(cells, options)
    if pa.types.is_null(kind):
        return _no_times(len(cells))
    if pa.types.is_date(kind):
        cells = pc.cast(cells, pa.timestamp("ms"))
    if pa.types.is_timestamp(cells.type):
        return _from_timestamps(cells, options)
    return _from_numbers(cells, options)


def holds_times(kind: pa.DataType) -> bool:
    """Return whether a column of this type can hold times, be it as text or as numbers."""
    if pa.types.is_dictionary(kind):
        return holds_times(kind.value_type)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    is_time = pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind)
    return bool(is_text or is_number or is_time)


def _no_times(rows: int) -> Times:
    times = Times(np.zeros(rows, dtype=np.int64))
    times.blame(np.ones(rows, dtype=bool), NO_TIME)
    return times


def _from_timestamps(cells: pa.Array, options: FileOptions) -> Times:
    absent = cells.is_null().to_numpy(zero_copy_only=False)
    counts = pc.cast(cells, pa.int64()).fill_null(0).to_numpy()
    unit = cells.type.unit
    if unit in _UNITS_IN_MS:
        ms = counts // _UNITS_IN_MS[unit]
    else:
        ms = np.clip(counts, -LATEST_MS, LATEST_MS) * _MS_PER[unit]
    times = Times(ms)
    times.blame(absent, NO_TIME)
    _keep_in_range(times)
    if cells.type.tz is None:
        _put_into_utc(times, ~absent, options.time_zone)
    return times


def _from_numbers(cells: pa.Array, options: FileOptions) -> Times:
    absent = cells.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(cells.type):
        numbers = pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
        absent |= np.isnan(numbers)
    else:
        numbers = pc.cast(cells, pa.int64(), safe=False).fill_null(0).to_numpy()
    ms, sound = epoch_ms(numbers, options.epoch_unit)
    times = Times(ms)
    times.blame(absent, NO_TIME)
    times.blame(~sound, UNCLEAR_EPOCH)
    return times


_OUT_OF_RANGE = "the time lies outside the years 1900 to 9999"


def _from_text(cells: pa.Array, options: FileOptions) -> Times:
    """Try the whole column in the form that it seems to have, and only then text by text.

    A cast that fails on every row is slow, so a few rows are asked first.
    """
    plain = pc.utf8_trim_whitespace(cells)
    probes = plain.take(sorted({0, len(plain) // 2, len(plain) - 1})) if len(plain) else plain
    if pc.any(pc.match_substring_regex(probes, _DAY_FIRST)).as_py():
        whole = pc.replace_substring_regex(plain, _DAY_FIRST, r"\3-\2-\1")
        probes = pc.replace_substring_regex(probes, _DAY_FIRST, r"\3-\2-\1")
    else:
        whole = plain
    for kind in _FORMS:
        likely = any(_cast(probes.slice(i, 1), kind) is not None for i in range(len(probes)))
        column = _cast(whole, kind) if likely else None
        if column is not None and pa.types.is_float64(kind):
            column = _whole_numbers(whole, column)
        if column is not None:
            return parse_times(column, options)
    return _text_by_text(plain, options)


def _cast(cells: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        return pc.cast(cells, kind)
    except pa.ArrowInvalid:
        return None


def _whole_numbers(texts: pa.Array, floats: pa.Array) -> pa.Array | None:
    """Return `texts` as integers, else `floats` if they are exact, else None.

    The floats came first because they refuse the hexadecimal that integers would take.
    """
    whole = _cast(texts, pa.int64())
    if whole is not None:
        return whole
    exact = pc.all(pc.less(pc.abs(floats), 2.0**53), min_count=0).as_py()
    return floats if exact else None


def _text_by_text(cells: pa.Array, options: FileOptions) -> Times:
    """Read each distinct text by itself, then spread the results over the rows."""
    encoded = cells.fill_null("").dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    times = Times(np.zeros(len(texts), dtype=np.int64))
    naive = np.zeros(len(texts), dtype=bool)
    for place, text in enumerate(texts):
        try:
            times.observed_ms[place], naive[place] = read_text(text, options)
        except ValueError as error:
            times.faults[place] = str(error)
    _keep_in_range(times)
    _put_into_utc(times, naive, options.time_zone)
    places = encoded.indices.to_numpy()
    spread = Times(times.observed_ms[places])
    if times.faults:
        for row in np.flatnonzero(np.isin(places, list(times.faults))).tolist():
            spread.faults[row] = times.faults[int(places[row])]
    return spread


def _keep_in_range(times: Times) -> None:
    outside = (times.observed_ms < EARLIEST_MS) | (times.observed_ms > LATEST_MS)
    if outside.any():
        times.blame(outside, _OUT_OF_RANGE)


def _put_into_utc(times: Times, naive: NDArray[np.bool_], time_zone: str) -> None:
    if time_zone == "UTC" or not naive.any():
        return
    sound = naive.copy()
    sound[list(times.faults)] = False
    wall: WallTimes = utc_of(times.observed_ms[sound], time_zone)
    places = np.flatnonzero(sound)
    times.observed_ms[sound] = wall.utc_ms
    for place, why in wall.faults.items():
        times.observed_ms[places[place]] = 0
        times.faults[int(places[place])] = why

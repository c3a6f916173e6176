"""Times from columns of text, numbers or typed values, as epoch milliseconds in UTC."""

import math
import re
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tankwatch.core.times import EPOCH, to_ms
from tankwatch.ingest.epochs import EARLIEST_MS, LATEST_MS, epoch_ms
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.zones import WallTimes, utc_of

NO_TIME = "the row has no time"
_MS_PER = {"s": 1000, "ms": 1}
_UNITS_IN_MS = {"us": 1000, "ns": 1_000_000}
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?=\D|$)")
_SLASHED = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})(?=\D|$)")
_SHORT_HOUR = re.compile(r"(?<=[ T])(?=\d:)")
_ZONE_WORD = re.compile(r"\s*(?:UTC|GMT|Z)$")
_SPACED_OFFSET = re.compile(r"\s+(?=[+-]\d\d(?::?\d\d)?$)")


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
    times.blame(~sound, _UNCLEAR_EPOCH)
    return times


_UNCLEAR_EPOCH = "the number is no clear epoch time: write ISO 8601, or state the epoch unit"
_OUT_OF_RANGE = "the time lies outside the years 1900 to 9999"


def _from_text(cells: pa.Array, options: FileOptions) -> Times:
    """Try whole columns of one form, and only then text by text."""
    plain = pc.utf8_trim_whitespace(cells)
    for unit in ("us", "ns"):
        for zone in ("UTC", None):
            try:
                return _from_timestamps(pc.cast(plain, pa.timestamp(unit, zone)), options)
            except pa.ArrowInvalid:
                continue
    try:
        floats = pc.cast(plain, pa.float64())  # refuses the hexadecimal that int64 would take
    except pa.ArrowInvalid:
        return _text_by_text(plain, options)
    try:
        return _from_numbers(pc.cast(plain, pa.int64()), options)
    except pa.ArrowInvalid:
        pass
    exact = pc.all(pc.less(pc.abs(floats), 2.0**53), min_count=0).as_py()
    return _from_numbers(floats, options) if exact else _text_by_text(plain, options)


def _text_by_text(cells: pa.Array, options: FileOptions) -> Times:
    """Read each distinct text by itself, then spread the results over the rows."""
    encoded = cells.fill_null("").dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    times = Times(np.zeros(len(texts), dtype=np.int64))
    naive = np.zeros(len(texts), dtype=bool)
    for place, text in enumerate(texts):
        try:
            times.observed_ms[place], naive[place] = _read_text(text, options)
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


def _read_text(text: str, options: FileOptions) -> tuple[int, bool]:
    """Return epoch milliseconds and whether they still lack a zone."""
    if not text:
        raise ValueError(NO_TIME)
    number = _number(text)
    if number is not None and math.isnan(number):
        raise ValueError(NO_TIME)
    if number is not None:
        ms, sound = epoch_ms(np.array([number]), options.epoch_unit)
        if not sound[0]:
            raise ValueError(_UNCLEAR_EPOCH)
        return int(ms[0]), False
    moment = _calendar(text)
    if moment.tzinfo is None:
        return to_ms(moment.replace(tzinfo=EPOCH.tzinfo)), True
    return to_ms(moment), False


def _number(text: str) -> int | float | None:
    try:
        number = int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None
    return number if abs(number) < 2**63 else float(number)


def _calendar(text: str) -> datetime:
    """Return the time that `text` means: ISO 8601, year/month/day or day.month.year."""
    iso = _SLASHED.sub(lambda m: f"{m[1]}-{int(m[2]):02}-{int(m[3]):02}", text, count=1)
    iso = _DOTTED.sub(lambda m: f"{m[3]}-{int(m[2]):02}-{int(m[1]):02}", iso, count=1)
    iso = _SPACED_OFFSET.sub("", _ZONE_WORD.sub("Z", _SHORT_HOUR.sub("0", iso.upper())))
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        message = f"{text[:60]!r} is not a time: write ISO 8601, such as 2026-03-02T06:30:00Z"
        raise ValueError(message) from None


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

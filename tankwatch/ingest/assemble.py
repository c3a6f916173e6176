"""Rows of cells to a batch of readings, where they stood, and a list of what was refused."""

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.readings import ReadingBatch, Rejected, RejectReason
from tankwatch.ingest.chunk import Judged, Origin, RawRows
from tankwatch.ingest.headers import Layout, LongColumns
from tankwatch.ingest.keys import RowKeys, read_keys
from tankwatch.ingest.labels import combine_rows, read_labels
from tankwatch.ingest.numbers import parse_numbers
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.verdicts import Verdicts


def assemble(
    rows: RawRows, layout: Layout, *, options: FileOptions, source: str
) -> tuple[ReadingBatch, list[Rejected]]:
    """Return the sound readings of `rows` in canonical units, and what was refused."""
    judged = judge_rows(rows, layout, options=options, source=source)
    return judged.batch, judged.rejected


def judge_rows(rows: RawRows, layout: Layout, *, options: FileOptions, source: str) -> Judged:
    """Return what ``assemble`` does, and where each reading stood."""
    verdicts = Verdicts()
    keys = read_keys(rows, layout, options=options, verdicts=verdicts)
    if layout.long:
        batch, origin = _from_long(rows, layout.long, keys=keys, options=options, verdicts=verdicts)
    else:
        batch, origin = _from_wide(rows, layout, keys=keys, options=options, verdicts=verdicts)
    return Judged(batch, origin, verdicts.records(rows, source))


def _from_wide(
    rows: RawRows, layout: Layout, *, keys: RowKeys, options: FileOptions, verdicts: Verdicts
) -> tuple[ReadingBatch, Origin]:
    values = np.full((rows.lines.size, len(options.channels)), np.nan)
    refused = np.zeros(rows.lines.size, dtype=bool)
    for column in layout.wide:
        cells, channel = rows.cells[column.position], options.channels[column.channel]
        numbers = parse_numbers(cells, decimal_comma=rows.decimal_comma)
        verdicts.add_texts(numbers.bad & keys.sound, cells, channel)
        finite, endless = _convert(numbers.values, column.factor, column.offset)
        _refuse_endless(endless & keys.sound, channel, verdicts)
        refused |= numbers.bad | endless
        values[:, column.channel] = finite
    empty = np.isnan(values).all(axis=1)
    _refuse_empty(keys.sound & empty & ~refused, verdicts)
    kept = keys.sound & ~empty
    origin = Origin(rows.lines[kept], np.arange(int(kept.sum())))
    if kept.all():
        return keys.batch(slice(None), values, channels=options.channels), origin
    return keys.batch(kept, values[kept], channels=options.channels), origin


def _from_long(
    rows: RawRows, long: LongColumns, *, keys: RowKeys, options: FileOptions, verdicts: Verdicts
) -> tuple[ReadingBatch, Origin]:
    labels = read_labels(rows, long, options)
    known = keys.sound & (labels.channel >= 0)
    labels.refuse(keys.sound & ~known, verdicts)
    cells = rows.cells[long.value]
    numbers = parse_numbers(cells, decimal_comma=rows.decimal_comma)
    verdicts.add_texts(numbers.bad & known, cells, "value")
    values, endless = _convert(numbers.values, labels.factor, labels.offset)
    _refuse_endless(endless & known, "value", verdicts)
    _refuse_empty(known & np.isnan(values) & ~numbers.bad & ~endless, verdicts)
    kept = np.flatnonzero(known & ~np.isnan(values))
    first, row, wide = combine_rows(
        keys.tank_index[kept],
        keys.observed_ms[kept],
        channel=labels.channel[kept],
        values=values[kept],
        channels=len(options.channels),
    )
    origin = Origin(rows.lines[kept], row)
    return keys.batch(kept[first], wide, channels=options.channels), origin


def _convert(
    values: NDArray[np.float64],
    factor: float | NDArray[np.float64],
    offset: float | NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return canonical values, NaN where they are endless, and bool (rows,), where that is."""
    with np.errstate(over="ignore", invalid="ignore"):
        converted = values * factor + offset
    endless = np.isinf(values) | np.isinf(converted)
    if endless.any():
        converted[endless] = np.nan
    return converted, endless


def _refuse_endless(rows: NDArray[np.bool_], what: str, verdicts: Verdicts) -> None:
    verdicts.add_all(rows, RejectReason.NOT_FINITE, f"{what}: the number is not finite")


def _refuse_empty(rows: NDArray[np.bool_], verdicts: Verdicts) -> None:
    verdicts.add_all(rows, RejectReason.NO_VALUE, "no channel has a value")

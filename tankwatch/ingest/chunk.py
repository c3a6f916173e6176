"""What goes from the readers of each format to the judging of rows, and what comes out of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tankwatch.core.readings import ReadingBatch, Rejected, RejectReason

RAW_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Origin:
    """Which lines the rows of a batch came from; in the long form several lines make one row.

    Attributes:
        lines: int64 (lines,), number of each line that has a share in the batch.
        row: intp (lines,), the row of the batch that it went into.
    """

    lines: NDArray[np.int64]
    row: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows that were judged: the sound readings, where they stood, and what was refused."""

    batch: ReadingBatch
    origin: Origin
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Part of a file, parsed.

    Attributes:
        batch: the sound readings, in the order of the file.
        origin: which lines they came from.
        rejected: what was refused, in the order of the file.
        bytes_read: bytes that were taken from the file for this chunk, packed as they lie there.
        rows_read: rows that were seen, sound or not.
        notes: what an operator should know about how the file was understood, once a file.
    """

    batch: ReadingBatch
    origin: Origin
    rejected: list[Rejected]
    bytes_read: int
    rows_read: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows that were split into cells and not judged yet.

    Attributes:
        lines: int64 (rows,), line in the file, or row of a Parquet file, counted from 1.
        cells: the column at each place of the header that is read, text or typed.
        text: returns the text of a row, by its index.
        broken: rows that could not be split.
        decimal_comma: numbers may be written with a comma.
    """

    lines: NDArray[np.int64]
    cells: Mapping[int, pa.Array]
    text: Callable[[int], str]
    broken: list[Rejected] = field(default_factory=list)
    decimal_comma: bool = False


def broken_row(source: str, line: int, detail: str, raw: str) -> Rejected:
    """Return the record of a row that could not be split into cells."""
    return Rejected(source, line, RejectReason.BROKEN_ROW, detail, raw[:RAW_LENGTH])


def no_rows(places: Sequence[int], broken: Rejected) -> RawRows:
    """Return what stands for a part of a file that holds no rows but one that is broken."""
    empty = pa.array([], pa.string())
    cells = dict.fromkeys(places, empty)
    return RawRows(np.zeros(0, dtype=np.int64), cells, text=lambda _row: "", broken=[broken])

"""Arrays to rows of PostgreSQL's binary COPY, all rows at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": signature, flags, and
# the length of the header's extension; then rows; then a row of -1 fields.
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
TO_2000_MS = 946_684_800_000
_VALUE_BYTES = 8


def binary_rows(
    integers: Sequence[NDArray[np.int64]],
    observed_ms: NDArray[np.int64],
    values: NDArray[np.float64],
) -> bytes:
    """Return the whole input of a binary COPY.

    Args:
        integers: int64 (rows,) each, columns of type integer, which come first.
        observed_ms: int64 (rows,), epoch milliseconds, a column of type timestamptz.
        values: float64 (rows, columns), columns of type double precision; NaN becomes NULL.
    """
    rows, columns = values.shape
    table = np.empty(rows, _row_type(len(integers), columns))
    table["fields"] = len(integers) + 1 + columns
    for place, column in enumerate(integers):
        table[f"integer_length{place}"] = 4
        table[f"integer{place}"] = column
    table["time_length"] = 8
    table["time"] = (observed_ms - TO_2000_MS) * 1000
    absent = np.isnan(values)
    for place in range(columns):
        table[f"value_length{place}"] = np.where(absent[:, place], -1, _VALUE_BYTES)
        table[f"value{place}"] = values[:, place]
    return _HEADER + _without_absent(table, absent) + _TRAILER


def _row_type(integers: int, columns: int) -> np.dtype[np.void]:
    """Return a row in which every field is there, big-endian and without gaps."""
    fields = [("fields", ">i2")]
    for place in range(integers):
        fields += [(f"integer_length{place}", ">i4"), (f"integer{place}", ">i4")]
    fields += [("time_length", ">i4"), ("time", ">i8")]
    for place in range(columns):
        fields += [(f"value_length{place}", ">i4"), (f"value{place}", ">f8")]
    return np.dtype(fields)


def _without_absent(table: NDArray[np.void], absent: NDArray[np.bool_]) -> bytes:
    """Return the bytes of `table`; a value that is absent has a length of -1 and no bytes."""
    if not absent.any():
        return table.tobytes()
    width = table.dtype.itemsize
    kept = np.ones((table.size, width), dtype=bool)
    for place in range(absent.shape[1]):
        offset = width - (absent.shape[1] - place) * (_VALUE_BYTES + 4) + 4
        kept[absent[:, place], offset : offset + _VALUE_BYTES] = False
    return table.view(np.uint8).reshape(table.size, width)[kept].tobytes()

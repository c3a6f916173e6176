import struct

import numpy as np

from tankwatch.store.binary_rows import binary_rows

NAN = float("nan")
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
# Epoch milliseconds of 2000-01-01T00:00:00Z, where PostgreSQL counts from.
Y2000_MS = 946_684_800_000


def test_absent_values_have_a_length_of_minus_one_and_no_bytes() -> None:
    ids = np.array([7, 8], dtype=np.int64)
    times = np.array([Y2000_MS + 1, Y2000_MS - 1], dtype=np.int64)
    found = binary_rows((ids,), times, np.array([[1.5, NAN], [NAN, -2.0]]))
    key = ">hii iq"
    first = struct.pack(key, 4, 4, 7, 8, 1000) + struct.pack(">idi", 8, 1.5, -1)
    second = struct.pack(key, 4, 4, 8, 8, -1000) + struct.pack(">iid", -1, 8, -2.0)
    assert found == HEADER + first + second + TRAILER


def test_whole_rows_are_written_without_gaps() -> None:
    pair = np.array([1, 2], dtype=np.int64)
    found = binary_rows((pair, pair + 10), np.full(2, Y2000_MS), np.array([[3.0], [4.0]]))
    row = ">hii ii iq id"
    rows = struct.pack(row, 4, 4, 1, 4, 11, 8, 0, 8, 3.0)
    rows += struct.pack(row, 4, 4, 2, 4, 12, 8, 0, 8, 4.0)
    assert found == HEADER + rows + TRAILER


def test_no_rows_are_a_header_and_a_trailer() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert binary_rows((none,), none, np.zeros((0, 2))) == HEADER + TRAILER

"""A process that reads SQLite for another: a request a line on standard input, until that ends."""

import json
import mmap
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

# Small batches stay in the processor's cache: a third faster than large ones.
_BATCH_ROWS = "1024"


def sqlite_query(names: Sequence[str]) -> str:
    """Return the statement that reads tanks ?1 (JSON) from ?2 up to ?3, by tank and time.

    ADBC takes a column's type from its first rows, and they may hold no value: a first row that is
    none makes every channel a floating-point number.
    """
    fixed = ", ".join(["0", "0", *("0.5" for _ in names)])
    return (
        f"SELECT {fixed} UNION ALL SELECT tank_id, observed_at, {', '.join(names)} "  # noqa: S608
        "FROM reading WHERE tank_id IN (SELECT value FROM json_each(?1)) "
        "AND observed_at >= ?2 AND observed_at < ?3"
    )


def read(request: dict[str, Any], shared: int) -> int:
    """Write the columns asked for into the file `shared`, and return the number of rows.

    The file then holds tank ids and epoch milliseconds, int64, and each channel, float64.
    """
    from adbc_driver_sqlite import dbapi  # noqa: PLC0415 - never loaded beside another SQLite

    options = {"adbc.sqlite.query.batch_rows": _BATCH_ROWS}
    with (
        dbapi.connect(f"{request['database']}?mode=rw") as connection,
        connection.cursor(adbc_stmt_kwargs=options) as cursor,
    ):
        low, high = request["span"]
        names = request["names"]
        cursor.execute(sqlite_query(names), (json.dumps(request["tank_ids"]), low, high))
        table = cursor.fetch_arrow_table().slice(1)
    rows = int(table.num_rows)
    if not rows:
        return 0
    size = rows * 8 * (2 + len(names))
    os.ftruncate(shared, size)
    with mmap.mmap(shared, size) as memory:
        for index in range(table.num_columns):
            kind = np.int64 if index < 2 else np.float64
            column = table.column(index).to_numpy().astype(kind, copy=False)
            memory[index * 8 * rows : (index + 1) * 8 * rows] = column.tobytes()
    return rows


def main() -> None:
    """Answer requests until standard input ends, as it does when the asking process is gone."""
    shared = int(sys.argv[1])
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"rows": read(json.loads(line), shared)}
        except Exception as error:  # noqa: BLE001 - told to the process that asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

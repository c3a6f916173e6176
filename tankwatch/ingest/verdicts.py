"""The record of what is refused while the rows of a chunk are judged."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tankwatch.core.readings import Rejected, RejectReason
from tankwatch.ingest.chunk import RAW_LENGTH, RawRows


@dataclass(slots=True)
class Verdicts:
    """What was refused, by row; several faults of one kind in a row become one record."""

    faults: dict[tuple[int, RejectReason], str] = field(default_factory=dict)

    def add(self, row: int, reason: RejectReason, detail: str) -> None:
        """Refuse `row`, or one value of it."""
        known = self.faults.get((row, reason))
        self.faults[row, reason] = f"{known}; {detail}" if known else detail

    def add_all(self, rows: NDArray[np.bool_], reason: RejectReason, detail: str) -> None:
        """Refuse each of `rows`, bool (rows,), for the same thing."""
        for row in np.flatnonzero(rows).tolist():
            self.add(row, reason, detail)

    def add_texts(self, rows: NDArray[np.bool_], cells: pa.Array, channel: str) -> None:
        """Refuse each of `rows`, bool (rows,), whose cell holds text that is no number."""
        for row in np.flatnonzero(rows).tolist():
            text = str(cells[row].as_py()).strip()[:RAW_LENGTH]
            self.add(row, RejectReason.BAD_NUMBER, f"{channel}: {text!r} is not a number")

    def records(self, rows: RawRows, source: str) -> list[Rejected]:
        """Return the refusals, with the broken rows among them, in the order of the file."""
        found = [
            Rejected(source, int(rows.lines[row]), reason, detail, rows.text(row)[:RAW_LENGTH])
            for (row, reason), detail in sorted(self.faults.items())
        ]
        return sorted([*rows.broken, *found], key=lambda record: record.line)

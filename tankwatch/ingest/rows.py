"""Rows that live sources gather: a value each, judged by what judges the rows of files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tankwatch.core.readings import ReadingBatch, Rejected, RejectReason
from tankwatch.ingest.assemble import assemble
from tankwatch.ingest.chunk import RAW_LENGTH, RawRows
from tankwatch.ingest.headers import Layout, LongColumns
from tankwatch.ingest.json_lines import typed_column
from tankwatch.ingest.options import FileOptions

Time = str | float | None
Value = str | float | bool | None

_NAMES = ("tank", "timestamp", "channel", "value", "unit")
_LAYOUT = Layout(_NAMES, tank=0, timestamp=1, wide=(), long=LongColumns(2, 3, 4))


@dataclass(slots=True)
class Rows:
    """Values as they came, column by column, and messages that held none.

    Attributes:
        origins: where each came from, for the operator: a topic, a node.
        tanks: name of each one's tank.
        times: text, or a number in the epoch unit of the options.
        channels: name of each one's channel, or what the options call it.
        values: a number, or its text.
        units: unit of each, empty where the options tell it.
        payloads: what each stood in.
        broken: records of what could not be taken apart.
        sites: site of a tank whose source tells it.
    """

    origins: list[str] = field(default_factory=list)
    tanks: list[str] = field(default_factory=list)
    times: list[Time] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    payloads: list[bytes | str] = field(default_factory=list)
    broken: list[Rejected] = field(default_factory=list)
    sites: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.origins)

    def add(
        self,
        origin: str,
        tank: str,
        time: Time,
        channel: str,
        value: Value,
        *,
        unit: str = "",
        payload: bytes | str = "",
    ) -> None:
        """Add one value."""
        self.origins.append(origin)
        self.tanks.append(tank)
        self.times.append(time)
        self.channels.append(channel)
        self.values.append(value)
        self.units.append(unit)
        self.payloads.append(payload)

    def refuse(
        self, origin: str, reason: RejectReason, detail: str, payload: bytes | str = ""
    ) -> None:
        """Add the record of a message, or a part of it, that holds no value."""
        self.broken.append(Rejected(origin, 0, reason, detail, excerpt(payload)))

    def tanks_by_site(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return those of `names` whose site is told, by site."""
        found: dict[str, list[str]] = {}
        for name in names:
            if name in self.sites:
                found.setdefault(self.sites[name], []).append(name)
        return found


def assemble_rows(rows: Rows, options: FileOptions) -> tuple[ReadingBatch, list[Rejected]]:
    """Return the sound readings of `rows` in canonical units, and what was refused."""
    columns: list[Sequence[Any]] = [rows.tanks, rows.times, rows.channels, rows.values, rows.units]
    raw = RawRows(
        lines=np.arange(len(rows), dtype=np.int64),
        cells=dict(enumerate(map(typed_column, columns))),
        text=lambda row: excerpt(rows.payloads[row]),
    )
    batch, refused = assemble(raw, _LAYOUT, options=options, source="")
    named = [replace(record, source=rows.origins[record.line], line=0) for record in refused]
    return batch, [*rows.broken, *named]


def excerpt(payload: bytes | str) -> str:
    """Return the beginning of a payload as text."""
    if isinstance(payload, str):
        return payload[:RAW_LENGTH]
    return payload[:RAW_LENGTH].decode(errors="backslashreplace")[:RAW_LENGTH]

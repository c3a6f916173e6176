"""JSON lines, an object a line, to chunks."""

import json
from collections.abc import Iterator, Sequence
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa

from tankwatch.core.readings import Rejected
from tankwatch.errors import SourceError
from tankwatch.ingest.assemble import judge_rows
from tankwatch.ingest.bytes_in import ByteSource
from tankwatch.ingest.chunk import Chunk, RawRows, broken_row
from tankwatch.ingest.headers import Layout, find_layout, layout_notes
from tankwatch.ingest.json_text import parse_json
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.text import TextBlock, text_blocks

_MOST_NAMES = 1000


def read_json_lines(source: ByteSource, options: FileOptions) -> Iterator[Chunk]:
    """Yield the readings of JSON lines; a name that a line leaves out is absent there.

    Raises:
        SourceError: there is no object, or a name that is needed is missing.
    """
    names: dict[str, None] = {}
    layout: Layout | None = None
    told: set[str] = set()
    for block in text_blocks(source, options):
        records, lines, broken = _parse_block(block, source.name)
        fresh = _new_names(names, records)
        if layout is None and records:
            layout = find_layout(tuple(names), options, source.name)
        elif layout is not None and fresh:
            layout = _extended(layout, tuple(names), options, source.name)
        if layout is None:
            if broken:
                _refuse(source, broken[0])
            continue
        rows = RawRows(
            lines=np.array([line for line, _ in lines], dtype=np.int64),
            cells={
                place: typed_column([record.get(layout.names[place]) for record in records])
                for place in layout.used
            },
            text=lambda row, lines=lines: lines[row][1],  # type: ignore[misc]
            broken=broken,
        )
        judged = judge_rows(rows, layout, options=options, source=source.name)
        notes = tuple(note for note in layout_notes(layout, options) if note not in told)
        told.update(notes)
        seen = len(records) + len(broken)
        if seen:
            yield Chunk(
                judged.batch, judged.origin, judged.rejected, source.newly_taken(), seen, notes
            )
    if layout is None:
        message = f"{source.name}: the file is empty: check what wrote it"
        raise SourceError(message)


def _refuse(source: ByteSource, first: Rejected) -> None:
    message = (
        f"{source.name}: no JSON object on any of the first lines; line {first.line}: "
        f"{first.detail}: write one object a line"
    )
    raise SourceError(message)


def _parse_block(
    block: TextBlock, source: str
) -> tuple[list[dict[str, Any]], list[tuple[int, str]], list[Rejected]]:
    """Return the objects, line number and text of each, and the lines that are no objects."""
    if block.fault:
        text = block.data.decode(errors="replace")
        return [], [], [broken_row(source, block.first_line, block.fault, text)]
    records: list[dict[str, Any]] = []
    lines: list[tuple[int, str]] = []
    broken: list[Rejected] = []
    for number, line in enumerate(block.data.decode().split("\n"), start=block.first_line):
        text = line.removesuffix("\r")
        if not text.strip():
            continue
        try:
            records.append(_parse_line(text))
            lines.append((number, text))
        except (ValueError, RecursionError) as error:
            broken.append(broken_row(source, number, f"not a JSON object: {error}", text))
    return records, lines, broken


def _parse_line(text: str) -> dict[str, Any]:
    record = parse_json(text)
    if not isinstance(record, dict):
        message = f"it is a {type(record).__name__}"
        raise ValueError(message)
    if "\\ud" in text.casefold():
        json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is no text
    return record


def _new_names(names: dict[str, None], records: Sequence[dict[str, Any]]) -> bool:
    """Add the names of `records` to `names` and return whether there were new ones."""
    before = len(names)
    for record in records:
        if len(names) < _MOST_NAMES:
            names.update(dict.fromkeys(record))
    return len(names) > before


def _extended(layout: Layout, names: tuple[str, ...], options: FileOptions, source: str) -> Layout:
    """Return the layout of all names so far; as it was where they contradict each other."""
    try:
        return find_layout(names, options, source)
    except SourceError:
        return layout


def typed_column(values: Sequence[Any]) -> pa.Array:
    """Return values as JSON has them as a typed column if they are of one kind, else as text."""
    kinds = {type(value) for value in values}
    try:
        if kinds <= {str, NoneType}:
            return pa.array(values, pa.string())
        if kinds <= {int, NoneType}:
            return pa.array(values, pa.int64())
        if kinds <= {int, float, NoneType}:
            return pa.array(values, pa.float64())
    except (pa.ArrowInvalid, OverflowError):
        pass  # too large for the type: its text is judged like any other
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)

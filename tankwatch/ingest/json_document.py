"""A JSON document, an object or a list of them, to a chunk; for bodies whole in memory."""

import json
from typing import Any

import numpy as np

from tankwatch.core.readings import Rejected
from tankwatch.errors import SourceError
from tankwatch.ingest.assemble import judge_rows
from tankwatch.ingest.chunk import Chunk, RawRows, broken_row
from tankwatch.ingest.headers import find_layout, layout_notes
from tankwatch.ingest.json_lines import typed_column
from tankwatch.ingest.json_text import parse_json
from tankwatch.ingest.options import FileOptions

_MOST_NAMES = 1000


def read_json_document(text: bytes, name: str, options: FileOptions) -> Chunk:
    """Return the readings of a JSON document; a line number is a place in the list, from 1.

    Raises:
        SourceError: it is no JSON, holds no object, or a name that is needed is missing.
    """
    found = _load(text, name)
    records, lines, broken = _records(found if isinstance(found, list) else [found], name)
    if not records:
        told = f"; the first element: {broken[0].detail}" if broken else ""
        message = f"{name}: the document holds no object{told}: send an object, or a list of them"
        raise SourceError(message)
    layout = find_layout(_names(records), options, name)
    rows = RawRows(
        lines=np.array(lines, dtype=np.int64),
        cells={place: typed_column(_values(records, layout.names[place])) for place in layout.used},
        text=lambda row: json.dumps(records[row], ensure_ascii=False),
        broken=broken,
    )
    judged = judge_rows(rows, layout, options=options, source=name)
    seen = len(records) + len(broken)
    notes = layout_notes(layout, options)
    return Chunk(judged.batch, judged.origin, judged.rejected, len(text), seen, notes)


def _names(records: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the names of all records in the order in which they come first, but not too many."""
    names: dict[str, None] = {}
    for of_record in dict.fromkeys(map(tuple, records)):  # most have the same names
        if len(names) < _MOST_NAMES:
            names.update(dict.fromkeys(of_record))
    return tuple(names)


def _values(records: list[dict[str, Any]], name: str) -> list[Any]:
    return [record.get(name) for record in records]


def _load(text: bytes, name: str) -> Any:
    try:
        found = parse_json(text)
        if rb"\u" in text and rb"\ud" in text.lower():
            json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        message = (
            f"{name}: not a JSON document ({error}): send an object or a list of objects; "
            "one object a line is JSON lines"
        )
        raise SourceError(message) from error
    return found


def _records(
    elements: list[Any], name: str
) -> tuple[list[dict[str, Any]], list[int], list[Rejected]]:
    """Return the objects among `elements`, the place of each, and what is no object."""
    if {dict}.issuperset(map(type, elements)):
        return elements, list(range(1, len(elements) + 1)), []
    records, lines, broken = [], [], []
    for place, element in enumerate(elements, start=1):
        if isinstance(element, dict):
            records.append(element)
            lines.append(place)
        else:
            detail = f"not a JSON object: it is a {type(element).__name__}"
            broken.append(broken_row(name, place, detail, json.dumps(element)))
    return records, lines, broken

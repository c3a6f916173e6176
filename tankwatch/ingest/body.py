"""The body of a message that is whole in memory, to chunks of readings in canonical units."""

import io
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.readings import VERDICTS, Verdict
from tankwatch.errors import SourceError
from tankwatch.ingest.bytes_in import ByteSource
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.csv_file import read_csv
from tankwatch.ingest.json_document import read_json_document
from tankwatch.ingest.json_lines import read_json_lines
from tankwatch.ingest.options import FileOptions

_GZIP = b"\x1f\x8b"
_WORDS = np.array([verdict.value for verdict in VERDICTS], dtype=object)
_REJECTED = VERDICTS.index(Verdict.REJECTED)


class Form(StrEnum):
    """How a body is written."""

    JSON = "JSON"
    JSON_LINES = "JSON lines"
    CSV = "CSV"


def read_body(body: bytes, form: Form, name: str, options: FileOptions) -> list[Chunk]:
    """Return the readings of a body that is not packed.

    Raises:
        SourceError: it cannot be read at all; the message says what, where and the remedy.
    """
    if not body.strip():
        message = f"{name}: the body is empty: send at least one reading"
        raise SourceError(message)
    if body.startswith(_GZIP):
        message = f"{name}: the body is packed twice: pack it once with gzip, or not at all"
        raise SourceError(message)
    if form is Form.JSON:
        return [read_json_document(body, name, options)]
    whole = replace(options, chunk_bytes=len(body) + 1)
    read = read_csv if form is Form.CSV else read_json_lines
    return list(read(ByteSource(io.BytesIO(body), name), whole))


def row_verdicts(
    chunks: Sequence[Chunk], verdict: NDArray[np.int8]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the word for each row of a body in the order of its lines, and int64, their lines.

    Args:
        chunks: what the body was read to.
        verdict: int8 (readings,), what became of the readings of all chunks, one after another.
    """
    lines, codes, done = [], [], 0
    for chunk in chunks:
        lines.append(chunk.origin.lines)
        codes.append(verdict[done + chunk.origin.row])
        done += chunk.batch.rows
    refused = {record.line for chunk in chunks for record in chunk.rejected}
    refused.difference_update(*(part.tolist() for part in lines) if refused else ())
    lines.append(np.fromiter(refused, dtype=np.int64, count=len(refused)))
    codes.append(np.full(len(refused), _REJECTED, dtype=np.int8))
    every = np.concatenate(lines)
    order = np.argsort(every, kind="stable")
    return _WORDS[np.concatenate(codes)[order]].tolist(), every[order]

"""Parquet files to chunks."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tankwatch.errors import SourceError
from tankwatch.ingest.assemble import judge_rows
from tankwatch.ingest.chunk import Chunk, RawRows
from tankwatch.ingest.headers import Layout, find_layout, layout_notes
from tankwatch.ingest.keys import holds_names
from tankwatch.ingest.numbers import holds_numbers
from tankwatch.ingest.options import FileOptions
from tankwatch.ingest.timestamps import holds_times

_BUFFER = 1 << 20


def read_parquet(binary: BinaryIO, name: str, options: FileOptions) -> Iterator[Chunk]:
    """Yield the readings of a Parquet file; a line number is a row's number.

    Raises:
        SourceError: the file is damaged, has no row, or a column is missing or of a wrong type.
    """
    try:
        file = pq.ParquetFile(binary, buffer_size=_BUFFER, pre_buffer=False)
        names = tuple(file.schema_arrow.names)
        layout = find_layout(names, options, name)
        _check_types(file.schema_arrow, layout, name)
        yield from _chunks(file, layout, source=name, options=options)
    except (pa.ArrowException, OSError) as error:
        message = f"{name}: the Parquet file is damaged or cut off ({error}): copy it again"
        raise SourceError(message) from error


def _chunks(
    file: pq.ParquetFile, layout: Layout, *, source: str, options: FileOptions
) -> Iterator[Chunk]:
    total = file.metadata.num_rows
    if not total:
        message = f"{source}: there is a header but no row: check what wrote the file"
        raise SourceError(message)
    size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
    notes = layout_notes(layout, options)
    done = 0
    columns = [layout.names[place] for place in layout.used]
    batches = file.iter_batches(options.chunk_rows, columns=columns, use_threads=False)
    for batch in batches:
        batch.validate(full=True)
        rows = RawRows(
            lines=np.arange(done + 1, done + batch.num_rows + 1, dtype=np.int64),
            cells={place: batch.column(layout.names[place]) for place in layout.used},
            text=lambda row, batch=batch: _row_text(batch, row),  # type: ignore[misc]
        )
        judged = judge_rows(rows, layout, options=options, source=source)
        before, done = done, done + batch.num_rows
        taken = size * done // total - size * before // total
        yield Chunk(judged.batch, judged.origin, judged.rejected, taken, batch.num_rows, notes)
        notes = ()


def _row_text(batch: pa.RecordBatch, row: int) -> str:
    (cells,) = batch.slice(row, 1).to_pylist()
    return ", ".join(f"{name}={value}" for name, value in cells.items())


def _check_types(schema: pa.Schema, layout: Layout, source: str) -> None:
    wanted = [(layout.timestamp, holds_times, "times")]
    wanted += [(column.position, holds_numbers, "numbers") for column in layout.wide]
    names = [layout.tank]
    if layout.long:
        wanted.append((layout.long.value, holds_numbers, "numbers"))
        names += [layout.long.channel, layout.long.unit]
    wanted += [(place, holds_names, "names") for place in names if place is not None]
    for place, holds, what in wanted:
        kind = schema.field(place).type
        if not holds(kind):
            message = (
                f"{source}: the column {layout.names[place]!r} is of type {kind}, which holds no "
                f"{what}: write it with another type, or choose another column with --column"
            )
            raise SourceError(message)

"""A file of archived readings: Parquet, zstd, as `tankwatch ingest` reads it."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tankwatch.errors import StoreError
from tankwatch.store.old_readings import as_rows
from tankwatch.store.readings import ReadingRows

_LEVEL = 9
_PIECE = 1 << 20


class ArchiveWriter:
    """Writes a file beside its final name, a row group for each group of tanks."""

    def __init__(self, path: Path, channels: Sequence[str], names: Mapping[int, str]) -> None:
        self.part = path.with_name(f".{path.name}.part")
        self._path = path
        self._names = names
        self._channels = tuple(channels)
        path.parent.mkdir(parents=True, exist_ok=True)
        fields = [("tank", pa.string()), ("timestamp", pa.timestamp("ms", tz="UTC"))]
        schema = pa.schema(fields + [(name, pa.float64()) for name in channels])
        self._writer = pq.ParquetWriter(
            self.part, schema, compression="zstd", compression_level=_LEVEL
        )
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._writer.close()
        if error is not None:
            self.part.unlink(missing_ok=True)

    def write(self, rows: ReadingRows) -> None:
        """Add rows, which become a row group of their own."""
        if not rows.size:
            return
        tanks = pa.array([self._names[tank] for tank in rows.tank_id.tolist()], pa.string())
        moments = pa.array(rows.observed_ms, pa.timestamp("ms", tz="UTC"))
        values = [pa.array(column, pa.float64(), from_pandas=True) for column in rows.values.T]
        table = pa.Table.from_arrays([tanks, moments, *values], schema=self._writer.schema)
        self._writer.write_table(table, row_group_size=rows.size)
        self.rows += rows.size

    def finish(self) -> str:
        """Put the verified file under its final name for good, and return its SHA-256."""
        digest = hashlib.sha256()
        with self.part.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
            os.fsync(file.fileno())
        self.part.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return digest.hexdigest()


def fingerprint(rows: ReadingRows) -> str:
    """Return a hash of rows, value for value, in their order."""
    digest = hashlib.sha256()
    for column in (rows.tank_id, rows.observed_ms, rows.values + 0.0):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def read_archive(path: Path, tank_ids: Mapping[str, int], channels: Sequence[str]) -> ReadingRows:
    """Return the rows of some tanks in a file, NaN for a channel that it does not have.

    Args:
        path: the file.
        tank_ids: the tanks by name, with their ids in the store.
        channels: names of the value columns.

    Raises:
        StoreError: the file is missing or damaged.
    """
    try:
        known = pq.read_schema(path).names
        chosen = [name for name in channels if name in known]
        only = [("tank", "in", sorted(tank_ids))]
        table = pq.read_table(path, columns=["tank", "timestamp", *chosen], filters=only)
    except (pa.ArrowException, OSError) as error:
        message = (
            f"the archived file {path} cannot be read ({error}): put it back from a backup, or "
            "move it elsewhere, so that what is still stored is exported again"
        )
        raise StoreError(message) from error
    values = np.full((table.num_rows, len(channels)), np.nan)
    for place, name in enumerate(channels):
        if name in chosen:
            values[:, place] = table.column(name).to_numpy()
    moments = table.column("timestamp").cast(pa.int64()).to_numpy()
    return as_rows(tank_ids, table.column("tank").to_pylist(), moments, values)


def read_all(
    paths: Iterable[Path], tank_ids: Mapping[str, int], channels: Sequence[str]
) -> list[ReadingRows]:
    """Return the rows of some tanks in each file."""
    return [read_archive(path, tank_ids, channels) for path in paths]

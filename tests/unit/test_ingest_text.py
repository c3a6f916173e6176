import gzip
import io
from pathlib import Path

import pytest

from tankwatch.core.readings import Rejected
from tankwatch.errors import SourceError
from tankwatch.ingest.chunk import Chunk
from tankwatch.ingest.file import read_file, read_stream
from tankwatch.ingest.options import FileOptions

PLAIN = FileOptions(channels=("pressure", "temperature"))
T0 = "2026-03-02T06:30:00Z"
TEXT = f"tank,timestamp,pressure\nTårn 1,{T0},1\nTårn 2,{T0},2\n"
MANY = "tank,timestamp,pressure\n" + "".join(
    f"T{i},{T0},{i * 7919 % 1009}\n" for i in range(50_000)
)


def collect(chunks: list[Chunk]) -> tuple[list[str], list[Rejected]]:
    """Return the tank of each row, and the records."""
    tanks = [chunk.batch.tanks[index] for chunk in chunks for index in chunk.batch.tank_index]
    return tanks, [record for chunk in chunks for record in chunk.rejected]


def read(
    folder: Path, content: bytes, options: FileOptions = PLAIN, name: str = "readings.csv"
) -> tuple[list[str], list[Rejected]]:
    path = folder / name
    path.write_bytes(content)
    return collect(list(read_file(path, options)))


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
        TEXT.encode("latin-1"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        gzip.compress(TEXT.encode(), mtime=0),
        gzip.compress(TEXT[:40].encode(), mtime=0) + gzip.compress(TEXT[40:].encode(), mtime=0),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_encoding_and_packing_are_found(tmp_path: Path, content: bytes, chunk_bytes: int) -> None:
    options = FileOptions(channels=PLAIN.channels, chunk_bytes=chunk_bytes)
    assert read(tmp_path, content, options) == (["Tårn 1", "Tårn 2"], [])


def test_single_lines_in_another_encoding_are_understood(tmp_path: Path) -> None:
    first, second, third = TEXT.splitlines()
    content = f"{first}\n{second}\n".encode() + third.encode("cp1252")
    assert read(tmp_path, content) == (["Tårn 1", "Tårn 2"], [])


def test_bytes_outside_windows_1252_are_kept_as_latin_1(tmp_path: Path) -> None:
    content = f"tank,time,pressure\nT\xff\x81,{T0},1\n".encode("latin-1")
    _, (record,) = read(tmp_path, content)
    assert (record.reason, record.raw) == ("no_tank", f"T\xff\x81,{T0},1")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "cp850", "utf-8"])
def test_stated_encoding_is_taken(tmp_path: Path, encoding: str) -> None:
    options = FileOptions(channels=PLAIN.channels, encoding=encoding)
    assert read(tmp_path, TEXT.encode(encoding), options) == (["Tårn 1", "Tårn 2"], [])


def test_row_that_is_not_in_the_stated_encoding_is_quarantined(tmp_path: Path) -> None:
    options = FileOptions(channels=PLAIN.channels, encoding="utf-8")
    tanks, records = read(
        tmp_path, f"tank,time,pressure\nT1,{T0},1\n".encode() + b"\xe5" * 3, options
    )
    assert tanks == ["T1"]
    assert [(r.line, r.reason) for r in records] == [(3, "broken_row")]


def test_utf_16_without_a_mark_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="--encoding utf-16-le"):
        read(tmp_path, TEXT.encode("utf-16-le"))


def test_utf_16_that_ends_inside_a_character_loses_only_its_last_row(tmp_path: Path) -> None:
    tanks, records = read(tmp_path, TEXT.encode("utf-16")[:-3])
    assert tanks == ["Tårn 1"]
    assert [(r.line, r.reason) for r in records] == [(3, "broken_row")]


def test_archive_that_is_cut_off_gives_all_that_could_be_read(tmp_path: Path) -> None:
    packed = gzip.compress(MANY.encode())
    cut = packed[: len(packed) // 2]
    for chunk_bytes in (10_000, 1 << 22):
        options = FileOptions(channels=PLAIN.channels, chunk_bytes=chunk_bytes)
        tanks, (record,) = read(tmp_path, cut, options, "readings.csv.gz")
        assert 10_000 < len(tanks) < 40_000
        assert tanks == [f"T{number}" for number in range(len(tanks))]
        assert (record.reason, record.line) == ("broken_row", len(tanks) + 2)
        assert "the archive is cut off here" in record.detail
        assert f"T{len(tanks)},".startswith(record.raw[:3])


def test_archive_with_a_wrong_checksum_is_told(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(MANY.encode()))
    packed[-6] ^= 0xFF
    tanks, (record,) = read(tmp_path, bytes(packed))
    assert len(tanks) == 50_000
    assert "CRC check failed" in record.detail


@pytest.mark.parametrize("length", [3, 12, 25])
def test_archive_that_is_cut_off_before_its_first_row_is_refused(
    tmp_path: Path, length: int
) -> None:
    with pytest.raises(SourceError, match="cut off"):
        read(tmp_path, gzip.compress(MANY.encode())[:length])


def test_packed_bytes_are_counted_as_they_lie_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv.gz"
    path.write_bytes(gzip.compress(MANY.encode()))
    options = FileOptions(channels=PLAIN.channels, chunk_bytes=50_000)
    chunks = list(read_file(path, options))
    assert sum(chunk.bytes_read for chunk in chunks) == path.stat().st_size
    assert sum(chunk.rows_read for chunk in chunks) == 50_000


class Pipe(io.RawIOBase):
    """A stream that can only be read forwards, a little at a time."""

    def __init__(self, content: bytes) -> None:
        self.content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        return self.content.readinto(target[:1000])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_is_read_by_its_first_bytes(pack: type[bytes]) -> None:
    lines = '{"tank": "T1", "timestamp": 1772433000, "pressure": 1}\n' * 3
    for content, rows in ((MANY.encode(), 50_000), (lines.encode(), 3)):
        chunks = list(read_stream(io.BufferedReader(Pipe(pack(content))), "-", PLAIN))
        assert sum(chunk.batch.rows for chunk in chunks) == rows


def test_source_that_fails_while_it_is_read_is_named() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _target: memoryview) -> int:  # type: ignore[override]
            raise OSError(5, "Input/output error")

    with pytest.raises(SourceError, match=r"share/a.csv: cannot be read: Input/output error"):
        next(read_stream(io.BufferedReader(Broken()), "share/a.csv", PLAIN))

"""The bytes of a file or stream: unpacked where they are gzip, counted, and read only forwards."""

import gzip
import zlib
from typing import BinaryIO

from tankwatch.errors import SourceError

_GZIP = b"\x1f\x8b"
_PEEK = 1 << 16


class _Counted:
    """A binary stream that can be looked at before it is read, and that counts what was read."""

    def __init__(self, binary: BinaryIO) -> None:
        self.binary = binary
        self.held = binary.read(_PEEK)
        self.taken = 0

    def read(self, size: int) -> bytes:
        piece = self.held or self.binary.read(size)
        piece, self.held = piece[:size], piece[size:]
        self.taken += len(piece)
        return piece


class ByteSource:
    """Bytes of a file or stream, unpacked.

    Attributes:
        name: what messages call the source.
        head: the first bytes while none were read, at most 64 KiB.
        packed: the source is gzip.
        damage: why a packed source ended early; empty while it is sound.
    """

    def __init__(self, binary: BinaryIO, name: str) -> None:
        self.name = name
        self.damage = ""
        self.head = b""
        self._reported = 0
        self._stream: _Counted | gzip.GzipFile
        self._stream = self._counted = self._open(binary)
        self.packed = self._counted.held.startswith(_GZIP)
        if self.packed:
            self._stream = gzip.GzipFile(fileobj=self._counted, mode="rb")  # type: ignore[call-overload]
        self.head = self.read(_PEEK)

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer at the end, or where a packed source is damaged."""
        piece, self.head = self.head[:size], self.head[size:]
        pieces, missing = [piece], size - len(piece)
        while missing and (piece := self._take(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def newly_taken(self) -> int:
        """Return how many bytes were taken from the source since this was last asked."""
        new, self._reported = self._counted.taken - self._reported, self._counted.taken
        return new

    def _open(self, binary: BinaryIO) -> _Counted:
        try:
            return _Counted(binary)
        except OSError as error:
            raise self._unreadable(error) from error

    def _take(self, size: int) -> bytes:
        try:
            if isinstance(self._stream, gzip.GzipFile):
                return self._stream.read1(size)
            return self._stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.damage = str(error)
            return b""
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(f"{self.name}: cannot be read: {error.strerror or error}")

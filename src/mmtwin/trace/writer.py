"""Writing a trace, compressed as its name says."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

import zstandard

from mmtwin.trace.records import Record
from mmtwin.trace.wire import encode

XZ_PRESET: Final = 3
"""Maps texts repeat themselves; higher presets win a tenth at five times the time."""


class Sink(Protocol):
    """A file to write bytes to."""

    def write(self, data: bytes, /) -> object:
        """Append bytes."""

    def close(self) -> object:
        """Finish the file."""


def _open(path: Path) -> Sink:
    match path.suffix:
        case ".gz":
            return gzip.open(path, "wb")
        case ".xz":
            return lzma.open(path, "wb", preset=XZ_PRESET)
        case ".zst":
            checked = zstandard.ZstdCompressor(write_checksum=True)
            compressed: Sink = zstandard.open(path, "wb", cctx=checked)
            return compressed
    return open(path, "wb", buffering=0)


class TraceWriter:
    """Writes records, one line each; plain files get every line at once, so that nothing that
    was written is lost when the writer is killed. Compressed ones are whole once closed.

    A context manager. Raises ``OSError`` where the file cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = _open(Path(path))
        self.lines = 0
        """Lines written so far."""

    def write(self, record: Record) -> None:
        """Append a record; its ``line`` is set to where it stands."""
        self.lines += 1
        record.line = self.lines
        self._file.write(encode(record) + b"\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

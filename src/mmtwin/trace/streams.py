"""Lines of a file that may be compressed, in bounded memory.

Whatever the file holds, no more than ``LINE_MAX`` bytes of one line and one block of the
decompressor are held at a time, and a stream that ends early is an error, never a short read.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, Protocol

import zstandard

from mmtwin.trace.errors import TraceError

LINE_MAX: Final = 64 << 20
"""The longest line in bytes; /proc/PID/maps at vm.max_map_count (65,530) takes 7 MB."""
BLOCK: Final = 1 << 18
XZ_MEMORY_MAX: Final = 256 << 20
ZSTD_WINDOW_MAX: Final = 128 << 20
ZSTD_INPUT: Final = 1 << 10
"""A zstd block of a few bytes may hold 128 KiB of text, and the decoder gives out all at once."""


class Damage(Exception):
    """The compressed stream is broken; the text says how."""


class Decoder(Protocol):
    """One compressed stream (member, frame)."""

    @property
    def eof(self) -> bool:
        """The stream's end was reached."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end in the last input."""

    @property
    def hungry(self) -> bool:
        """It can give nothing more without input."""

    def feed(self, data: bytes) -> bytes:
        """Up to about ``BLOCK`` bytes of text."""


class Gz:
    """A gzip member."""

    magic = b"\x1f\x8b"
    input_size = BLOCK

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        """The member's end was reached."""
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the member."""
        return self._zlib.unused_data

    @property
    def hungry(self) -> bool:
        """All input was used."""
        return not self._zlib.unconsumed_tail

    def feed(self, data: bytes) -> bytes:
        """Up to ``BLOCK`` bytes of text."""
        try:
            return self._zlib.decompress(self._zlib.unconsumed_tail + data, BLOCK)
        except zlib.error as error:
            raise Damage(f"broken gzip data ({error})") from error


class Xz:
    """An xz stream."""

    magic = b"\xfd7zXZ\x00"
    input_size = BLOCK

    def __init__(self) -> None:
        self._lzma = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_MAX)

    @property
    def eof(self) -> bool:
        """The stream's end was reached."""
        return self._lzma.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the stream."""
        return self._lzma.unused_data

    @property
    def hungry(self) -> bool:
        """Nothing is left to give out."""
        return self._lzma.needs_input

    def feed(self, data: bytes) -> bytes:
        """Up to ``BLOCK`` bytes of text."""
        try:
            return self._lzma.decompress(data, BLOCK)
        except lzma.LZMAError as error:
            raise Damage(f"broken xz data ({error})") from error


class Zst:
    """A zstd frame."""

    magic = b"\x28\xb5\x2f\xfd"
    input_size = ZSTD_INPUT

    def __init__(self) -> None:
        reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_MAX)
        self._zstd = reader.decompressobj()

    @property
    def eof(self) -> bool:
        """The frame's end was reached."""
        return self._zstd.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the frame."""
        return self._zstd.unused_data

    @property
    def hungry(self) -> bool:
        """It always is: each input's text is given out at once."""
        return True

    def feed(self, data: bytes) -> bytes:
        """The text of at most ``ZSTD_INPUT`` bytes: up to 43 MB, from the worst of inputs."""
        try:
            return self._zstd.decompress(data)
        except zstandard.ZstdError as error:
            raise Damage(f"broken zstd data ({error})") from error


CODECS: Final[dict[str, type[Gz] | type[Xz] | type[Zst]]] = {".gz": Gz, ".xz": Xz, ".zst": Zst}


def _codec_of(path: Path, head: bytes) -> type[Gz] | type[Xz] | type[Zst] | None:
    """The codec by the name's ending, else by the first bytes; None for plain text."""
    by_name = CODECS.get(path.suffix)
    if by_name is not None:
        if head and not head.startswith(by_name.magic):
            raise Damage(f"not {path.suffix[1:]} data")
        return by_name
    return next((codec for codec in CODECS.values() if head.startswith(codec.magic)), None)


def _plain(file: IO[bytes], head: bytes) -> Iterator[bytes]:
    if head:
        yield head
    while block := file.read(BLOCK):
        yield block


def _decompressed(file: IO[bytes], head: bytes, make: Callable[[], Decoder]) -> Iterator[bytes]:
    """The text of all streams of the file, one after another."""
    size = getattr(make, "input_size", BLOCK)
    magic: bytes = getattr(make, "magic", b"")
    decoder = make()
    data = head
    while True:
        if decoder.eof:
            data = decoder.unused_data + data
            while len(data) < len(magic) and (more := file.read(size)):
                data += more
            if make is Xz:
                # xz files may be padded with NULs between and after streams
                while data and not data.strip(b"\0"):
                    data = file.read(size)
                data = data.lstrip(b"\0")
            if not data:
                return
            if not data.startswith(magic):
                raise Damage("data after the end of the compressed stream")
            decoder = make()
        elif not data and decoder.hungry:
            data = file.read(size)
            if not data:
                raise Damage("cut short: the compressed stream does not end")
        given, data = data[:size], data[size:]
        text = decoder.feed(given)
        if text:
            yield text


def _lines(blocks: Iterator[bytes], path: str) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line, without newlines; a last line may lack its newline."""
    number = 1
    parts: list[bytes] = []
    held = 0
    try:
        for block in blocks:
            lines = block.split(b"\n")
            last = lines.pop()
            for line in lines:
                if parts:
                    parts.append(line)
                    line = b"".join(parts)
                    parts.clear()
                    held = 0
                yield number, line
                number += 1
            parts.append(last)
            held += len(last)
            if held > LINE_MAX:
                raise TraceError(path, number, f"line longer than {LINE_MAX >> 20} MiB")
    except Damage as damage:
        raise TraceError(path, number, str(damage)) from damage
    except OSError as error:
        raise TraceError(path, number, error.strerror or str(error)) from error
    if held:
        yield number, b"".join(parts)


def read_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """The file's lines with their numbers from 1; ``TraceError`` on anything that is not whole."""
    name = str(path)
    try:
        file = open(path, "rb")
    except (OSError, ValueError) as error:
        raise TraceError(name, 1, getattr(error, "strerror", None) or str(error)) from error
    with file:
        try:
            head = file.read(ZSTD_INPUT)
            codec = _codec_of(Path(path), head)
        except Damage as damage:
            raise TraceError(name, 1, str(damage)) from damage
        except OSError as error:
            raise TraceError(name, 1, error.strerror or str(error)) from error
        blocks = _plain(file, head) if codec is None else _decompressed(file, head, codec)
        yield from _lines(blocks, name)

"""The initial file system of a guest: a cpio archive, made without other tools.

Format: "newc", as Documentation/driver-api/early-userspace/buffer-format.rst has it.
"""

from __future__ import annotations

import gzip
import stat
from collections.abc import Mapping
from pathlib import PurePosixPath

TRAILER = "TRAILER!!!"


def _entry(name: str, number: int, mode: int, content: bytes) -> bytes:
    """One file: 13 hexadecimal fields, the name and the content, each padded to 4 bytes."""
    path = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    head += b"\0" * (-len(head) % 4)
    return head + content + b"\0" * (-len(content) % 4)


def cpio(files: Mapping[str, bytes], executable: str) -> bytes:
    """A gzipped archive of files and all folders above them; ``executable`` may be run.

    So may everything in a folder ``bin`` or ``lib`` and below.
    """
    folders = dict.fromkeys(
        parent.as_posix()
        for name in files
        for parent in reversed(PurePosixPath(name).parents)
        if parent.name
    )
    parts = [_entry(name, 1 + at, stat.S_IFDIR | 0o755, b"") for at, name in enumerate(folders)]
    for number, (name, content) in enumerate(files.items(), 1 + len(folders)):
        runs = name == executable or {"bin", "lib", "lib64"} & set(name.split("/")[:-1])
        mode = stat.S_IFREG | (0o755 if runs else 0o644)
        parts.append(_entry(name, number, mode, content))
    parts.append(_entry(TRAILER, 0, 0, b""))
    return gzip.compress(b"".join(parts), mtime=0)

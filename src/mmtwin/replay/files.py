"""Open files of a replay: which ``struct file`` a recorded mmap means.

Device and inode numbers are no decision of mm: they are taken from the first maps text that shows
the file. Which open file description stands behind a descriptor is told by the record's ``open``
key; where a recorder left it out, the same path and descriptor number in the same address space
count as the same description.
"""

from __future__ import annotations

import os
from typing import TypeAlias

from mmtwin.trace.maps import MapLine, parse_maps
from mmtwin.trace.records import Call
from mmtwin.twin import Twin

Key: TypeAlias = tuple[str, *tuple[int, ...]]
"""A path, and what tells descriptions of one path apart."""

PROT_WRITE = 2
MAP_SHARED = 1
MAP_ANONYMOUS = 0x20
LOW = 0xFFFFFFFF
MADE_UP = 1 << 40
"""Inode numbers from here on are the twin's own, for files that no maps text shows."""


class Files:
    """Finds or opens the file of a recorded call."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.space = twin.space
        self._numbers: dict[str, tuple[int, int, int]] = {}
        self._open: dict[Key, int] = {}
        self._opened: list[tuple[int, Key]] = []
        """Where in the journal each of them was opened."""
        self._disk: tuple[int, int] | None = None
        self.generation = 0
        """Distinguishes descriptions that look the same but are not (see ``Settler``)."""

    def learn(self, lines: list[MapLine]) -> None:
        """Take device and inode numbers from a fresh image; its first file shows the disk."""
        for line in lines:
            if line.inode and line.name.startswith("/"):
                self._numbers[line.name] = (line.major, line.minor, line.inode)
                if self._disk is None and line.major:
                    self._disk = (line.major, line.minor)

    def of_mmap(self, mm: int, record: Call) -> int:
        """The ``struct file`` that an mmap of a file maps."""
        path = (record.file or "").replace("\n", "\\012")
        flags, prot = record.args[3] & LOW, record.args[2] & LOW
        how = os.O_RDWR if flags & MAP_SHARED and prot & PROT_WRITE else os.O_RDONLY
        if record.open is not None:
            key: Key = (path, record.open, how)
        else:
            key = (path, mm, record.args[4] & LOW, how, self.generation)
        file = self._open.get(key)
        if file is None:
            self._opened.append((self.twin.memory.mark(), key))
            file = self._open[key] = self._open_file(path, how, record)
        return file

    def renamed(self, paths: dict[str, str]) -> set[int]:
        """Files are called otherwise, new paths by old ones: those that are open under either.

        Done again after a step was taken back, it finds the same.
        """

        def now(key: Key) -> Key:
            return (paths.get(key[0], key[0]), *key[1:])

        self._numbers = {paths.get(path, path): known for path, known in self._numbers.items()}
        self._open = {now(key): file for key, file in self._open.items()}
        self._opened = [(mark, now(key)) for mark, key in self._opened]
        names = set(paths.values())
        return {file for key, file in self._open.items() if key[0] in names}

    def rewound(self, mark: int) -> None:
        """Memory was taken back to ``mark``: what was opened since is not open."""
        while self._opened and self._opened[-1][0] >= mark:
            _, key = self._opened.pop()
            del self._open[key]

    def _open_file(self, path: str, how: int, record: Call) -> int:
        numbers = self._shown(path, record) or self._numbers.get(path)
        if numbers is None:
            major, minor = self._disk or (0, 0)
            numbers = (major, minor, MADE_UP + len(self._numbers))
        self._numbers[path] = numbers
        return self.space.open_file(path, *numbers, how)

    def _shown(self, path: str, record: Call) -> tuple[int, int, int] | None:
        """What the maps after the call show for the file, preferably where it was mapped."""
        found = None
        text, end = record.maps or "", f"{path}\n"
        at = text.find(end)
        while at >= 0:
            first = text.rfind("\n", 0, at) + 1
            (line,) = parse_maps(text[first : at + len(end)])
            if line.name == path:
                found = (line.major, line.minor, line.inode)
                if line.start == record.ret:
                    break
            at = text.find(end, at + 1)
        return found

    def number_shared_object(self, record: Call) -> None:
        """Let the object of a shared anonymous mapping get the inode number that maps show."""
        for line in parse_maps(record.maps) if record.maps else ():
            if record.ret is not None and line.start <= record.ret < line.end and line.inode:
                self.space.set_last_ino(line.inode - 1)

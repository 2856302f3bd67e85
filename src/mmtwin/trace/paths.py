"""Paths of mapped files that change while the files stay mapped.

/proc/PID/maps tells a file's present path, or the last one with `` (deleted)``. So after a call
that unlinks or renames, every mapped file is looked up under the path it had; where another file
or none is there now, the maps of the traced processes tell what it is called instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from mmtwin.trace import proc
from mmtwin.trace.descriptors import Inode
from mmtwin.trace.maps import parse_maps

DELETED: Final = " (deleted)"


class Paths:
    """The paths under which files were mapped, over all processes of a recording."""

    def __init__(self) -> None:
        self._known: dict[str, Inode] = {}
        self._changed: dict[str, str] = {}

    def mapped(self, tid: int, path: str) -> None:
        """A thread has mapped the file at ``path`` (as it sees paths)."""
        inode = _inode(tid, path)
        if inode is not None:
            self._known[path] = inode

    def look(self, tid: int, tids: Iterable[int]) -> None:
        """``tid`` has unlinked or renamed something; ``tids`` has a thread of each space."""
        known = self._known
        gone = {path: inode for path, inode in known.items() if _inode(tid, path) != inode}
        if not gone:
            return
        for path in gone:
            del known[path]
        for other in tids:
            for line in parse_maps(proc.maps(other)):
                was = line.name.removesuffix(DELETED)
                if was in gone and was != line.name:
                    self._changed[was] = line.name
                elif line.inode and line.name not in known:
                    self._renamed(other, line.name, gone)

    def taken(self) -> dict[str, str] | None:
        """New paths by old ones, of all changes since the last time; None if there are none."""
        if not self._changed:
            return None
        changed, self._changed = self._changed, {}
        return changed

    def _renamed(self, tid: int, name: str, gone: dict[str, Inode]) -> None:
        inode = _inode(tid, name)
        if inode is None:
            return
        self._known[name] = inode
        for path, former in gone.items():
            if former == inode:
                self._changed[path] = name


def _inode(tid: int, path: str) -> Inode | None:
    """Device and inode number of what a thread finds at ``path``; None if that is nothing."""
    try:
        status = os.stat(f"/proc/{tid}/root{path}")
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino)

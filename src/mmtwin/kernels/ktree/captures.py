"""The recorded VMA activity of real programs in the kernel's own test, read at run time.

The test's source holds 43 arrays of triples (operation, first, last): what a program's mmap,
munmap and exit did to its tree, last inclusive. They are read from the reader's copy of the
kernel's source; none of it is in this package.
"""

from __future__ import annotations

import re
from array import array
from pathlib import Path
from typing import NamedTuple

from mmtwin.kernels.ktree.protocol import Op, Operation, encode
from mmtwin.kernels.ktree.source import kernel_source

TEST = Path("tools/testing/radix-tree/maple.c")
FUNCTION = "check_erase2_sets"
PLAIN = frozenset({1, 3, 4})
"""The sets that the kernel runs on a tree without gap tracking."""
ALLOC_RANGE = 1

_ARRAY = re.compile(r"unsigned long set(\d*)\[\] = \{(.*?)\n\s*\};", re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_TRIPLE = re.compile(r"\b(STORE|SNULL|ERASE)\s*,\s*(\d+)\s*,\s*(\d+)")


class Step(NamedTuple):
    """One recorded change; ``last`` is inclusive."""

    kind: str
    """``STORE``, ``SNULL`` (store NULL) or ``ERASE`` (the whole range that holds ``first``)"""
    first: int
    last: int


class Capture(NamedTuple):
    """One recorded program."""

    number: int
    steps: tuple[Step, ...]

    @property
    def flags(self) -> int:
        """The tree flags the kernel's test uses for it."""
        return 0 if self.number in PLAIN else ALLOC_RANGE

    def operations(self, tree: int = 0) -> array[int]:
        """The capture as encoded operations on a fresh tree; a store's value is its first index."""
        found = [Operation(Op.INIT, self.flags, tree=tree)]
        for kind, first, last in self.steps:
            if kind == "ERASE":
                found.append(Operation(Op.ERASE, first, tree=tree))
            else:
                entry = first << 1 | 1 if kind == "STORE" else 0
                found.append(Operation(Op.STORE_RANGE, first, last, entry, tree=tree))
        return encode(found)


def read_captures(source: Path | None = None) -> list[Capture]:
    """All captures, in the test's order. Raises `NoKernelSourceError` without a source."""
    text = ((source or kernel_source()) / TEST).read_text()
    body = text[text.index(FUNCTION) :]
    captures = []
    for name, content in _ARRAY.findall(body):
        triples = _TRIPLE.findall(_COMMENT.sub("", content))
        steps = tuple(Step(kind, int(first), int(last)) for kind, first, last in triples)
        captures.append(Capture(int(name or 1), steps))
    return captures

"""The page allocator's way to a word of the direct map.

Compiled rooms have the same functions inlined from the package's ``__init__.pxd``; these serve
where the rooms run as plain Python.
"""

from __future__ import annotations

from mmtwin.memory.memory import Memory
from mmtwin.pages.layouts import VMEMMAP

load = Memory.load
store = Memory.store
change = Memory.poke


def add(memory: Memory, address: int, delta: int) -> int:
    """Add to a counter, which wraps as in C; returns 0."""
    memory.store(address, (memory.load(address) + delta) & 0xFFFFFFFFFFFFFFFF)
    return 0


def place(shift: int, address: int) -> int:
    """The direct-map address of a word that lies in vmemmap, ``shift`` below, or there already."""
    return address - shift if address >= VMEMMAP else address

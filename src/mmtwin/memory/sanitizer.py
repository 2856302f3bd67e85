"""The sanitizer: refuses loads and stores of memory that is not, or no longer, an object's.

As in KASAN, a shadow byte stands for eight bytes of memory; the shadow itself lies in memory, so
that it moves along when the present is moved. Freed memory is filled with SLUB's poison.
"""

from __future__ import annotations

from mmtwin.memory.errors import PoisonedAccess
from mmtwin.memory.memory import PAGE, Memory

SHADOW_SCALE = 8
"""Bytes of memory that a byte of the shadow stands for."""
ACCESSIBLE = 0x00
REDZONE = 0xFC
"""KASAN_SLAB_REDZONE: never handed out, or the room between two objects."""
FREED = 0xFB
"""KASAN_SLAB_FREE."""
UNWRITTEN = 0xFE
"""Handed out and not yet stored to: a load reads rubbish."""
POISON = 0x6B6B6B6B6B6B6B6B
"""What SLUB fills a freed object with."""


_KINDS = {FREED: "use-after-free", REDZONE: "out-of-bounds", UNWRITTEN: "uninitialised"}


class Sanitizer:
    """Watches a memory whose allocators report to the watcher.

    Only runs that an allocator has reserved are judged; boot memory stays free to use. Attach it
    before the allocators take their first run. ``uninitialised=True`` also refuses loads of words
    that nobody has stored since the object was handed out.
    """

    def __init__(self, memory: Memory, *, uninitialised: bool = False) -> None:
        self.memory = memory
        self.fresh = UNWRITTEN if uninitialised else ACCESSIBLE
        self.shadow = memory.boot_alloc(memory.size // SHADOW_SCALE, PAGE)
        self.busy = False
        memory.watch(self)

    def on_reserve(self, address: int, size: int) -> None:
        """An allocator took ``size`` bytes to carve objects from: nobody may touch them yet."""
        self._mark(address, size, REDZONE)

    def on_release(self, address: int, size: int) -> None:
        """The run is an allocator's no longer: not judged any more."""
        self._mark(address, size, ACCESSIBLE)

    def on_alloc(self, address: int, size: int) -> None:
        """The object's words may be used from now on."""
        self._mark(address, size, self.fresh)
        self._mark(_link(address, size), 8, ACCESSIBLE)

    def on_free(self, address: int, size: int) -> None:
        """Poison the object; the free-list link in its middle keeps its value."""
        self.busy = True
        for word in range(address, address + (size & ~7), 8):
            if word != _link(address, size):
                self.memory.store(word, POISON)
        self.busy = False
        self._mark(address, size, FREED)

    def on_load(self, address: int, size: int) -> None:
        """Refuse a load that :class:`PoisonedAccess` describes."""
        if not self.busy:
            code = self._code(address, size, "load")
            if code != ACCESSIBLE:
                raise PoisonedAccess(address, size, "load", _KINDS[code], code)

    def on_store(self, address: int, size: int) -> None:
        """Refuse a store to memory that is not an object's; a stored word becomes readable."""
        if not self.busy:
            code = self._code(address, size, "store")
            if code == UNWRITTEN:
                self._mark(address & ~7, 8, ACCESSIBLE)
            elif code != ACCESSIBLE:
                raise PoisonedAccess(address, size, "store", _KINDS[code], code)

    def _code(self, address: int, size: int, what: str) -> int:
        at = self.shadow + (self.memory.translate(address, size, what == "load") >> 3)
        self.busy = True
        code = self.memory.load8(at)
        self.busy = False
        return code

    def _mark(self, address: int, size: int, code: int) -> None:
        first = self.shadow + (self.memory.translate(address, 8, False) >> 3)
        self.busy = True
        for at in range(first, first + (size + 7) // 8):
            self.memory.store8(at, code)
        self.busy = False


def _link(address: int, size: int) -> int:
    """Where an allocator keeps the free-list link of an object of ``size`` bytes."""
    return address + ((size // 2) & ~7)

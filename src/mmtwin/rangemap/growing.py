"""Simulated memory that grows: a range map of ten entries should not reserve room for millions."""

from __future__ import annotations

import mmap

import cython
from cython import ulonglong as u64

from mmtwin.memory.memory import BOOT_CURSOR, LAZY, PAGE, Memory

CURSOR = cython.declare(u64, 1)
"""The word that holds the first physical byte not yet handed out."""

LARGE = cython.declare(u64, 1 << 22)
"""Bytes from which on large pages are worth it: a lookup then misses fewer translations."""
LARGE_PAGE = cython.declare(u64, 1 << 21)

FACTOR = cython.declare(u64, 4)
"""How many times larger the memory gets at once."""

assert BOOT_CURSOR == 8


class GrowingMemory(Memory):
    """A `Memory` whose size follows its use.

    Addresses stay what they were when it grows. There must be no journal and no watcher.
    """

    def __init__(self, size: u64) -> None:
        super().__init__(size)

    def reserve(self, size: u64) -> None:
        """Make sure that ``size`` bytes can be handed out. MemoryError if there are none."""
        if self.size - self.w[CURSOR] < size:
            self.grow(FACTOR * self.size + size)

    def used(self) -> u64:
        """How many bytes have been handed out."""
        return self.w[CURSOR]

    def grow(self, size: u64) -> None:
        """Become at least ``size`` bytes large."""
        page: u64 = PAGE if size < LARGE else LARGE_PAGE
        size = (size + page - 1) & ~(page - 1)
        used: u64 = self.used()
        if not cython.compiled:
            # A map can be resized only when no view of it is left.
            self.w.release()
            self.d.release()
        try:
            self.enlarge(size, used)
            self.written.resize(size // PAGE)
            self.size = size
            self.limit = size
        except OSError as error:
            raise MemoryError(f"no room for {size} bytes of nodes") from error
        finally:
            self._bind()

    def enlarge(self, size: u64, used: u64) -> None:
        """Let the words have ``size`` bytes. Small pages stay small when a mapping grows, and large
        ones are broken up when it moves: so large ones are asked for before anything is written."""
        if size < LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):
            self.physical.resize(size)
            return
        larger = mmap.mmap(-1, size, flags=LAZY)
        larger.madvise(mmap.MADV_HUGEPAGE)
        larger[:used] = memoryview(self.physical)[:used]
        self.physical = larger

    def copy_from(self, other: GrowingMemory) -> None:
        """Hold the same words at the same addresses as ``other``."""
        if self.size < other.size:
            self.grow(other.size)
        used: int = other.used()
        memoryview(self.physical)[:used] = memoryview(other.physical)[:used]
        pages = (used + PAGE - 1) // PAGE
        memoryview(self.written)[:pages] = memoryview(other.written)[:pages]

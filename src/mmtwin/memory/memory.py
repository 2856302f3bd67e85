"""The flat simulated memory.

Physical memory is one array of 64-bit words, held lazily: what was never stored costs nothing.
Kernel addresses reach it through windows: the direct map at ``base``, and further ones such as
vmemmap. A word is what an aligned 64-bit load gives; narrower fields are cut out of it by byte
order, so that big-endian layouts need no other code.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import cython
from cython import bint, size_t
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.memory.errors import BadAccess, OutOfMemory
from mmtwin.memory.journal import Journal
from mmtwin.memory.strings import Strings

DIRECT_MAP = 0xFFFF888000000000
"""Where x86-64 with four page-table levels maps all physical memory."""

PAGE = 4096
MAP_NORESERVE = 0x4000
"""The host's flag (x86, arm64, riscv, s390); Python names it only from 3.13 on."""
LAZY = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
BOOT_CURSOR = 8
"""Physical address of the word that holds the first physical byte not yet handed out at boot."""


def where(mapping: mmap.mmap) -> int:
    """The host's address of a mapping."""
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


class Watcher(Protocol):
    """Sees every load and store while it listens: a sanitizer, a race detector, a scheduler.

    The methods are called before the access, with the kernel address and the width in bytes; they
    may raise.
    """

    def on_load(self, address: int, size: int) -> None:
        """A load of ``size`` bytes at ``address`` is about to happen."""

    def on_store(self, address: int, size: int) -> None:
        """A store of ``size`` bytes at ``address`` is about to happen."""

    def on_reserve(self, address: int, size: int) -> None:
        """An allocator took ``size`` bytes at ``address`` to carve objects from."""

    def on_release(self, address: int, size: int) -> None:
        """An allocator gives ``size`` bytes at ``address`` back, in which no object is left."""

    def on_alloc(self, address: int, size: int) -> None:
        """``size`` bytes at ``address`` were handed out by an allocator."""

    def on_free(self, address: int, size: int) -> None:
        """``size`` bytes at ``address`` were given back."""


class Window:
    """A range of kernel addresses and the physical range it shows.

    ``first`` is the first address, ``size`` the length in bytes, ``physical`` where it begins.
    """

    def __init__(self, name: str, first: int, size: int, physical: int) -> None:
        self.name = name
        self.first = first
        self.size = size
        self.physical = physical


class Memory:
    """Physical memory of ``size`` bytes behind kernel addresses.

    ``base`` is the first address of the direct map. The first page is never handed out, so that
    no object lies at physical address 0.
    """

    def __init__(
        self, size: u64, *, base: u64 = DIRECT_MAP, big_endian: bint = False, journal: bool = False
    ) -> None:
        if size % PAGE != 0 or size < 2 * PAGE:
            raise ValueError(f"size {size} is not a multiple of the page size, at least two pages")
        self.size = size
        self.base = base
        self.big_endian = big_endian
        self.limit = size
        self.strings = Strings()
        self.windows: list[Window] = []
        self.watcher: Watcher | None = None
        self.journal: Journal | None = Journal() if journal else None
        self.physical = mmap.mmap(-1, size, flags=LAZY)
        self.written = mmap.mmap(-1, size // PAGE, flags=LAZY)
        self._bind()
        self.poke(BOOT_CURSOR >> 3, PAGE)

    def _bind(self) -> None:
        """Let ``w`` and ``d`` be the words and the written-page flags: pointers where compiled."""
        if not cython.compiled:
            self.w = memoryview(self.physical).cast("Q")
            self.d = memoryview(self.written)
        else:
            self.w = cython.cast(cython.p_ulonglong, cython.cast(size_t, where(self.physical)))
            self.d = cython.cast(cython.p_uchar, cython.cast(size_t, where(self.written)))

    # Loads and stores.

    def load(self, address: u64) -> u64:
        """The word at ``address`` (8-byte aligned)."""
        if address >= self.base:
            offset: u64 = address - self.base
            if offset < self.limit and offset & 7 == 0:
                return self.w[offset >> 3]
        return self._load_slow(address, 8)

    def store(self, address: u64, value: u64) -> None:
        """Make the word at ``address`` (8-byte aligned) ``value``."""
        if address >= self.base:
            offset: u64 = address - self.base
            if offset < self.limit and offset & 7 == 0:
                self.poke(offset >> 3, value)
                return
        if self.watcher is not None:
            self.watcher.on_store(address, 8)
        self.poke(self.translate(address, 8, False) >> 3, value)

    def _load_slow(self, address: u64, size: i32) -> u64:
        """A load outside the direct map, or one that a watcher wants to see."""
        if self.watcher is not None:
            self.watcher.on_load(address, size)
        return self.w[self.translate(address, size, True) >> 3]

    def poke(self, index: u64, value: u64) -> i32:
        """Make the word number ``index`` of physical memory ``value``, with its journal entry.

        Returns 0 (see ``Journal.append``).
        """
        if not cython.compiled:
            value &= 0xFFFFFFFFFFFFFFFF  # a count below zero wraps, as in C
        old: u64 = self.w[index]
        if old == value:
            return 0
        if self.journal is not None:
            at: u64 = self.journal.at
            if at < self.journal.room:
                self.journal.words[at] = index
                self.journal.words[at + 1] = old
                self.journal.at = at + 2
            else:
                self.journal.append(index, old)
        self.w[index] = value
        self.d[index >> 9] = 1
        return 0

    def translate(self, address: u64, size: i32, loading: bint) -> u64:
        """The physical byte address behind a kernel address; :class:`BadAccess` if there is none.

        ``size`` is the width of the access in bytes: the address must be aligned to it.
        """
        what = "load" if loading else "store"
        if address & (size - 1) != 0:
            raise BadAccess(address, size, what, "not aligned")
        if address >= self.base and address - self.base < self.size:
            return address - self.base
        for window in self.windows:
            first: u64 = window.first
            length: u64 = window.size
            if address >= first and address - first < length:
                return address - first + window.physical
        raise BadAccess(address, size, what, "no memory is mapped there")

    def _shift(self, address: u64, size: i32) -> i32:
        """How far a field of ``size`` bytes lies from the low end of its word, in bits."""
        at: i32 = address & 7
        if self.big_endian:
            return 8 * (8 - size - at)
        return 8 * at

    def _load_part(self, address: u64, size: i32, mask: u64) -> u64:
        if self.watcher is not None:
            self.watcher.on_load(address, size)
        word: u64 = self.w[self.translate(address, size, True) >> 3]
        return (word >> self._shift(address, size)) & mask

    def _store_part(self, address: u64, size: i32, mask: u64, value: u64) -> None:
        if self.watcher is not None:
            self.watcher.on_store(address, size)
        index: u64 = self.translate(address, size, False) >> 3
        shift: i32 = self._shift(address, size)
        kept: u64 = self.w[index] & ~(mask << shift)
        self.poke(index, kept | ((value & mask) << shift))

    def load32(self, address: u64) -> u64:
        """The 32-bit field at ``address`` (4-byte aligned)."""
        return self._load_part(address, 4, 0xFFFFFFFF)

    def load16(self, address: u64) -> u64:
        """The 16-bit field at ``address`` (2-byte aligned)."""
        return self._load_part(address, 2, 0xFFFF)

    def load8(self, address: u64) -> u64:
        """The byte at ``address``."""
        return self._load_part(address, 1, 0xFF)

    def store32(self, address: u64, value: u64) -> None:
        """Make the 32-bit field at ``address`` the low 32 bits of ``value``."""
        self._store_part(address, 4, 0xFFFFFFFF, value)

    def store16(self, address: u64, value: u64) -> None:
        """Make the 16-bit field at ``address`` the low 16 bits of ``value``."""
        self._store_part(address, 2, 0xFFFF, value)

    def store8(self, address: u64, value: u64) -> None:
        """Make the byte at ``address`` the low 8 bits of ``value``."""
        self._store_part(address, 1, 0xFF, value)

    def fill(self, address: u64, size: u64, value: u64) -> None:
        """Store the word ``value`` over ``size`` bytes from ``address`` (both multiples of 8)."""
        offset: u64 = address - self.base if address >= self.base else self.limit
        if offset < self.limit and size <= self.limit - offset and (offset | size) & 7 == 0:
            w = self.w
            index: u64 = offset >> 3
            past: u64 = (offset + size) >> 3
            while index < past:
                if w[index] != value:
                    self.poke(index, value)
                index += 1
            return
        at: u64 = 0
        while at < size:
            self.store(address + at, value)
            at += 8

    def zero(self, address: u64, size: u64) -> None:
        """Clear ``size`` bytes from ``address`` (both multiples of 8)."""
        self.fill(address, size, 0)

    def copy(self, target: u64, source: u64, size: u64) -> None:
        """Copy ``size`` bytes, word by word upwards (all multiples of 8)."""
        at: u64 = 0
        while at < size:
            self.store(target + at, self.load(source + at))
            at += 8

    # Boot memory: whole runs of bytes that are never given back.

    def boot_alloc(self, size: u64, align: u64) -> u64:
        """Kernel address of ``size`` zeroed bytes, aligned to ``align`` (a power of two).

        The kernel's memblock; pages for allocators come from here until zones exist. The cursor
        lies in memory, so a rewind gives the bytes back.
        """
        cursor: u64 = self.w[BOOT_CURSOR >> 3]
        first: u64 = (cursor + align - 1) & ~(align - 1)
        if first + size > self.size:
            raise OutOfMemory(
                f"boot memory is used up: {size} bytes wanted, "
                f"{self.size - cursor} of {self.size} left"
            )
        self.poke(BOOT_CURSOR >> 3, first + size)
        return self.base + first

    def add_window(self, name: str, first: int, size: int, physical: int) -> None:
        """Show ``size`` bytes from the address ``physical`` on at kernel address ``first`` too."""
        self.windows.append(Window(name, first, size, physical))

    # Watching.

    def watch(self, watcher: Watcher | None) -> None:
        """Let ``watcher`` see every access from now on; None stops it."""
        self.watcher = watcher
        self.limit = 0 if watcher is not None else self.size

    # Moving the present.

    def mark(self) -> u64:
        """The journal's present position: a name for this state. Needs a journal."""
        return self._journal().present()

    def rewind(self, position: u64) -> None:
        """Take the stores back to an earlier ``position``."""
        journal: Journal = self._journal()
        journal.check(position)
        at: u64 = journal.present()
        while at > position:
            at -= 1
            self._exchange(journal, at)
        journal.stand(position)

    def advance(self, position: u64) -> None:
        """Carry the stores out again up to a later ``position``."""
        journal: Journal = self._journal()
        journal.check(position)
        at: u64 = journal.present()
        while at < position:
            self._exchange(journal, at)
            at += 1
        journal.stand(position)

    def go(self, position: u64) -> None:
        """Move the present to ``position``, whichever way it lies."""
        if position < self._journal().present():
            self.rewind(position)
        else:
            self.advance(position)

    @contextmanager
    def at(self, position: int) -> Iterator[None]:
        """Read the state at ``position`` inside the ``with`` block, then come back.

        Nothing may be stored inside: a store would forget the future.
        """
        present = self.mark()
        self.go(position)
        try:
            yield
        finally:
            self.go(present)

    def _exchange(self, journal: Journal, position: u64) -> None:
        index: u64 = journal.entry_index(position)
        self.w[index] = journal.exchange(position, self.w[index])
        self.d[index >> 9] = 1

    def _journal(self) -> Journal:
        if self.journal is None:
            raise ValueError("this memory keeps no journal")
        return self.journal

    # Snapshots.

    def snapshot(self) -> dict[int, bytes]:
        """Copies of all pages that were ever written, by page frame number."""
        pages: dict[int, bytes] = {}
        frame = self.written.find(b"\x01", 0)
        while frame >= 0:
            pages[frame] = self.physical[frame * PAGE : (frame + 1) * PAGE]
            frame = self.written.find(b"\x01", frame + 1)
        return pages

    def restore(self, pages: dict[int, bytes]) -> None:
        """Make memory what it was when ``snapshot`` gave ``pages``; the journal starts afresh."""
        empty = bytes(PAGE)
        frame = self.written.find(b"\x01", 0)
        while frame >= 0:
            if frame not in pages:
                self.physical[frame * PAGE : (frame + 1) * PAGE] = empty
            frame = self.written.find(b"\x01", frame + 1)
        for kept, content in pages.items():
            self.physical[kept * PAGE : (kept + 1) * PAGE] = content
            self.written[kept] = 1
        if self.journal is not None:
            self.journal.forget()

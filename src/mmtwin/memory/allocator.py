"""Fixed-size objects out of memory: what the maple tree asks for nodes, and others for theirs."""

from __future__ import annotations

from typing import Protocol

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.memory.memory import PAGE, Memory

FREE_LIST = declare(u64, 0)
NEXT_NEW = declare(u64, 8)
END_NEW = declare(u64, 16)
IN_USE = declare(u64, 24)
CONTROL_SIZE = 32
RUN = declare(u64, 65536)
"""Bytes taken from below at once."""


class Injector(Protocol):
    """Decides which allocations fail, as the kernel's failslab does."""

    def should_fail(self, name: str, gfp: int) -> bool:
        """True if this allocation from the cache ``name`` with the flags ``gfp`` fails."""


class Allocator:
    """Gives out objects of one size.

    ``alloc`` returns an address, or 0 when there is no memory; the content is whatever was there.
    """

    def __init__(self, memory: Memory, name: str, object_size: u64) -> None:
        self.memory = memory
        self.name = name
        self.object_size = object_size
        self.injector: Injector | None = None

    def alloc(self, gfp: u64) -> u64:
        """The address of an object, 0 if none can be had under the flags ``gfp``."""
        raise TypeError(f"{type(self).__name__} does not say how to allocate")

    def free(self, address: u64) -> None:
        """Take the object at ``address`` back."""
        raise TypeError(f"{type(self).__name__} does not say how to free")

    def alloc_words(self, gfp: u64, at: u64, count: u64) -> u64:
        """Store the addresses of ``count`` objects from word number ``at`` of memory on, as
        ``kmem_cache_alloc_bulk`` does; returns how many could be had."""
        got: u64 = 0
        while got < count:
            address: u64 = self.alloc(gfp)
            if address == 0:
                break
            self.memory.poke(at + got, address)
            got += 1
        return got

    def free_words(self, at: u64, count: u64) -> i32:
        """Take the objects back whose addresses stand from word number ``at`` on; returns 0."""
        done: u64 = 0
        while done < count:
            self.free(self.memory.w[at + done])
            done += 1
        return 0

    def in_use(self) -> u64:
        """How many objects are out."""
        raise TypeError(f"{type(self).__name__} does not count")


class Arena(Allocator):
    """An allocator whose whole state lies in memory: free list, end of the used run, count.

    Freed objects are given out again last in, first out. The link of the free list lies in the
    middle of a free object, as in SLUB since 5.7, out of the way of what use-after-free reads.
    ``align`` is a power of two, in bytes. The control words are ``FREE_LIST``, ``NEXT_NEW``,
    ``END_NEW`` and ``IN_USE``; without a watcher they are reached directly. A cache whose runs come
    and go has more of them (``control_size``, in bytes).
    """

    def __init__(
        self,
        memory: Memory,
        object_size: u64,
        align: u64,
        name: str,
        control_size: int = CONTROL_SIZE,
    ) -> None:
        super().__init__(memory, name, object_size)
        self.stride = (object_size + align - 1) & ~(align - 1)
        self.align = align
        self.link = (object_size // 2) & ~7
        self.control = memory.boot_alloc(control_size, 8)

    def alloc(self, gfp: u64) -> u64:
        """The address of an object, 0 if the injector or the end of memory refuses it."""
        if self.injector is not None and self.injector.should_fail(self.name, gfp):
            return 0
        memory: Memory = self.memory
        address: u64
        if memory.watcher is None:
            x: u64 = (self.control - memory.base) >> 3
            address = memory.w[x]
            if address >= memory.base and address - memory.base < memory.size:
                next: u64 = memory.w[(address - memory.base + self.link) >> 3]
                if cython.compiled and memory.journal is None:
                    memory.w[x] = next
                    memory.w[x + 3] += 1
                    memory.d[x >> 9] = 1
                    memory.d[(x + 3) >> 9] = 1
                else:
                    memory.poke(x, next)
                    memory.poke(x + 3, memory.w[x + 3] + 1)
                return address
        if memory.load(self.control + FREE_LIST) == 0:
            address = memory.load(self.control + NEXT_NEW)
            used: bint = address == 0 or (
                address + self.stride > memory.load(self.control + END_NEW)
            )
            if used and self._new_run() == 0:
                return 0
        address = memory.load(self.control + FREE_LIST)
        if address != 0:
            if memory.watcher is not None:
                memory.watcher.on_alloc(address, self.object_size)
            memory.store(self.control + FREE_LIST, memory.load(address + self.link))
        else:
            address = memory.load(self.control + NEXT_NEW)
            memory.store(self.control + NEXT_NEW, address + self.stride)
            if memory.watcher is not None:
                memory.watcher.on_alloc(address, self.object_size)
        memory.store(self.control + IN_USE, memory.load(self.control + IN_USE) + 1)
        return address

    def _new_run(self) -> u64:
        """Provide free objects: begin a new run; its first address, 0 if there is no memory."""
        size: u64 = RUN if self.stride < RUN else self.stride
        # No page holds objects of two allocators: a page tells whose it is.
        first: u64 = self.memory.boot_alloc(size, self.align if self.align > PAGE else PAGE)
        self.memory.store(self.control + NEXT_NEW, first)
        self.memory.store(self.control + END_NEW, first + size)
        if self.memory.watcher is not None:
            self.memory.watcher.on_reserve(first, size)
        return first

    def free(self, address: u64) -> None:
        """Take the object at ``address`` back."""
        memory: Memory = self.memory
        if memory.watcher is None and address >= memory.base:
            offset: u64 = address - memory.base
            if offset < memory.size and offset & 7 == 0:
                x: u64 = (self.control - memory.base) >> 3
                link: u64 = (offset + self.link) >> 3
                if cython.compiled and memory.journal is None:
                    memory.w[link] = memory.w[x]
                    memory.w[x] = address
                    memory.w[x + 3] -= 1
                    memory.d[link >> 9] = 1
                    memory.d[x >> 9] = 1
                    memory.d[(x + 3) >> 9] = 1
                else:
                    memory.poke(link, memory.w[x])
                    memory.poke(x, address)
                    memory.poke(x + 3, memory.w[x + 3] - 1)
                return
        memory.store(address + self.link, memory.load(self.control + FREE_LIST))
        memory.store(self.control + FREE_LIST, address)
        memory.store(self.control + IN_USE, memory.load(self.control + IN_USE) - 1)
        if memory.watcher is not None:
            memory.watcher.on_free(address, self.object_size)

    def alloc_words(self, gfp: u64, at: u64, count: u64) -> u64:
        """As everywhere; of what the free list holds its end and the count are told once."""
        if self.injector is not None or self.memory.watcher is not None:
            return Allocator.alloc_words(self, gfp, at, count)
        memory: Memory = self.memory
        x: u64 = (self.control - memory.base) >> 3
        got: u64 = 0
        while got < count:
            before: u64 = got
            address: u64 = memory.w[x]
            while got < count and memory.base <= address < memory.base + memory.size:
                memory.poke(at + got, address)
                address = memory.w[(address - memory.base + self.link) >> 3]
                got += 1
            if got != before:
                memory.poke(x, address)
                memory.poke(x + 3, memory.w[x + 3] + got - before)
            elif Allocator.alloc_words(self, gfp, at + got, 1) == 1:
                got += 1
            else:
                break
        return got

    def free_words(self, at: u64, count: u64) -> i32:
        """As everywhere; the free list's end and the count are told once. Returns 0."""
        memory: Memory = self.memory
        done: u64 = 0
        if memory.watcher is None:
            x: u64 = (self.control - memory.base) >> 3
            first: u64 = memory.w[x]
            while done < count:
                address: u64 = memory.w[at + done]
                offset: u64 = address - memory.base
                if address < memory.base or offset >= memory.size or offset & 7 != 0:
                    break
                memory.poke((offset + self.link) >> 3, first)
                first = address
                done += 1
            memory.poke(x, first)
            memory.poke(x + 3, memory.w[x + 3] - done)
        return Allocator.free_words(self, at + done, count - done)

    def in_use(self) -> u64:
        """How many objects are out."""
        return self.memory.load(self.control + IN_USE)

"""Slab caches: objects of one kind each, carved from runs of pages that know their cache.

For each page of physical memory vmemmap holds a 64-byte ``struct page``; of a slab's page the
word at offset 8 (``slab_cache`` since 6.2) names the cache, so that any address inside leads to
its object, as ``virt_to_cache`` does in the kernel.
"""

from __future__ import annotations

from cython import ulonglong as u64

from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import PAGE, Memory

VMEMMAP = 0xFFFFEA0000000000
STRUCT_PAGE_SIZE = 64
SLAB_CACHE = 8


class SlabCache(Arena):
    """A cache of one kind of object, known to the pages it uses by ``number``, from 1."""

    def __init__(
        self, memory: Memory, name: str, object_size: u64, align: u64, number: u64, memmap: u64
    ) -> None:
        super().__init__(memory, object_size, align, name)
        self.number = number
        self.memmap = memmap

    def _new_run(self) -> u64:
        first: u64 = Arena._new_run(self)
        size: u64 = self.memory.load(self.control + 16) - first
        at: u64 = 0
        while at < size:
            frame: u64 = (first - self.memory.base + at) // PAGE
            self.memory.store(self.memmap + frame * STRUCT_PAGE_SIZE + SLAB_CACHE, self.number)
            self.memory.store(self.memmap + frame * STRUCT_PAGE_SIZE + 16, first)
            at += PAGE
        return first


class SlabCaches:
    """All caches of a machine, by the kernel's names."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        size = memory.size // PAGE * STRUCT_PAGE_SIZE
        self.memmap = memory.boot_alloc((size + PAGE - 1) & ~(PAGE - 1), PAGE)
        memory.add_window("vmemmap", VMEMMAP, size, self.memmap - memory.base)
        self.caches: list[SlabCache] = []

    def create(self, name: str, object_size: int, align: int = 8) -> SlabCache:
        """A new cache of objects of ``object_size`` bytes, aligned to ``align`` bytes."""
        if any(cache.name == name for cache in self.caches):
            raise ValueError(f"there is a cache {name} already")
        number = len(self.caches) + 1
        cache = SlabCache(self.memory, name, object_size, align, number, self.memmap)
        self.caches.append(cache)
        return cache

    def get(self, name: str) -> SlabCache:
        """The cache of that name; :class:`KeyError` if there is none."""
        for cache in self.caches:
            if cache.name == name:
                return cache
        raise KeyError(name)

    def number_at(self, address: u64) -> u64:
        """The number of the cache that owns the page of ``address``, 0 if none does."""
        if address < self.memory.base or address - self.memory.base >= self.memory.size:
            return 0
        frame: u64 = (address - self.memory.base) // PAGE
        return self.memory.load(self.memmap + frame * STRUCT_PAGE_SIZE + SLAB_CACHE)

    def object_at(self, address: u64) -> u64:
        """The address of the slab object that ``address`` lies in, 0 if it lies in none."""
        number: u64 = self.number_at(address)
        if number == 0:
            return 0
        cache: SlabCache = self.caches[number - 1]
        frame: u64 = (address - self.memory.base) // PAGE
        first: u64 = self.memory.load(self.memmap + frame * STRUCT_PAGE_SIZE + 16)
        return first + (address - first) // cache.stride * cache.stride

    def owner(self, address: int) -> SlabCache | None:
        """The cache that owns the page of ``address``."""
        number = self.number_at(address)
        return self.caches[number - 1] if number else None

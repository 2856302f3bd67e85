"""Slab caches: objects of one kind each, carved from runs of pages that know their cache.

The runs come from boot memory or, if a page allocator is given, from there: then a cache can run
out of memory as a kernel's does, by the watermarks and the caller's flags.

For each page of physical memory vmemmap holds a 64-byte ``struct page``; of a slab's page the
word at offset 8 (``slab_cache`` since 6.2) names the cache, so that any address inside leads to
its object, as ``virt_to_cache`` does in the kernel. Numbers of caches are even: an odd word there
would mark the tail of a compound page.
"""

from __future__ import annotations

from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.context import Context
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import PAGE, Memory
from mmtwin.pages.page_alloc import PageAlloc

VMEMMAP = 0xFFFFEA0000000000
STRUCT_PAGE_SIZE = 64
SLAB_CACHE = 8
SLAB_FIRST = 16
END_NEW = declare(u64, 16)

MIN_OBJECTS = 16
"""Objects that a slab should hold at least; SLUB asks for as many on a few cpus."""
ORDER_MAX = 3
"""slub_max_order."""


def slab_order(size: int) -> int:
    """The order of a slab of objects of ``size`` bytes, by SLUB's rule.

    The smallest order that holds enough objects and wastes at most a sixteenth, an eighth or a
    quarter of the slab, whatever is reached first; else the smallest that holds one object.
    """
    for objects in (MIN_OBJECTS, MIN_OBJECTS // 2, MIN_OBJECTS // 4):
        for fraction in (16, 8, 4):
            for order in range(ORDER_MAX + 1):
                slab = PAGE << order
                if slab >= objects * size and slab % size <= slab // fraction:
                    return order
    return max(0, (size - 1) // PAGE).bit_length()


class SlabCache(Arena):
    """A cache of one kind of object, known to the pages it uses by ``number`` (2, 4, ...).

    ``pages`` is where its slabs come from; None is boot memory. A slab that cannot be had at its
    usual order is tried at the smallest that holds an object.
    """

    def __init__(
        self,
        memory: Memory,
        name: str,
        object_size: u64,
        align: u64,
        number: u64,
        memmap: u64,
        pages: PageAlloc | None = None,
    ) -> None:
        super().__init__(memory, object_size, align, name)
        self.number = number
        self.memmap = memmap
        self.pages = pages
        self.order = slab_order(self.stride)
        self.order_min = max(0, (self.stride - 1) // PAGE).bit_length()
        self.gfp = 0
        self.context: Context | None = None

    def alloc(self, gfp: u64) -> u64:
        """The address of an object, 0 if the injector or the page allocator refuses it.

        Raises :class:`KernelWarning` where ``gfp`` allows what the ``context`` forbids.
        """
        self.gfp = gfp
        if self.context is not None:
            self.context.might_alloc(gfp, "kmem_cache_alloc")
        return Arena.alloc(self, gfp)

    def _new_run(self) -> u64:
        first: u64
        if self.pages is None:
            first = Arena._new_run(self)
        else:
            first = self._new_slab()
            if first == 0:
                return 0
        size: u64 = self.memory.load(self.control + END_NEW) - first
        at: u64 = 0
        while at < size:
            frame: u64 = (first - self.memory.base + at) // PAGE
            self.memory.store(self.memmap + frame * STRUCT_PAGE_SIZE + SLAB_CACHE, self.number)
            self.memory.store(self.memmap + frame * STRUCT_PAGE_SIZE + SLAB_FIRST, first)
            at += PAGE
        return first

    def _new_slab(self) -> u64:
        """The first address of a slab from the page allocator, 0 if there is none.

        ``allocate_slab``: the usual order is not worth any effort if a smaller one will do.
        """
        pages: PageAlloc | None = self.pages
        assert pages is not None
        memory: Memory = self.memory
        order: i32 = self.order
        gfp: u64 = self.gfp & ~pages.gfp_account
        easy: u64 = (gfp | pages.gfp_nowarn | pages.gfp_noretry) & ~pages.gfp_nofail
        if gfp & pages.gfp_direct_reclaim != 0 and order > self.order_min:
            easy = (easy | pages.gfp_nomemalloc) & ~(
                pages.gfp_direct_reclaim | pages.gfp_kswapd_reclaim
            )
        page: u64 = pages.alloc_pages(easy, order)
        if page == 0:
            order = self.order_min
            page = pages.alloc_pages(gfp, order)
            if page == 0:
                return 0
        first: u64 = memory.base + pages.page_to_pfn(page) * PAGE
        size: u64 = PAGE
        size = size << order
        memory.store(self.control + END_NEW, first + size)
        if memory.watcher is not None:
            memory.watcher.on_reserve(first, size)
        return first


class SlabCaches:
    """All caches of a machine, by the kernel's names; ``pages`` is where slabs come from."""

    def __init__(self, memory: Memory, pages: PageAlloc | None = None) -> None:
        self.memory = memory
        self.pages = pages
        self.caches: list[SlabCache] = []
        if pages is not None:
            self.memmap = pages.memmap
            return
        size = memory.size // PAGE * STRUCT_PAGE_SIZE
        self.memmap = memory.boot_alloc((size + PAGE - 1) & ~(PAGE - 1), PAGE)
        memory.add_window("vmemmap", VMEMMAP, size, self.memmap - memory.base)

    def create(
        self, name: str, object_size: int, align: int = 8, *, boot: bool = False
    ) -> SlabCache:
        """A new cache of objects of ``object_size`` bytes, aligned to ``align`` bytes.

        With ``boot`` it has memory of its own and never runs out.
        """
        if any(cache.name == name for cache in self.caches):
            raise ValueError(f"there is a cache {name} already")
        number = 2 * len(self.caches) + 2
        pages = None if boot else self.pages
        cache = SlabCache(self.memory, name, object_size, align, number, self.memmap, pages)
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
        cache: SlabCache = self.caches[number // 2 - 1]
        frame: u64 = (address - self.memory.base) // PAGE
        first: u64 = self.memory.load(self.memmap + frame * STRUCT_PAGE_SIZE + SLAB_FIRST)
        return first + (address - first) // cache.stride * cache.stride

    def owner(self, address: int) -> SlabCache | None:
        """The cache that owns the page of ``address``."""
        number = self.number_at(address)
        return self.caches[number // 2 - 1] if number else None

"""Slab caches: objects of one kind each, carved from runs of pages that know their cache.

The runs come from boot memory or, if a page allocator is given, from there: then a cache can run
out of memory as a kernel's does, by the watermarks and the caller's flags.

For each page of physical memory vmemmap holds a 64-byte ``struct page``; of a slab's page the
word at offset 8 (``slab_cache`` since 6.2) names the cache, so that any address inside leads to
its object, as ``virt_to_cache`` does in the kernel. Numbers of caches are even: an odd word there
would mark the tail of a compound page.

Slabs from the page allocator come and go as SLUB's do without ``CONFIG_SLUB_CPU_PARTIAL``: a cache
hands out objects of one slab, the cpu's; others that have free ones wait in the partial list, and
one in which nothing is used any more goes back if that list is long enough (mm/slub.c of 6.1.192:
``___slab_alloc``, ``__slab_free``). It goes at the end of a grace period (``give_back``), as slabs
of a cache with ``SLAB_TYPESAFE_BY_RCU`` do.
"""

from __future__ import annotations

import cython
from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.machine.context import Context
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import PAGE, Memory
from mmtwin.pages.page_alloc import PageAlloc

if not cython.compiled:
    from mmtwin.pages.words import add, load, store

VMEMMAP = 0xFFFFEA0000000000
STRUCT_PAGE_SIZE = 64
SLAB_CACHE = 8
SLAB_FIRST = 16
SLAB_NEXT, SLAB_PREV, SLAB_FREELIST, SLAB_COUNTERS = 24, 32, 40, 56
"""Of a slab's first page: the neighbours in a list (direct-map addresses of struct pages), its free
objects while it is not the cpu's, and the objects in use (16 bits), there are (16) and its order.
All objects of the cpu's slab count as used."""
AT_CACHE = declare(u64, SLAB_CACHE)
AT_FIRST = declare(u64, SLAB_FIRST)
AT_NEXT = declare(u64, SLAB_NEXT)
AT_PREV = declare(u64, SLAB_PREV)
AT_FREELIST = declare(u64, SLAB_FREELIST)
AT_COUNTERS = declare(u64, SLAB_COUNTERS)
STRUCT_PAGE = declare(u64, STRUCT_PAGE_SIZE)
PAGE_BYTES = declare(u64, PAGE)
PAGE_SHIFT = declare(u64, PAGE.bit_length() - 1)
COUNT = declare(u64, 0xFFFF)
AT_FREE_LIST, AT_NEXT_NEW, AT_END_NEW, AT_IN_USE, AT_CPU_FIRST = 0, 8, 16, 24, 32
"""The control words: those of an :class:`Arena`, about the cpu's slab but the last, which counts
all objects in use; and where the cpu's slab begins. It ends at ``AT_END_NEW``."""
AT_PARTIAL_FIRST, AT_PARTIAL_LAST, AT_NR_PARTIAL, AT_EMPTY, AT_NR_OBJECTS = 40, 48, 56, 64, 72
"""The partial slabs; those that wait to be given back, linked by ``SLAB_NEXT``; all objects."""
FREE_LIST = declare(u64, AT_FREE_LIST)
NEXT_NEW = declare(u64, AT_NEXT_NEW)
END_NEW = declare(u64, AT_END_NEW)
IN_USE = declare(u64, AT_IN_USE)
CPU_FIRST = declare(u64, AT_CPU_FIRST)
PARTIAL_FIRST = declare(u64, AT_PARTIAL_FIRST)
PARTIAL_LAST = declare(u64, AT_PARTIAL_LAST)
NR_PARTIAL = declare(u64, AT_NR_PARTIAL)
EMPTY = declare(u64, AT_EMPTY)
NR_OBJECTS = declare(u64, AT_NR_OBJECTS)
MIN_PARTIAL = 5
MAX_PARTIAL = 10

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

    ``pages`` is where its slabs come from; None is boot memory, of which nothing goes back. An
    empty one stays while there are fewer than ``min_partial`` partial slabs. A slab that cannot be
    had at its usual order is tried at the smallest that holds an object. ``waiting`` is a word that
    says whether slabs of any cache wait to be given back.
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
        waiting: u64 = 0,
    ) -> None:
        super().__init__(memory, object_size, align, name, AT_NR_OBJECTS + 8)
        self.waiting = waiting
        self.number = number
        self.memmap = memmap
        self.pages = pages
        self.order = slab_order(self.stride)
        self.order_min = max(0, (self.stride - 1) // PAGE).bit_length()
        half_log = (object_size.bit_length() - 1) // 2
        self.min_partial = max(MIN_PARTIAL, min(half_log, MAX_PARTIAL))
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

    def free(self, address: u64) -> None:
        """Take the object at ``address`` back; :class:`KernelWarning` if it is none of here."""
        if self.pages is not None:
            control: u64 = self.control
            memory: Memory = self.memory
            if address < load(memory, control + CPU_FIRST) or address >= load(
                memory, control + END_NEW
            ):
                self._free_elsewhere(address)
                return
        Arena.free(self, address)

    def alloc_words(self, gfp: u64, at: u64, count: u64) -> u64:
        """As everywhere, and as :meth:`alloc` where the context forbids it."""
        self.gfp = gfp
        if self.context is not None:
            self.context.might_alloc(gfp, "kmem_cache_alloc_bulk")
        return Arena.alloc_words(self, gfp, at, count)

    def free_words(self, at: u64, count: u64) -> i32:
        """As everywhere: runs of objects of the cpu's slab at once, others one by one; 0."""
        memory: Memory = self.memory
        if self.pages is None:
            return Arena.free_words(self, at, count)
        first: u64 = load(memory, self.control + CPU_FIRST)
        end: u64 = load(memory, self.control + END_NEW)
        done: u64 = 0
        while done < count:
            run: u64 = done
            while run < count and first <= memory.w[at + run] < end:
                run += 1
            if run > done:
                Arena.free_words(self, at + done, run - done)
                done = run
            else:
                done += self._free_run_elsewhere(at + done, count - done)
        return 0

    def _free_run_elsewhere(self, at: u64, count: u64) -> u64:
        """Take objects of one other slab than the cpu's back, as many as stand at ``at`` and can
        go without moving the slab from list to list, else one; how many."""
        memory: Memory = self.memory
        address: u64 = memory.w[at]
        head: u64 = self.head_of(address)
        prior: u64 = load(memory, head + AT_FREELIST) if head != 0 else 0
        done: u64 = 0
        if prior != 0 and memory.watcher is None:
            counters: u64 = load(memory, head + AT_COUNTERS)
            most: u64 = (counters & COUNT) - 1
            if count < most:
                most = count
            first: u64 = load(memory, head + AT_FIRST)
            end: u64 = first + (PAGE_BYTES << (counters >> 32))
            while done < most and first <= memory.w[at + done] < end:
                address = memory.w[at + done]
                store(memory, address + self.link, prior)
                prior = address
                done += 1
            if done != 0:
                store(memory, head + AT_FREELIST, prior)
                store(memory, head + AT_COUNTERS, counters - done)
                add(memory, self.control + IN_USE, -done)
                return done
        self._free_elsewhere(address)
        return 1

    def _free_elsewhere(self, address: u64) -> i32:
        """``__slab_free``: take an object of another slab than the cpu's back; returns 0."""
        memory: Memory = self.memory
        control: u64 = self.control
        head: u64 = self.head_of(address)
        if head == 0:
            raise KernelWarning(
                f"Wrong slab cache. {self.name} but object is not from it", "cache_from_obj"
            )
        prior: u64 = load(memory, head + AT_FREELIST)
        counters: u64 = load(memory, head + AT_COUNTERS) - 1
        store(memory, address + self.link, prior)
        store(memory, head + AT_FREELIST, address)
        store(memory, head + AT_COUNTERS, counters)
        store(memory, control + IN_USE, load(memory, control + IN_USE) - 1)
        if memory.watcher is not None:
            memory.watcher.on_free(address, self.object_size)
        if counters & COUNT == 0 and load(memory, control + NR_PARTIAL) >= self.min_partial:
            if prior != 0:
                self._remove_partial(head)
            store(memory, head + AT_NEXT, load(memory, control + EMPTY))
            store(memory, control + EMPTY, head)
            store(memory, self.waiting, 1)
        elif prior == 0:
            self._add_partial(head)
        return 0

    def head_of(self, address: u64) -> u64:
        """The struct page of the slab of this cache that holds ``address``; 0 if none does."""
        memory: Memory = self.memory
        if address < memory.base or address - memory.base >= memory.size:
            return 0
        page: u64 = self.memmap + ((address - memory.base) >> PAGE_SHIFT) * STRUCT_PAGE
        if load(memory, page + AT_CACHE) != self.number:
            return 0
        first: u64 = load(memory, page + AT_FIRST)
        return self.memmap + ((first - memory.base) >> PAGE_SHIFT) * STRUCT_PAGE

    def _add_partial(self, head: u64) -> i32:
        """Put a slab at the end of the partial list; returns 0."""
        memory: Memory = self.memory
        last: u64 = load(memory, self.control + PARTIAL_LAST)
        store(memory, head + AT_NEXT, 0)
        store(memory, head + AT_PREV, last)
        store(memory, last + AT_NEXT if last != 0 else self.control + PARTIAL_FIRST, head)
        store(memory, self.control + PARTIAL_LAST, head)
        store(memory, self.control + NR_PARTIAL, load(memory, self.control + NR_PARTIAL) + 1)
        return 0

    def _remove_partial(self, head: u64) -> i32:
        """Take a slab off the partial list; returns 0."""
        memory: Memory = self.memory
        next: u64 = load(memory, head + AT_NEXT)
        prev: u64 = load(memory, head + AT_PREV)
        store(memory, prev + AT_NEXT if prev != 0 else self.control + PARTIAL_FIRST, next)
        store(memory, next + AT_PREV if next != 0 else self.control + PARTIAL_LAST, prev)
        store(memory, self.control + NR_PARTIAL, load(memory, self.control + NR_PARTIAL) - 1)
        return 0

    def _take_partial(self) -> u64:
        """Make a partial slab the cpu's, or one that waits to go back; its first address, or 0."""
        memory: Memory = self.memory
        head: u64 = load(memory, self.control + PARTIAL_FIRST)
        if head != 0:
            self._remove_partial(head)
        else:
            head = load(memory, self.control + EMPTY)
            if head == 0:
                return 0
            store(memory, self.control + EMPTY, load(memory, head + AT_NEXT))
        counters: u64 = load(memory, head + AT_COUNTERS)
        first: u64 = load(memory, head + AT_FIRST)
        end: u64 = first + (PAGE_BYTES << (counters >> 32))
        store(memory, self.control + FREE_LIST, load(memory, head + AT_FREELIST))
        store(memory, self.control + CPU_FIRST, first)
        store(memory, self.control + NEXT_NEW, end)
        store(memory, self.control + END_NEW, end)
        store(memory, head + AT_FREELIST, 0)
        store(memory, head + AT_COUNTERS, (counters & ~COUNT) | ((counters >> 16) & COUNT))
        return first

    def give_back(self) -> i32:
        """A grace period is over: empty slabs go back to the page allocator; returns 0.

        What lay in them is wiped, as with ``init_on_free=1``.
        """
        memory: Memory = self.memory
        head: u64 = load(memory, self.control + EMPTY)
        while head != 0:
            next: u64 = load(memory, head + AT_NEXT)
            self._discard(head)
            head = next
            store(memory, self.control + EMPTY, head)
        return 0

    def _discard(self, head: u64) -> i32:
        """``discard_slab``; returns 0."""
        memory: Memory = self.memory
        pages: PageAlloc | None = self.pages
        assert pages is not None
        order: i32 = load(memory, head + AT_COUNTERS) >> 32
        first: u64 = load(memory, head + AT_FIRST)
        one: u64 = 1
        nth: u64 = 0
        objects: u64 = (load(memory, head + AT_COUNTERS) >> 16) & COUNT
        all_objects: u64 = load(memory, self.control + NR_OBJECTS)
        store(memory, self.control + NR_OBJECTS, all_objects - objects)
        for offset in (SLAB_NEXT, SLAB_PREV, SLAB_FREELIST, SLAB_COUNTERS):
            store(memory, head + offset, 0)
        while nth < one << order:
            store(memory, head + nth * STRUCT_PAGE + AT_CACHE, 0)
            store(memory, head + nth * STRUCT_PAGE + AT_FIRST, 0)
            nth += 1
        if memory.watcher is not None:
            memory.watcher.on_release(first, PAGE << order)
        memory.fill(first, PAGE << order, 0)
        page: u64 = pages.pfn_to_page((first - memory.base) // PAGE_BYTES)
        pages.mod_node_page_state(pages.page_to_nid(page), "slab_unreclaimable", -(1 << order))
        return pages.free_pages(page, order)

    def _new_run(self) -> u64:
        """``get_partial``, ``new_slab``: where what has free objects begins; 0 if there is none."""
        first: u64
        if self.pages is None:
            first = Arena._new_run(self)
        else:
            first = self._take_partial()
            if first != 0:
                return first
            first = self._new_slab()
            if first == 0:
                return 0
        size: u64 = self.memory.load(self.control + END_NEW) - first
        at: u64 = 0
        while at < size:
            frame: u64 = (first - self.memory.base + at) // PAGE_BYTES
            self.memory.store(self.memmap + frame * STRUCT_PAGE + AT_CACHE, self.number)
            self.memory.store(self.memmap + frame * STRUCT_PAGE + AT_FIRST, first)
            at += PAGE_BYTES
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
        first: u64 = memory.base + pages.page_to_pfn(page) * PAGE_BYTES
        size: u64 = PAGE_BYTES << order
        head: u64 = self.memmap + (first - memory.base) // PAGE_BYTES * STRUCT_PAGE
        objects: u64 = size // self.stride
        upper: u64 = order
        memory.store(head + AT_FREELIST, 0)
        memory.store(head + AT_COUNTERS, upper << 32 | objects << 16 | objects)
        all_objects: u64 = memory.load(self.control + NR_OBJECTS)
        memory.store(self.control + NR_OBJECTS, all_objects + objects)
        memory.store(self.control + CPU_FIRST, first)
        memory.store(self.control + NEXT_NEW, first)
        memory.store(self.control + END_NEW, first + size)
        pages.mod_node_page_state(pages.page_to_nid(page), "slab_unreclaimable", 1 << order)
        if memory.watcher is not None:
            memory.watcher.on_reserve(first, size)
        return first


class SlabCaches:
    """All caches of a machine, by the kernel's names; ``pages`` is where slabs come from."""

    def __init__(self, memory: Memory, pages: PageAlloc | None = None) -> None:
        self.memory = memory
        self.pages = pages
        self.caches: list[SlabCache] = []
        self.waiting = 0
        if pages is not None:
            self.memmap = pages.memmap
            self.waiting = memory.boot_alloc(8, 8)
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
        cache = SlabCache(
            self.memory, name, object_size, align, number, self.memmap, pages, self.waiting
        )
        self.caches.append(cache)
        return cache

    def give_back(self) -> i32:
        """A grace period is over: empty slabs go back to the page allocator; returns 0."""
        if self.waiting == 0 or load(self.memory, self.waiting) == 0:
            return 0
        store(self.memory, self.waiting, 0)
        cache: SlabCache
        for cache in self.caches:
            cache.give_back()
        return 0

    def get(self, name: str) -> SlabCache:
        """The cache of that name; :class:`KeyError` if there is none."""
        for cache in self.caches:
            if cache.name == name:
                return cache
        raise KeyError(name)

    def number_at(self, address: u64) -> u64:
        """The number of the cache that owns the page of ``address``, 0 if none does.

        Of other pages that word links a list: an address, more than the number of any cache.
        """
        if address < self.memory.base or address - self.memory.base >= self.memory.size:
            return 0
        frame: u64 = (address - self.memory.base) // PAGE_BYTES
        number: u64 = self.memory.load(self.memmap + frame * STRUCT_PAGE + AT_CACHE)
        last: u64 = 2 * len(self.caches)
        return number if number & 1 == 0 and number <= last else 0

    def object_at(self, address: u64) -> u64:
        """The address of the slab object that ``address`` lies in, 0 if it lies in none."""
        number: u64 = self.number_at(address)
        if number == 0:
            return 0
        cache: SlabCache = self.caches[number // 2 - 1]
        frame: u64 = (address - self.memory.base) // PAGE_BYTES
        first: u64 = self.memory.load(self.memmap + frame * STRUCT_PAGE + AT_FIRST)
        return first + (address - first) // cache.stride * cache.stride

    def owner(self, address: int) -> SlabCache | None:
        """The cache that owns the page of ``address``."""
        number = self.number_at(address)
        return self.caches[number // 2 - 1] if number else None

"""The rule of slab caches: what their counters say against their lists of free objects."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.check.violation import Violation
from mmtwin.memory.memory import PAGE
from mmtwin.pages import slab as s
from mmtwin.pages.slab import SlabCache, SlabCaches

SLABS_MAX = 1 << 20
"""Slabs of one cache in a list; a list that is longer leads in a circle."""


def slab_violations(caches: SlabCaches) -> list[Violation]:
    """Every cache whose slabs come from the page allocator (PG-24)."""
    return [
        violation
        for cache in caches.caches
        if cache.pages is not None
        for violation in _cache(cache)
    ]


def _fail(cache: SlabCache, field: str, found: object, expected: object) -> Violation:
    what = f"{cache.name}.{field}"
    return Violation("PG-24", "kmem_cache", cache.control, what, str(found), str(expected))


def _word(cache: SlabCache, offset: int) -> int:
    return cache.memory.load(cache.control + offset)


def _heads(cache: SlabCache, first: int) -> Iterator[int]:
    """The slabs of a list, as struct pages; a list that leads astray just ends."""
    head, count = first, 0
    while _is_head(cache, head) and count < SLABS_MAX:
        yield head
        head = cache.memory.load(head + s.SLAB_NEXT)
        count += 1


def _is_head(cache: SlabCache, page: int) -> bool:
    """Is that the struct page with which a slab of the cache begins?"""
    number, misplaced = divmod(page - cache.memmap, s.STRUCT_PAGE_SIZE)
    if misplaced or not 0 <= number < cache.memory.size // PAGE:
        return False
    address = cache.memory.base + number * PAGE
    return cache.head_of(address) == page


def _free(cache: SlabCache, first: int, start: int, end: int) -> int | None:
    """How many objects a list of free ones holds; None if it leaves its slab or comes back."""
    seen: set[int] = set()
    while first:
        inside = start <= first and first + cache.stride <= end
        if not inside or (first - start) % cache.stride or first in seen:
            return None
        seen.add(first)
        first = cache.memory.load(first + cache.link)
    return len(seen)


def _slab(cache: SlabCache, head: int) -> tuple[int, int, int | None]:
    """Of a slab that is not the cpu's: objects in use by its counter, all, and those free."""
    counters = cache.memory.load(head + s.SLAB_COUNTERS)
    start = cache.memory.load(head + s.SLAB_FIRST)
    end = start + (PAGE << (counters >> 32))
    free = _free(cache, cache.memory.load(head + s.SLAB_FREELIST), start, end)
    return counters & 0xFFFF, counters >> 16 & 0xFFFF, free


def _listed(cache: SlabCache, name: str, first: int) -> Iterator[tuple[int, int, Violation | None]]:
    """The slabs of one list: each one's objects that are free, all, and what is wrong with it."""
    for head in _heads(cache, first):
        used, objects, free = _slab(cache, head)
        wrong = None
        if free is None or used + free != objects:
            wrong = _fail(cache, f"{name} slab {head:#x}", f"{used} used, {free} free", objects)
        elif not free or (name == "empty" and used):
            wrong = _fail(cache, f"{name} slab {head:#x}", f"{used} used of {objects}", name)
        yield objects - used, objects, wrong


def _cache(cache: SlabCache) -> Iterator[Violation]:
    memory = cache.memory
    start, end = _word(cache, s.AT_CPU_FIRST), _word(cache, s.AT_END_NEW)
    fresh = (end - _word(cache, s.AT_NEXT_NEW)) // cache.stride if end else 0
    mine = _free(cache, _word(cache, s.AT_FREE_LIST), start, end)
    if mine is None:
        yield _fail(cache, "cpu slab", "objects of another slab, or one twice", "its own free ones")
        return
    free = mine + fresh
    counts = []
    for name, at in (("partial", s.AT_PARTIAL_FIRST), ("empty", s.AT_EMPTY)):
        found = list(_listed(cache, name, _word(cache, at)))
        yield from (wrong for _, _, wrong in found if wrong is not None)
        free += sum(one for one, _, _ in found)
        counts.append(len(found))
    if counts[0] != _word(cache, s.AT_NR_PARTIAL):
        yield _fail(cache, "nr_partial", _word(cache, s.AT_NR_PARTIAL), counts[0])
    previous = 0
    for head in _heads(cache, _word(cache, s.AT_PARTIAL_FIRST)):
        if memory.load(head + s.SLAB_PREV) != previous:
            yield _fail(cache, f"partial slab {head:#x}", "a link astray", f"{previous:#x}")
        previous = head
    if _word(cache, s.AT_PARTIAL_LAST) != previous:
        yield _fail(cache, "last partial slab", f"{_word(cache, s.AT_PARTIAL_LAST):#x}", previous)
    total = _word(cache, s.AT_NR_OBJECTS)
    if total - free != cache.in_use():
        yield _fail(cache, "objects in use", cache.in_use(), f"{total} less {free} free")

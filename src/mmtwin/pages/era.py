"""What differs between kernels in the page allocator, as data.

Behaviour that differs is an override in a file of its own (``v3_15``, ``v6_18``); the base classes
have the rules of 6.1.192.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mmtwin.memory.layout import Layout
from mmtwin.pages.gfp import GFP_61, GFP_315, GFP_618, GfpFlags
from mmtwin.pages.layouts import STRUCT_PAGE_61, STRUCT_PAGE_315
from mmtwin.pages.migratetype import Migratetypes, migratetypes


def _flags(names: str) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split())}


PAGE_FLAGS_315 = _flags(
    "locked error referenced uptodate dirty lru active slab owner_priv_1 arch_1 reserved private"
    " private_2 writeback head tail swapcache mappedtodisk reclaim swapbacked unevictable mlocked"
    " uncached hwpoison compound_lock"
)
PAGE_FLAGS_61 = _flags(
    "locked referenced uptodate dirty lru active workingset waiters error slab owner_priv_1 arch_1"
    " reserved private private_2 writeback head mappedtodisk reclaim swapbacked unevictable mlocked"
    " uncached hwpoison"
)
AT_FREE_315 = (
    "lru locked private private_2 writeback reserved slab swapcache active unevictable mlocked"
    " hwpoison compound_lock"
)
AT_FREE_61 = "lru locked private private_2 writeback reserved slab active unevictable mlocked"


@dataclass(frozen=True, slots=True)
class PageEra:
    """One kernel's page allocator, in numbers.

    ``order_max`` is the largest order in use (inclusive, whatever MAX_ORDER means in that era);
    ``pageblock_order`` the order of a pageblock. ``buddy_mask`` and ``buddy_value`` tell a free
    head from its ``_mapcount``/``page_type`` word: ``word & mask == value``; ``buddy_word`` is what
    is stored. ``pageblock_bits`` are the bits a pageblock has in the bitmap, ``boot_to_tail``
    whether boot puts chunks at the lists' ends. Sizes are pages.
    """

    name: str
    page: Layout
    types: Migratetypes
    gfp: GfpFlags
    page_flags: dict[str, int]
    at_free: str
    buddy_mask: int
    buddy_value: int
    buddy_word: int
    order_max: int = 10
    pageblock_order: int = 9
    pageblock_bits: int = 4
    boot_to_tail: bool = True
    min_free_kbytes_max: int = 262144
    zones_max: int = 5
    lowmem_reserve_ratio: tuple[int, ...] = (256, 256, 32, 0, 0)
    refcount_name: str = "_refcount"
    pcp_batch_scale_max: int = 5

    @property
    def mask_at_free(self) -> int:
        """The page flags that must be clear when a page is freed."""
        return sum(1 << self.page_flags[name] for name in self.at_free.split())

    @property
    def mask_at_prep(self) -> int:
        """The page flags that must be clear when a page is handed out (without hwpoison)."""
        every = (1 << len(self.page_flags)) - 1
        return every & ~(1 << self.page_flags["hwpoison"])


def era(
    name: str,
    *,
    cma: bool = True,
    isolate: bool = True,
    pageblock_order: int = 9,
) -> PageEra:
    """The era of that name: ``"3.15"``, ``"6.1"`` or ``"6.18"``; :class:`KeyError` if unknown.

    ``cma`` and ``isolate`` are CONFIG_CMA and CONFIG_MEMORY_ISOLATION.
    """
    types = migratetypes(before_4_4=name == "3.15", cma=cma, isolate=isolate)
    return replace(_ERAS[name], types=types, pageblock_order=pageblock_order)


_TYPES = migratetypes(before_4_4=False, cma=True, isolate=True)
_ERAS = {
    "3.15": PageEra(
        "3.15",
        STRUCT_PAGE_315,
        migratetypes(before_4_4=True, cma=True, isolate=True),
        GFP_315,
        PAGE_FLAGS_315,
        AT_FREE_315,
        buddy_mask=0xFFFFFFFF,
        buddy_value=0xFFFFFF80,
        buddy_word=0xFFFFFF80,
        boot_to_tail=False,
        min_free_kbytes_max=65536,
        zones_max=4,
        lowmem_reserve_ratio=(256, 256, 32, 0),
        refcount_name="_count",
    ),
    "6.1": PageEra(
        "6.1",
        STRUCT_PAGE_61,
        _TYPES,
        GFP_61,
        PAGE_FLAGS_61,
        AT_FREE_61,
        buddy_mask=0xF0000080,
        buddy_value=0xF0000000,
        buddy_word=0xFFFFFF7F,
    ),
    "6.18": PageEra(
        "6.18",
        STRUCT_PAGE_61,
        _TYPES,
        GFP_618,
        PAGE_FLAGS_61,
        AT_FREE_61,
        buddy_mask=0xFF000000,
        buddy_value=0xF0000000,
        buddy_word=0xF0000000,
        pageblock_bits=8,
    ),
}

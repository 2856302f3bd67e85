"""Nodes and their LRU lists: pages in use that reclaim may take away, oldest last.

One ``lruvec`` a node, without cgroups, and without the per-cpu batches in which kernels add
pages: a page is on its list at once. Unevictable pages are counted but in no list, as since 5.18:
where a list's link would be they count the areas that lock them.
"""

from __future__ import annotations

from collections.abc import Sequence

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.memory.memory import Memory
from mmtwin.memory.view import View
from mmtwin.pages import layouts as c
from mmtwin.pages import node_layouts as n
from mmtwin.pages.era import PageEra
from mmtwin.pages.gfp_request import GfpRequest
from mmtwin.pages.rmap_hook import RmapHook
from mmtwin.pages.zone import ZoneSpec

if not cython.compiled:
    from mmtwin.pages.words import add, load, store

NODE_SIZE = declare(u64, n.NODE_SIZE)
NODE_STAT = declare(u64, n.NODE_STAT)
KSWAPD_WOKEN = declare(u64, n.WORD["kswapd_woken"])
KCOMPACTD_ORDER = declare(u64, n.WORD["kcompactd_max_order"])
NR_MLOCK = declare(u64, n.NODE_STAT + n.STAT["mlock"])
CULLED = declare(u64, n.EVENT["unevictable_pgs_culled"])
RESCUED = declare(u64, n.EVENT["unevictable_pgs_rescued"])
ZONE_LRU = declare(u64, c.ZONE_LRU)
ZONE_USED = declare(u64, c.ZONE_USED)
UNEVICTABLE = declare(i32, n.LRU_UNEVICTABLE)
MAPPING_ANON = declare(u64, 1)
UNMAPPED = declare(u64, 0xFFFFFFFF)


class Lru(GfpRequest):
    """LRU lists, node counters, page flags of pages in use.

    ``rmap`` answers for whoever maps pages; without one, mapped pages can be neither reclaimed
    nor migrated.
    """

    def __init__(
        self,
        memory: Memory,
        era: PageEra,
        memmap: u64,
        frames: u64,
        specs: Sequence[ZoneSpec],
        cpus: i32,
    ) -> None:
        super().__init__(memory, era, memmap, frames, specs, cpus)
        self.rmap: RmapHook | None = None
        flags = era.page_flags
        self.pg_locked = 1 << flags["locked"]
        self.pg_referenced = 1 << flags["referenced"]
        self.pg_uptodate = 1 << flags["uptodate"]
        self.pg_dirty = 1 << flags["dirty"]
        self.pg_active = 1 << flags["active"]
        self.pg_slab = 1 << flags["slab"]
        self.pg_workingset = 1 << flags["workingset"] if "workingset" in flags else 0
        self.pg_writeback = 1 << flags["writeback"]
        self.pg_reclaim = 1 << flags["reclaim"]
        self.pg_swapbacked = 1 << flags["swapbacked"]
        self.pg_unevictable = 1 << flags["unevictable"]
        self.pg_mlocked = 1 << flags["mlocked"]
        self.mask_of_split = (
            self.pg_referenced
            | self.pg_uptodate
            | self.pg_dirty
            | self.pg_active
            | self.pg_unevictable
            | self.pg_workingset
            | self.pg_swapbacked
        )
        # Since 4.10 PG_swapcache is PG_owner_priv_1 of a page that is backed by swap.
        self.pg_swapcache = 1 << flags["swapcache" if "swapcache" in flags else "owner_priv_1"]
        self.node_base = memory.boot_alloc(self.nodes * n.NODE_SIZE, 64)
        self.events = memory.boot_alloc(n.EVENTS_SIZE, 8)
        for node in range(self.nodes):
            for nth in range(n.NR_LRU_LISTS):
                self.list_init(self.lru_list(node, nth))
            for name in n.PRIVATE_LISTS:
                self.list_init(self.private_list(node, name))
            self.node_view(node).kswapd_highest_zoneidx = n.NO_ZONE

    # Nodes.

    def pgdat(self, node: i32) -> u64:
        """The ``pglist_data`` of a node."""
        return self.node_base + node * NODE_SIZE

    def node_view(self, node: int) -> View:
        """The node's fields."""
        return View(self.memory, n.NODE, self.pgdat(node))

    def node_word(self, node: int, name: str) -> int:
        """One of the words of a node: ``kswapd_order``, ``anon_cost`` ..."""
        return load(self.memory, self.pgdat(node) + n.WORD[name])

    def put_node_word(self, node: int, name: str, value: int) -> None:
        """Set one of the words of a node."""
        store(self.memory, self.pgdat(node) + n.WORD[name], value)

    def lru_list(self, node: i32, lru: i32) -> u64:
        """The head of an LRU list."""
        return self.node_base + node * NODE_SIZE + 16 * lru

    def private_list(self, node: int, name: str) -> int:
        """The head of one of the lists that reclaim keeps for itself."""
        return self.pgdat(node) + n.NODE_PRIVATE + 16 * n.PRIVATE_LISTS.index(name)

    def node_page_state(self, node: int, name: str) -> int:
        """A counter of the node, in pages: one of ``NODE_STATS``."""
        return load(self.memory, self.pgdat(node) + n.NODE_STAT + n.STAT[name])

    def mod_node_page_state(self, node: int, name: str, delta: int) -> None:
        """Add to a counter of the node."""
        add(self.memory, self.pgdat(node) + n.NODE_STAT + n.STAT[name], delta)

    def count_vm_event(self, name: str, delta: int = 1) -> None:
        """Add to a counter of /proc/vmstat: one of ``VM_EVENTS``."""
        add(self.memory, self.events + n.EVENT[name], delta)

    def vm_event(self, name: str) -> int:
        """A counter of /proc/vmstat."""
        return load(self.memory, self.events + n.EVENT[name])

    def page_to_nid(self, page: u64) -> i32:
        """The node of a page."""
        return self.zone_to_nid(self.page_zone(page))

    def daemons_woken(self) -> bint:
        """Has any node's kswapd or kcompactd been woken?"""
        at: u64 = self.node_base
        end: u64 = at + self.nodes * NODE_SIZE
        while at < end:
            if load(self.memory, at + KSWAPD_WOKEN) | load(self.memory, at + KCOMPACTD_ORDER) != 0:
                return True
            at += NODE_SIZE
        return False

    # Flags of a page in use.

    def test_page_flag(self, page: u64, flag: u64) -> bint:
        """Is the flag set?"""
        return load(self.memory, page - self.shift) & flag != 0

    def set_page_flag(self, page: u64, flag: u64) -> i32:
        """Set a flag; returns 0."""
        at: u64 = page - self.shift
        store(self.memory, at, load(self.memory, at) | flag)
        return 0

    def clear_page_flag(self, page: u64, flag: u64) -> i32:
        """Clear a flag; returns 0."""
        at: u64 = page - self.shift
        store(self.memory, at, load(self.memory, at) & ~flag)
        return 0

    def trylock_page(self, page: u64) -> bint:
        """Take the page's lock; False if someone holds it."""
        flags: u64 = load(self.memory, page - self.shift)
        if flags & self.pg_locked != 0:
            return False
        store(self.memory, page - self.shift, flags | self.pg_locked)
        return True

    def unlock_page(self, page: u64) -> i32:
        """Drop the page's lock; returns 0."""
        if load(self.memory, page - self.shift) & self.pg_locked == 0:
            self.page_bug("!PageLocked(page)", "unlock_page", page)
        return self.clear_page_flag(page, self.pg_locked)

    def page_anon(self, page: u64) -> bint:
        """Is it an anonymous page?"""
        return load(self.memory, page - self.shift + self.o_mapping) & MAPPING_ANON != 0

    def page_mapped(self, page: u64) -> bint:
        """Does any page table map it?"""
        return self.page_mapcount(page) != UNMAPPED

    def folio_test_swapcache(self, page: u64) -> bint:
        """Is the page in the swap cache?"""
        both: u64 = self.pg_swapbacked | self.pg_swapcache
        return load(self.memory, page - self.shift) & both == both

    def folio_is_file_lru(self, page: u64) -> bint:
        """Does the page belong on the lists of file pages: is it not backed by swap?"""
        return load(self.memory, page - self.shift) & self.pg_swapbacked == 0

    def folio_evictable(self, page: u64) -> bint:
        """May reclaim look at it? Not if it is locked into memory."""
        return load(self.memory, page - self.shift) & self.pg_mlocked == 0

    def page_mapcount_add(self, page: u64, delta: i64) -> u64:
        """Add to ``_mapcount``; returns the new value (0xffffffff is unmapped)."""
        counts: u64 = load(self.memory, page - self.shift + self.o_counts)
        mapcount: u64 = (((counts >> self.mapcount_shift) & UNMAPPED) + delta) & UNMAPPED
        count: u64 = (counts >> self.refcount_shift) & UNMAPPED
        self.st(
            page + self.o_counts,
            (count << self.refcount_shift) | (mapcount << self.mapcount_shift),
        )
        return mapcount

    # The lists.

    def folio_lru_list(self, page: u64) -> i32:
        """On which list a page belongs, by its flags."""
        flags: u64 = load(self.memory, page - self.shift)
        if flags & self.pg_unevictable != 0:
            return UNEVICTABLE
        return (0 if flags & self.pg_swapbacked != 0 else 2) + (flags & self.pg_active != 0)

    def update_lru_size(self, zone: u64, lru: i32, delta: i64) -> i32:
        """Count pages on an LRU list, in the zone and in its node; returns 0."""
        add(self.memory, zone + ZONE_LRU + 8 * lru, delta)
        return add(self.memory, self.pgdat(self.zone_to_nid(zone)) + NODE_STAT + 8 * lru, delta)

    def folio_nr_pages(self, page: u64) -> i64:
        """The pages of a (compound) page."""
        one: i64 = 1
        return one << self.compound_order(page)

    def lruvec_add_folio(self, page: u64) -> i32:
        """Put a page at the young end of its list; returns 0."""
        lru: i32 = self.folio_lru_list(page)
        zone: u64 = self.page_zone(page)
        if lru != UNEVICTABLE:
            self.list_add(page + self.o_lru, self.lru_list(self.zone_to_nid(zone), lru))
        return self.update_lru_size(zone, lru, self.folio_nr_pages(page))

    def lruvec_del_folio(self, page: u64) -> i32:
        """Take a page off its list; returns 0."""
        lru: i32 = self.folio_lru_list(page)
        if lru != UNEVICTABLE:
            self.list_del(page + self.o_lru)
        return self.update_lru_size(self.page_zone(page), lru, -self.folio_nr_pages(page))

    def folio_add_lru(self, page: u64) -> i32:
        """A page in use becomes known to reclaim; PG_swapbacked and PG_active tell where. 0.

        A page that is locked into memory is unevictable, by one area for all that is known.
        """
        flags: u64 = load(self.memory, page - self.shift)
        if flags & self.flag_lru != 0:
            self.page_bug("folio_test_lru(folio)", "folio_add_lru", page)
        if flags & self.pg_mlocked != 0:
            flags = (flags & ~self.pg_active) | self.pg_unevictable
            self.st(page + self.o_lru + 8, 1)
        else:
            flags &= ~self.pg_unevictable
        store(self.memory, page - self.shift, flags | self.flag_lru)
        return self.lruvec_add_folio(page)

    def folio_isolate_lru(self, page: u64) -> bint:
        """Take a page off the lists with a reference of its own; False if it is on none."""
        if load(self.memory, page - self.shift) & self.flag_lru == 0:
            return False
        self.get_page(page)
        self.lruvec_del_folio(page)
        self.clear_page_flag(page, self.flag_lru)
        return True

    def folio_putback_lru(self, page: u64) -> i32:
        """Put an isolated page back and drop the reference that isolating took; returns 0."""
        self.folio_add_lru(page)
        return self.put_page(page)

    def page_cache_release(self, page: u64) -> i32:
        """The last reference is gone: off the list, and no flag of the lists stays; returns 0."""
        if load(self.memory, page - self.shift) & self.flag_lru != 0:
            self.lruvec_del_folio(page)
            self.clear_page_flag(page, self.flag_lru | self.pg_active | self.pg_unevictable)
        return self.clear_mlocked(page)

    def folio_activate(self, page: u64) -> i32:
        """Move a page to the active list; returns 0."""
        flags: u64 = load(self.memory, page - self.shift)
        if flags & self.flag_lru != 0 and flags & (self.pg_active | self.pg_unevictable) == 0:
            self.lruvec_del_folio(page)
            self.set_page_flag(page, self.pg_active)
            self.lruvec_add_folio(page)
            self.count_vm_event("pgactivate")
        return 0

    def folio_mark_accessed(self, page: u64) -> i32:
        """Referenced once: marked; a second time: activated. Returns 0."""
        flags: u64 = load(self.memory, page - self.shift)
        if flags & self.pg_referenced == 0:
            return self.set_page_flag(page, self.pg_referenced)
        if flags & (self.pg_unevictable | self.pg_active) == 0:
            self.folio_activate(page)
            return self.clear_page_flag(page, self.pg_referenced)
        return 0

    def set_mlocked(self, page: u64) -> i32:
        """Mark and count a page as locked into memory; returns 0."""
        if self.ld(page) & self.pg_mlocked != 0:
            return 0
        self.set_page_flag(page, self.pg_mlocked)
        node: u64 = self.pgdat(self.page_to_nid(page))
        return add(self.memory, node + NR_MLOCK, self.folio_nr_pages(page))

    def clear_mlocked(self, page: u64) -> i32:
        """The page is not locked into memory any more; returns 0."""
        if self.ld(page) & self.pg_mlocked == 0:
            return 0
        self.clear_page_flag(page, self.pg_mlocked)
        node: u64 = self.pgdat(self.page_to_nid(page))
        return add(self.memory, node + NR_MLOCK, -self.folio_nr_pages(page))

    def mlock_new_folio(self, page: u64) -> i32:
        """A fresh page in a locked area becomes known to reclaim, as unevictable; returns 0."""
        self.set_mlocked(page)
        return self.folio_add_lru(page)

    def mlock_folio(self, page: u64) -> i32:
        """A locked area maps the page from now on: it is unevictable; returns 0.

        A page that someone has isolated is put where it belongs when it is put back.
        """
        self.set_mlocked(page)
        flags: u64 = self.ld(page)
        if flags & self.flag_lru == 0:
            return 0
        if flags & self.pg_unevictable != 0:
            return self.st(page + self.o_lru + 8, self.ld(page + self.o_lru + 8) + 1)
        self.lruvec_del_folio(page)
        self.st(page, (flags & ~self.pg_active) | self.pg_unevictable)
        self.st(page + self.o_lru + 8, 1)
        add(self.memory, self.events + CULLED, 1)
        return self.lruvec_add_folio(page)

    def munlock_folio(self, page: u64) -> i32:
        """A locked area fewer maps the page; after the last one it is evictable. Returns 0."""
        flags: u64 = self.ld(page)
        both: u64 = self.flag_lru | self.pg_unevictable
        if flags & both == both:
            count: u64 = self.ld(page + self.o_lru + 8)
            if count > 1:
                return self.st(page + self.o_lru + 8, count - 1)
        self.clear_mlocked(page)
        if flags & both == both:
            self.lruvec_del_folio(page)
            self.clear_page_flag(page, self.pg_unevictable)
            add(self.memory, self.events + RESCUED, 1)
            return self.lruvec_add_folio(page)
        return 0

    def list_splice(self, source: u64, head: u64) -> i32:
        """Move all entries of a list to the front of another; returns 0."""
        first: u64 = self.ld(source)
        if first == source:
            return 0
        last: u64 = self.ld(source + 8)
        after: u64 = self.ld(head)
        self.st(first + 8, head)
        self.st(head, first)
        self.st(last, after)
        self.st(after + 8, last)
        return self.list_init(source)

    def set_page_lru(self, page: u64, on: bint) -> i32:
        """Set or clear PG_lru alone, of pages whose place in the lists nobody knows; returns 0.

        Such a state is one that was taken from a running kernel: PG-21 does not hold in it.
        """
        return (
            self.set_page_flag(page, self.flag_lru)
            if on
            else self.clear_page_flag(page, self.flag_lru)
        )

    def lru_pages(self, node: int, lru: int) -> list[int]:
        """The pages of an LRU list, youngest first."""
        head = self.lru_list(node, lru)
        found: list[int] = []
        entry = load(self.memory, head)
        while entry != head and len(found) <= self.frames:
            found.append(entry - self.o_lru)
            entry = self.ld(entry)
        return found

    # Dropping references.

    def free_the_page(self, page: u64, order: i32) -> i32:
        """Free a chunk whose last reference is gone; returns 0."""
        if self.tracer is not None:
            self.tracer("mm_page_free", page=page, pfn=self.page_to_pfn(page), order=order)
        size: i64 = 1 << order
        add(self.memory, self.page_zone(page) + ZONE_USED, -size)
        if self.pcp_allowed_order(order):
            return self.free_unref_page(page, order)
        return self._free_pages_ok(page, order, 0)

    def put_page(self, page: u64) -> i32:
        """Drop a reference to a page or compound page; the last one frees it. Returns 0."""
        head: u64 = self.compound_head(page)
        if self.put_page_testzero(head):
            self.page_cache_release(head)
            return self.free_the_page(head, self.compound_order(head))
        return 0

    def free_unref_page_list(self, head: int) -> None:
        """Free the pages of a list, which nobody refers to any more."""
        while not self.list_empty(head):
            page = load(self.memory, head) - self.o_lru
            self.list_del(page + self.o_lru)
            self.page_cache_release(page)
            order = self.compound_order(page)
            add(self.memory, self.page_zone(page) + ZONE_USED, -(1 << order))
            if self.tracer is not None:
                self.tracer("mm_page_free_batched", page=page, pfn=self.page_to_pfn(page))
            if self.pcp_allowed_order(order):
                self.free_unref_page(page, order)
            else:
                self._free_pages_ok(page, order, 0)

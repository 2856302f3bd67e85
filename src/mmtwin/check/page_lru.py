"""The rules of pages in use: LRU lists and their counters, what is isolated, swap slots."""

from __future__ import annotations

from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.addresses import AddressSet
from mmtwin.check.page_words import PageWords
from mmtwin.pages import layouts as c
from mmtwin.pages import node_layouts as n
from mmtwin.pages import swap as s
from mmtwin.pages.page_alloc import PageAlloc

if not cython.compiled:
    from mmtwin.check.words import of_page

VMEMMAP = declare(u64, c.VMEMMAP)
LOW32 = declare(u64, 0xFFFFFFFF)
ZONE_SHIFT = declare(u64, c.ZONE_SHIFT)
NODE_SHIFT = declare(u64, c.NODE_SHIFT)
ZONES_MAX = declare(u64, c.ZONES_MAX)
ZONE_SIZE = declare(u64, c.ZONE_SIZE)
ZONE_LRU = declare(u64, c.ZONE_LRU)
NODE_SIZE = declare(u64, n.NODE_SIZE)
NODE_STAT = declare(u64, n.NODE_STAT)
NODE_PRIVATE = declare(u64, n.NODE_PRIVATE)
PRIVATE_LISTS = declare(u64, len(n.PRIVATE_LISTS))
ISOLATED_ANON = declare(u64, n.NODE_STAT + n.STAT["isolated_anon"])
ISOLATED_FILE = declare(u64, n.NODE_STAT + n.STAT["isolated_file"])
HAS_CACHE = declare(u64, s.SWAP_HAS_CACHE)
NR_SLOTS = declare(u64, s.NR_SLOTS)
FREE_SLOTS = declare(u64, s.FREE_SLOTS)
SWAP_MAP = declare(u64, s.SWAP_MAP)
SWAP_CACHE = declare(u64, s.SWAP_CACHE)
UNEVICTABLE = declare(i32, n.LRU_UNEVICTABLE)


class PageLru(PageWords):
    """Walks the LRU lists of all nodes and the slots of the swap area.

    ``lru=False`` leaves out PG-21, for states taken from a kernel without its LRU lists.
    """

    def __init__(self, pages: PageAlloc, *, lru: bool = True, **options: Any) -> None:
        super().__init__(pages, **options)
        self.lru_known = lru
        self.lru_listed = AddressSet()
        self.lru_found: list[int] = []
        self.nodes_at = pages.node_base
        self.swap_at = pages.swap_info
        self.flag_lru = pages.flag_lru
        self.flag_head = pages.flag_head
        self.flag_active = pages.pg_active
        self.flag_unevictable = pages.pg_unevictable
        self.flag_swapbacked = pages.pg_swapbacked
        self.flags_swapcache = pages.pg_swapcache | pages.pg_swapbacked

    def lru_of(self, flags: u64) -> i32:
        """The list that a page's flags name; -1 if it is on none."""
        if flags & self.flag_lru == 0:
            return -1
        if flags & self.flag_unevictable != 0:
            return UNEVICTABLE
        return (0 if flags & self.flag_swapbacked != 0 else 2) + (flags & self.flag_active != 0)

    def zone_of_flags(self, flags: u64) -> u64:
        """The number of the zone that a page's flags name."""
        return (flags >> NODE_SHIFT) * ZONES_MAX + ((flags >> ZONE_SHIFT) & 7)

    # All of it.

    def in_use(self) -> None:
        """Check every LRU list, what is isolated, and the swap area."""
        node: u64 = 0
        nodes: u64 = self.pages.nodes
        self.lru_listed.clear()
        zones = nodes * ZONES_MAX
        self.lru_found = [0] * (zones * 5)
        while node < nodes:
            for lru in range(n.NR_LRU_LISTS):
                self.lru_list(node, lru, self.lru_found)
            self.isolated(node)
            node += 1
        self.swap()

    def lru_list(self, node: u64, lru: i32, counts: list[int]) -> None:
        """Check one list along its links; adds its pages to ``counts`` by zone and list."""
        head: u64 = self.nodes_at + node * NODE_SIZE + 16 * lru
        before: u64 = head
        entry: u64 = self.link(head, False)
        while entry != head:
            if entry < VMEMMAP or (entry - VMEMMAP) >> 6 >= self.frames:
                self.fail("PG-19", "list_head", before, "next", f"{entry:#x}", "a page of memory")
                return
            pfn: u64 = (entry - VMEMMAP) >> 6
            if (entry & 63) != self.o_lru or self.link(entry, True) != before:
                self.fail_page("PG-19", pfn, "lru.prev", f"{self.link(entry, True):#x}", before)
                return
            if not self.lru_listed.add(entry):
                self.fail_page("PG-19", pfn, "lru", "on a list for the second time", "once")
                return
            flags: u64 = of_page(self, pfn, 0)
            if self.lru_of(flags) != lru:
                wrong: i32 = self.lru_of(flags)
                names = "none" if wrong < 0 else n.LRU_NAMES[wrong]
                self.fail_page("PG-19", pfn, "flags", names, n.LRU_NAMES[lru])
            if (of_page(self, pfn, self.o_counts) >> self.refcount_shift) & LOW32 == 0:
                self.fail_page("PG-19", pfn, "_refcount", 0, "in use")
            size: i32 = 1
            if flags & self.flag_head != 0:
                size = 1 << (self.pages.compound_order(VMEMMAP + 64 * pfn) & 15)
            if flags >> NODE_SHIFT == node:
                nth = self.zone_of_flags(flags) * 5 + lru
                counts[nth] += size
            else:
                self.fail_page("PG-19", pfn, "node", flags >> NODE_SHIFT, node)
            before = entry
            entry = self.link(entry, False)
        if self.link(head, True) != before:
            self.fail("PG-19", "list_head", head, "prev", f"{self.link(head, True):#x}", before)

    def lru_counts(self) -> None:
        """The counters of zones and nodes are what the lists hold, and the unevictable pages."""
        counts = self.lru_found
        for node in range(self.pages.nodes):
            for lru in range(n.NR_LRU_LISTS):
                total = 0
                for index in range(c.ZONES_MAX):
                    nth = node * c.ZONES_MAX + index
                    zone = self.pages.zone_at(node, index)
                    found = self.word(zone + ZONE_LRU + 8 * lru)
                    total += counts[nth * 5 + lru]
                    if found != counts[nth * 5 + lru]:
                        name = f"NR_ZONE_{n.LRU_NAMES[lru].upper()}"
                        self.fail("PG-20", "zone", zone, name, found, counts[nth * 5 + lru])
                at = self.pages.pgdat(node)
                found = self.word(at + NODE_STAT + 8 * lru)
                if found != total:
                    name = f"NR_{n.LRU_NAMES[lru].upper()}"
                    self.fail("PG-20", "pglist_data", at, name, found, total)

    def lru_frame(self, pfn: u64) -> None:
        """A page that says it is on an LRU list is on one; unevictable ones are in use."""
        flags: u64 = of_page(self, pfn, 0)
        if not self.lru_known or flags & self.flag_lru == 0:
            return
        if flags & self.flag_unevictable != 0:
            if (of_page(self, pfn, self.o_counts) >> self.refcount_shift) & LOW32 == 0:
                self.fail_page("PG-19", pfn, "_refcount", 0, "in use")
            size = 1
            if flags & self.flag_head != 0:
                size = 1 << (self.pages.compound_order(VMEMMAP + 64 * pfn) & 15)
            zone: u64 = self.zone_of_flags(flags)
            if zone * 5 >= len(self.lru_found):
                self.fail_page("PG-19", pfn, "node", flags >> NODE_SHIFT, "one of the machine's")
                return
            self.lru_found[zone * 5 + UNEVICTABLE] += size
        elif not self.lru_listed.has(VMEMMAP + 64 * pfn + self.o_lru):
            self.fail_page("PG-21", pfn, "flags", "PG_lru", "on a list")

    def isolated(self, node: u64) -> None:
        """Between steps nobody reclaims or migrates."""
        at: u64 = self.nodes_at + node * NODE_SIZE
        nth: u64 = 0
        anon: u64 = self.word(at + ISOLATED_ANON)
        file: u64 = self.word(at + ISOLATED_FILE)
        if anon != 0:
            self.fail("PG-22", "pglist_data", at, "NR_ISOLATED_ANON", anon, 0)
        if file != 0:
            self.fail("PG-22", "pglist_data", at, "NR_ISOLATED_FILE", file, 0)
        while nth < PRIVATE_LISTS:
            head: u64 = at + NODE_PRIVATE + 16 * nth
            if self.word(head) != head:
                name = n.PRIVATE_LISTS[nth]
                self.fail("PG-22", "pglist_data", at, name, "pages are listed", "empty")
            nth += 1

    # Swap.

    def swap(self) -> None:
        """Every slot: free or held, and if it is in the cache its page says so too."""
        slots: u64 = self.word(self.swap_at + NR_SLOTS)
        entry: u64 = 1
        free: u64 = 0
        while entry < slots:
            if self.word(self.word(self.swap_at + SWAP_MAP) + 8 * entry) == 0:
                free += 1
            self.swap_slot(entry)
            entry += 1
        found: u64 = self.word(self.swap_at + FREE_SLOTS)
        if found != free:
            self.fail("PG-23", "swap_info_struct", self.swap_at, "free slots", found, free)

    def swap_slot(self, entry: u64) -> bint:
        """One slot and its page; False if they disagree."""
        held: u64 = self.word(self.word(self.swap_at + SWAP_MAP) + 8 * entry)
        page: u64 = self.word(self.word(self.swap_at + SWAP_CACHE) + 8 * entry)
        if (held & HAS_CACHE != 0) != (page != 0):
            self.fail(
                "PG-23", "swap_info_struct", self.swap_at, f"slot {entry}", f"{held:#x}",
                "in the cache" if page != 0 else "not in the cache",
            )  # fmt: skip
            return False
        if page == 0:
            return True
        pfn: u64 = (page - VMEMMAP) >> 6
        if page < VMEMMAP or pfn >= self.frames:
            self.fail(
                "PG-23", "swap_info_struct", self.swap_at, f"slot {entry}", f"{page:#x}", "a page"
            )
            return False
        flags: u64 = of_page(self, pfn, 0)
        if (
            flags & self.flags_swapcache != self.flags_swapcache
            or of_page(self, pfn, self.o_private) != entry
        ):
            self.fail_page("PG-23", pfn, "private", of_page(self, pfn, self.o_private), entry)
            return False
        return True

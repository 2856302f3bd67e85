"""What a step can have broken on the LRU lists and in the swap area, from what it touched."""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.page_sums import PageSums
from mmtwin.pages import layouts as c
from mmtwin.pages import node_layouts as n
from mmtwin.pages import swap as s

if not cython.compiled:
    from mmtwin.check.words import of_page, was_word

VMEMMAP = declare(u64, c.VMEMMAP)
LOW32 = declare(u64, 0xFFFFFFFF)
TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
ZONE_SIZE = declare(u64, c.ZONE_SIZE)
ZONES_MAX = declare(u64, c.ZONES_MAX)
ZONE_LRU = declare(u64, c.ZONE_LRU)
NODE_SIZE = declare(u64, n.NODE_SIZE)
NODE_STAT = declare(u64, n.NODE_STAT)
NR_SLOTS = declare(u64, s.NR_SLOTS)
FREE_SLOTS = declare(u64, s.FREE_SLOTS)
SWAP_MAP = declare(u64, s.SWAP_MAP)
SWAP_CACHE = declare(u64, s.SWAP_CACHE)
OF_ZONE = declare(u64, 1)
UNEVICTABLE = declare(i32, n.LRU_UNEVICTABLE)


class PageLruStep(PageSums):
    """The lists by the difference of their pages since the mark, the slots that were touched."""

    def _linked(self, pfn: u64) -> bint:
        """Do a page's neighbours name it?"""
        entry: u64 = VMEMMAP + 64 * pfn + self.o_lru
        after: u64 = self.link(entry, False)
        before: u64 = self.link(entry, True)
        return self.link(after, True) == entry and self.link(before, False) == entry

    def lru_page_wrong(self, nth: u64, page: u64, pfn: u64) -> bint:
        """Note whether a touched page (0 to 3 of its block) came to a list or left one."""
        flags: u64 = of_page(self, pfn, 0)
        was: u64 = self.overlay.images[32 * nth + 8 * page]
        lru: i32 = self.lru_of(flags)
        old: i32 = self.lru_of(was)
        if lru >= 0:
            if (lru != UNEVICTABLE and not self._linked(pfn)) or (
                of_page(self, pfn, self.o_counts) >> self.refcount_shift
            ) & LOW32 == 0:
                return True
            self.lru_deltas[5 * self.zone_of_flags(flags) + lru] += self.lru_size(pfn, flags)
        if old >= 0:
            self.lru_deltas[5 * self.zone_of_flags(was) + old] -= self.lru_size_was(pfn, was)
        if flags & self.flags_swapcache == self.flags_swapcache:
            entry: u64 = of_page(self, pfn, self.o_private)
            if entry >= self.word(self.swap_at + NR_SLOTS):
                return True
            return self.word(self.word(self.swap_at + SWAP_CACHE) + 8 * entry) != (
                VMEMMAP + 64 * pfn
            )
        return False

    def lru_size(self, pfn: u64, flags: u64) -> i64:
        """The pages that a listed page stands for."""
        if flags & self.flag_head == 0:
            return 1
        size: i64 = 1
        return size << (self.pages.compound_order(VMEMMAP + 64 * pfn) & 15)

    def lru_size_was(self, pfn: u64, was: u64) -> i64:
        """The pages that a listed page stood for at the mark: its first tail page tells."""
        if was & self.flag_head == 0:
            return 1
        size: i64 = 1
        word: u64 = was_word(self.overlay, (self.memmap + 64 * (pfn + 1) + self.pages.o_order) >> 3)
        return size << ((word >> self.pages.order_shift) & 15)

    def lru_wrong(self) -> bint:
        """Do the counters differ from what came and went, or are heads wrong?"""
        node: u64 = 0
        nodes: u64 = self.pages.nodes
        lru: u64
        index: u64
        nth: u64
        total: i64
        at: u64
        word: u64
        head: u64
        if not self.nodes_touched and not self._lru_moved():
            return False
        while node < nodes:
            at = self.nodes_at - self.base + node * NODE_SIZE
            lru = 0
            while lru < 5:
                total = 0
                index = 0
                while index < ZONES_MAX:
                    nth = node * ZONES_MAX + index
                    total += self.lru_deltas[5 * nth + lru]
                    if self.touched_zones[nth] & OF_ZONE != 0:
                        if self._zone_count_wrong(nth, lru):
                            return True
                    elif self.lru_deltas[5 * nth + lru] != 0:
                        return True
                    index += 1
                word = (at + NODE_STAT + 8 * lru) >> 3
                if self.w[word] != (was_word(self.overlay, word) + total) & TOP:
                    return True
                head = self.base + at + 16 * lru
                if self.link(self.link(head, False), True) != head:
                    return True
                if self.link(self.link(head, True), False) != head:
                    return True
                lru += 1
            if self.nodes_touched:
                self.isolated(node)
            node += 1
        return len(self.found) > 0

    def _lru_moved(self) -> bint:
        """Did pages come to lists or leave them, or a zone's words change?"""
        nth: u64 = 0
        while nth < 5 * self.zone_count:
            if self.lru_deltas[nth] != 0 or self.touched_zones[nth // 5] & OF_ZONE != 0:
                return True
            nth += 1
        return False

    def _zone_count_wrong(self, nth: u64, lru: u64) -> bint:
        word: u64 = (self.zones_at + nth * ZONE_SIZE + ZONE_LRU + 8 * lru) >> 3
        return self.w[word] != (was_word(self.overlay, word) + self.lru_deltas[5 * nth + lru]) & TOP

    def slots_wrong(self) -> bint:
        """Look at the slots whose words were touched, and at the count of free ones."""
        slots: u64 = self.word(self.swap_at + NR_SLOTS)
        if slots == 0:
            return False
        if was_word(self.overlay, (self.swap_at - self.base + NR_SLOTS) >> 3) != slots:
            return True
        free: i64 = 0
        nth: u64 = 0
        first: u64
        at: u64
        index: u64
        while nth < self.overlay.count:
            at = self.base + (self.overlay.blocks[nth] << 8)
            for field in (SWAP_MAP, SWAP_CACHE):
                first = self.word(self.swap_at + field)
                if at + 256 <= first or at >= first + 8 * slots:
                    continue
                index = 0
                while index < 32:
                    if at + 8 * index > first and at + 8 * index < first + 8 * slots:
                        if not self.swap_slot((at + 8 * index - first) >> 3):
                            return True
                        if field == SWAP_MAP:
                            free += self.w[(at - self.base + 8 * index) >> 3] == 0
                            free -= self.overlay.images[32 * nth + index] == 0
                    index += 1
            nth += 1
        word: u64 = (self.swap_at - self.base + FREE_SLOTS) >> 3
        return self.w[word] != (was_word(self.overlay, word) + free) & TOP

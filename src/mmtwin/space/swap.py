"""Entries of pages that are elsewhere: swapped out, under migration, or marked; the swap area.

A swap entry is a type and an offset; in a pte the type stands in bits 59-63 and the offset
inverted from bit 9 upward, so that a present bit never shows. One swap area: a word for each slot
counts the entries that name it, plus one while the page is in the swap cache.
"""

from __future__ import annotations

from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.space import pte_bits as p
from mmtwin.space.fields import Caches
from mmtwin.space.page_state import PageState
from mmtwin.space.xarray import XArray

OFFSET_MASK = declare(u64, (1 << p.SWP_OFFSET_BITS) - 1)
MAX_SWAPFILES = declare(u64, p.MAX_SWAPFILES)
MIGRATION_READ = declare(u64, p.SWP_MIGRATION_READ)
MIGRATION_WRITE = declare(u64, p.SWP_MIGRATION_WRITE)
PTE_MARKER = declare(u64, p.SWP_PTE_MARKER)
PFN_PART = declare(u64, (1 << p.SWP_PFN_BITS) - 1)
TOTAL_SWAP = declare(u64, 72)
COUNT_MASK = declare(u64, 0xFFFF)
HAS_CACHE = declare(u64, 0x10000)
"""SWAP_HAS_CACHE: the slot's page is in the swap cache."""
# The words of the swap area's control block.
SLOTS = declare(u64, 0)
MAP = declare(u64, 8)
IN_USE = declare(u64, 16)
NEXT = declare(u64, 24)
CACHE_HEAD = declare(u64, 32)


class Swap(PageState):
    """Swap entries in page tables, slots of the swap area, the swap cache."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.xa = XArray(memory, caches.get("radix_tree_node"))
        self.swap_info = memory.boot_alloc(40, 8)

    # Entries in page tables.

    def swp_pte(self, kind: u64, offset: u64) -> u64:
        """The pte of a swap entry of type ``kind``."""
        return kind << 59 | (~offset & OFFSET_MASK) << 9

    def swp_type(self, pte: u64) -> u64:
        """The type of a pte that is neither none nor present."""
        return pte >> 59

    def swp_offset(self, pte: u64) -> u64:
        """Its offset: a slot, or a frame number with two bits above."""
        return (~pte >> 9) & OFFSET_MASK

    def is_swap_pte(self, pte: u64) -> bint:
        """Does it name a slot of a swap area?"""
        return pte >> 59 < MAX_SWAPFILES

    def is_migration_pte(self, pte: u64) -> bint:
        """Does it stand for a page that is being migrated?"""
        kind: u64 = pte >> 59
        return MIGRATION_READ <= kind <= MIGRATION_WRITE

    def is_marker_pte(self, pte: u64) -> bint:
        """Is it a marker without a page?"""
        return pte >> 59 == PTE_MARKER

    def migration_page(self, pte: u64) -> u64:
        """The page that a migration entry stands for."""
        return self.pages.pfn_to_page(self.swp_offset(pte) & PFN_PART)

    # The swap area.

    def swapon(self, slots: u64) -> None:
        """Add a swap area of ``slots`` pages; slot 0 holds its header. There can be one."""
        if self.memory.load(self.swap_info + SLOTS) != 0:
            raise ValueError("there is a swap area already")
        self.memory.store(self.swap_info + MAP, self.memory.boot_alloc(8 * slots, 8))
        self.memory.store(self.swap_info + SLOTS, slots)
        self.memory.store(self.swap_info + NEXT, 1)
        total = self.sysctl + TOTAL_SWAP
        self.memory.store(total, self.memory.load(total) + slots - 1)

    def swap_slot(self, slot: u64) -> u64:
        """Where the count of a slot is kept."""
        return self.memory.load(self.swap_info + MAP) + 8 * slot

    def get_swap_page(self) -> u64:
        """A free slot, from where the last search ended; 0 if swap is full or absent."""
        memory: Memory = self.memory
        slots: u64 = memory.load(self.swap_info + SLOTS)
        used: u64 = memory.load(self.swap_info + IN_USE)
        if slots == 0 or used + 1 >= slots:
            return 0
        slot: u64 = memory.load(self.swap_info + NEXT)
        while memory.load(self.swap_slot(slot)) != 0:
            slot = slot + 1 if slot + 1 < slots else 1
        memory.store(self.swap_info + NEXT, slot + 1 if slot + 1 < slots else 1)
        memory.store(self.swap_info + IN_USE, used + 1)
        return slot

    def swap_duplicate(self, slot: u64) -> None:
        """One more entry names the slot."""
        at: u64 = self.swap_slot(slot)
        self.memory.store(at, self.memory.load(at) + 1)

    def swap_free(self, slot: u64) -> None:
        """One entry less names the slot; without any, and out of the cache, it is free."""
        at: u64 = self.swap_slot(slot)
        count: u64 = self.memory.load(at) - 1
        self.memory.store(at, count)
        if count == 0:
            self._slot_freed()
        elif count == HAS_CACHE:
            page: u64 = self.swap_cache_lookup(slot)
            if self.mapcount(page) == 0:
                self.delete_from_swap_cache(page)

    def _slot_freed(self) -> None:
        at: u64 = self.swap_info + IN_USE
        self.memory.store(at, self.memory.load(at) - 1)

    def swap_count(self, slot: u64) -> u64:
        """How many page-table entries name the slot."""
        return self.memory.load(self.swap_slot(slot)) & COUNT_MASK

    # The swap cache: pages by slot.

    def swap_cache_lookup(self, slot: u64) -> u64:
        """The page that holds the slot's content, 0 if it is only on disk."""
        return self.xa.load(self.swap_info + CACHE_HEAD, slot)

    def add_to_swap_cache(self, page: u64, slot: u64) -> bint:
        """Let a page stand for a slot; the cache holds a reference. False without memory."""
        if not self.xa.store(self.swap_info + CACHE_HEAD, slot, page):
            return False
        at: u64 = self.swap_slot(slot)
        self.memory.store(at, self.memory.load(at) | HAS_CACHE)
        self.pages.get_page(page)
        self.pages.st(page + self.pages.o_private, slot)
        self.set_page_flag(page, self.pg_swapcache | self.pg_swapbacked)
        return True

    def delete_from_swap_cache(self, page: u64) -> None:
        """Take a page out of the swap cache; a slot that no entry names is free then."""
        slot: u64 = self.pages.page_private(page)
        self.xa.erase(self.swap_info + CACHE_HEAD, slot)
        self.pages.st(page + self.pages.o_private, 0)
        self.clear_page_flag(page, self.pg_swapcache)
        at: u64 = self.swap_slot(slot)
        count: u64 = self.memory.load(at) & COUNT_MASK
        self.memory.store(at, count)
        if count == 0:
            self._slot_freed()
        self.put_user_page(page)

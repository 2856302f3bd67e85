"""Entries of pages that are elsewhere: swapped out, under migration, or marked; the swap area.

A swap entry is a type and an offset; in a pte the type stands in bits 59-63 and the offset
inverted from bit 9 upward, so that a present bit never shows. There is one swap area, the page
allocator's.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.space import pte_bits as p
from mmtwin.space.fields import Caches
from mmtwin.space.page_state import PageState
from mmtwin.space.xarray import XArray

if not cython.compiled:
    from mmtwin.pages.words import load, store

OFFSET_MASK = declare(u64, (1 << p.SWP_OFFSET_BITS) - 1)
MAX_SWAPFILES = declare(u64, p.MAX_SWAPFILES)
MIGRATION_READ = declare(u64, p.SWP_MIGRATION_READ)
MIGRATION_WRITE = declare(u64, p.SWP_MIGRATION_WRITE)
PTE_MARKER = declare(u64, p.SWP_PTE_MARKER)
PFN_PART = declare(u64, (1 << p.SWP_PFN_BITS) - 1)
TOTAL_SWAP = declare(u64, 72)
GFP_USER_PAGE = declare(u64, 0x100CCA)
"""GFP_HIGHUSER_MOVABLE"""


class Swap(PageState):
    """Swap entries in page tables, slots of the swap area, the swap cache."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.xa = XArray(memory, caches.get("radix_tree_node"))

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

    # The swap area is the page allocator's; entries here are slots of it.

    def swapon(self, slots: u64) -> None:
        """Add a swap area of ``slots`` pages, the first of which is its header."""
        self.pages.swapon(slots)
        total: u64 = self.sysctl + TOTAL_SWAP
        store(self.memory, total, load(self.memory, total) + slots - 1)

    def swap_duplicate(self, slot: u64) -> None:
        """One more entry names the slot."""
        self.pages.swap_duplicate(slot)

    def swap_free(self, slot: u64) -> None:
        """One entry less names the slot; a page in memory that nobody maps gives it up."""
        self.pages.swap_free(slot)
        page: u64 = self.swap_cache_lookup(slot)
        if page != 0 and self.mapcount(page) == 0:
            self.pages.folio_free_swap(page)

    def free_swap_cache(self, page: u64) -> None:
        """A mapping of an anonymous page went: its slot may be needed no more."""
        if self.page_flag(page, self.pg_swapcache) and self.mapcount(page) == 0:
            self.pages.folio_free_swap(page)

    def swap_count(self, slot: u64) -> u64:
        """How many page-table entries name the slot."""
        return self.pages.swap_count(slot)

    def swap_cache_lookup(self, slot: u64) -> u64:
        """The page that holds the slot's content, 0 if it is only on disk."""
        return self.pages.lookup_swap_cache(slot)

    def read_swap(self, slot: u64) -> u64:
        """The slot's page, in the swap cache, a reference for the caller; 0 without memory."""
        return self.pages.read_swap_cache_async(slot, GFP_USER_PAGE)

    def delete_from_swap_cache(self, page: u64) -> None:
        """Take a page out of the swap cache."""
        self.pages.delete_from_swap_cache(page)

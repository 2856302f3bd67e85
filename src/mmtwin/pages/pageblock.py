"""Pageblocks: the bitmap that holds the migratetype and the skip bit of each block.

Four bits a block: three of type, then the skip bit of compaction. Sixteen blocks share a word.
The bitmap is indexed by frame number, which is what sections of sparse memory add up to.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.memory.memory import Memory
from mmtwin.pages import layouts as c
from mmtwin.pages.era import PageEra
from mmtwin.pages.memmap import MemMap

if not cython.compiled:
    from mmtwin.pages.words import load, store

MOBILITY_DISABLED = declare(u64, c.SYSCTL_MOBILITY_DISABLED)
TYPE_MASK = declare(u64, 7)
SKIP_BIT = declare(u64, 8)


class Pageblocks(MemMap):
    """Types of pageblocks, by any page in them."""

    def __init__(self, memory: Memory, era: PageEra, memmap: u64, frames: u64) -> None:
        super().__init__(memory, era, memmap, frames)
        types = era.types
        self.mt_unmovable = types.number("U")
        self.mt_movable = types.number("M")
        self.mt_reclaimable = types.number("E")
        self.mt_reserve = types.number("R")
        self.mt_highatomic = types.number("H")
        self.mt_cma = types.number("C")
        self.mt_isolate = types.number("I")
        self.mt_types = len(types)
        self.mt_pcptypes = types.pcptypes
        self.block_bits = era.pageblock_bits
        blocks = (frames + self.pageblock_nr_pages - 1) >> era.pageblock_order
        self.pageblock_words = (blocks * era.pageblock_bits + 63) // 64
        self.pageblock_flags = memory.boot_alloc(8 * self.pageblock_words, 8)
        self.sysctl = memory.boot_alloc(c.SYSCTL_SIZE, 8)

    def pageblock_word(self, pfn: u64) -> u64:
        """The address of the word that holds the bits of the block of ``pfn``."""
        bit: u64 = (pfn >> self.pageblock_order) * self.block_bits
        return self.pageblock_flags + 8 * (bit >> 6)

    def pageblock_shift(self, pfn: u64) -> i32:
        """Where in their word the bits of the block of ``pfn`` begin."""
        bit: u64 = (pfn >> self.pageblock_order) * self.block_bits
        return bit & 63

    def get_pfnblock_flags(self, pfn: u64) -> u64:
        """All bits of the block of ``pfn``."""
        word: u64 = load(self.memory, self.pageblock_word(pfn))
        ones: u64 = 1
        return (word >> self.pageblock_shift(pfn)) & ((ones << self.block_bits) - 1)

    def set_pfnblock_flags_mask(self, pfn: u64, flags: u64, mask: u64) -> i32:
        """Make the bits ``mask`` of the block of ``pfn`` what they are in ``flags``; returns 0.

        One exchange of the whole word, as since 3.16.
        """
        address: u64 = self.pageblock_word(pfn)
        shift: i32 = self.pageblock_shift(pfn)
        word: u64 = load(self.memory, address)
        store(self.memory, address, (word & ~(mask << shift)) | ((flags & mask) << shift))
        return 0

    def get_pfnblock_migratetype(self, pfn: u64) -> i32:
        """The type of the block of ``pfn``; 6 and 7 are no type."""
        return self.get_pfnblock_flags(pfn) & TYPE_MASK

    def get_pageblock_migratetype(self, page: u64) -> i32:
        """The type of the block that ``page`` lies in."""
        return self.get_pfnblock_migratetype(self.page_to_pfn(page))

    def set_pageblock_migratetype(self, page: u64, migratetype: i32) -> i32:
        """Make the block of ``page`` of that type; returns 0.

        Without mobility grouping every block stays UNMOVABLE, but for the types beyond PCPTYPES.
        """
        pfn: u64 = self.page_to_pfn(page)
        if migratetype < self.mt_pcptypes and self.mobility_disabled():
            migratetype = self.mt_unmovable
        if not self.spanned(pfn):
            self.page_bug("!zone_spans_pfn(page_zone(page), pfn)", "set_pfnblock_flags_mask", page)
        self.set_pfnblock_flags_mask(pfn, migratetype, TYPE_MASK)
        return 0

    def spanned(self, pfn: u64) -> bint:
        """Is the frame one of this machine's?"""
        return pfn < self.frames

    def get_pageblock_skip(self, page: u64) -> bint:
        """Does compaction skip the block of ``page``?"""
        return (self.get_pfnblock_flags(self.page_to_pfn(page)) & SKIP_BIT) != 0

    def set_pageblock_skip(self, page: u64) -> i32:
        """Let compaction skip the block of ``page``; returns 0."""
        self.set_pfnblock_flags_mask(self.page_to_pfn(page), SKIP_BIT, SKIP_BIT)
        return 0

    def clear_pageblock_skip(self, page: u64) -> i32:
        """Let compaction look at the block of ``page`` again; returns 0."""
        self.set_pfnblock_flags_mask(self.page_to_pfn(page), 0, SKIP_BIT)
        return 0

    def mobility_disabled(self) -> bint:
        """``page_group_by_mobility_disabled``: memory too small for more than one type."""
        return load(self.memory, self.sysctl + MOBILITY_DISABLED) != 0

    def migratetype_is_mergeable(self, migratetype: i32) -> bint:
        """May free pages of this type merge with those of another?"""
        return migratetype < self.mt_pcptypes

    def is_migrate_isolate_page(self, page: u64) -> bint:
        """Is the block of ``page`` isolated?"""
        return self.get_pageblock_migratetype(page) == self.mt_isolate

"""The two patches of 3 April 2014 that the misplaced RESERVE pages led to."""

from __future__ import annotations

from cython import bint
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.pages.v3_15 import Pages315


class PreventMisplaced(Pages315):
    """3.15 with "prevent MIGRATE_RESERVE pages from being misplaced" (3 April 2014, in 3.16).

    The type of the list that a page is taken from is cached, and refilling leaves it alone.
    """

    def label_smallest(self, page: u64, migratetype: i32) -> i32:
        """Cache the type of the list that a page was taken from; returns 0."""
        return self.set_pcppage_migratetype(page, migratetype)

    def label_fallback(self, page: u64, new_type: i32) -> i32:
        """Cache the type that stealing decided on; returns 0."""
        return self.set_pcppage_migratetype(page, new_type)

    def label_refill(self, page: u64, migratetype: i32) -> i32:
        """The cached type stays; returns it."""
        return self.get_pcppage_migratetype(page)

    def removed_type(self, page: u64) -> i32:
        """As which type a chunk of more than one page is uncounted: the cached one."""
        return self.get_pcppage_migratetype(page)


class CheckedPlacement(PreventMisplaced):
    """And with "DEBUG_VM checks for free_list placement of CMA and RESERVE pages", not merged."""

    def check_freepage_migratetype(self, page: u64) -> bint:
        """Is the page of no RESERVE or CMA block, or cached as what its block is?"""
        block_type: i32 = self.get_pageblock_migratetype(page)
        if block_type != self.mt_reserve and block_type != self.mt_cma:
            return True
        return self.get_pcppage_migratetype(page) == block_type

    def check_freepage(self, page: u64, where: str) -> i32:
        """The check at the two sites of the patch; returns 0."""
        if not self.check_freepage_migratetype(page):
            self.page_bug(
                f"!check_freepage_migratetype(page): block type"
                f" {self.get_pageblock_migratetype(page)}, cached type"
                f" {self.get_pcppage_migratetype(page)}",
                where,
                page,
            )
        return 0

"""What is checked and set when a page leaves the allocator, and when it comes back."""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.pages import layouts as c
from mmtwin.pages.bug import BadPage
from mmtwin.pages.isolation import Isolation

if not cython.compiled:
    from mmtwin.pages.words import load, store

ZONE_PAGE_FLAGS = declare(u64, c.ZONE_PAGE_FLAGS)
ANON_OR_MOVABLE = declare(u64, 3)
TAIL_MAPPING = declare(u64, 0xDEAD000000000400)
PAGE_SHIFT = declare(u64, 12)
NO_MAPPINGS = declare(u64, 0xFFFFFFFF)


class Prep(Isolation):
    """Page checks (``bad_page``), compound pages, the first reference."""

    def bad_page(self, page: u64, reason: str, where: str) -> i32:
        """Report a page in a state it must not be in: raises :class:`BadPage`."""
        raise BadPage(reason, where, page, self.page_to_pfn(page))

    def page_bad_reason(self, page: u64, flags: u64, moment: str) -> str:
        """The kernel's words for what is wrong with a free page; the last test wins.

        ``flags`` must be clear; ``moment`` is ``FREE`` or ``PREP``.
        """
        reason = ""
        if self.page_mapcount(page) != NO_MAPPINGS:
            reason = "nonzero mapcount"
        if self.page_mapping(page) != 0:
            reason = "non-NULL mapping"
        if self.page_ref_count(page) != 0:
            reason = f"nonzero {self.era.refcount_name}"
        if load(self.memory, page - self.shift) & flags != 0:
            reason = f"PAGE_FLAGS_CHECK_AT_{moment} flag(s) set"
        return reason

    # Handing out.

    def check_new_page(self, page: u64, zone: u64) -> i32:
        """Is a page fit to be handed out? A pristine one is written now. Returns 0."""
        at: u64 = page - self.shift
        counts: u64 = load(self.memory, at + self.o_counts)
        if counts == 0:
            return self.init_single_page(page, load(self.memory, zone + ZONE_PAGE_FLAGS))
        if (
            counts == self.word_free
            and load(self.memory, at + self.o_mapping) == 0
            and load(self.memory, at) & self.mask_at_prep == 0
        ):
            return 0
        return self.bad_page(
            page, self.page_bad_reason(page, self.mask_at_prep, "PREP"), "check_new_page"
        )

    def check_new_pages(self, page: u64, order: i32, zone: u64) -> i32:
        """Check all pages of a chunk that is handed out; returns 0."""
        one: u64 = 1
        left: u64 = one << order
        while left > 0:
            self.check_new_page(page, zone)
            page += 64
            left -= 1
        return 0

    def prep_new_page(self, page: u64, order: i32, compound: bint, zeroed: bint) -> i32:
        """Make a checked chunk the caller's: one reference, private 0; returns 0."""
        store(self.memory, page - self.shift + self.o_private, 0)
        self.set_page_refcounted(page)
        if compound and order > 0:
            self.prep_compound_page(page, order)
        if zeroed:
            one: u64 = 1
            at: u64 = self.memory.base + (self.page_to_pfn(page) << PAGE_SHIFT)
            self.memory.zero(at, one << (PAGE_SHIFT + order))
        return 0

    def prep_compound_page(self, page: u64, order: i32) -> i32:
        """Make one compound page of a chunk; returns 0."""
        one: u64 = 1
        nth: u64 = 1
        tail: u64
        store(self.memory, page - self.shift, load(self.memory, page - self.shift) | self.flag_head)
        while nth < (one << order):
            tail = page + 64 * nth
            if self.flag_tail != 0:
                store(
                    self.memory,
                    tail - self.shift,
                    load(self.memory, tail - self.shift) | self.flag_tail,
                )
                store(self.memory, tail - self.shift + self.o_compound, page)
            else:
                store(self.memory, tail - self.shift + self.o_mapping, TAIL_MAPPING)
                store(self.memory, tail - self.shift + self.o_compound, page | 1)
            nth += 1
        size: u64 = order
        store(self.memory, page - self.shift + 64 + self.o_order, size << self.order_shift)
        return 0

    # Taking back.

    def free_tail_pages_check(self, head: u64, page: u64, nth: u64) -> i32:
        """Check and undo the ``nth`` tail page of a compound page; returns 0."""
        if self.debug_vm:
            if not self.page_tail(page):
                return self.bad_page(page, "PageTail not set", "free_tail_pages_check")
            if self.compound_head(page) != head:
                return self.bad_page(page, self.head_reason(), "free_tail_pages_check")
            if self.flag_tail == 0 and self.page_mapping(page) != TAIL_MAPPING:
                return self.bad_page(
                    page, "corrupted mapping in tail page", "free_tail_pages_check"
                )
        if self.flag_tail != 0:
            store(
                self.memory,
                page - self.shift,
                load(self.memory, page - self.shift) & ~self.flag_tail,
            )
        else:
            store(self.memory, page - self.shift + self.o_mapping, 0)
        store(self.memory, page - self.shift + self.o_compound, 0)
        return 0

    def head_reason(self) -> str:
        """What the kernel says of a tail page that names another head."""
        return "compound_head not consistent"

    def free_page_is_bad(self, page: u64) -> bint:
        """Is a page unfit to be free? Reports it (raises) if so."""
        at: u64 = page - self.shift
        if (
            load(self.memory, at + self.o_counts) == self.word_free
            and load(self.memory, at + self.o_mapping) == 0
            and load(self.memory, at) & self.mask_at_free == 0
        ):
            return False
        self.bad_page(
            page, self.page_bad_reason(page, self.mask_at_free, "FREE"), "free_page_is_bad"
        )
        return True

    def free_pages_prepare(self, page: u64, order: i32) -> bint:
        """Check a chunk that comes back and clear what its owner left; False if it is bad."""
        one: u64 = 1
        nth: u64 = 1
        compound: bint
        if self.page_tail(page):
            self.page_bug("PageTail(page)", "free_pages_prepare", page)
        if order > 0:
            compound = self.page_head(page)
            if compound and self.compound_order(page) != order:
                self.page_bug(
                    "compound && compound_order(page) != order", "free_pages_prepare", page
                )
            while nth < (one << order):
                if compound:
                    self.free_tail_pages_check(page, page + 64 * nth, nth)
                if self.free_page_is_bad(page + 64 * nth):
                    return False
                self._clear_prep_flags(page + 64 * nth)
                nth += 1
        if self.page_mapping(page) & ANON_OR_MOVABLE != 0:
            store(self.memory, page - self.shift + self.o_mapping, 0)
        if self.free_page_is_bad(page):
            return False
        self._clear_prep_flags(page)
        return True

    def _clear_prep_flags(self, page: u64) -> i32:
        flags: u64 = load(self.memory, page - self.shift)
        if flags & self.mask_at_prep != 0:
            store(self.memory, page - self.shift, flags & ~self.mask_at_prep)
        return 0

    def split_page(self, page: u64, order: i32) -> i32:
        """Make single pages, each with its reference, of a chunk that is no compound page.

        Returns 0.
        """
        if self.page_head(page) or self.page_tail(page):
            self.page_bug("PageCompound(page)", "split_page", page)
        if self.page_ref_count(page) == 0:
            self.page_bug("!page_count(page)", "split_page", page)
        one: u64 = 1
        nth: u64 = 1
        while nth < (one << order):
            self.set_page_refcounted(page + 64 * nth)
            nth += 1
        return 0

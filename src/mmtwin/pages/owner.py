"""An owner of pages for machines without address spaces: one table of slots, all in memory.

A slot holds nothing, an anonymous page, a page of a file, or the swap entry of a page that was
reclaimed. It stands for a page table and a page cache in storms and tests of reclaim and
compaction.
"""

from __future__ import annotations

from mmtwin.pages import layouts as c
from mmtwin.pages.pages import Pages

ACCESSED = 1
DIRTY = 2
BITS = 63
SLOT_SIZE = 16
"""The entry of the page table, then that of the page cache."""


class Owner:
    """Implements :class:`mmtwin.pages.rmap_hook.RmapHook` for ``slots`` slots."""

    def __init__(self, pages: Pages, slots: int) -> None:
        self.pages = pages
        self.slots = slots
        self.table = pages.memory.boot_alloc(slots * SLOT_SIZE, 64)
        self.gfp = pages.era.gfp.value("GFP_HIGHUSER_MOVABLE") | pages.gfp_nowarn
        pages.rmap = self

    # What is in a slot.

    def entry(self, slot: int) -> int:
        """The word of the page table: a page with ACCESSED and DIRTY, a swap entry, or 0."""
        return self.pages.memory.load(self.table + SLOT_SIZE * slot)

    def _put(self, slot: int, value: int) -> None:
        self.pages.memory.store(self.table + SLOT_SIZE * slot, value)

    def cached(self, slot: int) -> int:
        """The page of the file that the cache holds for the slot; 0 if none."""
        return self.pages.memory.load(self.table + SLOT_SIZE * slot + 8)

    def _put_cached(self, slot: int, page: int) -> None:
        self.pages.memory.store(self.table + SLOT_SIZE * slot + 8, page)

    def page(self, slot: int) -> int:
        """The page that is mapped; 0 if there is none in memory."""
        entry = self.entry(slot)
        return entry & ~BITS if entry >= c.VMEMMAP else 0

    # What programs do.

    def touch(self, slot: int, *, write: bool = True, file: bool = False) -> bool:
        """Read or write; False if there is no memory for the page."""
        page = self.page(slot)
        if not page:
            swapped = self.entry(slot)
            if swapped:
                page = self._swap_in(slot, swapped)
            else:
                page = self._of_file(slot) if file or self.cached(slot) else self._anonymous(slot)
            if not page:
                return False
        self._put(slot, page | (self.entry(slot) & BITS) | ACCESSED | (DIRTY if write else 0))
        return True

    def _map(self, slot: int, page: int) -> int:
        self._put(slot, page)
        self.pages.page_mapcount_add(page, 1)
        return page

    def _anonymous(self, slot: int) -> int:
        pages = self.pages
        page = pages.alloc_pages(self.gfp, 0)
        if page:
            pages.set_page_flag(page, pages.pg_swapbacked | pages.pg_uptodate)
            pages.st(page + pages.o_mapping, self.table | 1)
            pages.st(page + pages.o_index, slot)
            pages.folio_add_lru(page)
            self._map(slot, page)
        return page

    def _of_file(self, slot: int) -> int:
        pages = self.pages
        page = self.cached(slot)
        if not page:
            page = pages.alloc_pages(self.gfp, 0)
            if not page:
                return 0
            pages.set_page_flag(page, pages.pg_uptodate)
            pages.st(page + pages.o_mapping, self.table)
            pages.st(page + pages.o_index, slot)
            pages.mod_node_page_state(pages.page_to_nid(page), "file_pages", 1)
            pages.folio_add_lru(page)
            self._put_cached(slot, page)
        pages.get_page(page)
        return self._map(slot, page)

    def _swap_in(self, slot: int, entry: int) -> int:
        pages = self.pages
        page = pages.read_swap_cache_async(entry, self.gfp)
        if page:
            pages.st(page + pages.o_mapping, self.table | 1)
            pages.st(page + pages.o_index, slot)
            self._map(slot, page)
            pages.swap_free(entry)
            if pages.vm_swap_full():
                pages.folio_free_swap(page)
        return page

    def forget(self, slot: int) -> None:
        """Unmap what the slot holds; a page of a file stays in the cache."""
        page, entry = self.page(slot), self.entry(slot)
        self._put(slot, 0)
        if page:
            if entry & DIRTY:
                self.pages.set_page_flag(page, self.pages.pg_dirty)
            self.pages.page_mapcount_add(page, -1)
            if self.pages.page_anon(page):
                self.pages.folio_free_swap(page)
            self.pages.put_page(page)
        elif entry:
            self.pages.swap_free(entry)
            left = self.pages.lookup_swap_cache(entry) if self.pages.swap_map(entry) else 0
            if left:
                self.pages.folio_free_swap(left)

    def flush(self) -> int:
        """Write the dirty pages of files back; how many there were."""
        flushed = 0
        for slot in range(self.slots):
            page = self.cached(slot)
            if page:
                entry = self.entry(slot)
                dirty = bool(entry & DIRTY) or self.pages.test_page_flag(page, self.pages.pg_dirty)
                if entry:
                    self._put(slot, entry & ~DIRTY)
                self.pages.clear_page_flag(page, self.pages.pg_dirty)
                flushed += dirty
        return flushed

    # What reclaim and migration ask.

    def _slot_of(self, page: int) -> int:
        return self.pages.ld(page + self.pages.o_index)

    def folio_referenced(self, page: int) -> tuple[int, int]:
        """One if the page was touched since the last time; no area is locked or a text."""
        slot = self._slot_of(page)
        entry = self.entry(slot)
        if entry & ~BITS != page or not entry & ACCESSED:
            return 0, 0
        self._put(slot, entry & ~ACCESSED)
        return 1, 0

    def try_to_unmap(self, page: int) -> None:
        """Put the page's swap entry, or nothing, into its slot."""
        pages = self.pages
        slot = self._slot_of(page)
        entry = self.entry(slot)
        if entry & DIRTY:
            pages.set_page_flag(page, pages.pg_dirty)
        swap = 0
        if pages.page_anon(page):
            swap = pages.page_private(page)
            pages.swap_duplicate(swap)
        self._put(slot, swap)
        pages.page_mapcount_add(page, -1)
        pages.page_ref_add(page, -1)

    def migrate_page(self, old: int, new: int) -> bool:
        """Let the slot, and the cache, lead to the new page."""
        slot = self._slot_of(old)
        entry = self.entry(slot)
        if entry & ~BITS == old:
            self._put(slot, new | (entry & BITS))
        if self.cached(slot) == old:
            self._put_cached(slot, new)
        return True

    def split_folio(self, head: int, rest: int) -> bool:
        """There are no huge pages in slots."""
        return False

    def split_for_swap(self, head: int, rest: int) -> bool:
        """There are no huge pages in slots."""
        return False

    def remove_mapping(self, page: int) -> bool:
        """Take the page out of the cache."""
        pages = self.pages
        self._put_cached(self._slot_of(page), 0)
        pages.st(page + pages.o_mapping, 0)
        pages.mod_node_page_state(pages.page_to_nid(page), "file_pages", -1)
        return True

    def writepage(self, page: int) -> bool:
        """The file has the page's content now."""
        self.pages.clear_page_flag(page, self.pages.pg_dirty)
        return True

"""Bringing a page back from swap, by the swap cache."""

from __future__ import annotations

from mmtwin.pages.page_alloc import PageAlloc


class SwapIn(PageAlloc):
    """``read_swap_cache_async`` for one page at a time, without readahead."""

    def read_swap_cache_async(self, entry: int, gfp: int) -> int:
        """The page of a swap entry, in the swap cache and with a reference for the caller.

        It is read from its slot if it is not in memory; 0 without memory for it.
        """
        page = self.lookup_swap_cache(entry)
        if page:
            self.get_page(page)
            return page
        page = self.alloc_pages(gfp, 0)
        if page:
            self.set_page_flag(page, self.pg_locked | self.pg_swapbacked)
            self.swapcache_prepare(entry)
            self.add_to_swap_cache(page, entry)
            self.folio_add_lru(page)
            self.swap_readpage(page)
            self.unlock_page(page)
        return page

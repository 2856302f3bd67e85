"""The page cache: an inode's pages, by index in its ``i_pages``.

The cache holds a reference to each page and ``nrpages`` counts them. Pages of shared-memory objects
are swap-backed, and come into being by faults; a file's come from its disk, a readahead window at
a time. A huge page is one entry for all its indexes, with a reference for each.
"""

from __future__ import annotations

import cython
from cython import bint, cfunc, declare, exceptval
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.pages import node_layouts as n
from mmtwin.pages.pages import Pages
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches
from mmtwin.space.swap import Swap

if not cython.compiled:
    from mmtwin.pages.words import load, store

FILE_PAGES = declare(u64, n.NODE_STAT + n.STAT["file_pages"])
I_SIZE = declare(u64, 80)
I_DATA = declare(u64, 376)
I_PAGES = declare(u64, 392)
I_RESV_MAP = declare(u64, 560)
I_CHARGED = declare(u64, 600)
TOP = declare(u64, c.MAX)
FILE_SHMEM = declare(u64, files.FILE_SHMEM)
FILE_SYSV = declare(u64, files.FILE_SYSV)


@cfunc
@exceptval(-1)
def count_file_page(pages: Pages, page: u64, change: i64) -> i32:
    """One page more or less in the caches of its node (``file_pages``); returns 0."""
    return pages.add_to(pages.pgdat(pages.page_to_nid(page)) + FILE_PAGES, change)


class PageCache(Swap):
    """Pages of inodes: look-up, adding, removing, truncation."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.at_nrpages = self.layouts.inode.offset("nrpages")

    def inode_pages(self, inode: u64) -> u64:
        """Pages in the cache."""
        return load(self.memory, inode + self.at_nrpages)

    def max_index(self, inode: u64) -> u64:
        """The first page index wholly past the end of the file."""
        size: u64 = load(self.memory, inode + I_SIZE)
        return (size >> 12) + (1 if size & 0xFFF != 0 else 0)

    def set_inode_size(self, inode: u64, size: u64) -> None:
        """Set the bytes of a file; its pages are the caller's business."""
        store(self.memory, inode + I_SIZE, size)

    def i_size_read(self, inode: u64) -> u64:
        """The bytes of a file."""
        return load(self.memory, inode + I_SIZE)

    def find_get_page(self, inode: u64, index: u64) -> u64:
        """The page at ``index``, 0 for none; a value stands for one that is swapped out.

        It may be a part of a huge page.
        """
        page: u64 = self.xa.load(inode + I_PAGES, index)
        if page != 0 and page & 1 == 0 and self.pages.page_head(page):
            page += 64 * (index - self.page_index(page))
        return page

    def add_to_page_cache(self, inode: u64, page: u64, index: u64) -> bint:
        """Put a page at ``index``; the cache takes a reference. False without memory."""
        if not self.xa.store(inode + I_PAGES, index, page):
            return False
        self.pages.get_page(page)
        self.set_page_mapping(page, inode + I_DATA, index)
        self.set_page_flag(page, self.pg_uptodate)
        store(self.memory, inode + self.at_nrpages, self.inode_pages(inode) + 1)
        count_file_page(self.pages, page, 1)
        self.pages.folio_add_lru(page)
        return True

    def add_huge_to_page_cache(self, inode: u64, head: u64, index: u64) -> bint:
        """Put a fresh huge page in the place of all that is at its indexes from ``index`` on.

        Its one reference is the cache's then, with one more for each further page. False without
        memory.
        """
        order: i32 = self.pages.compound_order(head)
        size: i64 = 1 << order
        if not self.xa.store_order(inode + I_PAGES, index, order, head):
            return False
        self.pages.page_ref_add(head, size - 1)
        self.set_page_mapping(head, inode + I_DATA, index)
        self.set_page_flag(head, self.pg_uptodate)
        store(self.memory, inode + self.at_nrpages, self.inode_pages(inode) + size)
        count_file_page(self.pages, head, size)
        self.pages.folio_add_lru(head)
        return True

    def delete_from_page_cache(self, page: u64) -> None:
        """Take a page, small or huge, out; the cache's references go."""
        self.remove_from_page_cache(page)
        self.pages.page_ref_add(page, 1 - self.pages.folio_nr_pages(page))
        self.put_user_page(page)

    def remove_from_page_cache(self, page: u64) -> None:
        """Take a page out; the cache's reference is the caller's now."""
        inode: u64 = self.pages.page_mapping(page) - I_DATA
        self.xa.erase(inode + I_PAGES, self.page_index(page))
        self.leave_page_cache(page)

    def leave_page_cache(self, page: u64) -> None:
        """The page is not its inode's any more, which has something else in its place."""
        inode: u64 = self.pages.page_mapping(page) - I_DATA
        size: i64 = self.pages.folio_nr_pages(page)
        self.set_page_mapping(page, 0, self.page_index(page))
        store(self.memory, inode + self.at_nrpages, self.inode_pages(inode) - size)
        count_file_page(self.pages, page, -size)

    def read_page(self, inode: u64, index: u64, shared_memory: bint) -> u64:
        """A fresh page at ``index``, read from disk or zeroed; 0 without memory."""
        page: u64 = self.alloc_user_page()
        if page == 0:
            return 0
        if shared_memory:
            self.set_page_flag(page, self.pg_swapbacked)
        added: bint = self.add_to_page_cache(inode, page, index)
        self.put_user_page(page)
        return page if added else 0

    def file_is_shmem(self, file: u64) -> bint:
        """Is it a file of shared memory?"""
        kind: u64 = self.file_kind(file)
        return kind in (FILE_SHMEM, FILE_SYSV)

    def truncate_inode_pages(self, inode: u64, first: u64, last: u64) -> None:
        """Drop the pages ``first`` to ``last`` (inclusive) from the cache; none may be mapped.

        Huge pages that lie across an end are split; one that cannot be stays.
        """
        self.split_across(inode, first)
        if last < TOP - 1:
            self.split_across(inode, last + 1)
        index: u64 = self.xa.find(inode + I_PAGES, first, last)
        while index != TOP:
            entry: u64 = self.xa.load(inode + I_PAGES, index)
            if entry & 1 != 0:
                self.xa.erase(inode + I_PAGES, index)
                self.swap_free(entry >> 1)
            else:
                size: u64 = self.pages.folio_nr_pages(entry)
                begin: u64 = self.page_index(entry)
                if begin >= first and begin + size - 1 <= last:
                    self.clear_page_flag(entry, self.pg_dirty)
                    self.delete_from_page_cache(entry)
                index = begin + size - 1
            if index >= last:
                return
            index = self.xa.find(inode + I_PAGES, index + 1, last)

    def truncate_partial_page(self, inode: u64, index: u64) -> None:
        """Zero a part of the page at ``index``, which of shared memory is dirty then, and swapped
        in; if it is a part of a huge page, that one is split."""
        page: u64 = self.find_get_page(inode, index)
        if page & 1 != 0:
            page = self.shmem_swapin(inode, index, page >> 1)
        if page == 0:
            return
        if self.page_flag(page, self.pg_swapbacked):
            self.set_page_flag(page, self.pg_dirty)
        head: u64 = self.pages.compound_head(page)
        if self.pages.page_head(head):
            self.split_huge_page(head)

    def shmem_swapin(self, inode: u64, index: u64, slot: u64) -> u64:
        """Bring a page of shared memory back from swap; 0 without memory."""
        page: u64 = self.read_swap(slot)
        if page == 0:
            return 0
        self.delete_from_swap_cache(page)
        self.pages.folio_isolate_lru(page)
        self.put_user_page(page)
        if not self.add_to_page_cache(inode, page, index):
            self.put_user_page(page)
            return 0
        self.set_page_flag(page, self.pg_dirty)
        self.put_user_page(page)
        self.swap_free(slot)
        return page

    def split_across(self, inode: u64, index: u64) -> None:
        """Split the huge page of which ``index`` is a part, but not the first one."""
        page: u64 = self.find_get_page(inode, index)
        if page != 0 and page & 1 == 0 and self.pages.compound_head(page) != page:
            self.split_huge_page(self.pages.compound_head(page))

    def split_huge_page(self, head: u64) -> bint:
        """Make single pages of a file's huge page, mapped nowhere; False leaves it whole."""
        raise TypeError("huge pages are split by a class further up")

    def evict_inode(self, inode: u64) -> None:
        """The inode goes, and its charge and pages with it."""
        charged: u64 = load(self.memory, inode + I_CHARGED)
        if charged != 0:
            self.vm_unacct_memory(charged)
        if load(self.memory, inode + I_RESV_MAP) != 0:
            self.huge.evict_inode(inode)
        elif load(self.memory, inode + I_PAGES) != 0:
            self.truncate_inode_pages(inode, 0, TOP - 1)

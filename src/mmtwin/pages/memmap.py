"""The memory map: one ``struct page`` of 64 bytes for each frame, and the lists it is linked in.

The map is held lazily. A struct page that nobody has written yet is *pristine*: all its words are
0, which no initialised page can show (its count word, ``_mapcount`` and ``_refcount``, is 0 as a
whole only in a tail page that one pte maps, and that names its head). A pristine page is in the
state in which boot left it: inside a free chunk, or the head of a free chunk of the largest order
whose neighbours in the free list are the chunks before and after it in memory. So a tebibyte boots
without writing a page of its map, and every list reads as if it had been written.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.memory.memory import Memory
from mmtwin.pages import layouts as c
from mmtwin.pages.bug import PageBug
from mmtwin.pages.era import PageEra

if not cython.compiled:
    from mmtwin.pages.words import load, place, store

VMEMMAP = declare(u64, c.VMEMMAP)
LIST_POISON1 = declare(u64, c.LIST_POISON1)
LIST_POISON2 = declare(u64, c.LIST_POISON2)
LOW32 = declare(u64, 0xFFFFFFFF)
TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
PAGE_HEAD_BIT = declare(u64, 1)


class MemMap:
    """Struct pages by address: fields, free marks, list links.

    ``memmap`` is the direct-map address of frame 0's struct page, ``frames`` the number of frames.
    A *page* is the address of a struct page in vmemmap, as the kernel's pointers are.
    """

    def __init__(self, memory: Memory, era: PageEra, memmap: u64, frames: u64) -> None:
        if memmap >= c.VMEMMAP:
            raise ValueError("the memory map is given by its address in the direct map")
        self.memory = memory
        self.era = era
        self.types = era.types
        self.memmap = memmap
        self.frames = frames
        self.shift = c.VMEMMAP - memmap
        layout = era.page
        self.o_lru = layout.offset("lru")
        self.o_mapping = layout.offset("mapping")
        self.o_index = layout.offset("index")
        self.o_private = layout.offset("private")
        self.o_counts = layout.offset("mapcount")
        self.o_compound = layout.offset("first_page" if "first_page" in layout else "compound_head")
        # Kept in the first tail page: a byte after the destructor's, or up to 4.x a whole lru.prev.
        self.o_order = layout.offset("lru_prev")
        self.order_shift = 0 if "first_page" in layout else 48 if memory.big_endian else 8
        self.mapcount_shift = 32 if memory.big_endian else 0
        self.refcount_shift = 0 if memory.big_endian else 32
        self.word_free = 0xFFFFFFFF << self.mapcount_shift
        self.word_buddy = era.buddy_word << self.mapcount_shift
        self.buddy_mask = era.buddy_mask << self.mapcount_shift
        self.buddy_value = era.buddy_value << self.mapcount_shift
        self.flag_head = 1 << era.page_flags["head"]
        self.flag_reserved = 1 << era.page_flags["reserved"]
        self.flag_lru = 1 << era.page_flags["lru"]
        self.flag_tail = 1 << era.page_flags["tail"] if "tail" in era.page_flags else 0
        self.mask_at_free = era.mask_at_free
        self.mask_at_prep = era.mask_at_prep
        self.order_max = era.order_max
        self.pageblock_order = era.pageblock_order
        self.pageblock_nr_pages = 1 << era.pageblock_order
        self.chunk_stride = (1 << era.order_max) * c.STRUCT_PAGE_SIZE
        self.boot_to_tail = era.boot_to_tail

    # Frames and pages.

    def pfn_to_page(self, pfn: u64) -> u64:
        """The struct page of a frame number."""
        return VMEMMAP + 64 * pfn

    def page_to_pfn(self, page: u64) -> u64:
        """The frame number of a struct page."""
        return (page - VMEMMAP) >> 6

    def ld(self, address: u64) -> u64:
        """The word at an address, in vmemmap or in the direct map."""
        if address >= VMEMMAP:
            address -= self.shift
        return load(self.memory, address)

    def st(self, address: u64, value: u64) -> i32:
        """Store a word at an address, in vmemmap or in the direct map; returns 0."""
        if address >= VMEMMAP:
            address -= self.shift
        store(self.memory, address, value)
        return 0

    def add_to(self, address: u64, delta: i64) -> i32:
        """Add to a counter in the direct map, which wraps as in C; returns 0."""
        store(self.memory, address, (load(self.memory, address) + delta) & TOP)
        return 0

    # The fields of a struct page.

    def pristine(self, page: u64) -> bint:
        """Has this struct page never been written?

        The count word of a tail page that one pte maps is 0 too, but a tail page names its head.
        """
        at: u64 = page - self.shift
        return load(self.memory, at + self.o_counts) == 0 and not self.page_tail(page)

    def page_flags(self, page: u64) -> u64:
        """``page->flags``; 0 of a pristine page."""
        return load(self.memory, page - self.shift)

    def page_private(self, page: u64) -> u64:
        """``page->private``: of a free head its order."""
        return load(self.memory, page - self.shift + self.o_private)

    def page_ref_count(self, page: u64) -> u64:
        """``page->_refcount``, 32 bits."""
        return (load(self.memory, page - self.shift + self.o_counts) >> self.refcount_shift) & LOW32

    def page_mapcount(self, page: u64) -> u64:
        """``page->_mapcount`` or ``page_type``, 32 bits; 0xffffffff is -1."""
        return (load(self.memory, page - self.shift + self.o_counts) >> self.mapcount_shift) & LOW32

    def page_mapping(self, page: u64) -> u64:
        """``page->mapping``."""
        return load(self.memory, page - self.shift + self.o_mapping)

    def get_pcppage_migratetype(self, page: u64) -> i32:
        """The type cached in ``page->index`` while the page is free (up to 6.9)."""
        return load(self.memory, page - self.shift + self.o_index) & 0xFF

    def set_pcppage_migratetype(self, page: u64, migratetype: i32) -> i32:
        """Cache a free page's type; returns 0."""
        store(self.memory, page - self.shift + self.o_index, migratetype)
        return 0

    def page_ref_add(self, page: u64, delta: i64) -> u64:
        """Add to the reference count; returns the new count."""
        at: u64 = page - self.shift + self.o_counts
        counts: u64 = load(self.memory, at)
        count: u64 = (((counts >> self.refcount_shift) & LOW32) + delta) & LOW32
        mapcount: u64 = (counts >> self.mapcount_shift) & LOW32
        store(
            self.memory,
            at,
            (count << self.refcount_shift) | (mapcount << self.mapcount_shift),
        )
        return count

    def put_page_testzero(self, page: u64) -> bint:
        """Drop a reference; True if it was the last one."""
        if self.page_ref_count(page) == 0:
            self.page_bug("page_ref_count(page) == 0", "put_page_testzero", page)
        return self.page_ref_add(page, -1) == 0

    def get_page(self, page: u64) -> i32:
        """Take a reference to a page that has one; returns 0."""
        if self.page_ref_count(page) == 0:
            self.page_bug("page_ref_count(page) <= 0", "get_page", page)
        self.page_ref_add(page, 1)
        return 0

    def set_page_refcounted(self, page: u64) -> i32:
        """Give a free page its first reference; returns 0."""
        if self.page_tail(page):
            self.page_bug("PageTail(page)", "set_page_refcounted", page)
        if self.page_ref_count(page) != 0:
            self.page_bug("page_ref_count(page)", "set_page_refcounted", page)
        self.page_ref_add(page, 1)
        return 0

    def init_single_page(self, page: u64, flags: u64) -> i32:
        """``__init_single_page`` of a free page: ``flags`` say zone and node; returns 0."""
        at: u64 = page - self.shift
        store(self.memory, at, flags)
        store(self.memory, at + self.o_counts, self.word_free)
        return 0

    # Compound pages.

    def page_tail(self, page: u64) -> bint:
        """Is this a tail page of a compound page?"""
        if self.flag_tail != 0:
            return (load(self.memory, page - self.shift) & self.flag_tail) != 0
        return (load(self.memory, page - self.shift + self.o_compound) & 1) != 0

    def page_head(self, page: u64) -> bint:
        """Is this the head of a compound page?"""
        return (load(self.memory, page - self.shift) & self.flag_head) != 0

    def compound_head(self, page: u64) -> u64:
        """The head of the compound page that ``page`` belongs to; the page itself if none."""
        head: u64 = load(self.memory, page - self.shift + self.o_compound)
        if self.flag_tail == 0:
            return head & ~PAGE_HEAD_BIT if head & PAGE_HEAD_BIT != 0 else page
        return head & ~PAGE_HEAD_BIT if self.page_tail(page) else page

    def compound_order(self, page: u64) -> i32:
        """The order of a compound page by its head, which the first tail page holds."""
        if not self.page_head(page):
            return 0
        return (load(self.memory, page - self.shift + 64 + self.o_order) >> self.order_shift) & 0xFF

    # Free heads.

    def page_buddy(self, page: u64) -> bint:
        """Is the page marked as the head of a free chunk?"""
        return (
            load(self.memory, page - self.shift + self.o_counts) & self.buddy_mask
        ) == self.buddy_value

    def set_buddy_order(self, page: u64, order: i32) -> i32:
        """Mark the page as the head of a free chunk; returns 0."""
        at: u64 = page - self.shift
        if load(self.memory, at + self.o_counts) != self.word_free:
            self._not_free(page, "PageType(page, 0) == 0", "__SetPageBuddy")
        store(self.memory, at + self.o_private, order)
        store(self.memory, at + self.o_counts, self.word_buddy)
        return 0

    def clear_page_buddy(self, page: u64) -> i32:
        """Take the mark of a free head away; returns 0."""
        at: u64 = page - self.shift
        if load(self.memory, at + self.o_counts) != self.word_buddy:
            self._not_free(page, "!PageBuddy(page)", "__ClearPageBuddy")
        store(self.memory, at + self.o_counts, self.word_free)
        store(self.memory, at + self.o_private, 0)
        return 0

    def _not_free(self, page: u64, condition: str, where: str) -> i32:
        """Say what is wrong with the count word of a page that should be free."""
        if self.page_ref_count(page) != 0:
            condition = f"page_ref_count(page) = {self.page_ref_count(page)}"
        return self.page_bug(condition, where, page)

    def page_bug(self, condition: str, where: str, page: u64) -> i32:
        """``VM_BUG_ON_PAGE``: raise :class:`PageBug`."""
        raise PageBug(condition, where, page, self.page_to_pfn(page))

    # Lists: ``struct list_head`` in pages, zones and per-cpu sets. An entry or a head is the
    # address of its next word; the previous one follows.

    def link_next(self, entry: u64) -> u64:
        """The entry after this one; of a pristine page the chunk that boot put after it."""
        link: u64 = load(self.memory, place(self.shift, entry))
        if link == 0 and entry >= VMEMMAP:
            return entry + self.chunk_stride if self.boot_to_tail else entry - self.chunk_stride
        return link

    def link_prev(self, entry: u64) -> u64:
        """The entry before this one; of a pristine page the chunk that boot put before it."""
        link: u64 = load(self.memory, place(self.shift, entry) + 8)
        if link == 0 and entry >= VMEMMAP:
            return entry - self.chunk_stride if self.boot_to_tail else entry + self.chunk_stride
        return link

    def list_init(self, head: u64) -> i32:
        """Make an empty list; returns 0."""
        self.st(head, head)
        self.st(head + 8, head)
        return 0

    def list_empty(self, head: u64) -> bint:
        """Is there nothing in the list? The head lies in the direct map."""
        return load(self.memory, head) == head

    def list_add(self, entry: u64, head: u64) -> i32:
        """Put an entry right after the head; returns 0."""
        return self._link(entry, head, load(self.memory, place(self.shift, head)))

    def list_add_tail(self, entry: u64, head: u64) -> i32:
        """Put an entry right before the head; returns 0."""
        return self._link(entry, load(self.memory, place(self.shift, head) + 8), head)

    def _link(self, entry: u64, before: u64, after: u64) -> i32:
        memory = self.memory
        at: u64 = place(self.shift, entry)
        low: u64 = place(self.shift, before)
        high: u64 = place(self.shift, after)
        if load(memory, high + 8) != before or load(memory, low) != after:
            raise KernelBug(
                f"list_add corruption: {before:#x} and {after:#x} are not neighbours", "__list_add"
            )
        if entry in (before, after):
            raise KernelBug(f"list_add double add: {entry:#x}", "__list_add")
        store(memory, high + 8, entry)
        store(memory, at, after)
        store(memory, at + 8, before)
        store(memory, low, entry)
        return 0

    def list_del(self, entry: u64) -> i32:
        """Take an entry out of its list and poison its links; returns 0."""
        memory = self.memory
        at: u64 = place(self.shift, entry)
        after: u64 = load(memory, at)
        before: u64 = load(memory, at + 8)
        if after == LIST_POISON1 or before == LIST_POISON2:
            raise KernelBug(f"list_del corruption: {entry:#x} is in no list", "__list_del_entry")
        low: u64 = place(self.shift, before)
        high: u64 = place(self.shift, after)
        if load(memory, low) != entry or load(memory, high + 8) != entry:
            raise KernelBug(
                f"list_del corruption: the neighbours of {entry:#x} lead elsewhere",
                "__list_del_entry",
            )
        store(memory, high + 8, before)
        store(memory, low, after)
        store(memory, at, LIST_POISON1)
        store(memory, at + 8, LIST_POISON2)
        return 0

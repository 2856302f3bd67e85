"""User pages as their ``struct page`` tells them: references, mappings, flags; RSS counters.

``_mapcount`` counts the page-table entries that map a page, from -1. An anonymous page's
``mapping`` is its anon_vma with bit 0 set, its ``index`` the page offset that reverse mapping looks
it up by. What user pages hold is not simulated.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import PAGE, Memory
from mmtwin.pages.pages import Pages
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.fields import Caches
from mmtwin.space.page_table import PageTable

if not cython.compiled:
    from mmtwin.pages.words import load, store

PFN_MASK = declare(u64, p.PFN_MASK)
PRESENT = declare(u64, p.PRESENT)
PROTNONE = declare(u64, p.PROTNONE)
RW = declare(u64, p.RW)
DIRTY = declare(u64, p.DIRTY)
ACCESSED = declare(u64, p.ACCESSED)
SPECIAL = declare(u64, p.SPECIAL)
CHANGE_MASK = declare(u64, p.CHANGE_MASK)
SOFT_DIRTY = declare(u64, p.SOFT_DIRTY)
MM_FILEPAGES = declare(u64, p.MM_FILEPAGES)
MM_ANONPAGES = declare(u64, p.MM_ANONPAGES)
MM_SHMEMPAGES = declare(u64, p.MM_SHMEMPAGES)
RSS_MEMBERS = declare(u64, 4)
ANON = declare(u64, p.PAGE_MAPPING_ANON)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_DROPPABLE = declare(u64, c.VM_DROPPABLE_6_18)
LOCKED_SPECIAL = declare(u64, c.VM_LOCKED | c.VM_SPECIAL)
GFP_USER_PAGE = declare(u64, 0x100CCA)
"""GFP_HIGHUSER_MOVABLE; the content is not simulated, so it need not be zeroed."""
TOP32 = declare(u64, 0xFFFFFFFF)
SYSCTL_SOFT_DIRTY = declare(u64, 136)


class PageState(PageTable):
    """``struct page`` of user memory, ``mm->rss_stat``, making and taking apart of entries."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        mm = self.layouts.mm_struct
        self.at_rss_stat = mm.offset("rss_stat")
        self.rss_stride = mm.offset("rss_stat_1") - mm.offset("rss_stat")
        self.at_hiwater_rss = mm.offset("hiwater_rss")
        store(memory, self.sysctl + SYSCTL_SOFT_DIRTY, int(profile.soft_dirty))
        zero = memory.boot_alloc(PAGE, PAGE)
        self.zero_pfn = (zero - memory.base) >> 12

    def take_pages(self, pages: Pages) -> None:
        """Learn where this kernel keeps what in a ``struct page``."""
        PageTable.take_pages(self, pages)
        flags = pages.era.page_flags
        self.pg_locked = 1 << flags["locked"]
        self.pg_referenced = 1 << flags["referenced"]
        self.pg_uptodate = 1 << flags["uptodate"]
        self.pg_dirty = 1 << flags["dirty"]
        self.pg_swapbacked = 1 << flags["swapbacked"]
        self.pg_swapcache = 1 << flags["owner_priv_1"]
        self.pg_anon_exclusive = 1 << flags["mappedtodisk"]
        self.pg_head = 1 << flags["head"]

    # RSS.

    def rss(self, mm: u64, member: u64) -> u64:
        """Pages (or swap entries) of kind MM_* that an address space has."""
        return load(self.memory, mm + self.at_rss_stat + member * self.rss_stride)

    def add_mm_counter(self, mm: u64, member: u64, change: i64) -> None:
        """Add to a counter of ``rss_stat``."""
        at: u64 = mm + self.at_rss_stat + member * self.rss_stride
        store(self.memory, at, load(self.memory, at) + change)

    def mm_rss(self, mm: u64) -> u64:
        """Resident pages: of files, anonymous, of shared memory."""
        return self.rss(mm, MM_FILEPAGES) + self.rss(mm, MM_ANONPAGES) + self.rss(mm, MM_SHMEMPAGES)

    def mm_free(self, mm: u64) -> None:
        """Give an address space back, if nothing is left that its end should have taken."""
        self.check_mm(mm)
        PageTable.mm_free(self, mm)

    def check_mm(self, mm: u64) -> None:
        """Pages or tables that are counted still were lost count of."""
        member: u64 = 0
        while member < RSS_MEMBERS:
            if self.rss(mm, member) != 0:
                raise KernelWarning("Bad rss-counter state", "check_mm")
            member += 1
        if self.pgtables_bytes(mm) != 0:
            raise KernelWarning("non-zero pgtables_bytes on freeing mm", "check_mm")

    def update_hiwater_rss(self, mm: u64) -> None:
        """Note the peak before pages go."""
        now: u64 = self.mm_rss(mm)
        if load(self.memory, mm + self.at_hiwater_rss) < now:
            store(self.memory, mm + self.at_hiwater_rss, now)

    # Pages.

    def page_of(self, entry: u64) -> u64:
        """The struct page that a present entry maps."""
        return self.pages.pfn_to_page(self.pfn_of(entry))

    def pfn_of(self, entry: u64) -> u64:
        """The frame number in an entry; of one without PRESENT it is stored inverted (L1TF)."""
        if entry & PRESENT == 0:
            entry = ~entry
        return (entry & PFN_MASK) >> 12

    def pte_present(self, entry: u64) -> bint:
        """Does the entry map a page, with or without access?"""
        return entry & (PRESENT | PROTNONE) != 0

    def vm_normal_page(self, entry: u64) -> u64:
        """The page of a present entry that counts its mappings; 0 for the zero page and devices."""
        if entry & SPECIAL != 0:
            return 0
        return self.page_of(entry)

    def page_flag(self, page: u64, flag: u64) -> bint:
        """Is a PG_* flag set? Of a large folio the head has them."""
        return self.pages.ld(self.pages.compound_head(page)) & flag != 0

    def set_page_flag(self, page: u64, flag: u64) -> None:
        """Set PG_* flags."""
        page = self.pages.compound_head(page)
        self.pages.st(page, self.pages.ld(page) | flag)

    def clear_page_flag(self, page: u64, flag: u64) -> None:
        """Clear PG_* flags."""
        page = self.pages.compound_head(page)
        self.pages.st(page, self.pages.ld(page) & ~flag)

    def page_exclusive(self, page: u64) -> bint:
        """``PageAnonExclusive``, which every page of a large folio has for itself."""
        return self.pages.ld(page) & self.pg_anon_exclusive != 0

    def set_page_exclusive(self, page: u64, exclusive: bint) -> None:
        """Set or clear ``PageAnonExclusive``."""
        flags: u64 = self.pages.ld(page)
        if exclusive:
            self.pages.st(page, flags | self.pg_anon_exclusive)
        elif flags & self.pg_anon_exclusive != 0:
            self.pages.st(page, flags & ~self.pg_anon_exclusive)

    def page_anon(self, page: u64) -> bint:
        """Is the page anonymous (``PageAnon``)?"""
        head: u64 = self.pages.compound_head(page)
        return self.pages.ld(head + self.pages.o_mapping) & ANON != 0

    def page_index(self, page: u64) -> u64:
        """``page->index``, counted on within a large folio."""
        head: u64 = self.pages.compound_head(page)
        return self.pages.ld(head + self.pages.o_index) + ((page - head) >> 6)

    def set_page_mapping(self, page: u64, mapping: u64, index: u64) -> None:
        """Set what a page belongs to and at which offset."""
        self.pages.st(page + self.pages.o_mapping, mapping)
        self.pages.st(page + self.pages.o_index, index)

    def mapcount(self, page: u64) -> u64:
        """How many page-table entries map this (sub)page."""
        return (self.pages.page_mapcount(page) + 1) & TOP32

    def mapcount_add(self, page: u64, change: i32) -> u64:
        """Add 1 or -1 to ``_mapcount``; how many mappings there are then."""
        pages: Pages = self.pages
        at: u64 = page + pages.o_counts
        word: u64 = pages.ld(at)
        count: u64 = ((word >> self.map_shift) + change) & TOP32
        pages.st(at, (word & ~(TOP32 << self.map_shift)) | (count << self.map_shift))
        return (count + 1) & TOP32

    def mm_counter(self, page: u64) -> u64:
        """Which counter of ``rss_stat`` a page counts in."""
        if self.page_anon(page):
            return MM_ANONPAGES
        return MM_SHMEMPAGES if self.page_flag(page, self.pg_swapbacked) else MM_FILEPAGES

    def alloc_user_page(self) -> u64:
        """A page for a process, one reference; 0 without memory."""
        return self.pages.alloc_pages(GFP_USER_PAGE, 0, 0)

    def put_user_page(self, page: u64) -> None:
        """Drop a reference; the last one frees the page."""
        self.pages.put_page(page)

    # Reverse mapping's side of an entry.

    def page_add_new_anon_rmap(self, page: u64, vma: u64, address: u64) -> None:
        """A fresh page becomes ``vma``'s own at ``address``: exclusive, mapped once."""
        self.set_page_mapping(page, self.anon_vma(vma) | ANON, self.linear_page_index(vma, address))
        kept: u64 = 0 if self.vm_flags(vma) & VM_DROPPABLE != 0 else self.pg_swapbacked
        self.set_page_flag(page, kept | self.pg_uptodate | self.pg_anon_exclusive)
        self.mapcount_add(page, 1)

    def page_add_file_rmap(self, page: u64) -> None:
        """One more entry maps a page of a file."""
        self.mapcount_add(page, 1)

    def mlock_vma_page(self, page: u64, vma: u64) -> None:
        """An entry of ``vma`` maps the page from now on: if the area is locked, so is the page.

        Parts of a huge page are not locked one by one.
        """
        if self.vm_flags(vma) & LOCKED_SPECIAL == VM_LOCKED and self.single(page):
            self.pages.mlock_folio(page)

    def munlock_vma_page(self, page: u64, vma: u64) -> None:
        """An entry of ``vma`` maps the page no longer."""
        if self.vm_flags(vma) & LOCKED_SPECIAL == VM_LOCKED and self.single(page):
            self.pages.munlock_folio(page)

    def single(self, page: u64) -> bint:
        """Is the page no part of a huge one?"""
        return self.pages.compound_head(page) == page and not self.pages.page_head(page)

    def page_remove_rmap(self, page: u64) -> None:
        """One entry less maps the page."""
        self.mapcount_add(page, -1)

    def linear_page_index(self, vma: u64, address: u64) -> u64:
        """The page offset of an address: what reverse mapping finds it by."""
        return self.vm_pgoff(vma) + ((address - self.vm_start(vma)) >> self.page_shift)

    # Entries.

    def page_prot(self, vma: u64) -> u64:
        """The protection bits that a VMA's entries begin with."""
        return self.vm_page_prot(vma)

    def mk_pte(self, page: u64, prot: u64) -> u64:
        """A pte for a page with a VMA's protection bits."""
        return self.pfn_pte(self.pages.page_to_pfn(page), prot)

    def pfn_pte(self, pfn: u64, prot: u64) -> u64:
        """A pte for a frame with a VMA's protection bits."""
        address: u64 = pfn << 12
        if prot & PRESENT == 0:
            address = ~address & PFN_MASK
        return address | prot

    def pte_modify(self, entry: u64, prot: u64) -> u64:
        """The entry with other protection bits; frame, accessed and dirty stay."""
        kept: u64 = entry & CHANGE_MASK & ~PFN_MASK
        return self.pfn_pte(self.pfn_of(entry), kept | (prot & ~CHANGE_MASK))

    def pte_mkdirty(self, entry: u64) -> u64:
        """Written to; also since the last clear_refs, where the kernel keeps that apart."""
        if load(self.memory, self.sysctl + SYSCTL_SOFT_DIRTY) != 0:
            return entry | DIRTY | SOFT_DIRTY
        return entry | DIRTY

    def maybe_mkwrite(self, entry: u64, vma: u64) -> u64:
        """Writable, if the area is."""
        return entry | RW if self.vm_flags(vma) & VM_WRITE != 0 else entry

    def pte_wrprotect(self, entry: u64) -> u64:
        """Not writable."""
        return entry & ~RW

    def pte_mkyoung(self, entry: u64) -> u64:
        """Used."""
        return entry | ACCESSED

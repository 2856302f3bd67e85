"""What advice does to pages, and population: ``madvise_dontneed_free`` and its kin, GUP's faults.

mm/madvise.c, mm/gup.c.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.fields import Caches
from mmtwin.space.move_page_tables import MovePageTables

if not cython.compiled:
    from mmtwin.pages.words import load

TOP = declare(u64, c.MAX)
PRESENT = declare(u64, p.PRESENT)
RW = declare(u64, p.RW)
ACCESSED = declare(u64, p.ACCESSED)
DIRTY = declare(u64, p.DIRTY)
MARKER_GUARD = declare(u64, p.MARKER_GUARD)
VM_MAYBE_GUARD = declare(u64, c.VM_MAYBE_GUARD_6_18)
PTE_MARKER = declare(u64, p.SWP_PTE_MARKER)
MADV_WILLNEED = declare(u64, c.MADV_WILLNEED)
MADV_DONTNEED = declare(u64, c.MADV_DONTNEED)
MADV_DONTNEED_LOCKED = declare(u64, c.MADV_DONTNEED_LOCKED)
MADV_FREE = declare(u64, c.MADV_FREE)
MADV_REMOVE = declare(u64, c.MADV_REMOVE)
MADV_COLD = declare(u64, c.MADV_COLD)
MADV_PAGEOUT = declare(u64, c.MADV_PAGEOUT)
I_MMAP = declare(u64, 448)


class MadvisePages(MovePageTables):
    """Advice about pages, and ``populate_vma_page_range``.

    Since 6.9 MADV_PAGEOUT leaves the accessed bits of what it cannot reclaim, and a large folio
    that an area maps as a whole is not split for advice. Since 6.14 MADV_DONTNEED frees tables.
    """

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.pageout_keeps_young = self.advises_folios = profile.since(6, 9)
        self.reclaims_tables = profile.since(6, 14)

    def advise_pages(self, vma: u64, start: u64, end: u64, advice: u64) -> None:
        """Carry out advice that was found good on the pages of [start, end) of one area."""
        if advice in (MADV_DONTNEED, MADV_DONTNEED_LOCKED):
            self.zap_but_guards(vma, start, end)
            if self.reclaims_tables:
                self.free_empty_tables(vma, start, end)
        elif advice == MADV_REMOVE:
            self.punch_hole(vma, start, end)
        elif advice == MADV_WILLNEED:
            self.madvise_willneed(vma, start, end)
        elif advice in (MADV_FREE, MADV_COLD, MADV_PAGEOUT):
            self.walk_present(vma, start, end, advice)

    def free_empty_tables(self, vma: u64, start: u64, end: u64) -> None:
        """Free the tables of ptes for [start, end) alone that have become empty (PT_RECLAIM)."""
        mm: u64 = self.vm_mm(vma)
        if self.is_vm_hugetlb_page(vma) or self.pgtables_bytes(mm) == 0:
            return
        at: u64 = (start + self.pmd_size - 1) & ~(self.pmd_size - 1)
        while at + self.pmd_size <= end:
            pmd: u64 = self.walk(mm, at, 1)
            if pmd == 0:
                at = self.next_table(mm, at, end)
                continue
            entry: u64 = self.pmdp_get(pmd)
            if entry != 0 and not self.pmd_is_leaf(entry):
                self.pte_free(mm, pmd)
            at += self.pmd_size

    def zap_but_guards(self, vma: u64, start: u64, end: u64) -> None:
        """Take [start, end) out of the page tables, but for guards (``zap_drop_markers``)."""
        mm: u64 = self.vm_mm(vma)
        first: u64 = start
        at: u64 = start if self.vm_flags(vma) & VM_MAYBE_GUARD != 0 else end
        while at < end:
            if self.walk(mm, at, 1) == 0:
                at = self.next_table(mm, at, end)
                continue
            pte: u64 = self.pte_at(mm, at)
            entry: u64 = self.ptep_get(pte) if pte != 0 else 0
            if entry != 0 and not self.pte_present(entry) and self.is_marker_pte(entry):
                if first < at:
                    self.zap_page_range(vma, first, at)
                first = at + 0x1000
            at += 0x1000
        if first < end:
            self.zap_page_range(vma, first, end)

    def walk_present(self, vma: u64, start: u64, end: u64, advice: u64) -> None:
        """Advise each entry of [start, end) that is not empty."""
        mm: u64 = self.vm_mm(vma)
        if self.pgtables_bytes(mm) == 0:
            return
        if advice == MADV_FREE:
            self.update_hiwater_rss(mm)
        at: u64 = start
        while at < end:
            pmd: u64 = self.walk(mm, at, 1)
            if pmd == 0:
                at = self.next_table(mm, at, end)
                continue
            past: u64 = (at & ~(self.pmd_size - 1)) + self.pmd_size
            if past > end:
                past = end
            entry: u64 = self.pmdp_get(pmd)
            if entry != 0 and self.pmd_is_leaf(entry):
                entry = self.advise_huge_pmd(vma, pmd, at, past, advice)
            if entry != 0:
                pte: u64 = self.pte_offset(entry, at)
                while at < past:
                    entry = self.ptep_get(pte)
                    if entry != 0 and not self.advise_pte(vma, at, pte, entry, advice):
                        break
                    pte += 8
                    at += 0x1000
            at = past

    def advise_huge_pmd(self, vma: u64, pmd: u64, start: u64, end: u64, advice: u64) -> u64:
        """Advise or split a huge page: the pmd entry that leads to ptes then, 0 for none."""
        raise TypeError("huge pages are advised by a class further up")

    def advise_pte(self, vma: u64, address: u64, pte: u64, entry: u64, advice: u64) -> bint:
        """MADV_FREE, MADV_COLD or MADV_PAGEOUT on one entry that is not empty; False: the rest of
        its table is left alone."""
        if not self.pte_present(entry):
            if advice == MADV_FREE and self.is_swap_pte(entry):
                self.zap_swap_pte(self.vm_mm(vma), pte, entry)
            return True
        page: u64 = self.vm_normal_page(entry)
        if page == 0:
            return True
        if not self.single(page) and not self.takes_whole_folio(pte, page):
            if self.split_for_advice(vma, page, advice):
                entry = self.ptep_get(pte)
                return entry == 0 or self.advise_pte(vma, address, pte, entry, advice)
            return self.advises_folios
        if advice == MADV_FREE:
            self.madvise_free_pte(pte, entry, page)
            return True
        if self.mapcount(page) != 1:
            return True
        if entry & ACCESSED != 0 and not (advice == MADV_PAGEOUT and self.pageout_keeps_young):
            self.set_pte(pte, entry & ~ACCESSED)
        self.clear_page_flag(page, self.pg_referenced)
        if advice == MADV_PAGEOUT:
            self.page_out(page)
        return True

    def takes_whole_folio(self, pte: u64, page: u64) -> bint:
        """Do the entries from ``pte`` on map all of a large folio, so that it is advised as it is?
        (6.9)"""
        if not self.advises_folios or self.pages.compound_head(page) != page:
            return False
        size: u64 = self.pages.folio_nr_pages(page)
        nth: u64 = 0
        while nth < size:
            entry: u64 = self.ptep_get(pte + 8 * nth)
            if not self.pte_present(entry) or self.vm_normal_page(entry) != page + 64 * nth:
                return False
            nth += 1
        return True

    def split_for_advice(self, vma: u64, page: u64, advice: u64) -> bint:
        """Split the huge page that ``page`` is a part of; False if others map it, or it cannot be
        split."""
        raise TypeError("huge pages are split by a class further up")

    def madvise_free_pte(self, pte: u64, entry: u64, page: u64) -> None:
        """The page may be dropped unless it is written to again: clean, and not swap-backed.

        Even a page that others map too, unless it is marked dirty itself.
        """
        if not self.page_anon(page):
            return
        marks: u64 = self.pg_dirty | self.pg_swapcache
        if self.page_flag(page, marks) and self.mapcount(page) != 1:
            return
        if self.page_flag(page, self.pg_swapcache):
            self.delete_from_swap_cache(page)
        self.set_pte(pte, entry & ~(ACCESSED | DIRTY))
        self.mark_page_lazyfree(page)

    def mark_page_lazyfree(self, page: u64) -> None:
        """Clean and not swap-backed: at the old end of what files have in memory."""
        head: u64 = self.pages.compound_head(page)
        listed: bint = self.page_flag(head, self.pages.flag_lru)
        if listed:
            self.pages.lruvec_del_folio(head)
        self.clear_page_flag(
            head, self.pg_dirty | self.pg_referenced | self.pg_swapbacked | self.pages.pg_active
        )
        if listed:
            self.pages.lruvec_add_folio(head)

    def page_out(self, page: u64) -> None:
        """Reclaim a page at once, if that can be (``reclaim_pages``)."""

    def madvise_willneed(self, vma: u64, start: u64, end: u64) -> None:
        """Read a file's pages ahead; bring shared memory and anonymous memory back from swap."""
        file: u64 = self.vm_file(vma)
        if self.is_vm_hugetlb_page(vma):
            return
        if file != 0 and not self.vma_is_anonymous(vma) and not self.file_is_shmem(file):
            inode: u64 = self.file_inode(file)
            index: u64 = self.linear_page_index(vma, start)
            past: u64 = self.linear_page_index(vma, end)
            limit: u64 = self.max_index(inode)
            while index < past and index < limit:
                if self.find_get_page(inode, index) == 0 and not self.read_page(
                    inode, index, False
                ):
                    return
                index += 1
            return
        while start < end:
            pte: u64 = self.pte_at(self.vm_mm(vma), start)
            if pte != 0:
                entry: u64 = self.ptep_get(pte)
                if entry != 0 and not self.pte_present(entry) and self.is_swap_pte(entry):
                    self.swap_readahead(self.swp_offset(entry))
            start += 0x1000

    def swap_readahead(self, slot: u64) -> None:
        """Bring a slot's page into the swap cache."""
        page: u64 = self.read_swap(slot)
        if page != 0:
            self.put_user_page(page)

    def punch_hole(self, vma: u64, start: u64, end: u64) -> None:
        """Take pages out of the file itself, and so out of every mapping of it."""
        inode: u64 = self.file_inode(self.vm_file(vma))
        first: u64 = self.linear_page_index(vma, start)
        if self.is_vm_hugetlb_page(vma):
            self.huge.punch_hole(inode, first << 12, (first << 12) + end - start)
            return
        last: u64 = self.linear_page_index(vma, end) - 1
        self.unmap_mapping_range(inode, first, last, False)
        self.truncate_inode_pages(inode, first, last)

    def unmap_mapping_range(self, inode: u64, first: u64, last: u64, even_cows: bint) -> None:
        """Zap pages ``first`` to ``last`` (inclusive) of an inode from every mapping of it.

        Private copies stay unless ``even_cows``.
        """
        vma: u64 = load(self.memory, inode + I_MMAP)
        while vma != 0:
            low: u64 = self.vm_pgoff(vma)
            high: u64 = low + self.vma_pages(vma) - 1
            if low <= last and high >= first and self.pgtables_bytes(self.vm_mm(vma)) != 0:
                start: u64 = self.vm_start(vma)
                at: u64 = start + ((first - low) << 12 if first > low else 0)
                past: u64 = start + ((last - low + 1) << 12) if last < high else self.vm_end(vma)
                self.update_hiwater_rss(self.vm_mm(vma))
                self.unmap_page_range(vma, at, past, even_cows)
            vma = load(self.memory, vma + self.at_shared)

    def truncate(self, inode: u64, size: u64) -> None:
        """The file becomes ``size`` bytes long: what lies behind goes, private copies too."""
        before: u64 = self.i_size_read(inode)
        old: u64 = self.max_index(inode)
        self.set_inode_size(inode, size)
        if size > before:
            return
        first: u64 = self.max_index(inode)
        if first < old:
            self.unmap_mapping_range(inode, first, TOP - 1, True)
        if size & 0xFFF != 0:
            self.truncate_partial_page(inode, size >> 12)
        self.truncate_inode_pages(inode, first, TOP - 1)

    # Guards (6.13).

    def install_guards(self, vma: u64, start: u64, end: u64) -> i64:
        """Put a marker in every entry of [start, end), whatever was there: 0 or -1: no memory."""
        self.zap_page_range(vma, start, end)
        mm: u64 = self.vm_mm(vma)
        while start < end:
            pmd: u64 = self.pmd_alloc(mm, start)
            if pmd == 0 or not self.pte_alloc(mm, pmd, start):
                return -1
            pte: u64 = self.pte_offset(self.pmdp_get(pmd), start)
            self.set_pte(pte, self.swp_pte(PTE_MARKER, MARKER_GUARD))
            start += 0x1000
        return 0

    def remove_guards(self, vma: u64, start: u64, end: u64) -> None:
        """Take the markers of [start, end) away."""
        while start < end:
            pte: u64 = self.pte_at(self.vm_mm(vma), start)
            if pte != 0:
                entry: u64 = self.ptep_get(pte)
                guard: bint = entry != 0 and not self.pte_present(entry)
                if guard and self.is_marker_pte(entry):
                    self.set_pte(pte, 0)
            start += 0x1000

    # Population.

    def populate_range(self, vma: u64, start: u64, end: u64, write: bint) -> i64:
        """``__get_user_pages`` without pages to return: fault what is not there: 0 or an errno.

        The processor touches nothing, so its bits stay as they are in entries that do already.
        """
        mm: u64 = self.vm_mm(vma)
        while start < end:
            pte: u64 = self.pte_at(mm, start)
            entry: u64 = self.ptep_get(pte) if pte != 0 else 0
            if entry & PRESENT == 0 or (write and entry & RW == 0):
                failed: u64 = 0
                if pte != 0 or not self.touch_huge(mm, start, write):
                    failed = self.fault_page_in(vma, start, write)
                if failed != 0:
                    return self.vm_fault_to_errno(failed)
                pte = self.pte_at(mm, start)
                entry = self.ptep_get(pte) if pte != 0 else 0
            if entry & PRESENT != 0:
                self.follow_page_touch(entry, write)
            start += 0x1000
        return 0

    def follow_page_touch(self, entry: u64, write: bint) -> None:
        """FOLL_TOUCH: the page counts as used, and as dirty if it was wanted for writing."""
        page: u64 = self.vm_normal_page(entry)
        if page == 0:
            return
        if write and entry & DIRTY == 0:
            self.set_page_flag(page, self.pg_dirty)
        self.mark_page_accessed(page)

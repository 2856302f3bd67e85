"""/proc/PID/pagemap and mincore(2): page by page, what is where.

``pagemap_read``, fs/proc/task_mmu.c; mm/mincore.c.
"""

from __future__ import annotations

import struct

from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.proc_status import ProcStatus

PM_SOFT_DIRTY = 1 << 55
PM_MMAP_EXCLUSIVE = 1 << 56
PM_UFFD_WP = 1 << 57
PM_GUARD_REGION = 1 << 58
PM_FILE = 1 << 61
PM_SWAP = 1 << 62
PM_PRESENT = 1 << 63
SOFT_DIRTY = 136
S_FOREIGN = 0x40000000
"""The twin's own bit of i_flags: the caller neither owns the file nor may write to it."""
PMD_SIZE = c.PMD_SIZE


class ProcPagemap(ProcStatus):
    """Words of pagemap, bytes of mincore."""

    def entry_of_address(self, mm: int, address: int) -> int:
        """The pte of an address as if huge pages were small ones; 0 for none."""
        pmd = self.walk(mm, address, 1)
        entry = self.pmdp_get(pmd) if pmd != 0 else 0
        if entry == 0:
            return 0
        if not self.pmd_is_leaf(entry):
            return self.ptep_get(self.pte_offset(entry, address))
        bits = entry & ~(p.PFN_MASK | p.PSE)
        return self.pfn_pte(self.pfn_of(entry) + (address >> 12 & (self.hpage_nr - 1)), bits)

    def pagemap_entry(self, mm: int, address: int, show_pfn: bool = True) -> int:
        """The word of pagemap for the page of ``address``; frame numbers need CAP_SYS_ADMIN."""
        vma = self.find_vma(mm, address)
        if vma == 0 or self.vm_start(vma) > address:
            return 0
        word = 0
        if self.vm_flags(vma) & c.VM_SOFTDIRTY and self.memory.load(self.sysctl + SOFT_DIRTY):
            word = PM_SOFT_DIRTY
        entry = self.entry_of_address(mm, address)
        if entry == 0:
            return word
        frame = 0
        page = 0
        if self.pte_present(entry):
            frame = self.pfn_of(entry)
            word |= PM_PRESENT
            page = self.vm_normal_page(entry)
            if entry & p.SOFT_DIRTY and not self.is_vm_hugetlb_page(vma):
                word |= PM_SOFT_DIRTY
            if page and self.mapcount(self.judged_page(mm, address, page)) == 1:
                word |= PM_MMAP_EXCLUSIVE
        else:
            frame = self.swp_type(entry) | self.swp_offset(entry) << 5
            word |= PM_SWAP
            if entry & p.SWP_SOFT_DIRTY:
                word |= PM_SOFT_DIRTY
            if self.is_migration_pte(entry):
                page = self.migration_page(entry)
            elif self.is_marker_pte(entry) and self.swp_offset(entry) & p.MARKER_GUARD:
                word |= PM_GUARD_REGION if self.profile.since(6, 15) else 0
        if page and not self.page_anon(page):
            word |= PM_FILE
        return word | (frame & ((1 << 55) - 1) if show_pfn else 0)

    def judged_page(self, mm: int, address: int, page: int) -> int:
        """Whose mappings decide whether ``page`` is mapped once: of what a pmd entry maps, those of
        the first page."""
        pmd = self.walk(mm, address, 1)
        huge = self.pmd_is_leaf(self.pmdp_get(pmd))
        return self.pages.compound_head(page) if huge else page

    def proc_pagemap(self, mm: int, start: int, pages: int, show_pfn: bool = True) -> bytes:
        """What a read of ``pages`` words from ``start``'s place on gives."""
        words = [
            self.pagemap_entry(mm, start + nth * c.PAGE_SIZE, show_pfn) for nth in range(pages)
        ]
        order = ">" if self.memory.big_endian else "<"
        return struct.pack(f"{order}{pages}Q", *words)

    def mincore_vector(self, mm: int, start: int, length: int) -> bytes:
        """The bytes that mincore(2) stores for a range that it finds good (``sys_mincore``)."""
        found = bytearray()
        for address in range(start, start + length, c.PAGE_SIZE):
            vma = self.find_vma(mm, address)
            if not self.can_do_mincore(vma):
                found.append(1)
            elif self.is_vm_hugetlb_page(vma):
                found.append(self.huge_in_core(vma, address, start))
            else:
                found.append(self.in_core(vma, address))
        return bytes(found)

    def can_do_mincore(self, vma: int) -> bool:
        """Whether the caller may know; else all pages are said to be in.

        What others have in the page cache is no business of one who neither owns the file nor may
        write to it, and of the kernel's own pages nothing is told.
        """
        if self.vma_is_anonymous(vma):
            return True
        file = self.vm_file(vma)
        return bool(file) and not self.view("inode", self.file_inode(file)).i_flags & S_FOREIGN

    def huge_in_core(self, vma: int, address: int, start: int) -> int:
        """1 if an area of huge pages has one mapped there, in a vector from ``start`` on.

        Where not even the table for its entry is there, the file is asked; before 6.7, whose files
        count huge pages, under the wrong index: a page further for each small one.
        """
        size = self.vma_kernel_pagesize(vma)
        slot = self.walk(self.vm_mm(vma), address, 1 if size == PMD_SIZE else 2)
        if slot:
            return int(self.memory.load(slot) != 0)
        huge, inode = self.huge, self.file_inode(self.vm_file(vma))
        if huge.index_shift:
            return int(huge.cached(inode, huge.index(vma, address)) != 0)
        first = max(start, address & ~(size - 1), self.vm_start(vma))
        steps = (address - first) >> c.PAGE_SHIFT
        return int(huge.cached(inode, huge.index(vma, first) + steps) != 0)

    def in_core(self, vma: int, address: int) -> int:
        """1 if a touch of the page needs no disk."""
        entry = self.entry_of_address(self.vm_mm(vma), address)
        marker = entry and not self.pte_present(entry) and self.is_marker_pte(entry)
        if entry == 0 or marker:
            if self.vma_is_anonymous(vma) or not self.vm_file(vma):
                return 0
            inode = self.file_inode(self.vm_file(vma))
            page = self.find_get_page(inode, self.linear_page_index(vma, address))
            if page & 1:
                return int(self.swap_cache_lookup(page >> 1) != 0)
            return int(page != 0)
        if self.pte_present(entry) or not self.is_swap_pte(entry):
            return 1
        return int(self.swap_cache_lookup(self.swp_offset(entry)) != 0)

"""A huge page in the place of 512 pages of a file, in its cache; then in the page tables.

The small pages are unmapped everywhere; what was swapped out is brought back, holes are filled.
Page tables that would map the huge page page by page go, where that can be; the next touch maps it
by a pmd entry. Shared memory only: Debian's kernels have no CONFIG_READ_ONLY_THP_FOR_FS.
``hpage_collapse_scan_file``, ``collapse_file``, ``collapse_pte_mapped_thp``, mm/khugepaged.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmtwin.memory.view import View
from mmtwin.space import flags as c
from mmtwin.space.scan_result import (
    DONE,
    FAIL,
    FAILED,
    PMD_MAPPED,
    PMD_NONE,
    PMD_NULL,
    PTE_MAPPED_HUGE,
    find_pmd,
)

if TYPE_CHECKING:
    from mmtwin.space.file_thp import FileThp

NO_INDEX = (1 << 64) - 1
I_PAGES = 392
I_MMAP = 448


class CollapseFile:
    """``limits`` are the daemon's; without them anything goes that can.

    Before 6.5 MADV_COLLAPSE takes away the caller's own page table only, and maps the huge page
    there; the daemon looks after the others. Since then all tables go at once. 6.18 maps it where
    not even the table for the pmd entry is there.
    """

    def __init__(self, space: FileThp, limits: View | None) -> None:
        self.space = space
        self.limits = limits
        self.takes_all_tables = space.profile.since(6, 5)
        self.makes_tables = space.profile.since(6, 18)

    def scan_file(self, mm: int, vma: int, address: int) -> str:
        """Look at what the cache has behind the 2 MiB at ``address``, and put it together."""
        space, limits = self.space, self.limits
        inode = self.inode_of(vma)
        start = space.linear_page_index(vma, address)
        last = start + space.hpage_nr - 1
        present = swapped = 0
        index = space.xa.find(inode + I_PAGES, start, last)
        while index != NO_INDEX:
            page = space.find_get_page(inode, index)
            if page & 1:
                swapped += 1
                if limits and swapped > limits.max_ptes_swap:
                    return "exceed_swap_pte"
            else:
                wrong = self.unfit(page, start)
                if wrong:
                    return wrong
                present += 1
            if index == last:
                break
            index = space.xa.find(inode + I_PAGES, index + 1, last)
        if limits and present < space.hpage_nr - limits.max_ptes_none:
            return "exceed_none_pte"
        return self.collapse_file(mm, address, inode, start)

    def unfit(self, page: int, start: int) -> str:
        """Why a page of the cache cannot become part of a huge one; empty if it can."""
        space, pages = self.space, self.space.pages
        if not space.single(page):
            return self.compound(page, start)
        if not space.page_flag(page, pages.flag_lru):
            return "page_lru"
        return "" if pages.page_ref_count(page) == 1 + space.mapcount(page) else "page_count"

    def compound(self, page: int, start: int) -> str:
        """What is said of a part of a huge page: that it is one already, or none that fits."""
        space = self.space
        head = space.pages.compound_head(page)
        whole = space.pages.compound_order(head) == space.hpage_order
        return PTE_MAPPED_HUGE if whole and space.page_index(head) == start else "page_compound"

    # The cache.

    def collapse_file(self, mm: int, address: int, inode: int, start: int) -> str:
        """A huge page in the place of what the cache has from page ``start`` on, or why not."""
        space = self.space
        head = space.alloc_huge_page()
        if not head:
            return FAILED
        taken: list[int] = []
        result = self.take_pages(inode, start, taken)
        if result == DONE:
            space.set_page_flag(head, space.pg_swapbacked | space.pg_dirty)
            if not space.add_huge_to_page_cache(inode, head, start):
                result = FAIL
        if result != DONE:
            for page in taken:
                space.clear_page_flag(page, space.pg_locked)
                space.pages.folio_putback_lru(page)
            space.put_user_page(head)
            return result
        for page in taken:
            space.leave_page_cache(page)
            flags = space.pg_locked | space.pages.pg_active | space.pages.pg_unevictable
            space.clear_page_flag(page, flags)
            space.put_user_page(page)
            space.put_user_page(page)
        return self.retract_page_tables(inode, start, mm, address, head)

    def take_pages(self, inode: int, start: int, taken: list[int]) -> str:
        """Bring in, isolate, lock and unmap all pages there are; ``taken`` gets them."""
        space, pages = self.space, self.space.pages
        last = start + space.hpage_nr - 1
        for index in range(start, last + 1):
            page = space.find_get_page(inode, index)
            if not page:
                empty = space.xa.find(inode + I_PAGES, start, last) == NO_INDEX
                if index == start and empty:
                    return "truncated"
                if self.filled_by_watcher(inode, start):
                    return "exceed_none_pte"
                continue
            if page & 1:
                page = space.shmem_swapin(inode, index, page >> 1)
                if not page:
                    return FAIL
            if space.page_flag(page, space.pg_locked):
                return "page_lock"
            if not space.single(page):
                return self.compound(page, start)
            if not pages.folio_isolate_lru(page):
                return "del_page_lru"
            space.set_page_flag(page, space.pg_locked)
            taken.append(page)
            space.try_to_unmap(page, ignore_mlock=True)
            if pages.page_ref_count(page) != 2:
                return "page_count"
        return DONE

    def filled_by_watcher(self, inode: int, start: int) -> bool:
        """Does userfaultfd want to fill holes of the range itself? (6.4)"""
        if not self.takes_all_tables:
            return False
        areas = self.mappings(inode, start, start + self.space.hpage_nr - 1)
        return any(area.vm_flags & c.VM_UFFD_MISSING for area in areas)

    def mappings(self, inode: int, first: int, last: int) -> list[View]:
        """The areas that map any of the pages ``first`` to ``last`` of an inode."""
        space = self.space
        found = []
        vma = space.memory.load(inode + I_MMAP)
        while vma:
            area = space.view("vm_area_struct", vma)
            pages = (area.vm_end - area.vm_start) >> c.PAGE_SHIFT
            if area.vm_pgoff <= last and area.vm_pgoff + pages > first:
                found.append(area)
            vma = area.shared_next
        return found

    def inode_of(self, vma: int) -> int:
        """The inode that an area maps."""
        file: int = self.space.view("vm_area_struct", vma).vm_file
        return self.space.view("file", file).get("f_inode")

    # Page tables.

    def retract_page_tables(self, inode: int, start: int, mm: int, address: int, head: int) -> str:
        """Free the tables, empty by now, that mapped the small pages: what came of the caller's."""
        told = FAIL
        for area in self.mappings(inode, start, start):
            at = area.vm_start + ((start - area.vm_pgoff) << c.PAGE_SHIFT)
            target = area.vm_mm == mm and at == address
            result = self.retract(area, at, target, head)
            if target:
                told = result
        if not self.takes_all_tables:
            return told
        return DONE if self.limits else PTE_MAPPED_HUGE

    def retract(self, area: View, address: int, target: bool, head: int) -> str:
        """Free one area's table, and let ``target`` of MADV_COLLAPSE map the huge page."""
        space = self.space
        mm: int = area.vm_mm
        if area.anon_vma:
            return "page_anon"
        if address & (space.pmd_size - 1) or area.vm_end < address + space.pmd_size:
            return "vma_check"
        pmd, result = find_pmd(space, mm, address)
        if result != DONE:
            return result
        if not (self.limits or target or self.takes_all_tables):
            if space.khugepaged is not None:
                space.khugepaged.add_pte_mapped_thp(mm, address)
            return PTE_MAPPED_HUGE
        if area.vm_flags & c.VM_UFFD_WP:
            return "pte_uffd_wp"
        self.free_table(mm, pmd)
        if self.limits or self.takes_all_tables:
            return DONE
        return DONE if space.do_set_pmd(area.address, address, pmd, head, False) else FAIL

    def free_table(self, mm: int, pmd: int) -> None:
        """Free the table of ptes that the entry at ``pmd`` leads to."""
        space = self.space
        table = space.table_of(space.pmdp_get(pmd))
        space.set_pmd(pmd, 0)
        space.count_tables(mm, 0, False)
        space.pt_free(table)

    def collapse_pte_mapped_thp(self, mm: int, address: int, install: bool) -> str:
        """Free a table whose entries all map a file's huge page in its place; ``install``: map it
        by the pmd entry at once."""
        space = self.space
        vma = space.vma_lookup(mm, address)
        pmd, result = find_pmd(space, mm, address)
        if result == PMD_MAPPED:
            return result
        area = space.view("vm_area_struct", vma)
        if not vma or not area.vm_file or address + space.pmd_size > area.vm_end:
            return "vma_check"
        if not space.hugepage_vma_check(vma, False, False):
            return "vma_check"
        if area.vm_flags & c.VM_UFFD_WP:
            return "pte_uffd_wp"
        index = space.linear_page_index(vma, address)
        head = space.find_get_page(self.inode_of(vma), index)
        if not head or head & 1:
            return "page_null"
        if space.pages.compound_order(head) != space.hpage_order:
            small = not space.pages.page_head(head) and not self.takes_all_tables
            return FAIL if small else "page_compound"
        if result == DONE:
            result = self.clear_table(mm, vma, pmd, head, address)
            if result == DONE:
                self.free_table(mm, pmd)
        elif result == PMD_NONE or (result == PMD_NULL and self.makes_tables):
            pmd, result = space.pmd_alloc(mm, address) if install else pmd, DONE
            if install and not pmd:
                return FAIL
        if result == DONE and install and not space.do_set_pmd(vma, address, pmd, head, False):
            return FAIL
        return result

    def clear_table(self, mm: int, vma: int, pmd: int, head: int, address: int) -> str:
        """Empty a table if it maps nothing but the huge page ``head``, each part in its place."""
        space = self.space
        first = space.pte_offset(space.pmdp_get(pmd), address)
        for nth in range(space.hpage_nr):
            entry = space.ptep_get(first + 8 * nth)
            if entry and not space.pte_present(entry):
                return "pte_non_present"
            if entry and space.vm_normal_page(entry) != head + 64 * nth:
                return FAIL
        for nth in range(space.hpage_nr):
            if space.ptep_get(first + 8 * nth):
                space.set_pte(first + 8 * nth, 0)
                space.page_remove_rmap(head + 64 * nth)
                space.pages.page_ref_add(head, -1)
                space.add_mm_counter(mm, space.mm_counter(head), -1)
        return DONE

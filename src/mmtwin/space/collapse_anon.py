"""A huge page in the place of 512 anonymous ones, present or swapped out.

Nobody but page tables may refer to them. ``hpage_collapse_scan_pmd`` and ``collapse_huge_page``,
mm/khugepaged.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmtwin.memory.view import View
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.scan_result import DONE, FAIL, FAILED, find_pmd

if TYPE_CHECKING:
    from mmtwin.space.file_thp import FileThp


class CollapseAnon:
    """``limits`` are the daemon's; without them anything goes that can.

    Since 6.18 no page need be writable.
    """

    def __init__(self, space: FileThp, limits: View | None) -> None:
        self.space = space
        self.limits = limits
        self.wants_writable = not space.profile.since(6, 18)

    def scan_pmd(self, mm: int, vma: int, address: int) -> tuple[str, bool]:
        """Look at 512 ptes, and make a huge page of them if they suit: what came of it, and
        whether that was tried."""
        pmd, result = find_pmd(self.space, mm, address)
        if result == DONE:
            result, swapped, referenced = self.judge(vma, pmd, address)
            too_few = self.limits and swapped and referenced < self.space.hpage_nr // 2
            if result == DONE and too_few:
                result = "lack_referenced_page"
        if result != DONE:
            return result, False
        return self.collapse(mm, vma, address), True

    def judge(self, vma: int, pmd: int, address: int) -> tuple[str, int, int]:
        """What speaks against a huge page, how many pages are swapped out, how many were used."""
        space, limits = self.space, self.limits
        size = space.hpage_nr
        none = swapped = shared = referenced = 0
        writable = False
        most_none = limits.max_ptes_none if limits else size
        if space.vma_watched(vma):
            most_none = 0
        first = space.pte_offset(space.pmdp_get(pmd), address)
        for pte in range(first, first + 8 * size, 8):
            entry = space.ptep_get(pte)
            if not entry or (space.pte_present(entry) and self.is_zero(entry)):
                none += 1
                if none > most_none:
                    return "exceed_none_pte", swapped, referenced
                continue
            if not space.pte_present(entry):
                swapped += 1
                if limits and swapped > limits.max_ptes_swap:
                    return "exceed_swap_pte", swapped, referenced
                if space.is_swap_pte(entry) and entry & p.SWP_UFFD_WP:
                    return "pte_uffd_wp", swapped, referenced
                continue
            page = space.vm_normal_page(entry)
            shared += bool(page) and space.mapcount(page) > 1
            wrong = self.unfit(entry, page)
            if not wrong and limits and shared > limits.max_ptes_shared:
                wrong = "exceed_shared_pte"
            if wrong:
                return wrong, swapped, referenced
            writable = writable or bool(entry & p.RW)
            used = entry & p.ACCESSED or space.page_flag(page, space.pg_referenced)
            referenced += bool(used)
        if not writable and self.wants_writable:
            return "page_ro", swapped, referenced
        used_enough = referenced or not limits
        return DONE if used_enough else "lack_referenced_page", swapped, referenced

    def is_zero(self, entry: int) -> bool:
        """Does a present entry map the zero page?"""
        return bool(self.space.pfn_of(entry) == self.space.zero_pfn)

    def unfit(self, entry: int, page: int) -> str:
        """Why a present entry's page cannot become part of a huge one; empty if it can."""
        space = self.space
        if entry & p.UFFD_WP:
            return "pte_uffd_wp"
        if not page:
            return "page_null"
        if not space.page_flag(page, space.pages.flag_lru):
            return "page_lru"
        if space.page_flag(page, space.pg_locked):
            return "page_lock"
        if not space.page_anon(page):
            return "page_anon"
        return "" if self.only_mapped(page) else "page_count"

    def only_mapped(self, page: int) -> bool:
        """Does nobody but page tables (and the swap cache) refer to the page?"""
        space = self.space
        head = space.pages.compound_head(page)
        size = space.pages.folio_nr_pages(head)
        maps = sum(space.own_mapcount(head + 64 * nth) for nth in range(size))
        if size > 1:
            maps += space.compound_mapcount(head)
        if space.page_flag(head, space.pg_swapcache):
            maps += size
        return bool(space.pages.page_ref_count(head) == maps)

    def collapse(self, mm: int, vma: int, address: int) -> str:
        """``collapse_huge_page``: a huge page in the place of 512 small ones, or why not."""
        space = self.space
        head = space.alloc_huge_page()
        if not head:
            return FAILED
        # Memory for it may have been made by reclaiming the very pages.
        result = self.bring_in(mm, vma, address)
        pmd = 0
        if result == DONE:
            pmd, result = find_pmd(space, mm, address)
        if result == DONE:
            result, swapped, _ = self.judge(vma, pmd, address)
            if result == DONE and swapped:
                result = "pte_non_present"
        if result != DONE:
            space.put_user_page(head)
            return result
        table = space.table_of(space.pmdp_get(pmd))
        space.set_pmd(pmd, 0)
        space.count_tables(mm, 0, False)
        for pte in range(table, table + 8 * space.hpage_nr, 8):
            self.take(mm, vma, pte)
        space.map_new_huge(vma, address, pmd, head, table)
        return DONE

    def bring_in(self, mm: int, vma: int, address: int) -> str:
        """Bring the pages back that are swapped out (``__collapse_huge_page_swapin``)."""
        space = self.space
        for at in range(address, address + space.pmd_size, c.PAGE_SIZE):
            pte = space.pte_at(mm, at)
            entry = space.ptep_get(pte) if pte else 0
            if entry and not space.pte_present(entry):
                failed = space.do_swap_page(vma, at, pte, False)
                if failed & p.VM_FAULT_RETRY:
                    return "page_lock"
                if failed & p.VM_FAULT_ERROR:
                    return FAIL
        return DONE

    def take(self, mm: int, vma: int, pte: int) -> None:
        """Take away a small page whose content the huge one has now."""
        space = self.space
        entry = space.ptep_get(pte)
        if not entry:
            return
        space.set_pte(pte, 0)
        page = space.vm_normal_page(entry)
        if page:
            space.add_mm_counter(mm, p.MM_ANONPAGES, -1)
            space.page_remove_rmap(page)
            space.munlock_vma_page(page, vma)
            space.free_swap_cache(page)
            space.put_user_page(page)

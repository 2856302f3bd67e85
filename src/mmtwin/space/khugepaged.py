"""khugepaged: the daemon that puts small anonymous pages together to huge ones, a step at a time.

It goes round the address spaces (``mm_slot``), through the areas of each by its maple tree, from
where it stopped. What a huge page takes the place of must be anonymous, present or swapped out,
with nobody but page tables referring to it. mm/khugepaged.c of 6.1, without files.

An address space gets its slot when the daemon first finds an area in it that may have huge pages;
the kernel gives it one when such an area comes into being.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.memory.allocator import Arena
from mmtwin.memory.layout import Field, Layout
from mmtwin.memory.view import View
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p

if TYPE_CHECKING:
    from mmtwin.space.space import Space

TOP: Final = (1 << 64) - 1
OWN: Final = "the twin's selection"
SCAN: Final = Layout(
    "khugepaged_scan",
    80,
    OWN,
    (
        Field("mm_head_next", 0, 8, "list of mm_slots, oldest first", "pointer"),
        Field("mm_head_prev", 8, 8, "its other end", "pointer"),
        Field("mm_slot", 16, 8, "the slot that is scanned, 0 at the beginning", "pointer"),
        Field("cursor", 24, 8, "where the scan goes on in it (address)"),
        Field("pages_to_scan", 32, 8, "pages a step"),
        Field("max_ptes_none", 40, 8, "of a huge page, pages that need not be there"),
        Field("max_ptes_swap", 48, 8, "of a huge page, pages that may be swapped out"),
        Field("max_ptes_shared", 56, 8, "of a huge page, pages that others may map"),
        Field("pages_collapsed", 64, 8, "huge pages made"),
        Field("full_scans", 72, 8, "times that all address spaces were scanned"),
    ),
)
MM_SLOT: Final = Layout(
    "khugepaged_mm_slot",
    112,
    "Linux 6.1, x86-64",
    (
        Field("mm_node_next", 16, 8, "next slot", "pointer"),
        Field("mm_node_prev", 24, 8, "previous slot", "pointer"),
        Field("mm", 32, 8, "struct mm_struct", "pointer"),
    ),
)
NODE: Final = 16
FAILED: Final = "alloc_huge_page_fail"
DONE: Final = "succeed"


class Khugepaged:
    """The daemon; ``mms`` gives the address spaces in use, oldest first."""

    def __init__(self, space: Space, mms: Callable[[], Iterable[int]]) -> None:
        self.space = space
        self.memory = space.memory
        self.mms = mms
        self.head = at = self.memory.boot_alloc(SCAN.size, 8)
        self.scan = View(self.memory, SCAN, at)
        self.memory.store(at, at)
        self.memory.store(at + 8, at)
        self.scan.pages_to_scan = 8 * self.space.hpage_nr
        self.scan.max_ptes_none = self.space.hpage_nr - 1
        self.scan.max_ptes_swap = self.space.hpage_nr // 8
        self.scan.max_ptes_shared = self.space.hpage_nr // 2
        self.arena = Arena(self.memory, MM_SLOT.size, 8, "khugepaged_mm_slot")
        space.khugepaged = self

    # Slots.

    def slots(self) -> Iterator[View]:
        """The address spaces that are scanned, oldest first; one may be taken out meanwhile."""
        node = self.scan.mm_head_next
        while node != self.head:
            slot = View(self.memory, MM_SLOT, node - NODE)
            node = slot.mm_node_next
            yield slot

    def enter(self, mm: int) -> None:
        """Let an address space be scanned, after all others; without memory it is not."""
        slot = self.arena.alloc(GFP_KERNEL)
        if slot:
            self.memory.store(slot + MM_SLOT.offset("mm"), mm)
            self.space.pages.list_add_tail(slot + NODE, self.head)

    def exit(self, mm: int) -> None:
        """An address space ends: the scan goes on with the next one."""
        for slot in self.slots():
            if slot.mm == mm:
                if self.scan.mm_slot == slot.address:
                    self.next_slot()
                self.space.pages.list_del(slot.address + NODE)
                self.arena.free(slot.address)

    def next_slot(self) -> None:
        """Go on with the next address space; behind the last one a full scan is done."""
        slot = View(self.memory, MM_SLOT, self.scan.mm_slot)
        last = slot.mm_node_next == self.head
        self.scan.mm_slot = 0 if last else slot.mm_node_next - NODE
        self.scan.cursor = 0
        if last:
            self.scan.full_scans += 1

    # A step.

    def step(self) -> list[tuple[int, int, str]]:
        """``khugepaged_do_scan``: look at ``pages_to_scan`` pages and put together what can be.

        What came of each 2 MiB looked at: (address space, address, result in the kernel's words).
        """
        known = {slot.mm for slot in self.slots()}
        for mm in self.mms():
            if mm not in known and any(map(self.suitable, self.space.vmas(mm))):
                self.enter(mm)
        told: list[tuple[int, int, str]] = []
        progress = passed = failures = 0
        while progress < self.scan.pages_to_scan:
            passed += self.scan.mm_slot == 0
            if passed > 1 or self.scan.mm_head_next == self.head:
                break
            before = len(told)
            progress += self.scan_mm_slot(self.scan.pages_to_scan - progress, told)
            failures += any(result == FAILED for _, _, result in told[before:])
            if failures > 1:
                break
        return told

    def suitable(self, vma: int) -> bool:
        """May the daemon make huge pages in the area?"""
        space = self.space
        area = space.view("vm_area_struct", vma)
        return bool(area.anon_vma and space.thp_eligible(vma))

    def scan_mm_slot(self, pages: int, told: list[tuple[int, int, str]]) -> int:
        """Scan in one address space, up to the first attempt to make a huge page: pages seen."""
        space, scan = self.space, self.scan
        if not scan.mm_slot:
            scan.mm_slot = scan.mm_head_next - NODE
            scan.cursor = 0
        mm = View(self.memory, MM_SLOT, scan.get("mm_slot")).mm
        progress = 1
        mas = MaState(mm + space.layouts.mm_struct.offset("mm_mt"), scan.cursor)
        vma = space.maple.mas_find(mas, TOP)
        while vma:
            area = space.view("vm_area_struct", vma)
            start = (area.vm_start + space.pmd_size - 1) & ~(space.pmd_size - 1)
            end = area.vm_end & ~(space.pmd_size - 1)
            if not self.suitable(vma) or scan.cursor > end:
                progress += 1
            else:
                scan.cursor = max(scan.cursor, start)
                while scan.cursor < end:
                    address = scan.get("cursor")
                    result, tried = self.scan_pmd(mm, vma, address)
                    told.append((mm, address, result))
                    scan.pages_collapsed += result == DONE
                    scan.cursor = address + space.pmd_size
                    progress += self.space.hpage_nr
                    if tried or progress >= pages:
                        return progress
            vma = space.maple.mas_find(mas, TOP)
        self.next_slot()
        return progress

    # One huge page.

    def table_of(self, mm: int, address: int) -> tuple[int, str]:
        """Where the pmd entry lies that leads to ptes, or why there is none."""
        pmd = self.space.walk(mm, address, 1)
        entry = self.space.pmdp_get(pmd) if pmd else 0
        if not entry:
            return 0, "pmd_null"
        return (0, "pmd_mapped") if self.space.pmd_is_leaf(entry) else (pmd, DONE)

    def scan_pmd(self, mm: int, vma: int, address: int) -> tuple[str, bool]:
        """Look at 512 ptes, and make a huge page of them if they suit: what came of it, and
        whether that was tried."""
        pmd, result = self.table_of(mm, address)
        swapped = 0
        if pmd:
            result, swapped, referenced = self.judge(vma, pmd, address)
            if result == DONE and swapped and referenced < self.space.hpage_nr // 2:
                result = "lack_referenced_page"
        if result != DONE:
            return result, False
        return self.collapse(mm, vma, address), True

    def judge(self, vma: int, pmd: int, address: int) -> tuple[str, int, int]:
        """What speaks against a huge page, how many pages are swapped out, how many were used."""
        space, scan = self.space, self.scan
        none = swapped = shared = referenced = 0
        writable = False
        watched = space.view("vm_area_struct", vma).vm_flags & c.VM_UFFD
        most_none = 0 if watched else scan.max_ptes_none
        first = space.pte_offset(self.space.pmdp_get(pmd), address)
        for pte in range(first, first + 8 * self.space.hpage_nr, 8):
            entry = self.space.ptep_get(pte)
            if not entry or (space.pte_present(entry) and self.is_zero(entry)):
                none += 1
                if none > most_none:
                    return "exceed_none_pte", swapped, referenced
                continue
            if not space.pte_present(entry):
                swapped += 1
                if swapped > scan.max_ptes_swap:
                    return "exceed_swap_pte", swapped, referenced
                continue
            page = space.vm_normal_page(entry)
            shared += bool(page) and space.mapcount(page) > 1
            wrong = self.unfit(entry, page)
            if not wrong and shared > scan.max_ptes_shared:
                wrong = "exceed_shared_pte"
            if wrong:
                return wrong, swapped, referenced
            writable = writable or bool(entry & p.RW)
            used = entry & p.ACCESSED or space.page_flag(page, space.pg_referenced)
            referenced += bool(used)
        if not writable:
            return "page_ro", swapped, referenced
        return DONE if referenced else "lack_referenced_page", swapped, referenced

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
            return "page_locked"
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
            pmd, result = self.table_of(mm, address)
        if pmd:
            result, swapped, _ = self.judge(vma, pmd, address)
            if result == DONE and swapped:
                result = "pte_non_present"
        if result != DONE:
            space.put_user_page(head)
            return result
        table = space.table_of(self.space.pmdp_get(pmd))
        space.set_pmd(pmd, 0)
        space.count_tables(mm, 0, False)
        for pte in range(table, table + 8 * self.space.hpage_nr, 8):
            self.take(mm, vma, pte)
        space.map_new_huge(vma, address, pmd, head, table)
        return DONE

    def bring_in(self, mm: int, vma: int, address: int) -> str:
        """Bring the pages back that are swapped out (``__collapse_huge_page_swapin``)."""
        space = self.space
        for at in range(address, address + space.pmd_size, c.PAGE_SIZE):
            pte = space.pte_at(mm, at)
            entry = self.space.ptep_get(pte) if pte else 0
            if entry and not space.pte_present(entry) and space.is_swap_pte(entry):
                failed = space.do_swap_page(vma, at, pte, False)
                if failed & (p.VM_FAULT_ERROR | p.VM_FAULT_RETRY):
                    return "fail"
        return DONE

    def take(self, mm: int, vma: int, pte: int) -> None:
        """Take away a small page whose content the huge one has now."""
        space = self.space
        entry = self.space.ptep_get(pte)
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

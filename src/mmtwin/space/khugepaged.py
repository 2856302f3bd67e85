"""khugepaged: the daemon that puts small pages together to huge ones, a step at a time.

It goes round the address spaces (``mm_slot``), through the areas of each by its maple tree, from
where it stopped. mm/khugepaged.c.

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
from mmtwin.space.scan_result import DONE, FAILED, PMD_MAPPED, PTE_MAPPED_HUGE, find_pmd

if TYPE_CHECKING:
    from mmtwin.space.collapse import Collapse
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
        Field("nr_pte_mapped_thp", 40, 4, "addresses that follow"),
        Field("pte_mapped_thp", 48, 8, "where ptes map a huge page of a file (6.1)", "word", 8),
    ),
)
NODE: Final = 16
MAX_PTE_MAPPED_THP: Final = 8


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
        self.collapse: Collapse = space.collapse_control(self.scan)
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
            self.memory.zero(slot, MM_SLOT.size)
            self.memory.store(slot + MM_SLOT.offset("mm"), mm)
            self.space.pages.list_add_tail(slot + NODE, self.head)

    def add_pte_mapped_thp(self, mm: int, address: int) -> bool:
        """Remember where ptes map a file's huge page, to free the table when the address space is
        next scanned; False if it is not scanned, or if there is no room."""
        for slot in self.slots():
            if slot.mm == mm and slot.nr_pte_mapped_thp < MAX_PTE_MAPPED_THP:
                at = slot.address + MM_SLOT.offset("pte_mapped_thp")
                self.memory.store(at + 8 * slot.nr_pte_mapped_thp, address)
                slot.nr_pte_mapped_thp += 1
                return True
        return False

    def collapse_pte_mapped_thps(self, slot: View) -> None:
        """Free the tables that were remembered."""
        at = slot.address + MM_SLOT.offset("pte_mapped_thp")
        for nth in range(slot.nr_pte_mapped_thp):
            address = self.memory.load(at + 8 * nth)
            self.collapse.file.collapse_pte_mapped_thp(slot.get("mm"), address, False)
        slot.nr_pte_mapped_thp = 0

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
        return bool(self.space.hugepage_vma_check(vma, False, True))

    def scan_mm_slot(self, pages: int, told: list[tuple[int, int, str]]) -> int:
        """Scan in one address space, until its lock is dropped to make a huge page: pages seen."""
        space, scan = self.space, self.scan
        if not scan.mm_slot:
            scan.mm_slot = scan.mm_head_next - NODE
            scan.cursor = 0
        slot = View(self.memory, MM_SLOT, scan.get("mm_slot"))
        self.collapse_pte_mapped_thps(slot)
        mm = slot.get("mm")
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
                    result, unlocked = self.collapse.scan(mm, vma, address)
                    if result == PTE_MAPPED_HUGE:
                        result = self.pte_mapped(mm, address)
                    told.append((mm, address, result))
                    scan.pages_collapsed += result == DONE
                    scan.cursor = address + space.pmd_size
                    progress += self.space.hpage_nr
                    if unlocked or progress >= pages:
                        return progress
            vma = space.maple.mas_find(mas, TOP)
        self.next_slot()
        return progress

    def pte_mapped(self, mm: int, address: int) -> str:
        """A file's huge page that no pmd entry maps here: its table goes, in 6.1 with the next
        scan of the address space."""
        if self.collapse.file.takes_all_tables:
            result = self.collapse.file.collapse_pte_mapped_thp(mm, address, False)
            return DONE if result == PMD_MAPPED else result
        _, result = find_pmd(self.space, mm, address)
        if result == DONE and not self.add_pte_mapped_thp(mm, address):
            return PTE_MAPPED_HUGE
        return result

"""s390's page tables: 2,048 entries a region or segment table, 256 a page table, levels that grow.

Level 0 is a page table of 2 KiB, two to a page; 1 a segment table, 2 to 4 the region tables, each
of 16 KiB. A task begins with level 2 on top, which reaches 4 TiB. An entry of a region table names
its table's type, so the top table tells how many levels there are (``pgd_offset_raw``).
Source: arch/s390/mm/pgalloc.c and pgtable.c, include/asm/pgalloc.h and mmu_context.h of Linux 6.1.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.pages.pages import Pages
from mmtwin.space import pte_bits as p
from mmtwin.space import s390_entries as e
from mmtwin.space.exec import VSYSCALL as GATE
from mmtwin.space.exec import MapsLine
from mmtwin.space.fields import Caches
from mmtwin.space.flags import MAX
from mmtwin.space.s390 import SpaceS390

REGION1_SIZE = 1 << 53
"""What four levels reach."""
REGION2_SIZE = 1 << 42
"""What three levels reach: 4 TiB."""
TOPS = {REGION2_SIZE: 2, REGION1_SIZE: 3}
"""The level of the top table by what it reaches; 4 for all of 64 bits."""
PMDS, PUDS = 1, 2
CRST_ORDER = 2
CRST_BYTES = 16384
CRST_ENTRIES = 2048
PAGE_TABLE_BYTES = 2048
PAGE_TABLE_ENTRIES = 256
ASCE_BITS = 0x1C3
"""Table length, space switch, private space, storage-alteration event control."""
HALF_USED = 24
"""The bit of a page's ``_refcount`` that says that its first half is a page table."""
PMD_HUGE_PTE = 16
PT_MM = 0x20
PT_PLACES = (0x28, 0x18)
"""struct page of tables: first address and level of the first (or only) one, and of the second."""
PUT_BY = 0x800
"""Instead: a page table that is put by for a huge page, and whose words are a list's."""


def shift_of(level: int) -> int:
    """How many bits of an address an entry of ``level`` does not look at."""
    return 12 if level == 0 else 9 + 11 * level


def place_of(address: int, level: int) -> int:
    """The first address that the table of ``level`` for ``address`` maps, and its level."""
    return address & -(1 << shift_of(level + 1)) | level


def slot_of(table: int, level: int, address: int) -> int:
    """Where the entry for ``address`` lies in a table of ``level``."""
    entries = CRST_ENTRIES if level else PAGE_TABLE_ENTRIES
    return table + 8 * (address >> shift_of(level) & entries - 1)


class SpaceS390Tables(SpaceS390):
    """Page tables of s390 under the address spaces of :class:`SpaceS390`."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.translates = True
        mm = self.layouts.mm_struct
        self.pgd_offset = mm.offset("pgd")
        self.tables_offset = mm.offset("pgtables_bytes")
        self.list_offset = mm.offset("pgtable_list_next")
        self.limit_offset = mm.offset("asce_limit")
        self.asce_offset = mm.offset("asce")

    def page_facts(self) -> dict[str, int]:
        """Tables of another size, and as many levels as the address space has."""
        return super().page_facts() | {
            "leaf_bits": PAGE_TABLE_ENTRIES.bit_length() - 1,
            "table_bits": CRST_ENTRIES.bit_length() - 1,
        }

    # Entries.

    def ptep_get(self, pte: int) -> int:
        """The entry at ``pte``, in a page table."""
        return e.pte_to_twin(self.memory.load(pte))

    def set_pte(self, pte: int, entry: int) -> None:
        """Make ``entry`` the one at ``pte``, in a page table."""
        self.memory.store(pte, e.pte_to_machine(entry))

    def pmdp_get(self, pmd: int) -> int:
        """The entry at ``pmd``, in a segment table."""
        return e.segment_to_twin(self.memory.load(pmd))

    def set_pmd(self, pmd: int, entry: int) -> None:
        """Make ``entry`` the one at ``pmd``, in a segment table."""
        self.memory.store(pmd, e.segment_to_machine(entry))

    def page_prot(self, vma: int) -> int:
        """The protection bits that a VMA's entries begin with."""
        return e.prot_to_twin(self.view("vm_area_struct", vma).get("vm_page_prot"))

    def mk_pte(self, page: int, prot: int) -> int:
        """As everywhere, but a writable entry of a dirty page is dirty from the beginning."""
        entry = super().mk_pte(page, prot)
        writable = entry & p.RW and self.page_flag(page, self.pg_dirty)
        return self.pte_mkdirty(entry) if writable else entry

    # Tables.

    def pt_alloc_one(self, mm: int, address: int, level: int) -> int:
        """A table of empty entries; 0 without memory."""
        if level:
            return self.crst_table_alloc(mm, address, level)
        return self.page_table_alloc(mm, address)

    def crst_table_alloc(self, mm: int, address: int, level: int) -> int:
        """A region or segment table of empty entries for ``address``; 0 without memory."""
        page = self.pages.alloc_pages(GFP_KERNEL, CRST_ORDER, 0)
        if page == 0:
            return 0
        self.mark_table(page, mm)
        table = self.memory.base + (self.pages.page_to_pfn(page) << 12)
        self.note_place(table, place_of(address, level))
        self.memory.fill(table, CRST_BYTES, e.region_empty(level))
        return table

    def page_table_alloc(self, mm: int, address: int) -> int:
        """A page table for ``address``: the free half of a page that has one, or of a fresh one."""
        pages: Pages = self.pages
        head = mm + self.list_offset
        if not pages.list_empty(head):
            page = pages.ld(head) - pages.o_lru
            half = pages.page_ref_count(page) >> HALF_USED & 1
            pages.page_ref_add(page, 1 << HALF_USED + half)
            pages.list_del(page + pages.o_lru)
            table = self.memory.base + (pages.page_to_pfn(page) << 12) + half * PAGE_TABLE_BYTES
            self.note_place(table, place_of(address, 0))
            return table
        page = pages.alloc_pages(GFP_KERNEL, 0, 0)
        if page == 0:
            return 0
        self.mark_table(page, mm)
        pages.page_ref_add(page, 1 << HALF_USED)
        table = self.memory.base + (pages.page_to_pfn(page) << 12)
        self.memory.fill(table, 2 * PAGE_TABLE_BYTES, e.PTE_EMPTY)
        pages.list_add(page + pages.o_lru, head)
        self.note_place(table, place_of(address, 0))
        return table

    def note_place(self, table: int, place: int) -> None:
        """Note in the struct page of a table what it maps: :func:`place_of`, or PUT_BY."""
        half = table // PAGE_TABLE_BYTES & 1
        self.pages.st(self.table_page(table) + PT_PLACES[half], place)

    def pt_free(self, table: int) -> None:
        """Free a table; the page of a page table goes with its other half."""
        pages = self.pages
        page = self.table_page(table)
        if not pages.page_ref_count(page) >> HALF_USED:
            self.unmark_table(page)
            pages.free_pages(page, CRST_ORDER)
            return
        half = table // PAGE_TABLE_BYTES & 1
        pages.st(page + PT_PLACES[half], 0)
        left = pages.page_ref_add(page, -(1 << HALF_USED + half)) >> HALF_USED
        if left:
            mm = pages.ld(page + PT_MM)
            pages.list_add(page + pages.o_lru, mm + self.list_offset)
            return
        pages.list_del(page + pages.o_lru)
        self.unmark_table(page)
        pages.put_page(page)

    def count_tables(self, mm: int, level: int, more: bool) -> None:
        """One table of ``level`` more or less in ``pgtables_bytes``."""
        size = CRST_BYTES if level else PAGE_TABLE_BYTES
        at = mm + self.tables_offset
        self.memory.store(at, (self.memory.load(at) + (size if more else -size)) & MAX)

    def table_of(self, entry: int) -> int:
        """The page table that a pmd entry leads to."""
        return self.memory.base + (entry & e.PAGE_TABLE_ORIGIN)

    # The top table.

    def mm_alloc_pgd(self, mm: int) -> bool:
        """Give a new address space its top table, for 4 TiB; False without memory."""
        self.pages.list_init(mm + self.list_offset)
        table = self.crst_table_alloc(mm, 0, TOPS[REGION2_SIZE])
        if table == 0:
            return False
        self.set_context(mm, table, REGION2_SIZE)
        return True

    def set_context(self, mm: int, table: int, limit: int) -> None:
        """Make ``table`` the top one of ``mm``, which reaches ``limit``."""
        memory = self.memory
        kind = e.region_empty(TOPS.get(limit, 4)) & e.TYPE_MASK
        memory.store(mm + self.pgd_offset, table)
        memory.store(mm + self.limit_offset, limit)
        memory.store(mm + self.asce_offset, (table - memory.base) | ASCE_BITS | kind)

    def top_of(self, mm: int) -> int:
        """The level of the top table, as the type in its first entry tells."""
        return (self.memory.load(self.pgd(mm)) >> 2 & 3) + 1

    def dup_mm(self, oldmm: int, mm: int) -> int:
        """A child's top table is of its parent's type; those below come with what is copied."""
        self.reach(mm, self.asce_limit(oldmm))
        return super().dup_mm(oldmm, mm)

    def reach(self, mm: int, limit: int) -> None:
        """Let the tables of an address space that has no entries yet reach ``limit``."""
        if limit != REGION2_SIZE:
            table, level = self.pgd(mm), TOPS.get(limit, 4)
            self.note_place(table, level)
            self.memory.fill(table, CRST_BYTES, e.region_empty(level))
            self.set_context(mm, table, limit)

    def crst_table_upgrade(self, mm: int, end: int) -> int:
        """Put levels on top until the tables reach ``end``: 0 or ``-ENOMEM``, and no change."""
        limit = self.asce_limit(mm)
        if end <= limit:
            return 0
        added = [3] if limit == REGION2_SIZE else []
        if end > REGION1_SIZE:
            added.append(4)
        tables: list[int] = []
        for level in added:
            table = self.crst_table_alloc(mm, 0, level)
            if table == 0:
                for spare in tables:
                    self.pt_free(spare)
                return -errno.ENOMEM
            tables.append(table)
        for level, table in zip(added, tables, strict=True):
            self.link(table, level, self.pgd(mm))
            self.set_context(mm, table, REGION1_SIZE if level == 3 else self.top_limit(mm))
            if level == 3:
                self.count_tables(mm, PUDS, True)
        return 0

    def top_limit(self, mm: int) -> int:
        """What five levels reach: all that a task can have."""
        return int(self.view("mm_struct", mm).get("task_size"))

    def load_image(
        self, task: int, lines: Sequence[MapsLine], *, start_brk: int = 0, start_stack: int = 0
    ) -> int:
        """As everywhere; tables reach what the image holds, also one of another machine."""
        mm = super().load_image(task, lines, start_brk=start_brk, start_stack=start_stack)
        end = max((line.end for line in lines if line.name != GATE), default=0)
        if end > REGION2_SIZE:
            self.reach(mm, REGION1_SIZE if end <= REGION1_SIZE else self.top_limit(mm))
        return mm

    # Walks.

    def link(self, slot: int, level: int, table: int) -> None:
        """Let the entry of a region table lead to the table below."""
        self.memory.store(slot, e.region_to_machine(level, self.entry_of(table)))

    def below(self, slot: int, level: int) -> int:
        """The table that the entry at ``slot``, of a region table, leads to; 0 for none."""
        entry = e.region_to_twin(self.memory.load(slot))
        return self.memory.base + (entry & p.PFN_MASK) if entry else 0

    def walk(self, mm: int, address: int, level: int) -> int:
        """Where the entry of ``level`` for ``address`` lies; 0 if a table above is missing."""
        at = self.top_of(mm)
        if level > at or address >> shift_of(at + 1):
            return 0
        slot = slot_of(self.pgd(mm), at, address)
        while at > level:
            table = self.below(slot, at)
            if table == 0:
                return 0
            at -= 1
            slot = slot_of(table, at, address)
        return slot

    def entry_alloc(self, mm: int, address: int, level: int) -> int:
        """Where the entry of ``level`` lies, with the tables above made; 0 without memory."""
        at = self.top_of(mm)
        slot = slot_of(self.pgd(mm), at, address)
        while at > level:
            table = self.below(slot, at)
            if table == 0:
                table = self.crst_table_alloc(mm, address, at - 1)
                if table == 0:
                    return 0
                self.link(slot, at, table)
                if at - 1 <= PUDS:
                    self.count_tables(mm, at - 1, True)
            at -= 1
            slot = slot_of(table, at, address)
        return slot

    def next_table(self, mm: int, address: int, end: int) -> int:
        """The next address after a gap in the tables above the pmds, at most ``end``."""
        level = self.top_of(mm)
        while level > PUDS and self.walk(mm, address, level - 1):
            level -= 1
        return int(min((address >> shift_of(level)) + 1 << shift_of(level), end))

    def pte_alloc(self, mm: int, pmd: int, address: int) -> bool:
        """Give the entry at ``pmd`` a page table if it has none; False without memory."""
        if self.memory.load(pmd) != e.SEGMENT_EMPTY:
            return True
        table = self.page_table_alloc(mm, address)
        if table == 0:
            return False
        self.set_pmd(pmd, self.entry_of(table))
        self.count_tables(mm, 0, True)
        return True

    def pte_free(self, mm: int, pmd: int) -> None:
        """Take a page table away again if nothing is in it."""
        table = self.table_of(self.pmdp_get(pmd))
        if any(self.memory.load(table + 8 * nth) != e.PTE_EMPTY for nth in range(256)):
            return
        self.set_pmd(pmd, 0)
        self.count_tables(mm, 0, False)
        self.pt_free(table)

    def pte_offset(self, pmd_entry: int, address: int) -> int:
        """Where the pte for ``address`` lies in the table that ``pmd_entry`` leads to."""
        return slot_of(self.table_of(pmd_entry), 0, address)

    def pte_at(self, mm: int, address: int) -> int:
        """Where the pte for ``address`` lies; 0 if it has no table or lies in a huge page."""
        pmd = self.walk(mm, address, PMDS)
        entry = self.pmdp_get(pmd) if pmd else 0
        return 0 if entry == 0 or entry & p.PSE else self.pte_offset(entry, address)

    def moves_pmd(self, entry: int) -> bool:
        """Only huge pages move as a whole: s390 has no HAVE_MOVE_PMD."""
        return bool(entry & p.PSE)

    # Page tables put by for huge pages: a list through their own first two words.

    def pgtable_trans_huge_deposit(self, pmd: int, table: int) -> None:
        """Put a page table by for the huge page whose entry lies at ``pmd``."""
        self.note_place(table, PUT_BY)
        owner = self.put_by_for(pmd)
        first = self.pages.ld(owner)
        if first:
            self.pages.list_add(table, first)
        else:
            self.pages.list_init(table)
        self.pages.st(owner, table)

    def pgtable_trans_huge_withdraw(self, pmd: int, address: int) -> int:
        """The page table that was last put by, empty again."""
        owner = self.put_by_for(pmd)
        table = self.pages.ld(owner)
        if self.pages.list_empty(table):
            self.pages.st(owner, 0)
        else:
            self.pages.st(owner, self.pages.ld(table))
            self.pages.list_del(table)
        self.memory.fill(table, 16, e.PTE_EMPTY)
        self.note_place(table, place_of(address, 0))
        return table

    def put_by_for(self, pmd: int) -> int:
        """Where the list begins: ``pmd_huge_pte`` of the segment table that holds ``pmd``."""
        return self.table_page(pmd & -CRST_BYTES) + PMD_HUGE_PTE

    # Freeing.

    def free_pgd_range(self, mm: int, addr: int, end: int, floor: int, ceiling: int) -> None:
        """Free the tables that only [addr, end) needed; see the class below."""
        size = self.pmd_size
        addr &= -size
        if addr < floor:
            addr += size
        if ceiling:
            ceiling &= -size
            if ceiling == 0:
                return
            if end > ceiling:
                end -= size
        if addr < end:
            self.free_below(mm, self.pgd(mm), self.top_of(mm), addr, end, floor, ceiling)

    def free_below(
        self, mm: int, table: int, level: int, addr: int, end: int, floor: int, ceiling: int
    ) -> None:
        """Free what hangs on the entries of a region or segment table for [addr, end)."""
        size = 1 << shift_of(level)
        while addr < end:
            past = min((addr & -size) + size, end)
            slot = slot_of(table, level, addr)
            if level == PMDS:
                entry = self.pmdp_get(slot)
                lower = self.table_of(entry) if entry and not entry & p.PSE else 0
            else:
                lower = self.below(slot, level)
            if lower and level > PMDS:
                self.free_below(mm, lower, level - 1, addr, past, floor, ceiling)
            if lower and (level == PMDS or not needed(addr, past, size, floor, ceiling)):
                self.memory.store(slot, e.region_empty(level))
                self.pt_free(lower)
                if level - 1 <= PUDS:
                    self.count_tables(mm, level - 1, False)
            addr = past


def needed(start: int, past: int, size: int, floor: int, ceiling: int) -> bool:
    """Do the neighbours need the table that covers the ``size`` bytes around ``start``?"""
    if start & -size < floor:
        return True
    return ceiling != 0 and past > ceiling & -size

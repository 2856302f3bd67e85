"""Transparent huge pages of anonymous memory: at faults, at fork, in zaps and protection changes.

A huge page is one compound page of 512 frames that a pmd entry maps. Its head counts such maps in
``compound_mapcount`` (in the first tail page, from -1); what ptes map after a split counts in each
page's own ``_mapcount``. For every huge pmd a table of ptes is put by, so that a split cannot fail.
mm/huge_memory.c.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.fields import Caches
from mmtwin.space.madvise_pages import MadvisePages

if not cython.compiled:
    from mmtwin.pages.words import load, store
    from mmtwin.space.parts import load32, store32

VM_WRITE = declare(u64, c.VM_WRITE)
VM_DROPPABLE = declare(u64, c.VM_DROPPABLE_6_18)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_HUGEPAGE = declare(u64, c.VM_HUGEPAGE)
VM_NOHUGEPAGE = declare(u64, c.VM_NOHUGEPAGE)
VM_NO_KHUGEPAGED = declare(u64, c.VM_NO_KHUGEPAGED)
VM_STACK_INCOMPLETE_SETUP = declare(u64, c.VM_STACK_INCOMPLETE_SETUP)
PRESENT = declare(u64, p.PRESENT)
PSE = declare(u64, p.PSE)
RW = declare(u64, p.RW)
DIRTY = declare(u64, p.DIRTY)
ACCESSED = declare(u64, p.ACCESSED)
SPECIAL = declare(u64, p.SPECIAL)
ANON = declare(u64, p.PAGE_MAPPING_ANON)
MM_ANONPAGES = declare(u64, p.MM_ANONPAGES)
VM_FAULT_OOM = declare(u64, p.VM_FAULT_OOM)
VM_FAULT_FALLBACK = declare(u64, p.VM_FAULT_FALLBACK)
MADV_FREE = declare(u64, c.MADV_FREE)
MADV_PAGEOUT = declare(u64, c.MADV_PAGEOUT)
GFP_TRANSHUGE = declare(u64, 0x1C24CA)
THP_ENABLED = declare(u64, 96)
TOP32 = declare(u64, 0xFFFFFFFF)
COMPOUND_MAPCOUNT = declare(u64, 0x54)
"""From the head's struct page: offset 0x14 in that of the first tail."""


class Thp(MadvisePages):
    """``do_huge_pmd_anonymous_page`` and its kin."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.huge_zero_at = memory.boot_alloc(8, 8)
        self.hpage_order = (self.pmd_size >> 12).bit_length() - 1
        self.hpage_nr = 1 << self.hpage_order
        self.huge_may_upgrade = profile.since(6, 2)
        self.huge_zero_upgrades = profile.since(6, 13)

    def page_facts(self) -> dict[str, int]:
        """Where this engine keeps what page tables are checked against."""
        return {
            "frames": self.pages.frames,
            "levels": self.top_level + 1,
            "leaf_bits": 9,
            "table_bits": 9,
            "huge_pages": self.hpage_nr,
            "table_type": self.table_type >> self.map_shift,
            "zero_pfn": self.zero_pfn,
            "huge_zero_at": self.huge_zero_at,
            "swap_info": self.pages.swap_info,
            "locked": self.pg_locked,
            "swapbacked": self.pg_swapbacked,
            "exclusive": self.pg_anon_exclusive,
            "huge_index_shift": 9 - self.huge.index_shift,
        }

    # Counting.

    def compound_mapcount(self, head: u64) -> u64:
        """How many pmd entries map a huge page."""
        return (load32(self.memory, head + COMPOUND_MAPCOUNT) + 1) & TOP32

    def compound_mapcount_add(self, head: u64, change: i32) -> None:
        """One pmd entry more or less."""
        at: u64 = head + COMPOUND_MAPCOUNT
        store32(self.memory, at, (load32(self.memory, at) + change) & TOP32)

    def mapcount(self, page: u64) -> u64:
        """How many entries map this page, alone or as a part of a huge one."""
        count: u64 = (self.pages.page_mapcount(page) + 1) & TOP32
        head: u64 = self.pages.compound_head(page)
        if self.pages.page_head(head):
            count += self.compound_mapcount(head)
        return count

    def is_huge_zero_pmd(self, entry: u64) -> bint:
        """Does the pmd entry map the huge zero page?"""
        return self.page_of(entry & ~PSE) == load(self.memory, self.huge_zero_at)

    def alloc_huge_page(self) -> u64:
        """A compound page of 2 MiB, mapped by nobody; 0 if there is none to be had."""
        head: u64 = self.pages.alloc_pages(GFP_TRANSHUGE, self.hpage_order, 0)
        if head != 0:
            store32(self.memory, head + COMPOUND_MAPCOUNT, TOP32)
        return head

    def get_huge_zero_page(self) -> u64:
        """The huge zero page, made at its first use and then kept; 0 without memory."""
        head: u64 = load(self.memory, self.huge_zero_at)
        if head == 0:
            head = self.alloc_huge_page()
            store(self.memory, self.huge_zero_at, head)
        return head

    # At a fault.

    def thp_possible(self, vma: u64) -> bint:
        """Whether the area may have huge pages at all."""
        enabled: u64 = load(self.memory, self.sysctl + THP_ENABLED)
        vm_flags: u64 = self.vm_flags(vma)
        if enabled == 0 or vm_flags & (VM_NOHUGEPAGE | VM_NO_KHUGEPAGED) != 0:
            return False
        if enabled == 1 and vm_flags & VM_HUGEPAGE == 0:
            return False
        incomplete: u64 = vm_flags & VM_STACK_INCOMPLETE_SETUP
        return incomplete != VM_STACK_INCOMPLETE_SETUP and self.vma_is_anonymous(vma)

    def thp_vma_allowable(self, vma: u64, address: u64) -> bint:
        """Whether a fault may take a huge page: allowed, and the 2 MiB around it in the area."""
        start: u64 = address & ~(self.pmd_size - 1)
        if start < self.vm_start(vma) or start + self.pmd_size > self.vm_end(vma):
            return False
        return self.thp_possible(vma)

    def create_huge_pmd(self, vma: u64, address: u64, pmd: u64, write: bint) -> u64:
        """Fill the empty pmd entry with a huge page: the zero page for a read."""
        if self.anon_vma_prepare(vma) != 0:
            return VM_FAULT_OOM
        mm: u64 = self.vm_mm(vma)
        start: u64 = address & ~(self.pmd_size - 1)
        table: u64
        head: u64
        if not write:
            table = self.pt_alloc_one(mm, start, 0)
            if table == 0:
                return VM_FAULT_OOM
            head = self.get_huge_zero_page()
            if head == 0:
                self.pt_free(table)
                return VM_FAULT_FALLBACK
            self.put_huge_pmd(mm, pmd, table, self.mk_pte(head, self.page_prot(vma)) | PSE)
            return 0
        head = self.alloc_huge_page()
        if head == 0:
            return VM_FAULT_FALLBACK
        table = self.pt_alloc_one(mm, start, 0)
        if table == 0:
            self.put_user_page(head)
            return VM_FAULT_OOM
        self.map_new_huge(vma, start, pmd, head, table)
        return 0

    def map_new_huge(self, vma: u64, start: u64, pmd: u64, head: u64, table: u64) -> None:
        """Map a fresh huge page at ``start`` as ``vma``'s own, written to."""
        mm: u64 = self.vm_mm(vma)
        entry: u64 = self.pte_mkdirty(self.mk_pte(head, self.page_prot(vma)) | PSE)
        self.set_page_mapping(head, self.anon_vma(vma) | ANON, self.linear_page_index(vma, start))
        kept: u64 = 0 if self.vm_flags(vma) & VM_DROPPABLE != 0 else self.pg_swapbacked
        self.set_page_flag(head, kept | self.pg_uptodate)
        self.set_page_exclusive(head, True)
        self.compound_mapcount_add(head, 1)
        self.folio_add_lru(head, vma)
        self.put_huge_pmd(mm, pmd, table, self.maybe_mkwrite(entry, vma))
        self.add_mm_counter(mm, MM_ANONPAGES, self.hpage_nr)

    def put_huge_pmd(self, mm: u64, pmd: u64, table: u64, entry: u64) -> None:
        """Store a huge entry and put its table of ptes by."""
        self.pgtable_trans_huge_deposit(pmd, table)
        self.count_tables(mm, 0, True)
        self.set_pmd(pmd, entry)

    def huge_pmd_fault(self, vma: u64, address: u64, pmd: u64, write: bint) -> u64:
        """A fault on a huge page: reused, or split for small copies (VM_FAULT_FALLBACK)."""
        entry: u64 = self.pmdp_get(pmd)
        if not write or entry & RW != 0:
            self.hardware_access(pmd, entry, write)
            return 0
        if not self.is_huge_zero_pmd(entry):
            head: u64 = self.page_of(entry & ~PSE)
            exclusive: bint = self.page_exclusive(head)
            if exclusive or self.pages.page_ref_count(head) == 1:
                if not exclusive:
                    self.page_move_anon_rmap(head, vma)
                entry = self.pte_mkdirty(entry | ACCESSED)
                self.set_pmd(pmd, self.maybe_mkwrite(entry, vma))
                return 0
        elif self.huge_zero_upgrades and self.replace_huge_zero(vma, pmd, address):
            return 0
        self.split_huge_pmd(vma, pmd, address)
        return VM_FAULT_FALLBACK

    def replace_huge_zero(self, vma: u64, pmd: u64, address: u64) -> bint:
        """A write to the huge zero page gives the area a huge page of its own (6.13); False without
        memory for one (``do_huge_zero_wp_pmd``)."""
        head: u64 = self.alloc_huge_page()
        if head == 0:
            return False
        table: u64 = self.pgtable_trans_huge_withdraw(pmd, address)
        self.count_tables(self.vm_mm(vma), 0, False)
        self.map_new_huge(vma, address & ~(self.pmd_size - 1), pmd, head, table)
        return True

    # Splitting.

    def split_huge_pmd(self, vma: u64, pmd: u64, address: u64) -> bint:
        """Let ptes map what the pmd entry maps, by the table that was put by; always True."""
        entry: u64 = self.pmdp_get(pmd)
        table: u64 = self.pgtable_trans_huge_withdraw(pmd, address)
        prot: u64 = self.page_prot(vma)
        pte: u64 = table
        nth: u64 = 0
        if self.is_huge_zero_pmd(entry):
            while nth < self.hpage_nr:
                self.set_pte(pte + 8 * nth, self.pfn_pte(self.zero_pfn, prot) | SPECIAL)
                nth += 1
            self.set_pmd(pmd, self.entry_of(table))
            return True
        head: u64 = self.page_of(entry & ~PSE)
        exclusive: bint = self.page_exclusive(head)
        bits: u64 = prot & ~ACCESSED & ~RW
        bits |= entry & (ACCESSED | DIRTY | RW)
        while nth < self.hpage_nr:
            page: u64 = head + 64 * nth
            if exclusive:
                self.set_page_exclusive(page, True)
            self.mapcount_add(page, 1)
            self.set_pte(pte + 8 * nth, self.mk_pte(page, bits))
            nth += 1
        self.pages.page_ref_add(head, self.hpage_nr - 1)
        self.compound_mapcount_add(head, -1)
        self.munlock_huge(vma, head)
        self.set_pmd(pmd, self.entry_of(table))
        return True

    def munlock_huge(self, vma: u64, head: u64) -> None:
        """A pmd entry of ``vma`` maps the huge page no longer."""
        if self.vm_flags(vma) & VM_LOCKED != 0:
            self.pages.munlock_folio(head)

    def split_huge_at(self, vma: u64, address: u64) -> None:
        """Split the huge page that lies across ``address``, if one does."""
        if address & (self.pmd_size - 1) == 0 or self.pgtables_bytes(self.vm_mm(vma)) == 0:
            return
        if address <= self.vm_start(vma) or address >= self.vm_end(vma):
            return
        pmd: u64 = self.walk(self.vm_mm(vma), address, 1)
        if pmd != 0:
            entry: u64 = self.pmdp_get(pmd)
            if entry != 0 and self.pmd_is_leaf(entry):
                self.split_huge_pmd(vma, pmd, address)

    def huge_or_split(self, vma: u64, pmd: u64, start: u64, end: u64) -> bint:
        """Does [start, end) cover the whole huge page? If not, it is split."""
        if end - start == self.pmd_size:
            return True
        self.split_huge_pmd(vma, pmd, start)
        return False

    # Zap, fork, mprotect, madvise.

    def zap_huge_pmd(self, vma: u64, pmd: u64, start: u64, end: u64) -> u64:
        """Zap a huge page wholly, or split it: the pmd entry that leads to ptes, 0 if gone."""
        if not self.huge_or_split(vma, pmd, start, end):
            return self.pmdp_get(pmd)
        mm: u64 = self.vm_mm(vma)
        entry: u64 = self.pmdp_get(pmd)
        self.set_pmd(pmd, 0)
        self.pt_free(self.pgtable_trans_huge_withdraw(pmd, start))
        self.count_tables(mm, 0, False)
        if not self.is_huge_zero_pmd(entry):
            head: u64 = self.page_of(entry & ~PSE)
            self.compound_mapcount_add(head, -1)
            self.munlock_huge(vma, head)
            self.add_mm_counter(mm, MM_ANONPAGES, -self.hpage_nr)
            self.put_user_page(head)
        return 0

    def copy_huge_pmd(self, dst: u64, src: u64, to: u64, pmd: u64, address: u64) -> i64:
        """Share a huge page with the child, write-protected on both sides: 0 or -1."""
        child: u64 = self.vm_mm(dst)
        table: u64 = self.pt_alloc_one(child, address, 0)
        if table == 0:
            return -1
        entry: u64 = self.pmdp_get(pmd)
        if not self.is_huge_zero_pmd(entry):
            head: u64 = self.page_of(entry & ~PSE)
            self.pages.get_page(head)
            self.compound_mapcount_add(head, 1)
            self.set_page_exclusive(head, False)
            self.add_mm_counter(child, MM_ANONPAGES, self.hpage_nr)
            entry &= ~RW
            self.set_pmd(pmd, entry)
            entry &= ~ACCESSED
        self.put_huge_pmd(child, to, table, entry)
        return 0

    def change_huge_pmd(self, vma: u64, pmd: u64, start: u64, end: u64) -> u64:
        """Give a huge page new protection, or split it: the entry that leads to ptes, 0 = none."""
        if not self.huge_or_split(vma, pmd, start, end):
            return self.pmdp_get(pmd)
        entry: u64 = self.pmdp_get(pmd)
        fresh: u64 = self.pte_modify(entry & ~PSE, self.page_prot(vma)) | PSE
        if self.huge_may_upgrade and self.vm_flags(vma) & VM_WRITE != 0:
            zero: bint = self.is_huge_zero_pmd(entry)
            if not zero and self.page_exclusive(self.page_of(entry & ~PSE)):
                fresh |= RW
        self.set_pmd(pmd, fresh)
        return 0

    def advise_huge_pmd(self, vma: u64, pmd: u64, start: u64, end: u64, advice: u64) -> u64:
        """Advise a whole huge page, or split it: the entry that leads to ptes, 0 for none."""
        entry: u64 = self.pmdp_get(pmd)
        if self.is_huge_zero_pmd(entry):
            return 0
        head: u64 = self.page_of(entry & ~PSE)
        if self.mapcount(head) != 1:
            return 0
        if not self.huge_or_split(vma, pmd, start, end):
            return self.pmdp_get(pmd)
        if advice == MADV_FREE:
            self.set_pmd(pmd, entry & ~(ACCESSED | DIRTY))
            self.mark_page_lazyfree(head)
            return 0
        pageout: bint = advice == MADV_PAGEOUT
        if not (pageout and self.pageout_keeps_young):
            self.set_pmd(pmd, entry & ~ACCESSED)
        self.clear_page_flag(head, self.pg_referenced)
        if pageout:
            self.page_out(head)
        return 0

    # Pinning.

    def pin_page(self, vma: u64, page: u64, write: bint) -> i64:
        """As GUP does: what is to be read must be the process's own first, what was written is
        dirty afterwards."""
        error: i64 = 0
        if not write:
            if self.leaf_entry(self.vm_mm(vma), page) & PRESENT == 0:
                error = self.populate_range(vma, page, page + 0x1000, False)
            if error == 0:
                error = self.vm_fault_to_errno(self.gup_unshare(vma, page))
        if error == 0:
            error = self.populate_range(vma, page, page + 0x1000, write)
        if error == 0 and write:
            entry: u64 = self.leaf_entry(self.vm_mm(vma), page)
            pinned: u64 = self.vm_normal_page(entry & ~PSE) if entry & PRESENT != 0 else 0
            if pinned != 0:
                self.set_page_flag(pinned, self.pg_dirty)
        return error

    def leaf_entry(self, mm: u64, address: u64) -> u64:
        """The entry of the lowest level there is for an address, even a huge page's; 0 for none."""
        pmd: u64 = self.walk(mm, address, 1)
        entry: u64 = self.pmdp_get(pmd) if pmd != 0 else 0
        if entry == 0 or self.pmd_is_leaf(entry):
            return entry
        return self.ptep_get(self.pte_offset(entry, address))

    def gup_unshare(self, vma: u64, address: u64) -> u64:
        """A fault with FAULT_FLAG_UNSHARE where ``gup_must_unshare``: VM_FAULT_* bits.

        A page that a child may still write to (it is anonymous, mapped read-only, not exclusive) is
        copied before it is pinned for reading.
        """
        if self.is_vm_hugetlb_page(vma):
            return self.huge.gup_unshare(vma, address)
        pmd: u64 = self.walk(self.vm_mm(vma), address, 1)
        entry: u64 = self.pmdp_get(pmd) if pmd != 0 else 0
        page: u64
        if entry != 0 and self.pmd_is_leaf(entry):
            page = self.page_of(entry & ~PSE)
            if entry & RW != 0 or self.is_huge_zero_pmd(entry) or self.page_exclusive(page):
                return 0
            if self.pages.page_ref_count(page) == 1:
                self.page_move_anon_rmap(page, vma)
                return 0
            self.split_huge_pmd(vma, pmd, address)
            entry = self.pmdp_get(pmd)
        if entry == 0:
            return 0
        pte: u64 = self.pte_offset(entry, address)
        entry = self.ptep_get(pte)
        if entry & PRESENT == 0 or entry & RW != 0:
            return 0
        page = self.vm_normal_page(entry)
        if page == 0 or not self.page_anon(page) or self.page_exclusive(page):
            return 0
        if self.wp_can_reuse(page):
            self.page_move_anon_rmap(page, vma)
            return 0
        return self.wp_page_copy(vma, address, pte, page, True)

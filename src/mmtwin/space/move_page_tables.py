"""Page-table entries that change: moved by mremap and exec, re-protected by mprotect.

``move_page_tables``, mm/mremap.c; ``change_protection``, mm/mprotect.c.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.fault import Fault
from mmtwin.space.move_vma import Move

if not cython.compiled:
    from mmtwin.pages.words import load

PRESENT = declare(u64, p.PRESENT)
PROTNONE = declare(u64, p.PROTNONE)
RW = declare(u64, p.RW)
DIRTY = declare(u64, p.DIRTY)
SOFT_DIRTY = declare(u64, p.SOFT_DIRTY)
SWP_SOFT_DIRTY = declare(u64, p.SWP_SOFT_DIRTY)
MIGRATION_READ = declare(u64, p.SWP_MIGRATION_READ)
MIGRATION_READ_EXCLUSIVE = declare(u64, p.SWP_MIGRATION_READ_EXCLUSIVE)
MIGRATION_WRITE = declare(u64, p.SWP_MIGRATION_WRITE)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_SHARED = declare(u64, c.VM_SHARED)
SYSCTL_SOFT_DIRTY = declare(u64, 136)


class MovePageTables(Fault):
    """``move_page_tables`` and ``change_protection``."""

    def move_page_tables(self, move: Move, target: u64) -> u64:
        """Move the entries of the source range to ``target``: how many bytes were done."""
        return self.move_entries(move.vma, target, move.addr, move.new_addr, move.old_len)

    def move_back(self, move: Move, target: u64, moved: u64) -> None:
        """Undo the move of the first ``moved`` bytes."""
        self.move_entries(target, move.vma, move.new_addr, move.addr, moved)

    def shift_page_tables(self, vma: u64, start: u64, end: u64, shift: u64) -> bint:
        """Move exec's stack down by ``shift`` and free the tables it leaves; False = no memory."""
        length: u64 = end - start
        mm: u64 = self.vm_mm(vma)
        if self.move_entries(vma, vma, start, start - shift, length) != length:
            return False
        above: u64 = self.find_vma(mm, end)
        ceiling: u64 = self.vm_start(above) if above != 0 else 0
        # Tables that the new place needs too stay: they lie below its end.
        floor: u64 = end - shift
        self.free_pgd_range(mm, floor if floor > start else start, end, floor, ceiling)
        return True

    def move_entries(self, vma: u64, target: u64, old: u64, new: u64, length: u64) -> u64:
        """Move the entries of ``length`` bytes from ``old`` to ``new``: bytes done."""
        mm: u64 = self.vm_mm(vma)
        size: u64 = self.pmd_size
        if self.pgtables_bytes(mm) == 0:
            return length
        if self.is_vm_hugetlb_page(vma):
            return self.huge.move_page_tables(vma, old, new, length)
        done: u64 = 0
        while done < length:
            step: u64 = size - ((old + done) & (size - 1))
            room: u64 = size - ((new + done) & (size - 1))
            if room < step:
                step = room
            if length - done < step:
                step = length - done
            pmd: u64 = self.walk(mm, old + done, 1)
            if pmd != 0 and self.entry_alloc(mm, new + done, 2) == 0:
                return done  # alloc_new_pud comes before the look at the old pmd
            entry: u64 = self.pmdp_get(pmd) if pmd != 0 else 0
            if entry != 0:
                to: u64 = self.pmd_alloc(mm, new + done)
                if to == 0:
                    return done
                if step == size and self.moves_pmd(entry) and self.pmdp_get(to) == 0:
                    self.move_pmd(pmd, to, old + done, new + done)
                    done += step
                    continue
                if self.pmd_is_leaf(entry):
                    self.split_huge_pmd(vma, pmd, old + done)
                    entry = self.pmdp_get(pmd)
                    if entry == 0:  # a file's huge page: the next touch maps it
                        done += step
                        continue
                if not self.pte_alloc(mm, to, new + done):
                    return done
                self.move_ptes(
                    self.pte_offset(entry, old + done),
                    self.pte_offset(self.pmdp_get(to), new + done),
                    step >> 12,
                )
            done += step
        return done

    def moves_pmd(self, entry: u64) -> bint:
        """Can the entry of a pmd move as a whole, with the table it leads to (HAVE_MOVE_PMD)?"""
        return True

    def move_pmd(self, pmd: u64, to: u64, old: u64, new: u64) -> None:
        """Move a whole pmd entry: a table of ptes, or a huge page and the table put by for it."""
        entry: u64 = self.pmdp_get(pmd)
        self.set_pmd(pmd, 0)
        if not self.pmd_is_leaf(entry):
            self.place_table(self.table_page(self.table_of(entry)), new, 0)
        elif self.has_deposit(entry):
            table: u64 = self.pgtable_trans_huge_withdraw(pmd, new)
            self.pgtable_trans_huge_deposit(to, table)
        self.set_pmd(to, entry)

    def has_deposit(self, entry: u64) -> bint:
        """Was a table of ptes put by for the huge page? Not for a file's."""
        return True

    def split_huge_pmd(self, vma: u64, pmd: u64, address: u64) -> bint:
        """Let ptes map what the pmd entry at ``pmd`` maps; False without memory."""
        raise TypeError("huge pages are split by a class further up")

    def move_ptes(self, pte: u64, to: u64, count: u64) -> None:
        """Move ``count`` entries; each counts as written to since the last clear_refs."""
        memory: Memory = self.memory
        translates: bint = self.translates
        kept: bint = load(memory, self.sysctl + SYSCTL_SOFT_DIRTY) != 0
        while count > 0:
            entry: u64 = load(memory, pte)
            if translates:
                entry = self.ptep_get(pte)
            if entry != 0:
                self.set_pte(pte, 0)
                if kept:
                    present: bint = entry & (PRESENT | PROTNONE) != 0
                    entry |= SOFT_DIRTY if present else SWP_SOFT_DIRTY
                self.set_pte(to, entry)
            pte += 8
            to += 8
            count -= 1

    # mprotect.

    def change_protection(self, vma: u64, start: u64, end: u64, old: u64) -> None:
        """Give the entries of [start, end) the bits of the area's new protection."""
        mm: u64 = self.vm_mm(vma)
        if self.pgtables_bytes(mm) == 0:
            return
        if self.is_vm_hugetlb_page(vma):
            self.huge.change_protection(vma, start, end)
            return
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
                entry = self.change_huge_pmd(vma, pmd, at, past)
            if entry != 0:
                self.change_pte_range(vma, self.pte_offset(entry, at), (past - at) >> 12)
            at = past

    def change_huge_pmd(self, vma: u64, pmd: u64, start: u64, end: u64) -> u64:
        """Change or split a huge page: the pmd entry that leads to ptes then, 0 for none."""
        raise TypeError("huge pages are changed by a class further up")

    def change_pte_range(self, vma: u64, pte: u64, count: u64) -> None:
        """Change ``count`` entries from the one at ``pte`` on."""
        memory: Memory = self.memory
        translates: bint = self.translates
        prot: u64 = self.shared_page_prot(vma)
        vm_flags: u64 = self.vm_flags(vma)
        upgrade: bint = vm_flags & (VM_WRITE | VM_SHARED) == VM_WRITE or (
            self.vma_wants_writenotify(vma)
        )
        while count > 0:
            entry: u64 = load(memory, pte)
            if translates:
                entry = self.ptep_get(pte)
            if self.pte_present(entry):
                entry = self.pte_modify(entry, prot)
                if upgrade and self.can_change_pte_writable(vm_flags, entry):
                    entry |= RW
                self.set_pte(pte, entry)
            elif entry != 0 and self.swp_type(entry) == MIGRATION_WRITE:
                kind: u64 = MIGRATION_READ
                if self.page_anon(self.migration_page(entry)):
                    kind = MIGRATION_READ_EXCLUSIVE
                self.set_pte(pte, self.swp_pte(kind, self.swp_offset(entry)))
            pte += 8
            count -= 1

    def can_change_pte_writable(self, vm_flags: u64, entry: u64) -> bint:
        """Whether the entry may become writable at once, without a fault at the first write."""
        if vm_flags & VM_SHARED != 0:
            return entry & DIRTY != 0
        page: u64 = self.vm_normal_page(entry)
        return page != 0 and self.page_anon(page) and self.page_exclusive(page)

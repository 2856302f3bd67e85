"""``handle_mm_fault``: what a touch of each page does, and what signal it would give.

The processor's own part is here too: it sets the accessed and dirty bits of an entry that allows
the access, without a fault.
"""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.swap_fault import SwapFault

if not cython.compiled:
    from mmtwin.pages.words import load

PAGE_SIZE = declare(u64, c.PAGE_SIZE)
PAGE_MASK = declare(u64, c.PAGE_MASK)
VM_ACCESS_FLAGS = declare(u64, c.VM_ACCESS_FLAGS)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_HUGETLB = declare(u64, c.VM_HUGETLB)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_MAYWRITE = declare(u64, c.VM_MAYWRITE)
PRESENT = declare(u64, p.PRESENT)
PROTNONE = declare(u64, p.PROTNONE)
PSE = declare(u64, p.PSE)
RW = declare(u64, p.RW)
ACCESSED = declare(u64, p.ACCESSED)
DIRTY = declare(u64, p.DIRTY)
VM_FAULT_OOM = declare(u64, p.VM_FAULT_OOM)
VM_FAULT_SIGBUS = declare(u64, p.VM_FAULT_SIGBUS)
VM_FAULT_SIGSEGV = declare(u64, p.VM_FAULT_SIGSEGV)
VM_FAULT_HWPOISON = declare(u64, p.VM_FAULT_HWPOISON)
VM_FAULT_FALLBACK = declare(u64, p.VM_FAULT_FALLBACK)
VM_FAULT_ERROR = declare(u64, p.VM_FAULT_ERROR)
VM_FAULT_RETRY = declare(u64, p.VM_FAULT_RETRY)
TRIES = declare(i32, 4)
"""A write to a fresh shared page takes two faults; more than a few never end."""


class Fault(SwapFault):
    """``handle_mm_fault`` and ``handle_pte_fault``."""

    def fault_range(self, vma: u64, start: u64, end: u64, write: bint) -> u64:
        """Touch every page of [start, end) of ``vma``: VM_FAULT_* error bits of the first failure.

        Pages before it stay touched.
        """
        mm: u64 = self.vm_mm(vma)
        memory: Memory = self.memory
        translates: bint = self.translates
        size: u64 = self.pmd_size
        at: u64 = start & PAGE_MASK
        pte: u64 = 0
        while at < end:
            pte = self.pte_at(mm, at) if pte == 0 or at & (size - 1) == 0 else pte + 8
            if pte != 0:
                entry: u64 = load(memory, pte)
                if translates:
                    entry = self.ptep_get(pte)
                if entry & PRESENT != 0 and (not write or entry & RW != 0):
                    self.hardware_access(pte, entry, write)
                    at += 0x1000
                    continue
            elif self.touch_huge(mm, at, write):
                at = (at & ~(size - 1)) + size
                continue
            failed: u64 = self.fault_page_in(vma, at, write)
            if failed != 0:
                return failed
            at += 0x1000
            pte = self.pte_at(mm, at - 0x1000)
        return 0

    def touch_huge(self, mm: u64, address: u64, write: bint) -> bint:
        """The processor's access to a huge page that allows it; False if none does."""
        pmd: u64 = self.walk(mm, address, 1)
        if pmd == 0:
            return False
        entry: u64 = self.pmdp_get(pmd)
        if not self.pmd_trans_huge(entry) or (write and entry & RW == 0):
            return False
        self.hardware_access(pmd, entry, write)
        return True

    def hardware_access(self, at: u64, entry: u64, write: bint) -> None:
        """What the processor notes in an entry that it uses."""
        used: u64 = entry | ACCESSED
        if write:
            used = self.pte_mkdirty(used)
        if used == entry:
            return
        if entry & PSE != 0:
            self.set_pmd(at, used)
        else:
            self.set_pte(at, used)

    def fault_page_in(self, vma: u64, address: u64, write: bint) -> u64:
        """Fault until the access goes through: 0, or the VM_FAULT_* error bits."""
        tries: i32 = 0
        while tries < TRIES:
            done: u64 = self.handle_mm_fault(vma, address, write)
            if done & (VM_FAULT_ERROR | VM_FAULT_RETRY) != 0:
                return done & (VM_FAULT_ERROR | VM_FAULT_RETRY)
            if self.access_goes_through(vma, address, write):
                return 0
            tries += 1
        raise KernelBug("a fault that never ends", "handle_mm_fault")

    def access_goes_through(self, vma: u64, address: u64, write: bint) -> bint:
        """Do the page tables allow the access now? A forced write only needs a copy of its own."""
        mm: u64 = self.vm_mm(vma)
        pmd: u64 = self.walk(mm, address, 1)
        entry: u64 = self.pmdp_get(pmd) if pmd != 0 else 0
        if entry & PSE == 0 and entry & PRESENT != 0:
            entry = self.ptep_get(self.pte_offset(entry, address))
        if not self.pte_present(entry):
            return False
        if entry & PRESENT == 0:
            return True
        return not write or entry & RW != 0 or self.vm_flags(vma) & VM_WRITE == 0

    def handle_mm_fault(self, vma: u64, address: u64, write: bint) -> u64:
        """One fault at the page ``address``: VM_FAULT_* bits."""
        mm: u64 = self.vm_mm(vma)
        if self.vm_flags(vma) & VM_HUGETLB != 0:
            return self.huge.fault(vma, address, write, False)
        pmd: u64 = self.pmd_alloc(mm, address)
        if pmd == 0:
            return VM_FAULT_OOM
        entry: u64 = self.pmdp_get(pmd)
        done: u64 = 0
        if entry == 0 and self.thp_vma_allowable(vma, address):
            done = self.create_huge_pmd(vma, address, pmd, write)
            if done & VM_FAULT_FALLBACK == 0:
                return done
            entry = self.pmdp_get(pmd)
        if entry != 0 and self.pmd_is_leaf(entry):
            done = self.huge_pmd_fault(vma, address, pmd, write)
            if done & VM_FAULT_FALLBACK == 0:
                return done
        fresh: bint = self.pmdp_get(pmd) == 0
        if fresh and not self.vma_is_anonymous(vma):
            done = self.map_huge_of_file(vma, address, pmd, write)
            if done & VM_FAULT_FALLBACK == 0:
                return done
        self.fresh_table = fresh
        if not self.pte_alloc(mm, pmd, address):
            return VM_FAULT_OOM
        pte: u64 = self.pte_offset(self.pmdp_get(pmd), address)
        done = self.handle_pte_fault(vma, address, pte, write)
        if fresh and done & VM_FAULT_ERROR != 0 and not self.vma_is_anonymous(vma):
            # A file's fault puts its table in together with a page, its own or one around it.
            self.pte_free(mm, pmd)
        return done

    def thp_vma_allowable(self, vma: u64, address: u64) -> bint:
        """May the fault take a huge page?"""
        return False

    def create_huge_pmd(self, vma: u64, address: u64, pmd: u64, write: bint) -> u64:
        """A fault where a huge page fits: VM_FAULT_* bits, FALLBACK for small pages."""
        return VM_FAULT_FALLBACK

    def map_huge_of_file(self, vma: u64, address: u64, pmd: u64, write: bint) -> u64:
        """Map the huge page that a file has there, if it has one: VM_FAULT_* bits."""
        return VM_FAULT_FALLBACK

    def huge_pmd_fault(self, vma: u64, address: u64, pmd: u64, write: bint) -> u64:
        """A fault on a huge page that is there: VM_FAULT_* bits, FALLBACK if it was split."""
        return VM_FAULT_FALLBACK

    def handle_pte_fault(self, vma: u64, address: u64, pte: u64, write: bint) -> u64:
        """A fault on one entry: VM_FAULT_* bits."""
        entry: u64 = self.ptep_get(pte)
        if entry == 0:
            if self.vma_is_anonymous(vma):
                return self.do_anonymous_page(vma, address, pte, write)
            return self.do_fault(vma, address, pte, write)
        if not self.pte_present(entry):
            return self.do_swap_page(vma, address, pte, write)
        if write and entry & RW == 0:
            return self.do_wp_page(vma, address, pte)
        self.hardware_access(pte, entry, write)
        return 0

    # What callers make of it.

    def handle_range(self, vma: u64, start: u64, end: u64, write: bint) -> i64:
        """Touch [start, end): 0, ``-ENOMEM``, or ``-EFAULT`` where a signal would come."""
        if start >= end:
            return 0
        return self.vm_fault_to_errno(self.fault_range(vma, start, end, write))

    def vm_fault_to_errno(self, bits: u64) -> i64:
        """What GUP and populate make of VM_FAULT_* bits: 0 or a negative errno."""
        if bits & VM_FAULT_OOM != 0:
            return -errno.ENOMEM
        if bits & VM_FAULT_HWPOISON != 0:
            return -errno.EFAULT
        if bits & (VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV) != 0:
            return -errno.EFAULT
        return -errno.EBUSY if bits & VM_FAULT_RETRY != 0 else 0

    def fault_signal(self, mm: u64, address: u64, write: bint) -> int:
        """The signal that a program's access to one byte gives: 0, ``SIGSEGV`` or ``SIGBUS``.

        What the access does to memory happens.
        """
        if address >= self.task_size(mm):
            return p.SIGSEGV
        at: u64 = address & PAGE_MASK
        vma: u64 = self.find_vma(mm, at)
        if vma == 0 or (at < self.vm_start(vma) and self.expand_stack(vma, at) != 0):
            return p.SIGSEGV
        wanted: u64 = VM_WRITE if write else VM_ACCESS_FLAGS
        if self.vm_flags(vma) & wanted == 0:
            return p.SIGSEGV
        bits: u64 = self.fault_range(vma, at, at + PAGE_SIZE, write)
        if bits & VM_FAULT_SIGSEGV:
            return p.SIGSEGV
        return p.SIGBUS if bits & VM_FAULT_ERROR else 0

"""Faults on pages that are elsewhere: swapped out, under migration, poisoned or marked.

``do_swap_page``, mm/memory.c.
"""

from __future__ import annotations

from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.memory.memory import Memory
from mmtwin.space import pte_bits as p
from mmtwin.space.file_fault import FileFault

ANON = declare(u64, p.PAGE_MAPPING_ANON)
SWP_EXCLUSIVE = declare(u64, p.SWP_EXCLUSIVE)
HWPOISON = declare(u64, p.SWP_HWPOISON)
MARKER_GUARD = declare(u64, p.MARKER_GUARD)
MM_ANONPAGES = declare(u64, p.MM_ANONPAGES)
MM_SWAPENTS = declare(u64, p.MM_SWAPENTS)
VM_FAULT_OOM = declare(u64, p.VM_FAULT_OOM)
VM_FAULT_SIGBUS = declare(u64, p.VM_FAULT_SIGBUS)
VM_FAULT_SIGSEGV = declare(u64, p.VM_FAULT_SIGSEGV)
VM_FAULT_MAJOR = declare(u64, p.VM_FAULT_MAJOR)
VM_FAULT_RETRY = declare(u64, p.VM_FAULT_RETRY)
VM_FAULT_HWPOISON = declare(u64, p.VM_FAULT_HWPOISON)


class SwapFault(FileFault):
    """``do_swap_page``."""

    def do_swap_page(self, vma: u64, address: u64, pte: u64, write: bint) -> u64:
        """Bring back what the entry at ``pte`` stands for: VM_FAULT_* bits.

        VM_FAULT_RETRY for a page under migration: its holder must finish first.
        """
        memory: Memory = self.memory
        entry: u64 = memory.load(pte)
        if self.is_migration_pte(entry):
            return VM_FAULT_RETRY
        if self.is_marker_pte(entry):
            if self.swp_offset(entry) & MARKER_GUARD != 0:
                return VM_FAULT_SIGSEGV
            return VM_FAULT_SIGBUS
        if not self.is_swap_pte(entry):
            return VM_FAULT_HWPOISON if self.swp_type(entry) == HWPOISON else VM_FAULT_SIGBUS
        slot: u64 = self.swp_offset(entry)
        done: u64 = 0 if self.swap_cache_lookup(slot) != 0 else VM_FAULT_MAJOR
        page: u64 = self.read_swap(slot)
        if page == 0:
            return VM_FAULT_OOM
        # The reference just taken becomes the entry's.
        mm: u64 = self.vm_mm(vma)
        exclusive: bint = entry & SWP_EXCLUSIVE != 0
        fresh: u64 = self.mk_pte(page, self.vm_page_prot(vma))
        self.add_mm_counter(mm, MM_ANONPAGES, 1)
        self.add_mm_counter(mm, MM_SWAPENTS, -1)
        anon_mapping: u64 = self.anon_vma(vma) | ANON
        if not self.page_anon(page) or exclusive:
            self.set_page_mapping(page, anon_mapping, self.linear_page_index(vma, address))
        self.set_page_flag(page, self.pg_uptodate | self.pg_swapbacked)
        self.mapcount_add(page, 1)
        if exclusive:
            self.set_page_exclusive(page, True)
            if write:
                fresh = self.maybe_mkwrite(self.pte_mkdirty(fresh), vma)
                self.set_page_flag(page, self.pg_dirty)
        memory.store(pte, fresh)
        self.swap_free(slot)
        if write and not exclusive:
            done |= self.do_wp_page(vma, address, pte)
        return done

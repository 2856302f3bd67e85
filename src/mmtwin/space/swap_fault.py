"""Faults on pages that are elsewhere: swapped out, under migration, poisoned or marked.

``do_swap_page``, mm/memory.c.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.file_fault import FileFault

if not cython.compiled:
    from mmtwin.pages.words import load

ANON = declare(u64, p.PAGE_MAPPING_ANON)
VM_LOCKED = declare(u64, c.VM_LOCKED)
ROOT = declare(u64, 0)
"""struct anon_vma.root"""
SOFT_DIRTY = declare(u64, p.SOFT_DIRTY)
SWP_SOFT_DIRTY = declare(u64, p.SWP_SOFT_DIRTY)
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
        entry: u64 = self.ptep_get(pte)
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
        self.swap_free(slot)
        if self.should_try_to_free_swap(page, vma, write):
            self.pages.folio_free_swap(page)
        # A page that nobody else can reach, neither by its slot nor by a table, is not shared.
        exclusive: bint = entry & SWP_EXCLUSIVE != 0 or self.pages.page_ref_count(page) == 1
        fresh: u64 = self.mk_pte(page, self.page_prot(vma))
        self.add_mm_counter(mm, MM_ANONPAGES, 1)
        self.add_mm_counter(mm, MM_SWAPENTS, -1)
        if not self.page_anon(page):
            owner: u64 = self.anon_vma(vma)
            if not exclusive:
                # Others hold the entry too: the walk from the root finds them all.
                owner = load(self.memory, owner + ROOT)
            self.set_page_mapping(page, owner | ANON, self.linear_page_index(vma, address))
        self.set_page_flag(page, self.pg_uptodate | self.pg_swapbacked)
        self.mapcount_add(page, 1)
        self.mlock_vma_page(page, vma)
        if exclusive:
            self.set_page_exclusive(page, True)
            if write:
                fresh = self.maybe_mkwrite(self.pte_mkdirty(fresh), vma)
                self.set_page_flag(page, self.pg_dirty)
        if entry & SWP_SOFT_DIRTY != 0:
            fresh |= SOFT_DIRTY
        self.set_pte(pte, fresh)
        if write and not exclusive:
            done |= self.do_wp_page(vma, address, pte)
        return done

    def should_try_to_free_swap(self, page: u64, vma: u64, write: bint) -> bint:
        """Should a page that has just been brought back give its slot up, if nobody needs that?

        If swap is scarce, if the page is to stay in memory, or if it is about to be written to and
        only the cache holds it besides.
        """
        if not self.page_flag(page, self.pg_swapcache):
            return False
        if self.pages.vm_swap_full() or self.vm_flags(vma) & VM_LOCKED != 0:
            return True
        if self.page_flag(page, self.pages.pg_mlocked):
            return True
        return write and self.pages.page_ref_count(page) == 2

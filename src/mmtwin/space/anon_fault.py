"""Faults on anonymous memory: the zero page, a page of one's own, copy-on-write, reuse.

``do_anonymous_page``, ``do_wp_page``, ``wp_page_copy``, mm/memory.c.
"""

from __future__ import annotations

from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.copy_page_range import CopyPageRange

VM_SHARED = declare(u64, c.VM_SHARED)
VM_LOCKED = declare(u64, c.VM_LOCKED)
LOCKED_SPECIAL = declare(u64, c.VM_LOCKED | c.VM_SPECIAL)
VM_MAYSHARE = declare(u64, c.VM_MAYSHARE)
RW = declare(u64, p.RW)
SOFT_DIRTY = declare(u64, p.SOFT_DIRTY)
ACCESSED = declare(u64, p.ACCESSED)
DIRTY = declare(u64, p.DIRTY)
SPECIAL = declare(u64, p.SPECIAL)
ANON = declare(u64, p.PAGE_MAPPING_ANON)
MM_ANONPAGES = declare(u64, p.MM_ANONPAGES)
VM_FAULT_OOM = declare(u64, p.VM_FAULT_OOM)
VM_FAULT_SIGBUS = declare(u64, p.VM_FAULT_SIGBUS)


class AnonFault(CopyPageRange):
    """First touch of anonymous memory, and writes to what may be shared."""

    def do_anonymous_page(self, vma: u64, address: u64, pte: u64, write: bint) -> u64:
        """Fill the empty entry at ``pte``: VM_FAULT_* bits, 0 if all is well."""
        if self.vm_flags(vma) & VM_SHARED != 0:
            return VM_FAULT_SIGBUS
        if not write:
            self.set_pte(pte, self.pfn_pte(self.zero_pfn, self.page_prot(vma)) | SPECIAL)
            return 0
        if self.anon_vma(vma) == 0 and self.anon_vma_prepare(vma) != 0:
            return VM_FAULT_OOM
        page: u64 = self.alloc_user_page()
        if page == 0:
            return VM_FAULT_OOM
        entry: u64 = self.pte_mkdirty(self.mk_pte(page, self.page_prot(vma)))
        self.add_mm_counter(self.vm_mm(vma), MM_ANONPAGES, 1)
        self.page_add_new_anon_rmap(page, vma, address)
        self.folio_add_lru(page, vma)
        self.set_pte(pte, self.maybe_mkwrite(entry, vma))
        return 0

    def folio_add_lru(self, page: u64, vma: u64) -> None:
        """A new page becomes known to reclaim; in a locked area it is locked."""
        if self.vm_flags(vma) & LOCKED_SPECIAL == VM_LOCKED:
            self.pages.mlock_new_folio(page)
        else:
            self.pages.folio_add_lru(page)

    def do_wp_page(self, vma: u64, address: u64, pte: u64) -> u64:
        """A write met a present entry without write permission: VM_FAULT_* bits."""
        entry: u64 = self.ptep_get(pte)
        page: u64 = self.vm_normal_page(entry)
        if self.vm_flags(vma) & (VM_SHARED | VM_MAYSHARE) != 0:
            if page != 0:
                self.set_page_flag(page, self.pg_dirty)
            self.wp_page_reuse(vma, pte, entry)
            return 0
        if page != 0 and self.page_anon(page) and self.wp_can_reuse(page):
            if not self.page_exclusive(page):
                self.page_move_anon_rmap(page, vma)
            self.wp_page_reuse(vma, pte, entry)
            return 0
        return self.wp_page_copy(vma, address, pte, page, False)

    def wp_can_reuse(self, page: u64) -> bint:
        """Whether nobody else can see an anonymous page: exclusive, or referenced once."""
        if self.page_exclusive(page):
            return True
        head: u64 = self.pages.compound_head(page)
        if head != page or self.pages.page_head(page):
            return False
        cached: bint = self.page_flag(page, self.pg_swapcache)
        if self.pages.page_ref_count(page) > (2 if cached else 1):
            return False
        if cached:
            if self.swap_count(self.pages.page_private(page)) != 0:
                return False
            self.delete_from_swap_cache(page)
        return True

    def page_move_anon_rmap(self, page: u64, vma: u64) -> None:
        """The page is ``vma``'s alone now: reverse mapping begins at its own anon_vma."""
        self.pages.st(page + self.pages.o_mapping, self.anon_vma(vma) | ANON)
        self.set_page_exclusive(page, True)

    def wp_page_reuse(self, vma: u64, pte: u64, entry: u64) -> None:
        """Make the entry writable in place."""
        entry = self.pte_mkdirty(entry | ACCESSED)
        self.set_pte(pte, self.maybe_mkwrite(entry, vma))

    def wp_page_copy(self, vma: u64, address: u64, pte: u64, old: u64, unshare: bint) -> u64:
        """Replace ``old`` (0: the zero page) by a copy of ``vma``'s own: VM_FAULT_* bits.

        ``unshare``: nobody writes, so that the copy is clean and not yet writable.
        """
        mm: u64 = self.vm_mm(vma)
        if self.anon_vma(vma) == 0 and self.anon_vma_prepare(vma) != 0:
            return VM_FAULT_OOM
        before: u64 = self.ptep_get(pte)
        if old != 0:
            # Reclaim must leave it alone while a page is sought.
            self.pages.get_page(self.pages.compound_head(old))
        page: u64 = self.alloc_user_page()
        if old != 0:
            self.put_user_page(old)
        if page == 0:
            return VM_FAULT_OOM
        if self.ptep_get(pte) != before:
            self.put_user_page(page)
            return 0
        if old == 0:
            self.add_mm_counter(mm, MM_ANONPAGES, 1)
        elif not self.page_anon(old):
            self.add_mm_counter(mm, self.mm_counter(old), -1)
            self.add_mm_counter(mm, MM_ANONPAGES, 1)
        entry: u64 = self.mk_pte(page, self.page_prot(vma))
        if unshare:
            entry |= before & SOFT_DIRTY
        else:
            entry = self.maybe_mkwrite(self.pte_mkdirty(entry), vma)
        self.set_pte(pte, 0)
        self.page_add_new_anon_rmap(page, vma, address)
        self.folio_add_lru(page, vma)
        self.set_pte(pte, entry)
        if old != 0:
            self.page_remove_rmap(old)
            self.munlock_vma_page(old, vma)
            self.free_swap_cache(old)
            self.put_user_page(old)
        return 0

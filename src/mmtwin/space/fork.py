"""fork as far as address spaces go: a new ``mm_struct``, a copy of every VMA."""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.space import flags as c
from mmtwin.space.exit import Exit

if not cython.compiled:
    from mmtwin.pages.words import load, store

TOP = declare(u64, c.MAX)
VM_DONTCOPY = declare(u64, c.VM_DONTCOPY)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
VM_WIPEONFORK = declare(u64, c.VM_WIPEONFORK)
VM_LOCKED_MASK = declare(u64, c.VM_LOCKED_MASK)
VM_INIT_DEF_MASK = declare(u64, c.VM_INIT_DEF_MASK)
MM_MT_FLAGS = declare(u64, c.MM_MT_FLAGS)
TASK_USAGE = declare(u64, 40)


class Fork(Exit):
    """``mm_alloc`` and ``dup_mmap``."""

    def mm_alloc(self, task: u64) -> u64:
        """An empty address space whose limits are ``task``'s; one user. 0 without memory."""
        memory = self.memory
        mm: u64 = self.mm_cache.alloc(GFP_KERNEL)
        if mm == 0:
            return 0
        memory.zero(mm, self.mm_size)
        self.maple.mt_init_flags(self.mm_mt(mm), MM_MT_FLAGS)
        self.set_mm_users(mm, 1)
        if not self.mm_alloc_pgd(mm):
            self.mm_cache.free(mm)
            return 0
        self.set_task_size(mm, self.profile.task_size)
        self.set_owner(mm, task)
        store(memory, task + TASK_USAGE, load(memory, task + TASK_USAGE) + 1)
        return mm

    def mm_alloc_pgd(self, mm: u64) -> bint:
        """Give a new address space its top page table; False without memory."""
        return True

    def dup_pages(self, tmp: u64, mpnt: u64) -> i64:
        """Copy the pages of a copied VMA, unless it is to be wiped: 0 or ``-ENOMEM``."""
        if self.vm_flags(tmp) & VM_WIPEONFORK != 0:
            return 0
        return self.copy_page_range(tmp, mpnt)

    def copy_page_range(self, dst: u64, src: u64) -> i64:
        """Copy what page tables hold of ``src`` for ``dst``: 0 or ``-ENOMEM``."""
        return 0

    def dup_mmap(self, oldmm: int, task: int) -> int:
        """A copy of ``oldmm`` for ``task`` as fork(2) makes it: its address or a negative errno.

        DONTCOPY areas are left out, WIPEONFORK ones begin clean, locks are not inherited. A
        failure part way tears down what was copied.
        """
        mm = self.mm_alloc(task)
        if mm == 0:
            return -errno.ENOMEM
        error = self.dup_mm(oldmm, mm)
        if error != 0:
            self.mmput(mm)
            return error
        return mm

    def dup_mm(self, oldmm: u64, mm: u64) -> i64:
        """Fill the fresh ``mm`` from ``oldmm``: 0 or a negative errno."""
        self.set_mmap_base(mm, self.mmap_base(oldmm))
        self.set_mmap_legacy_base(mm, self.mmap_legacy_base(oldmm))
        self.set_start_code(mm, self.start_code(oldmm))
        self.set_end_code(mm, self.end_code(oldmm))
        self.set_start_data(mm, self.start_data(oldmm))
        self.set_end_data(mm, self.end_data(oldmm))
        self.set_start_brk(mm, self.start_brk(oldmm))
        self.set_brk(mm, self.brk(oldmm))
        self.set_start_stack(mm, self.start_stack(oldmm))
        self.set_mm_flags(mm, self.mm_flags(oldmm))
        self.set_def_flags(mm, self.def_flags(oldmm) & VM_INIT_DEF_MASK)
        self.set_total_vm(mm, self.total_vm(oldmm))
        self.set_data_vm(mm, self.data_vm(oldmm))
        self.set_exec_vm(mm, self.exec_vm(oldmm))
        self.set_stack_vm(mm, self.stack_vm(oldmm))
        error: i64 = self.dup_vmas(oldmm, mm)
        self.set_hiwater_vm(mm, self.total_vm(mm))
        return error

    def dup_vmas(self, oldmm: u64, mm: u64) -> i64:
        """Copy the VMAs in address order into a tree filled in bulk: 0 or a negative errno."""
        mas: MaState = MaState(self.mm_mt(mm), 0)
        if self.maple.mas_expected_entries(mas, self.map_count(oldmm)) != 0:
            return -errno.ENOMEM
        # Nobody else can see the new tree yet, so its nodes may be changed in place.
        self.maple.mt_clear_in_rcu(mas.tree)
        old: MaState = self.vma_iterator(oldmm, 0)
        error: i64 = 0
        mpnt: u64 = self.maple.mas_find(old, TOP)
        while mpnt != 0:
            vm_flags: u64 = self.vm_flags(mpnt)
            pages: u64 = self.vma_pages(mpnt)
            if vm_flags & VM_DONTCOPY != 0:
                self.vm_stat_account(mm, vm_flags, -pages)
            else:
                tmp: u64 = self.dup_vma(mm, mpnt)
                if tmp == 0:
                    error = -errno.ENOMEM
                    break
                mas.set_range(self.vm_start(tmp), self.vm_end(tmp) - 1)
                self.maple.mas_store(mas, tmp)
                if mas.is_err():
                    self.dup_vma_undo(tmp)
                    error = -errno.ENOMEM
                    break
                self.dup_vma_link(mm, tmp)
                error = self.dup_pages(tmp, mpnt)
                if error != 0:
                    break
            mpnt = self.maple.mas_find(old, TOP)
        self.maple.mas_destroy(mas)
        if error == 0:
            self.maple.mt_set_in_rcu(mas.tree)
        return error

    def dup_vma(self, mm: u64, mpnt: u64) -> u64:
        """A charged copy of ``mpnt`` for ``mm``, outside of the tree; 0 without memory."""
        pages: u64 = self.vma_pages(mpnt)
        charged: bint = self.vm_flags(mpnt) & VM_ACCOUNT != 0
        if charged and self.vm_enough_memory(self.vm_mm(mpnt), pages) != 0:
            return 0
        tmp: u64 = self.vm_area_dup(mpnt)
        if tmp != 0:
            vm_flags: u64 = self.vm_flags(tmp)
            self.set_vm_mm(tmp, mm)
            if self.vm_userfaultfd_ctx(tmp) != 0:
                self.set_vm_userfaultfd_ctx(tmp, 0)
                vm_flags &= ~self.uffd_flags()
            failed: bint = False
            if vm_flags & VM_WIPEONFORK != 0:
                self.set_anon_vma(tmp, 0)
            else:
                failed = self.anon_vma_fork(tmp, mpnt) != 0
            if not failed:
                if self.is_vm_hugetlb_page(tmp):
                    self.set_vm_private_data(tmp, 0)  # promises are the parent's alone
                self.set_vm_flags(tmp, vm_flags & ~VM_LOCKED_MASK)
                return tmp
            self.vm_area_free(tmp)
        if charged:
            self.vm_unacct_memory(pages)
        return 0

    def dup_vma_undo(self, tmp: u64) -> None:
        """Take a copy back that could not be stored."""
        self.unlink_anon_vmas(tmp)
        if self.vm_flags(tmp) & VM_ACCOUNT != 0:
            self.vm_unacct_memory(self.vma_pages(tmp))
        self.vm_area_free(tmp)

    def dup_vma_link(self, mm: u64, tmp: u64) -> None:
        """The copy is in the tree: count it, tell its driver, hold and link its file."""
        self.set_map_count(mm, self.map_count(mm) + 1)
        if self.vm_ops(tmp) != 0:
            self.vma_open(tmp)
        file: u64 = self.vm_file(tmp)
        if file != 0:
            self.get_file(file)
            self.vma_link_file(tmp)

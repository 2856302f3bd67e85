"""Access by a program: look-up of the area, growth of stacks, population.

What a fault does to pages stands in ``fault`` and the classes below it.
"""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine import context as held
from mmtwin.machine.bug import KernelBug
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.space import flags as c
from mmtwin.space.unmapped_area import UnmappedArea

POPULATE = "populate_vma_page_range"
VM_READ = declare(u64, c.VM_READ)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_EXEC = declare(u64, c.VM_EXEC)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_GROWSDOWN = declare(u64, c.VM_GROWSDOWN)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_LOCKONFAULT = declare(u64, c.VM_LOCKONFAULT)
VM_IO = declare(u64, c.VM_IO)
VM_PFNMAP = declare(u64, c.VM_PFNMAP)
VM_ACCESS_FLAGS = declare(u64, c.VM_ACCESS_FLAGS)
ANON_VMA_RWSEM = declare(u64, held.ANON_VMA_RWSEM)
RLIMIT_STACK = declare(u64, c.RLIMIT_STACK)


class Touch(UnmappedArea):
    """Access by the program, growth of stacks, population on the kernel's own account."""

    def touch(self, mm: u64, addr: u64, length: u64, write: bint) -> i64:
        """The program reads or writes every page of [addr, addr + length).

        0, ``-EFAULT`` where it would get SIGSEGV (earlier pages stay touched), ``-ENOMEM``.
        """
        start: u64 = addr & self.page_mask
        if length == 0:
            return 0
        end: u64 = self.task_size(mm)
        if start >= end:
            return -errno.EFAULT
        whole: bint = length <= end - addr
        if whole:
            end = (addr + length + self.page_size - 1) & self.page_mask
        wanted: u64 = VM_WRITE if write else VM_ACCESS_FLAGS
        while start < end:
            vma: u64 = self.find_vma(mm, start)
            if vma == 0:
                return -errno.EFAULT
            if start < self.vm_start(vma) and self.expand_stack(vma, start) != 0:
                return -errno.EFAULT
            if self.vm_flags(vma) & wanted == 0:
                return -errno.EFAULT
            past: u64 = self.vm_end(vma)
            if past > end:
                past = end
            error: i64 = self.handle_range(vma, start, past, write)
            if error != 0:
                return error
            start = past
        return 0 if whole else -errno.EFAULT

    def handle_range(self, vma: u64, start: u64, end: u64, write: bint) -> i64:
        """Faults on all pages of [start, end) of ``vma``: 0 or a negative errno."""
        raise TypeError(f"{type(self).__name__} handles no faults")

    # Stack growth.

    def expand_stack(self, vma: u64, address: u64) -> i64:
        """Let ``vma`` grow to a fault below it: 0 or a negative errno."""
        if self.vm_flags(vma) & VM_GROWSDOWN == 0:
            return -errno.EFAULT
        return self.expand_downwards(vma, address)

    def expand_downwards(self, vma: u64, address: u64) -> i64:
        """Lower the start of a VM_GROWSDOWN area to the page of ``address``.

        ``-EPERM`` below mmap_min_addr; ``-ENOMEM`` within the guard gap of an accessible
        neighbour, over a limit or without memory. Even a refused growth may leave the area with
        an anon_vma.
        """
        mm: u64 = self.vm_mm(vma)
        address &= self.page_mask
        if address < self.sysctl_mmap_min_addr():
            return -errno.EPERM
        start: u64 = self.vm_start(vma)
        mas: MaState = self.vma_iterator(mm, start)
        below: u64 = self.maple.mas_prev(mas, 0)
        if below != 0 and self.vma_is_accessible(below):
            near: u64 = self.vm_end(below)
            stacks: bint = self.vm_flags(below) & VM_GROWSDOWN != 0
            # The kernel subtracts without a sign: an address below ``near`` is far away to it.
            if not stacks and address >= near and address - near < self.stack_guard_gap():
                return -errno.ENOMEM
        mas.set_range(address, self.vm_end(vma) - 1)
        if self.maple.mas_preallocate(mas, vma, GFP_KERNEL) != 0:
            return -errno.ENOMEM
        error: i64 = self.anon_vma_prepare(vma)
        if error == 0:
            self.context.lock(ANON_VMA_RWSEM)
            if address < start:
                grow: u64 = (start - address) >> self.page_shift
                error = -errno.ENOMEM
                if grow <= self.vm_pgoff(vma):
                    error = self.acct_stack_growth(vma, self.vm_end(vma) - address, grow)
                if error == 0:
                    self.stack_grows(mas, vma, address, grow)
            self.context.unlock(ANON_VMA_RWSEM)
        self.maple.mas_destroy(mas)
        return error

    def stack_grows(self, mas: MaState, vma: u64, address: u64, grow: u64) -> None:
        """Let ``vma`` begin at ``address``, ``grow`` pages lower, by the store set aside.

        6.1 holds ``page_table_lock`` meanwhile, from when faults grew stacks under the mmap lock
        for reading.
        """
        mm: u64 = self.vm_mm(vma)
        spinning: bint = not self.profile.since(6, 13)
        if spinning:
            self.context.enter_atomic()
        if self.vm_flags(vma) & VM_LOCKED != 0:
            self.set_locked_vm(mm, self.locked_vm(mm) + grow)
        self.vm_stat_account(mm, self.vm_flags(vma), grow)
        self.anon_vma_interval_tree_pre_update_vma(vma)
        self.set_vm_start(vma, address)
        self.set_vm_pgoff(vma, self.vm_pgoff(vma) - grow)
        self.vma_mas_store(vma, mas)
        self.anon_vma_interval_tree_post_update_vma(vma)
        if spinning:
            self.context.leave_atomic()

    def acct_stack_growth(self, vma: u64, size: u64, grow: u64) -> i64:
        """May the area become ``size`` bytes by ``grow`` more pages? Charges them: 0 or -ENOMEM."""
        mm: u64 = self.vm_mm(vma)
        vm_flags: u64 = self.vm_flags(vma)
        if not self.may_expand_vm(mm, vm_flags, grow):
            return -errno.ENOMEM
        if size > self.rlimit(mm, RLIMIT_STACK):
            return -errno.ENOMEM
        if not self.mlock_future_ok(mm, vm_flags, grow << self.page_shift):
            return -errno.ENOMEM
        return self.vm_enough_memory(mm, grow)

    # Populate.

    def mm_populate(self, mm: u64, start: u64, length: u64, ignore_errors: bint) -> i64:
        """Fault in [start, start + length): 0, ``-EFAULT`` for what may not be read, -ENOMEM."""
        end: u64 = start + length
        at: u64 = start
        while at < end:
            vma: u64 = self.find_vma_intersection(mm, at, end)
            if vma == 0:
                break
            first: u64 = self.vm_start(vma)
            past: u64 = self.vm_end(vma)
            if first < at:
                first = at
            if past > end:
                past = end
            if self.vm_flags(vma) & (VM_IO | VM_PFNMAP) == 0:
                error: i64 = self.populate_vma_page_range(vma, first, past)
                if error != 0 and not ignore_errors:
                    return error
            at = past
        return 0

    def populate_vma_page_range(self, vma: u64, start: u64, end: u64) -> i64:
        """Fault in part of one VMA, with write faults if it is private and writable."""
        if (start | end) & ~self.page_mask != 0:
            raise KernelBug("!PAGE_ALIGNED(start) || !PAGE_ALIGNED(end)", POPULATE)
        if start < self.vm_start(vma) or end > self.vm_end(vma):
            raise KernelBug("start < vma->vm_start || end > vma->vm_end", POPULATE)
        vm_flags: u64 = self.vm_flags(vma)
        if vm_flags & VM_LOCKONFAULT != 0:
            return 0
        if vm_flags & VM_ACCESS_FLAGS == 0:
            return -errno.EFAULT
        write: bint = vm_flags & (VM_WRITE | VM_SHARED) == VM_WRITE
        return self.populate_range(vma, start, end, write)

    def populate_range(self, vma: u64, start: u64, end: u64, write: bint) -> i64:
        """``__get_user_pages`` for [start, end) of one VMA: 0 or a negative errno."""
        raise TypeError(f"{type(self).__name__} handles no faults")

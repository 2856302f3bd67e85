"""brk: the heap, and the zero pages that exec puts behind a program's data."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine import context as held
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.space import flags as c
from mmtwin.space.mmap import Mmap

ANON_VMA_RWSEM = declare(u64, held.ANON_VMA_RWSEM)
INFINITY = declare(u64, c.RLIM_INFINITY)
RLIMIT_DATA = declare(u64, c.RLIMIT_DATA)
VM_DATA_DEFAULT = declare(u64, c.VM_DATA_DEFAULT)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_SOFTDIRTY = declare(u64, c.VM_SOFTDIRTY)
VM_EXEC = declare(u64, c.VM_EXEC)
READ_IMPLIES_EXEC = declare(u64, c.READ_IMPLIES_EXEC)


class Brk(Mmap):
    """The program break."""

    def sys_brk(self, mm: u64, brk: u64) -> i64:
        """brk(2) as the kernel has it: the new break, or the old one on any failure."""
        origin: u64 = self.brk(mm)
        start: u64 = self.start_brk(mm)
        if brk < start:
            return origin
        limit: u64 = self.rlimit(mm, RLIMIT_DATA)
        if limit != INFINITY and (brk - start) + self.end_data(mm) - self.start_data(mm) > limit:
            return origin
        if brk > self.task_size(mm):
            return origin
        newbrk: u64 = (brk + self.page_size - 1) & self.page_mask
        oldbrk: u64 = (origin + self.page_size - 1) & self.page_mask
        if newbrk == oldbrk:
            self.set_brk(mm, brk)
            return brk
        if brk <= origin:
            return brk if self.brk_shrink(mm, brk, newbrk, oldbrk) else origin
        if not self.brk_grow(mm, oldbrk, newbrk):
            return origin
        self.set_brk(mm, brk)
        if self.def_flags(mm) & VM_LOCKED != 0:
            self.mm_populate(mm, oldbrk, newbrk - oldbrk, True)
        return brk

    def brk_shrink(self, mm: u64, brk: u64, newbrk: u64, oldbrk: u64) -> bint:
        """Unmap [newbrk, oldbrk), whatever is there; False if nothing is or it cannot be."""
        mas: MaState = self.vma_iterator(mm, newbrk)
        vma: u64 = self.maple.mas_find(mas, oldbrk)
        if vma == 0 or self.vm_start(vma) >= oldbrk:
            return False
        origin: u64 = self.brk(mm)
        self.set_brk(mm, brk)
        if self.do_brk_munmap(mas, mm, newbrk, oldbrk) != 0:
            self.set_brk(mm, origin)
            return False
        return True

    def do_brk_munmap(self, mas: MaState, mm: u64, newbrk: u64, oldbrk: u64) -> i64:
        """Unmap the top of the heap: 0 or a negative errno."""
        mas.set(newbrk)
        return self.do_mas_munmap(mas, mm, newbrk, oldbrk - newbrk)

    def brk_grow(self, mm: u64, oldbrk: u64, newbrk: u64) -> bint:
        """Map [oldbrk, newbrk); False if limits or what lies above forbid it.

        One page must stay free below the next VMA, below a stack the guard gap as well.
        """
        length: u64 = newbrk - oldbrk
        if self.check_brk_limits(mm, oldbrk, length) != 0:
            return False
        mas: MaState = self.vma_iterator(mm, oldbrk)
        above: u64 = self.maple.mas_find(mas, newbrk - 1 + self.page_size + self.stack_guard_gap())
        if above != 0 and newbrk + self.page_size > self.vm_start_gap(above):
            return False
        mas.set(oldbrk)
        heap: u64 = self.maple.mas_prev(mas, self.start_brk(mm))
        return self.do_brk_flags(mas, mm, heap, oldbrk, length, 0) == 0

    def check_brk_limits(self, mm: u64, addr: u64, length: u64) -> i64:
        """May [addr, addr + length) be the heap's, and locked if need be? 0 or a negative errno."""
        if length > self.task_size(mm) or addr > self.task_size(mm) - length:
            return -errno.ENOMEM
        return 0 if self.mlock_future_ok(mm, self.def_flags(mm), length) else -errno.EAGAIN

    def do_brk_flags(
        self, mas: MaState, mm: u64, vma: u64, addr: u64, length: u64, extra_flags: u64
    ) -> i64:
        """Map zero pages at [addr, addr + length), extending ``vma`` if it ends there and fits.

        ``vma`` is the candidate below, 0 for none. It never joins the VMA above. 0 or ``-ENOMEM``.
        """
        vm_flags: u64 = extra_flags | self.data_default_flags(mm) | self.def_flags(mm)
        pages: u64 = length >> self.page_shift
        if not self.may_expand_vm(mm, vm_flags, pages):
            return -errno.ENOMEM
        if self.map_count(mm) > self.sysctl_max_map_count():
            return -errno.ENOMEM
        if self.vm_enough_memory(mm, pages) != 0:
            return -errno.ENOMEM
        if vma != 0 and self.can_brk_extend(vma, vm_flags, addr):
            if self.brk_extend(mas, vma, addr + length) != 0:
                return -errno.ENOMEM
        else:
            vma = self.vm_area_alloc(mm)
            if vma == 0:
                self.vm_unacct_memory(pages)
                return -errno.ENOMEM
            self.vma_set_range(vma, addr, addr + length, addr >> self.page_shift)
            self.set_vm_flags(vma, vm_flags)
            self.vma_set_page_prot(vma)
            mas.set_range(addr, addr + length - 1)
            if self.maple.mas_store_gfp(mas, vma, GFP_KERNEL) != 0:
                self.vm_area_free(vma)
                self.vm_unacct_memory(pages)
                return -errno.ENOMEM
            self.set_map_count(mm, self.map_count(mm) + 1)
        self.set_total_vm(mm, self.total_vm(mm) + pages)
        self.set_data_vm(mm, self.data_vm(mm) + pages)
        if vm_flags & VM_LOCKED != 0:
            self.set_locked_vm(mm, self.locked_vm(mm) + pages)
        self.set_vm_flags(vma, self.vm_flags(vma) | VM_SOFTDIRTY)
        return 0

    def data_default_flags(self, mm: u64) -> u64:
        """The flags of heap memory: executable too for a program that takes all reading for it."""
        if self.personality(mm) & READ_IMPLIES_EXEC != 0:
            return VM_DATA_DEFAULT | VM_ACCOUNT | VM_EXEC
        return VM_DATA_DEFAULT | VM_ACCOUNT

    def can_brk_extend(self, vma: u64, vm_flags: u64, addr: u64) -> bint:
        """Whether the VMA below takes the new heap at ``addr``."""
        return (
            self.vm_end(vma) == addr
            and self.vm_policy(vma) == 0
            and self.can_vma_merge_after(vma, vm_flags, 0, 0, addr >> self.page_shift, 0, 0)
        )

    def brk_extend(self, mas: MaState, vma: u64, end: u64) -> i64:
        """Move the heap VMA's end up: 0 or ``-ENOMEM``."""
        mas.set_range(self.vm_start(vma), end - 1)
        if self.maple.mas_preallocate(mas, vma, GFP_KERNEL) != 0:
            return -errno.ENOMEM
        anon: bint = self.anon_vma(vma) != 0
        if anon:
            self.context.lock(ANON_VMA_RWSEM)
            self.anon_vma_interval_tree_pre_update_vma(vma)
        self.set_vm_end(vma, end)
        self.maple.mas_store_prealloc(mas, vma)
        if anon:
            self.anon_vma_interval_tree_post_update_vma(vma)
            self.context.unlock(ANON_VMA_RWSEM)
        return 0

    def vm_brk_flags(self, mm: u64, addr: u64, length: u64, extra_flags: u64) -> i64:
        """Zero pages for exec over whatever is at [addr, addr + length): 0 or a negative errno.

        ``extra_flags`` may hold VM_EXEC. Joins any fitting VMA before it.
        """
        length = (length + self.page_size - 1) & self.page_mask
        if length == 0:
            return 0
        if extra_flags & ~VM_EXEC != 0:
            return -errno.EINVAL
        error: i64 = self.check_brk_limits(mm, addr, length)
        if error != 0:
            return error
        mas: MaState = self.vma_iterator(mm, addr)
        error = self.do_mas_munmap(mas, mm, addr, length)
        if error != 0:
            return error
        mas.set(addr)
        below: u64 = self.maple.mas_prev(mas, 0)
        error = self.do_brk_flags(mas, mm, below, addr, length, extra_flags)
        if error == 0 and self.def_flags(mm) & VM_LOCKED != 0:
            self.mm_populate(mm, addr, length, True)
        return error

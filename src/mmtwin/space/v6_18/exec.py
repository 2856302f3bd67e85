"""The move of exec's stack since 6.3: expand over both places, then shrink, a store each."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine import context as held
from mmtwin.machine.bug import KernelBug
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.space.v6_18.fork import Fork618
from mmtwin.space.v6_18.merge import VmaMerge, merge_attempt

I_MMAP_RWSEM = declare(u64, held.I_MMAP_RWSEM)
ANON_VMA_RWSEM = declare(u64, held.ANON_VMA_RWSEM)


class Exec618(Fork618):
    """``relocate_vma_down`` and ``vma_shrink``."""

    def shift_arg_pages(self, vma: u64, shift: u64) -> i64:
        """Move the stack down by ``shift`` bytes (``relocate_vma_down``): 0 or a negative errno."""
        start: u64 = self.vm_start(vma)
        end: u64 = self.vm_end(vma)
        pgoff: u64 = self.vm_pgoff(vma)
        if shift > start:
            raise KernelBug("new_start > new_end", "relocate_vma_down")
        if self.find_vma(self.vm_mm(vma), start - shift) != vma:
            return -errno.EFAULT
        vmg: VmaMerge = merge_attempt(self.vm_mm(vma), start - shift, end, 0, pgoff)
        vmg.target = vma
        if self.vmg_expand(vmg) != 0:
            return -errno.ENOMEM
        if not self.shift_page_tables(vma, start, end, shift):
            return -errno.ENOMEM
        return self.vma_shrink(vma, start - shift, end - shift, pgoff)

    def vma_shrink(self, vma: u64, start: u64, end: u64, pgoff: u64) -> i64:
        """Cut ``vma`` down to [start, end), at one of its sides: 0 or ``-ENOMEM``."""
        mas: MaState = self.vma_iterator(self.vm_mm(vma), start)
        if self.vm_start(vma) < start:
            mas.set_range(self.vm_start(vma), start - 1)
        else:
            mas.set_range(end, self.vm_end(vma) - 1)
        if self.maple.mas_preallocate(mas, 0, GFP_KERNEL) != 0:
            return -errno.ENOMEM
        file: bint = self.vm_file(vma) != 0
        anon: bint = self.anon_vma(vma) != 0
        if file:
            self.context.lock(I_MMAP_RWSEM)
        if anon:
            self.context.lock(ANON_VMA_RWSEM)
            self.anon_vma_interval_tree_pre_update_vma(vma)
        if file:
            self.vma_interval_tree_remove(vma)
        self.maple.mas_store_prealloc(mas, 0)
        self.vma_set_range(vma, start, end, pgoff)
        if file:
            self.vma_interval_tree_insert(vma)
        if anon:
            self.anon_vma_interval_tree_post_update_vma(vma)
            self.context.unlock(ANON_VMA_RWSEM)
        if file:
            self.context.unlock(I_MMAP_RWSEM)
        return 0

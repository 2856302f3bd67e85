"""fork since 6.8: the tree is copied node for node, then each VMA replaced in place."""

from __future__ import annotations

import errno

from cython import declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.space import flags as c
from mmtwin.space.v6_18.mseal import Mseal618

TOP = declare(u64, c.MAX)
VM_DONTCOPY = declare(u64, c.VM_DONTCOPY)
XA_ZERO_ENTRY = declare(u64, 0x406)
MMF_OOM_SKIP = declare(u64, 1 << 21)
MMF_UNSTABLE = declare(u64, 1 << 22)


class Fork618(Mseal618):
    """``dup_mmap`` on ``__mt_dup``, and the end of an address space that it left half done."""

    def dup_vmas(self, oldmm: u64, mm: u64) -> i64:
        """Copy tree and VMAs: 0 or ``-ENOMEM``.

        Until it is reached, an entry of the new tree still is the parent's VMA. A failure marks
        the first such place with the zero entry, where the end of the address space stops.
        """
        mas: MaState = self.vma_iterator(mm, 0)
        if self.maple.mtree_dup(self.mm_mt(oldmm), mas.tree, GFP_KERNEL) != 0:
            return -errno.ENOMEM
        # Nobody else can see the new tree yet, so its nodes may be changed in place.
        self.maple.mt_clear_in_rcu(mas.tree)
        mpnt: u64 = self.maple.mas_find(mas, TOP)
        while mpnt != 0:
            vm_flags: u64 = self.vm_flags(mpnt)
            if vm_flags & VM_DONTCOPY != 0:
                if self.maple.mas_store_gfp(mas, 0, GFP_KERNEL) != 0:
                    self.dup_mark_failure(mas, mm, mpnt)
                    return -errno.ENOMEM
                gone: u64 = self.vma_pages(mpnt)
                self.vm_stat_account(mm, vm_flags, -gone)
            else:
                tmp: u64 = self.dup_vma(mm, mpnt)
                if tmp == 0:
                    self.dup_mark_failure(mas, mm, mpnt)
                    return -errno.ENOMEM
                self.maple.mas_store(mas, tmp)
                self.dup_vma_link(mm, tmp)
                if self.dup_pages(tmp, mpnt) != 0:
                    mpnt = self.maple.mas_find(mas, TOP)
                    if mpnt != 0:
                        self.dup_mark_failure(mas, mm, mpnt)
                    return -errno.ENOMEM
            mpnt = self.maple.mas_find(mas, TOP)
        self.maple.mas_destroy(mas)
        self.maple.mt_set_in_rcu(mas.tree)
        return 0

    def dup_mark_failure(self, mas: MaState, mm: u64, mpnt: u64) -> None:
        """What follows is not copied: mark it, keep the OOM reaper and others away."""
        mas.set_range(self.vm_start(mpnt), self.vm_end(mpnt) - 1)
        self.maple.mas_store(mas, XA_ZERO_ENTRY)
        self.maple.mas_destroy(mas)
        self.set_mm_flags(mm, self.mm_flags(mm) | MMF_OOM_SKIP | MMF_UNSTABLE)

    def exit_next(self, mas: MaState) -> u64:
        """The next VMA to take down; 0 at the end, and where a failed fork left its mark."""
        vma: u64 = self.maple.mas_find(mas, TOP)
        return vma if vma != XA_ZERO_ENTRY else 0

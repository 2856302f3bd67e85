"""mbind: memory policies, as far as they decide which areas may be one."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.sysv_shm import SysvShm
from mmtwin.space.words import is_err, ptr_err

TOP = declare(u64, c.MAX)
MPOL_DEFAULT = 0
MPOL_MAX = declare(u64, 7)
"""One past the last mode: DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, PREFERRED_MANY, and since
6.9 WEIGHTED_INTERLEAVE, which counts as known everywhere."""
MPOL_MODE_FLAGS = declare(u64, 0xE000)
MPOL_MF_VALID = declare(u64, 7)


class Mbind(SysvShm):
    """``do_mbind``.

    A policy is a number; equal numbers are equal policies, 0 is the default. The nodes of a policy
    are not modelled: the address of the node mask stands for them.
    """

    def sys_mbind(
        self, mm: u64, start: u64, length: u64, mode: u64, nmask: u64, maxnode: u64, flags: u64
    ) -> i64:
        """mbind(2): 0 or a negative errno; areas before one that cannot be split stay changed.

        ``-ENOSYS`` without NUMA.
        """
        if not self.profile.numa:
            return -errno.ENOSYS
        if flags & ~MPOL_MF_VALID != 0 or mode & ~MPOL_MODE_FLAGS >= MPOL_MAX:
            return -errno.EINVAL
        if start & ~self.page_mask != 0:
            return -errno.EINVAL
        end: u64 = (start + ((length + self.page_size - 1) & self.page_mask)) & TOP
        if end < start:
            return -errno.EINVAL
        if mode == MPOL_DEFAULT and nmask != 0 and maxnode > 1:
            return -errno.EINVAL
        if end == start:
            return 0
        policy: u64 = 0
        if mode != MPOL_DEFAULT:
            policy = self.memory.strings.number(f"mempolicy {mode:#x} {nmask:#x} {maxnode}")
        return self.mbind_ranges(mm, start, end, policy)

    def mbind_ranges(self, mm: u64, start: u64, end: u64, policy: u64) -> i64:
        """Give every area of [start, end) the policy.

        ``-EFAULT`` and no change where nothing is mapped; the default policy may skip holes.
        """
        vma: u64 = self.find_vma(mm, start)
        if vma == 0 or self.vm_start(vma) >= end:
            return -errno.EFAULT
        if policy != 0 and self.mbind_hole(mm, vma, start, end):
            return -errno.EFAULT
        prev: u64 = vma if start > self.vm_start(vma) else self.vma_prev(mm, start)
        while vma != 0 and self.vm_start(vma) < end:
            at: u64 = self.vm_start(vma) if self.vm_start(vma) > start else start
            upto: u64 = self.vm_end(vma) if self.vm_end(vma) < end else end
            prev = self.mbind_range(mm, prev, vma, at, upto, policy)
            if is_err(prev):
                return ptr_err(prev)
            vma = self.find_vma(mm, self.vm_end(prev))
        return 0

    def mbind_hole(self, mm: u64, vma: u64, start: u64, end: u64) -> bint:
        """Whether some page of [start, end) is not mapped; ``vma`` is the first area there."""
        while vma != 0 and self.vm_start(vma) <= start:
            start = self.vm_end(vma)
            if start >= end:
                return False
            vma = self.find_vma(mm, start)
        return True

    def mbind_range(self, mm: u64, prev: u64, vma: u64, start: u64, end: u64, policy: u64) -> u64:
        """Give [start, end) of one area the policy: the VMA that covers it now, or an error."""
        if self.vm_policy(vma) == policy:
            return vma
        done: u64 = self.vma_modify(
            mm,
            prev,
            vma,
            start,
            end,
            self.vm_flags(vma),
            policy,
            self.vm_userfaultfd_ctx(vma),
            self.anon_vma_name(vma),
        )
        if not is_err(done):
            self.set_vm_policy(done, policy)
        return done

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
INT = declare(u64, 0xFFFFFFFF)
MPOL_DEFAULT = declare(u64, 0)
MPOL_PREFERRED = declare(u64, 1)
MPOL_BIND = declare(u64, 2)
MPOL_LOCAL = declare(u64, 4)
MPOL_PREFERRED_MANY = declare(u64, 5)
MPOL_MAX = declare(u64, 6)
"""One past the last mode: DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, PREFERRED_MANY; since 6.9
there is WEIGHTED_INTERLEAVE, too."""
MPOL_F_NUMA_BALANCING = declare(u64, 0x2000)
MPOL_F_OF_NODES = declare(u64, 0xC000)
"""MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES, which exclude each other."""
MPOL_F_RELATIVE = declare(u64, 0x4000)
MPOL_MODE_FLAGS = declare(u64, 0xE000)
MPOL_MF_VALID = declare(u64, 7)
MPOL_MF_MOVE_ALL = declare(u64, 4)
CAP_SYS_NICE = declare(u64, c.CAP_SYS_NICE)
NODES_UNKNOWN = declare(u64, c.MAX)
ONLY_NODE = declare(u64, 1)


class Mbind(SysvShm):
    """``do_mbind``.

    A policy is a number; equal numbers are equal policies, 0 is the default. There is one node,
    number 0; no page ever lies on a wrong one (so MPOL_MF_STRICT finds none).
    """

    def sys_mbind(
        self,
        mm: u64,
        start: u64,
        length: u64,
        mode: u64,
        nmask: u64,
        maxnode: u64,
        flags: u64,
        nodes: u64 = NODES_UNKNOWN,
    ) -> i64:
        """mbind(2): 0 or a negative errno; areas before one that cannot be split stay changed.

        ``nodes`` are the bits at the address ``nmask``, as far as ``maxnode`` reaches. Where they
        are not known, the address stands for them. ``-ENOSYS`` without NUMA.
        """
        if not self.profile.numa:
            return -errno.ENOSYS
        mode &= INT
        flags &= INT
        mode_flags: u64 = mode & MPOL_MODE_FLAGS
        mode &= ~MPOL_MODE_FLAGS
        if mode >= MPOL_MAX + (1 if self.profile.since(6, 9) else 0):
            return -errno.EINVAL
        if mode_flags & MPOL_F_OF_NODES == MPOL_F_OF_NODES:
            return -errno.EINVAL
        if mode_flags & MPOL_F_NUMA_BALANCING != 0 and not self.mpol_balances(mode):
            return -errno.EINVAL
        if nmask == 0 or maxnode == 1:
            nodes = 0
        elif (maxnode - 1) & TOP > self.page_size << 3:
            return -errno.EINVAL
        if flags & ~MPOL_MF_VALID != 0:
            return -errno.EINVAL
        if flags & MPOL_MF_MOVE_ALL != 0 and not self.capable(mm, CAP_SYS_NICE):
            return -errno.EPERM
        if start & ~self.page_mask != 0:
            return -errno.EINVAL
        end: u64 = (start + ((length + self.page_size - 1) & self.page_mask)) & TOP
        if end < start:
            return -errno.EINVAL
        if end == start:
            return 0
        if not self.mpol_nodes_fit(mode, mode_flags, nodes):
            return -errno.EINVAL
        policy: u64 = 0
        if mode != MPOL_DEFAULT:
            if mode == MPOL_PREFERRED and nodes == 0:
                mode = MPOL_LOCAL
            if nodes == NODES_UNKNOWN:
                named = f"{nmask:#x} {maxnode}"
            else:
                named = f"{nodes if mode_flags & MPOL_F_OF_NODES != 0 else nodes & ONLY_NODE:#x}"
            policy = self.memory.strings.number(f"mempolicy {mode | mode_flags:#x} {named}")
        return self.mbind_ranges(mm, start, end, policy)

    def mpol_balances(self, mode: u64) -> bint:
        """Whether the mode can have MPOL_F_NUMA_BALANCING: BIND, since 6.10 PREFERRED_MANY too
        (``sanitize_mpol_flags``; seed 18000347 on 6.18.44)."""
        return mode == MPOL_BIND or (mode == MPOL_PREFERRED_MANY and self.profile.since(6, 10))

    def mpol_nodes_fit(self, mode: u64, mode_flags: u64, nodes: u64) -> bint:
        """Whether the mode can have these nodes (``mpol_new``, ``mpol_set_nodemask``)."""
        if mode == MPOL_DEFAULT:
            return nodes == 0
        if mode == MPOL_LOCAL or (mode == MPOL_PREFERRED and nodes == 0):
            return nodes == 0 and mode_flags & MPOL_F_OF_NODES == 0
        if mode_flags & MPOL_F_OF_NODES == MPOL_F_RELATIVE:
            return nodes != 0  # folded onto those that there are
        return nodes & ONLY_NODE != 0

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

"""mseal (6.10), and what userfaultfd and process_madvise do otherwise in 6.18."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.move_vma import Move
from mmtwin.space.v6_18.calls import Calls618
from mmtwin.space.words import err_ptr, is_err, ptr_err

PAGE_MASK = declare(u64, c.PAGE_MASK)
TOP = declare(u64, c.MAX)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_SEALED = declare(u64, c.VM_SEALED_6_18)
VM_DROPPABLE = declare(u64, c.VM_DROPPABLE_6_18)
VM_UFFD_MINOR = declare(u64, c.VM_UFFD_MINOR_6_18)
DISCARDS = (
    c.MADV_FREE,
    c.MADV_DONTNEED,
    c.MADV_DONTNEED_LOCKED,
    c.MADV_REMOVE,
    c.MADV_DONTFORK,
    c.MADV_WIPEONFORK,
    c.MADV_GUARD_INSTALL,
)
"""Advice that throws content away, now or in a child."""


class Mseal618(Calls618):
    """``do_mseal``, and what a sealed area refuses."""

    def sys_mseal(self, mm: u64, start: u64, length: u64, flags: u64) -> i64:
        """mseal(2): 0 or a negative errno; nothing is sealed if any page is not mapped."""
        if flags != 0 or start & ~PAGE_MASK != 0:
            return -errno.EINVAL
        rounded: u64 = (length + 0xFFF) & PAGE_MASK
        if length != 0 and rounded == 0:
            return -errno.EINVAL
        end: u64 = (start + rounded) & TOP
        if end < start:
            return -errno.EINVAL
        if end == start:
            return 0
        at: u64 = start
        while at < end:
            vma: u64 = self.vma_lookup(mm, at)
            if vma == 0:
                return -errno.ENOMEM
            at = self.vm_end(vma)
        return self.mseal_apply(mm, start, end)

    def mseal_apply(self, mm: u64, start: u64, end: u64) -> i64:
        """Seal [start, end), which is mapped throughout; what was sealed before a failure stays."""
        vma: u64 = self.vma_lookup(mm, start)
        prev: u64 = vma if start > self.vm_start(vma) else self.vma_prev(mm, start)
        while vma != 0 and self.vm_start(vma) < end:
            upto: u64 = self.vm_end(vma) if self.vm_end(vma) < end else end
            if self.vm_flags(vma) & VM_SEALED == 0:
                sealed: u64 = self.vm_flags(vma) | VM_SEALED
                vma = self.vma_modify(
                    mm,
                    prev,
                    vma,
                    start,
                    upto,
                    sealed,
                    self.vm_policy(vma),
                    self.vm_userfaultfd_ctx(vma),
                    self.anon_vma_name(vma),
                )
                if is_err(vma):
                    return ptr_err(vma)
                self.set_vm_flags(vma, self.vm_flags(vma) | VM_SEALED)
            prev = vma
            start = self.vm_end(vma)
            vma = self.find_vma(mm, start)
        return 0

    def is_sealed(self, vma: u64) -> bint:
        """Whether the area is sealed."""
        return self.vm_flags(vma) & VM_SEALED != 0

    def mprotect_fixup(self, mm: u64, vma: u64, prev: u64, start: u64, end: u64, new: u64) -> u64:
        """A sealed area keeps its access, even if nothing would change."""
        if self.is_sealed(vma):
            return err_ptr(-errno.EPERM)
        return Calls618.mprotect_fixup(self, mm, vma, prev, start, end, new)

    def madvise_vma_behavior(
        self, mm: u64, vma: u64, prev: u64, start: u64, end: u64, advice: u64
    ) -> u64:
        """A sealed area's content is thrown away only where it could be overwritten anyway."""
        if self.is_sealed(vma) and advice in DISCARDS and self.discard_forbidden(vma):
            return err_ptr(-errno.EPERM)
        return Calls618.madvise_vma_behavior(self, mm, vma, prev, start, end, advice)

    def discard_forbidden(self, vma: u64) -> bint:
        """Whether a sealed area's content is its own and not to be written."""
        return self.vma_is_anonymous(vma) and self.vm_flags(vma) & VM_WRITE == 0

    def mremap_at(self, move: Move) -> i64:
        """A sealed area neither grows nor shrinks."""
        if self.is_sealed(move.vma):
            return -errno.EPERM
        return Calls618.mremap_at(self, move)

    def vma_to_resize(self, move: Move) -> i64:
        """Nor does it move."""
        vma: u64 = self.vma_lookup(move.mm, move.addr)
        if vma != 0 and self.is_sealed(vma):
            return -errno.EPERM
        return Calls618.vma_to_resize(self, move)

    # userfaultfd

    def vm_uffd_minor(self) -> u64:
        """Bit 41 by now."""
        return VM_UFFD_MINOR

    def vma_can_userfault(self, vma: u64, wanted: u64) -> bint:
        """Memory that may vanish is not watched (6.11)."""
        if self.vm_flags(vma) & VM_DROPPABLE != 0:
            return False
        return Calls618.vma_can_userfault(self, vma, wanted)

    def uffd_may_unregister(self, vma: u64, ctx: u64) -> bint:
        """Only the one that watches lets go (6.16)."""
        owner: u64 = self.vm_userfaultfd_ctx(vma)
        if owner != 0 and owner != ctx:
            return False
        return Calls618.uffd_may_unregister(self, vma, ctx)

    def uffd_modify(
        self, mm: u64, prev: u64, vma: u64, start: u64, end: u64, new: u64, ctx: u64
    ) -> u64:
        """As every other change of attributes, with the right page offset (6.4)."""
        return self.vma_modify(
            mm,
            prev,
            vma,
            start,
            end,
            new,
            self.vm_policy(vma),
            ctx,
            self.anon_vma_name(vma),
        )

    # process_madvise

    def process_madvise_valid(self, advice: u64, length: u64) -> bint:
        """A process may give itself any advice (6.13); no range, no look at the advice."""
        return length == 0 or self.madvise_behavior_valid(advice)

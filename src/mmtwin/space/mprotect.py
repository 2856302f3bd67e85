"""mprotect and pkey_mprotect: change the access to a range, area by area."""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.brk import Brk
from mmtwin.space.words import err_ptr, is_err, ptr_err

if not cython.compiled:
    from mmtwin.pages.words import load

TOP = declare(u64, c.MAX)
PROT_READ = declare(u64, c.PROT_READ)
PROT_EXEC = declare(u64, c.PROT_EXEC)
PROT_GROWSDOWN = declare(u64, c.PROT_GROWSDOWN)
PROT_GROWSUP = declare(u64, c.PROT_GROWSUP)
PROT_KNOWN = declare(u64, c.PROT_READ | c.PROT_WRITE | c.PROT_EXEC | c.PROT_SEM)
READ_IMPLIES_EXEC = declare(u64, c.READ_IMPLIES_EXEC)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
VM_GROWSDOWN = declare(u64, c.VM_GROWSDOWN)
VM_MAYEXEC = declare(u64, c.VM_MAYEXEC)
VM_ACCESS_FLAGS = declare(u64, c.VM_ACCESS_FLAGS)
VM_CLEAR = declare(u64, c.VM_ACCESS_FLAGS | c.VM_PKEY_BITS)
CHARGED_OR_EXEMPT = declare(
    u64, c.VM_ACCOUNT | c.VM_WRITE | c.VM_HUGETLB | c.VM_SHARED | c.VM_NORESERVE
)
PKEYS = declare(u64, 128)
NO_PKEY = declare(u64, 0xFFFFFFFF)


class Mprotect(Brk):
    """``do_mprotect_pkey`` and ``mprotect_fixup``."""

    def sys_mprotect(self, mm: u64, start: u64, length: u64, prot: u64) -> i64:
        """mprotect(2): 0 or a negative errno; areas before the one that failed stay changed."""
        return self.do_mprotect_pkey(mm, start, length, prot, NO_PKEY)

    def sys_pkey_mprotect(self, mm: u64, start: u64, length: u64, prot: u64, pkey: u64) -> i64:
        """pkey_mprotect(2); ``pkey`` is a 32-bit argument, -1 leaves the key alone."""
        return self.do_mprotect_pkey(mm, start, length, prot, pkey & NO_PKEY)

    def do_mprotect_pkey(self, mm: u64, start: u64, length: u64, prot: u64, pkey: u64) -> i64:
        """The checks in the kernel's order, then the areas of [start, start + length)."""
        grows: u64 = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
        prot = prot & ~(PROT_GROWSDOWN | PROT_GROWSUP)
        if grows == PROT_GROWSDOWN | PROT_GROWSUP or start & ~self.page_mask != 0:
            return -errno.EINVAL
        if length == 0:
            return 0
        end: u64 = (start + ((length + self.page_size - 1) & self.page_mask)) & TOP
        if end <= start:
            return -errno.ENOMEM
        if prot & ~PROT_KNOWN != 0:
            return -errno.EINVAL
        if pkey != NO_PKEY and not self.mm_pkey_is_allocated(pkey):
            return -errno.EINVAL
        vma: u64 = self.find_vma(mm, start)
        if vma == 0:
            return -errno.ENOMEM
        if grows & PROT_GROWSDOWN != 0:
            if self.vm_start(vma) >= end:
                return -errno.ENOMEM
            start = self.vm_start(vma)
            if self.vm_flags(vma) & VM_GROWSDOWN == 0:
                return -errno.EINVAL
        else:
            if self.vm_start(vma) > start:
                return -errno.ENOMEM
            if grows & PROT_GROWSUP != 0:
                return -errno.EINVAL
        return self.mprotect_areas(mm, vma, start, end, prot, pkey)

    def mm_pkey_is_allocated(self, pkey: u64) -> bint:
        """Whether a protection key may be used; without the CPU's support not even key 0 may."""
        return pkey == 0 and load(self.memory, self.sysctl + PKEYS) != 0

    def mprotect_areas(self, mm: u64, vma: u64, start: u64, end: u64, prot: u64, pkey: u64) -> i64:
        """Go from area to area; ``vma`` contains ``start``. A hole or refusal ends the way."""
        reads_as_code: bint = prot & PROT_READ != 0 and (
            self.personality(mm) & READ_IMPLIES_EXEC != 0
        )
        prev: u64 = vma if start > self.vm_start(vma) else self.vma_prev(mm, start)
        at: u64 = start
        while True:
            old: u64 = self.vm_flags(vma)
            wanted: u64 = prot & VM_ACCESS_FLAGS
            if reads_as_code and old & VM_MAYEXEC != 0:
                wanted |= PROT_EXEC
            # No pkey asked for: the old one stays. Asked for: key 0, the only one there is.
            cleared: u64 = VM_ACCESS_FLAGS if pkey == NO_PKEY else VM_CLEAR
            new: u64 = wanted | (old & ~cleared)
            if new & ~(new >> 4) & VM_ACCESS_FLAGS != 0:
                return -errno.EACCES
            upto: u64 = self.vm_end(vma)
            if upto > end:
                upto = end
            done: u64 = self.mprotect_fixup(mm, vma, prev, at, upto, new)
            if is_err(done):
                return self.mprotect_failed(done)
            at = self.mprotect_next(done, upto)
            if at >= end:
                return 0
            prev = done
            vma = self.find_vma(mm, at)
            if vma == 0 or self.vm_start(vma) != at:
                return self.mprotect_hole(prev, at, end)

    def mprotect_next(self, done: u64, upto: u64) -> u64:
        """Where the walk goes on: a merge may have taken in areas above that need no change."""
        past: u64 = self.vm_end(done)
        return past if past > upto else upto

    def mprotect_failed(self, error: u64) -> i64:
        """The result of a walk that one area ended, from its errno as an address."""
        return ptr_err(error)

    def mprotect_hole(self, prev: u64, at: u64, end: u64) -> i64:
        """The result of a walk that found nothing mapped at ``at``, before ``end``."""
        return -errno.ENOMEM

    def mprotect_fixup(self, mm: u64, vma: u64, prev: u64, start: u64, end: u64, new: u64) -> u64:
        """Give [start, end) of ``vma`` the flags ``new``.

        Returns the VMA that covers it now, or ``-ENOMEM`` or ``-EINVAL`` as an address. ``prev`` is
        the VMA before ``vma``, or ``vma`` itself if ``start`` lies inside.
        """
        old: u64 = self.vm_flags(vma)
        if new == old:
            return vma
        pages: u64 = (end - start) >> self.page_shift
        charged: u64 = 0
        if new & VM_WRITE != 0 and (
            not self.may_expand_vm(mm, new, pages) and self.may_expand_vm(mm, old, pages)
        ):
            return err_ptr(-errno.ENOMEM)
        new = self.mprotect_account(vma, old, new)
        if new & ~old & VM_ACCOUNT != 0:
            charged = pages
            if self.vm_enough_memory(mm, charged) != 0:
                return err_ptr(-errno.ENOMEM)
        changed: u64 = self.vma_modify(
            mm,
            prev,
            vma,
            start,
            end,
            new,
            self.vm_policy(vma),
            self.vm_userfaultfd_ctx(vma),
            self.anon_vma_name(vma),
        )
        if is_err(changed):
            if charged != 0:
                self.vm_unacct_memory(charged)
            return changed
        self.vm_flags_reset(changed, self.vma_flags_kept(changed, new))
        self.change_protection(changed, start, end, old)
        if old & ~new & VM_ACCOUNT != 0:
            self.vm_unacct_memory(pages)
        if old & (VM_WRITE | VM_SHARED | VM_LOCKED) == VM_LOCKED and new & VM_WRITE != 0:
            self.populate_vma_page_range(changed, start, end)
        self.vm_stat_account(mm, old, -pages)
        self.vm_stat_account(mm, new, pages)
        return changed

    def change_protection(self, vma: u64, start: u64, end: u64, old: u64) -> None:
        """Give the page-table entries of [start, end) the area's new bits; ``old`` flags it had."""

    def mprotect_account(self, vma: u64, old: u64, new: u64) -> u64:
        """``new`` with VM_ACCOUNT if private memory becomes writable for the first time.

        It then stays, also when the area becomes read-only again.
        """
        if new & VM_WRITE != 0 and old & CHARGED_OR_EXEMPT == 0:
            return new | VM_ACCOUNT
        return new

    def vma_flags_kept(self, vma: u64, new: u64) -> u64:
        """``new`` with the bits of ``vma`` that a change of flags leaves alone: none in 6.1."""
        return new

    def vm_flags_reset(self, vma: u64, new: u64) -> None:
        """Replace an area's flags and what its page-table entries derive from them."""
        self.set_vm_flags(vma, new)
        self.vma_set_page_prot(vma)

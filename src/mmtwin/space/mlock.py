"""mlock, mlock2, munlock, mlockall, munlockall: which areas must stay in memory."""

from __future__ import annotations

import errno

from cython import declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.mprotect import Mprotect
from mmtwin.space.words import is_err, ptr_err

TOP = declare(u64, c.MAX)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_LOCKONFAULT = declare(u64, c.VM_LOCKONFAULT)
VM_LOCKED_MASK = declare(u64, c.VM_LOCKED_MASK)
NEVER_LOCKED = declare(u64, c.VM_SPECIAL | c.VM_HUGETLB | c.VM_DROPPABLE_6_18)
RLIMIT_MEMLOCK = declare(u64, c.RLIMIT_MEMLOCK)
CAP_IPC_LOCK = declare(u64, c.CAP_IPC_LOCK)
MLOCK_ONFAULT = declare(u64, c.MLOCK_ONFAULT)
MCL_CURRENT = declare(u64, c.MCL_CURRENT)
MCL_FUTURE = declare(u64, c.MCL_FUTURE)
MCL_ONFAULT = declare(u64, c.MCL_ONFAULT)
INT = declare(u64, 0xFFFFFFFF)


class Mlock(Mprotect):
    """``do_mlock``, ``mlock_fixup`` and the calls for whole address spaces."""

    def sys_mlock(self, mm: u64, start: u64, length: u64) -> i64:
        """mlock(2): 0 or a negative errno."""
        return self.do_mlock(mm, start, length, VM_LOCKED)

    def sys_mlock2(self, mm: u64, start: u64, length: u64, flags: u64) -> i64:
        """mlock2(2): with MLOCK_ONFAULT pages are locked when they are first touched."""
        if flags & INT & ~MLOCK_ONFAULT != 0:
            return -errno.EINVAL
        if flags & MLOCK_ONFAULT != 0:
            return self.do_mlock(mm, start, length, VM_LOCKED | VM_LOCKONFAULT)
        return self.do_mlock(mm, start, length, VM_LOCKED)

    def sys_munlock(self, mm: u64, start: u64, length: u64) -> i64:
        """munlock(2): 0 or a negative errno."""
        length = (
            ((length + (start & ~self.page_mask)) & TOP) + self.page_size - 1
        ) & self.page_mask
        return self.apply_vma_lock_flags(mm, start & self.page_mask, length, 0)

    def sys_mlockall(self, mm: u64, flags: u64) -> i64:
        """mlockall(2): 0 or a negative errno. ``flags`` is a 32-bit argument."""
        flags = flags & INT
        if flags == 0 or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0:
            return -errno.EINVAL
        if flags == MCL_ONFAULT:
            return -errno.EINVAL
        if not self.can_do_mlock(mm):
            return -errno.EPERM
        limit: u64 = self.rlimit(mm, RLIMIT_MEMLOCK) >> self.page_shift
        if (
            flags & MCL_CURRENT != 0
            and self.total_vm(mm) > limit
            and not self.capable(mm, CAP_IPC_LOCK)
        ):
            return -errno.ENOMEM
        self.apply_mlockall_flags(mm, flags)
        if flags & MCL_CURRENT != 0:
            self.mm_populate(mm, 0, self.task_size(mm), True)
        return 0

    def sys_munlockall(self, mm: u64) -> i64:
        """munlockall(2): always 0."""
        self.apply_mlockall_flags(mm, 0)
        return 0

    def do_mlock(self, mm: u64, start: u64, length: u64, vm_flags: u64) -> i64:
        """Lock all pages that [start, start + length) touches, and fault them in."""
        if not self.can_do_mlock(mm):
            return -errno.EPERM
        length = (
            ((length + (start & ~self.page_mask)) & TOP) + self.page_size - 1
        ) & self.page_mask
        start = start & self.page_mask
        limit: u64 = self.rlimit(mm, RLIMIT_MEMLOCK) >> self.page_shift
        locked: u64 = (length >> self.page_shift) + self.locked_vm(mm)
        if locked > limit and not self.capable(mm, CAP_IPC_LOCK):
            # What is locked already in the range was counted twice.
            locked -= self.count_mm_mlocked_page_nr(mm, start, length)
            if locked > limit:
                return -errno.ENOMEM
        error: i64 = self.apply_vma_lock_flags(mm, start, length, vm_flags)
        if error != 0:
            return error
        error = self.mm_populate(mm, start, length, False)
        if error == -errno.EFAULT:
            return -errno.ENOMEM
        if error == -errno.ENOMEM:
            return -errno.EAGAIN
        return error

    def count_mm_mlocked_page_nr(self, mm: u64, start: u64, length: u64) -> u64:
        """How many pages of the range lie in locked areas."""
        end: u64 = TOP if length > TOP - start else start + length
        bytes_locked: u64 = 0
        vma: u64 = self.find_vma(mm, start)
        while vma != 0 and self.vm_start(vma) < end:
            past: u64 = self.vm_end(vma)
            if self.vm_flags(vma) & VM_LOCKED != 0:
                first: u64 = self.vm_start(vma)
                bytes_locked += (past if past < end else end) - (start if start > first else first)
            vma = self.find_vma(mm, past)
        return bytes_locked >> self.page_shift

    def apply_vma_lock_flags(self, mm: u64, start: u64, length: u64, vm_flags: u64) -> i64:
        """Set the lock bits of every area in the range to ``vm_flags``; a hole ends the way."""
        if length > TOP - start:
            return -errno.EINVAL
        end: u64 = start + length
        if end == start:
            return 0
        vma: u64 = self.vma_lookup(mm, start)
        if vma == 0:
            return -errno.ENOMEM
        prev: u64 = vma if start > self.vm_start(vma) else self.vma_prev(mm, start)
        at: u64 = start
        while True:
            new: u64 = (self.vm_flags(vma) & ~VM_LOCKED_MASK) | vm_flags
            upto: u64 = self.vm_end(vma)
            if upto > end:
                upto = end
            done: u64 = self.mlock_fixup(mm, vma, prev, at, upto, new)
            if is_err(done):
                return ptr_err(done)
            at = self.vm_end(done)
            if at < upto:
                at = upto
            if at >= end:
                return 0
            prev = done
            vma = self.find_vma(mm, at)
            if vma == 0 or self.vm_start(vma) != at:
                return self.mlock_hole(prev, at, end)

    def mlock_hole(self, prev: u64, at: u64, end: u64) -> i64:
        """The result of a walk that found nothing mapped at ``at``, before ``end``."""
        return -errno.ENOMEM

    def mlock_fixup(self, mm: u64, vma: u64, prev: u64, start: u64, end: u64, new: u64) -> u64:
        """Give [start, end) of ``vma`` the flags ``new`` and count its pages.

        Returns the VMA that covers it now, or an errno as an address. Areas that cannot be locked
        are passed over without a word.
        """
        old: u64 = self.vm_flags(vma)
        if new == old or old & NEVER_LOCKED != 0:
            return vma
        done: u64 = self.vma_modify(
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
        if is_err(done):
            return done
        pages: u64 = (end - start) >> self.page_shift
        if new & VM_LOCKED == 0:
            self.set_locked_vm(mm, self.locked_vm(mm) - pages)
        elif old & VM_LOCKED == 0:
            self.set_locked_vm(mm, self.locked_vm(mm) + pages)
        self.set_vm_flags(done, self.vma_flags_kept(done, new))
        if (old ^ new) & VM_LOCKED != 0:
            self.mlock_vma_pages_range(done, start, end)
        return done

    def mlock_vma_pages_range(self, vma: u64, start: u64, end: u64) -> None:
        """Lock or unlock the pages that [start, end) maps, as its area's flags are now."""
        raise TypeError("pages are locked by a class further up")

    def apply_mlockall_flags(self, mm: u64, flags: u64) -> None:
        """Lock or unlock every area, and set what new areas get; errors are passed over."""
        inherited: u64 = self.def_flags(mm) & ~VM_LOCKED_MASK
        added: u64 = VM_LOCKED
        if flags & MCL_ONFAULT != 0:
            added |= VM_LOCKONFAULT
        if flags & MCL_FUTURE != 0:
            inherited |= added
        self.set_def_flags(mm, inherited)
        if flags & (MCL_FUTURE | MCL_CURRENT) == MCL_FUTURE:
            return
        if flags & MCL_CURRENT == 0:
            added = 0
        prev: u64 = 0
        vma: u64 = self.find_vma(mm, 0)
        while vma != 0:
            past: u64 = self.vm_end(vma)
            new: u64 = (self.vm_flags(vma) & ~VM_LOCKED_MASK) | added
            done: u64 = self.mlock_fixup(mm, vma, prev, self.vm_start(vma), past, new)
            prev = vma if is_err(done) else done
            vma = self.find_vma(mm, past)

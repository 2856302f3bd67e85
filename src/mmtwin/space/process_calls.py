"""Calls on the memory of a process that is named: process_madvise, process_vm_readv and -writev."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.userfaultfd import Userfaultfd

VM_READ = declare(u64, c.VM_READ)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_IO = declare(u64, c.VM_IO)
VM_PFNMAP = declare(u64, c.VM_PFNMAP)
LARGEST = declare(u64, 0x7FFFF000)
"""Bytes that one call takes at most (MAX_RW_COUNT)."""
NEGATIVE = declare(u64, 1 << 63)
REMOTE_ADVICE = (c.MADV_WILLNEED, c.MADV_COLD, c.MADV_PAGEOUT, c.MADV_COLLAPSE)
"""What 6.1 lets process_madvise do."""


class ProcessCalls(Userfaultfd):
    """Both calls with one range; who may call is the caller's business."""

    def sys_process_madvise(self, mm: u64, start: u64, length: u64, advice: u64, flags: u64) -> i64:
        """process_madvise(2) on ``mm``: bytes advised, or a negative errno."""
        if flags != 0:
            return -errno.EINVAL
        if length >= NEGATIVE:
            return -errno.EINVAL
        # Since 6.4 a single range is cut to what one call takes before it is looked at.
        taken: u64 = length if length < LARGEST else LARGEST
        if not self.access_ok(mm, start, taken if self.profile.since(6, 4) else length):
            return -errno.EFAULT
        length = taken
        if not self.process_madvise_valid(advice, length):
            return -errno.EINVAL
        if not self.profile.since(6, 13) and not self.capable(mm, c.CAP_SYS_NICE):
            return -errno.EPERM
        if length == 0:
            return 0
        error: i64 = self.sys_madvise(mm, start, length, advice)
        return error if error < 0 else length

    def access_ok(self, mm: u64, start: u64, length: u64) -> bint:
        """Whether the range can be a program's at all."""
        top: u64 = self.task_size(mm)
        return length <= top and start <= top - length

    def process_madvise_valid(self, advice: u64, length: u64) -> bint:
        """Whether this advice may be given from outside."""
        return advice in REMOTE_ADVICE

    def sys_process_vm(self, mm: u64, addr: u64, length: u64, write: bint) -> i64:
        """process_vm_readv(2) and -writev(2): bytes reached, ``-EFAULT`` if none was.

        Stacks do not grow by it.
        """
        end: u64 = addr + length
        done: u64 = 0
        wanted: u64 = VM_WRITE if write else VM_READ
        while addr < end:
            page: u64 = addr & self.page_mask
            vma: u64 = self.vma_lookup(mm, page)
            if vma == 0 or self.vm_flags(vma) & (VM_IO | VM_PFNMAP) != 0:
                break
            if self.vm_flags(vma) & wanted == 0:
                break
            if self.pin_page(vma, page, write) != 0:
                break
            upto: u64 = page + self.page_size
            if upto > end:
                upto = end
            done += upto - addr
            addr = upto
        if done == 0 and length != 0:
            return -errno.EFAULT
        return done

    def pin_page(self, vma: u64, page: u64, write: bint) -> i64:
        """``pin_user_pages_remote`` of one page: 0 or a negative errno."""
        return self.handle_range(vma, page, page + self.page_size, write)

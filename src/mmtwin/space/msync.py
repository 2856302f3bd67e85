"""msync and mincore: calls that look at areas and change none."""

from __future__ import annotations

import errno

from cython import declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.remap_file_pages import RemapFilePages

TOP = declare(u64, c.MAX)
INT = declare(u64, 0xFFFFFFFF)
VM_LOCKED = declare(u64, c.VM_LOCKED)
MS_ASYNC = declare(u64, c.MS_ASYNC)
MS_INVALIDATE = declare(u64, c.MS_INVALIDATE)
MS_SYNC = declare(u64, c.MS_SYNC)


class Msync(RemapFilePages):
    """The two system calls."""

    def sys_msync(self, mm: u64, start: u64, length: u64, flags: u64) -> i64:
        """msync(2): 0 or a negative errno. Writing back is the file system's affair."""
        flags = flags & INT
        if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) != 0 or start & ~self.page_mask != 0:
            return -errno.EINVAL
        if flags & MS_ASYNC != 0 and flags & MS_SYNC != 0:
            return -errno.EINVAL
        end: u64 = (start + ((length + self.page_size - 1) & self.page_mask)) & TOP
        if end < start:
            return -errno.ENOMEM
        result: i64 = 0
        while start < end:
            vma: u64 = self.find_vma(mm, start)
            if vma == 0:
                return -errno.ENOMEM
            if start < self.vm_start(vma):
                if flags == MS_ASYNC or self.vm_start(vma) >= end:
                    return -errno.ENOMEM
                result = -errno.ENOMEM
            if flags & MS_INVALIDATE != 0 and self.vm_flags(vma) & VM_LOCKED != 0:
                return -errno.EBUSY
            start = self.vm_end(vma)
        return result

    def sys_mincore(self, mm: u64, start: u64, length: u64) -> i64:
        """mincore(2) with a good vector: 0 or a negative errno. Which pages are in is not told."""
        if start & ~self.page_mask != 0:
            return -errno.EINVAL
        if length > self.task_size(mm) or start > self.task_size(mm) - length:
            return -errno.ENOMEM
        end: u64 = start + ((length + self.page_size - 1) & self.page_mask)
        while start < end:
            vma: u64 = self.vma_lookup(mm, start)
            if vma == 0:
                return -errno.ENOMEM
            start = self.vm_end(vma)
        return 0

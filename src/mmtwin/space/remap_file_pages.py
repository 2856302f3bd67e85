"""remap_file_pages: what is left of non-linear mappings, emulated by mmap."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.mremap import Mremap
from mmtwin.space.words import failed

TOP = declare(u64, c.MAX)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_ACCESS_FLAGS = declare(u64, c.VM_ACCESS_FLAGS)
MAP_NONBLOCK = declare(u64, c.MAP_NONBLOCK)
MAP_LOCKED = declare(u64, c.MAP_LOCKED)
MAP_AS_BEFORE = declare(u64, c.MAP_SHARED | c.MAP_FIXED | c.MAP_POPULATE)


class RemapFilePages(Mremap):
    """The system call."""

    def sys_remap_file_pages(
        self, mm: u64, start: u64, size: u64, prot: u64, pgoff: u64, map_flags: u64
    ) -> i64:
        """remap_file_pages(2): 0 or a negative errno.

        The range must lie in shared areas of one file with equal flags, without holes; it is then
        mapped again, from page ``pgoff`` of the file on. ``prot`` must be 0.
        """
        if prot != 0:
            return -errno.EINVAL
        start = start & self.page_mask
        size = size & self.page_mask
        if size == 0 or size > TOP - start or size >> self.page_shift > TOP - pgoff:
            return -errno.EINVAL
        vma: u64 = self.vma_lookup(mm, start)
        if vma == 0 or self.vm_flags(vma) & VM_SHARED == 0:
            return -errno.EINVAL
        if not self.remap_range_uniform(mm, vma, start + size):
            return -errno.EINVAL
        vm_flags: u64 = self.vm_flags(vma)
        file: u64 = self.vm_file(vma)
        map_flags = (map_flags & MAP_NONBLOCK) | MAP_AS_BEFORE
        if vm_flags & VM_LOCKED != 0:
            map_flags |= MAP_LOCKED
        # Its own reference: mapping over the area may drop the area's.
        self.get_file(file)
        found: i64 = self.vm_mmap_pgoff(
            mm, file, start, size, vm_flags & VM_ACCESS_FLAGS, map_flags, pgoff
        )
        self.fput(file)
        return found if failed(found) else 0

    def remap_range_uniform(self, mm: u64, vma: u64, end: u64) -> bint:
        """Whether areas like ``vma`` follow it without a hole up to ``end``."""
        past: u64 = self.vm_end(vma)
        while past < end:
            near: u64 = self.vma_lookup(mm, past)
            if near == 0 or self.vm_file(near) != self.vm_file(vma):
                return False
            if self.vm_flags(near) != self.vm_flags(vma):
                return False
            past = self.vm_end(near)
        return True

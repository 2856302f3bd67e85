"""userfaultfd: which areas one watches, as far as it decides which areas may be one.

The context is the open file of userfaultfd(2). No page is ever missing or write-protected here:
only registering and what happens to registered areas is modelled.
"""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.mbind import Mbind
from mmtwin.space.words import err_ptr, is_err, ptr_err

VM_MAYWRITE = declare(u64, c.VM_MAYWRITE)
VM_UFFD_MISSING = declare(u64, c.VM_UFFD_MISSING)
VM_UFFD_WP = declare(u64, c.VM_UFFD_WP)
MODE_MISSING = declare(u64, 1)
MODE_WP = declare(u64, 2)
MODE_MINOR = declare(u64, 4)
FILE_SHMEM = declare(u64, files.FILE_SHMEM)


class Userfaultfd(Mbind):
    """``userfaultfd_register`` and ``userfaultfd_unregister``."""

    def uffdio_register(self, mm: u64, ctx: u64, start: u64, length: u64, mode: u64) -> i64:
        """ioctl(UFFDIO_REGISTER) on ``ctx``, which was opened by the owner of ``mm``.

        0 or a negative errno; areas before the one that failed stay registered.
        """
        if mode == 0 or mode & ~(MODE_MISSING | MODE_WP | MODE_MINOR) != 0:
            return -errno.EINVAL
        wanted: u64 = VM_UFFD_MISSING if mode & MODE_MISSING != 0 else 0
        if mode & MODE_WP != 0:
            wanted |= VM_UFFD_WP
        if mode & MODE_MINOR != 0:
            wanted |= self.vm_uffd_minor()
        first: u64 = self.uffd_first(mm, start, length)
        if is_err(first):
            return ptr_err(first)
        end: u64 = start + length
        vma: u64 = first
        while vma != 0 and self.vm_start(vma) < end:
            if not self.vma_can_userfault(vma, wanted):
                return -errno.EINVAL
            if self.vm_flags(vma) & VM_MAYWRITE == 0:
                return -errno.EPERM
            if end <= self.vm_end(vma) and end & (self.vma_kernel_pagesize(vma) - 1) != 0:
                return -errno.EINVAL
            owner: u64 = self.vm_userfaultfd_ctx(vma)
            if owner != 0 and owner != ctx:
                return -errno.EBUSY
            vma = self.find_vma(mm, self.vm_end(vma))
        return self.uffd_change(mm, first, start, end, ctx, wanted)

    def uffdio_unregister(self, mm: u64, ctx: u64, start: u64, length: u64) -> i64:
        """ioctl(UFFDIO_UNREGISTER): as ``uffdio_register``, the other way."""
        first: u64 = self.uffd_first(mm, start, length)
        if is_err(first):
            return ptr_err(first)
        end: u64 = start + length
        vma: u64 = first
        while vma != 0 and self.vm_start(vma) < end:
            if not self.uffd_may_unregister(vma, ctx):
                return -errno.EINVAL
            vma = self.find_vma(mm, self.vm_end(vma))
        return self.uffd_change(mm, first, start, end, 0, 0)

    def uffd_first(self, mm: u64, start: u64, length: u64) -> u64:
        """The first area of the range, or a negative errno as an address."""
        top: u64 = self.task_size(mm)
        ragged: bint = start & ~self.page_mask != 0 or length & ~self.page_mask != 0
        if ragged or length == 0 or start >= top or length > top - start:
            return err_ptr(-errno.EINVAL)
        vma: u64 = self.find_vma(mm, start)
        if vma == 0:  # nothing above either, which 6.18 does not look for
            return err_ptr(-errno.EINVAL if self.profile.since(6, 12) else -errno.ENOMEM)
        if self.vm_start(vma) >= start + length:
            return err_ptr(-errno.EINVAL)
        if start & (self.vma_kernel_pagesize(vma) - 1) != 0:
            return err_ptr(-errno.EINVAL)
        return vma

    def vma_can_userfault(self, vma: u64, wanted: u64) -> bint:
        """Whether an area of this kind can be watched: anonymous, shared memory, hugetlbfs."""
        if self.is_vm_hugetlb_page(vma):
            return True
        file: u64 = self.vm_file(vma)
        anonymous: bint = self.vma_is_anonymous(vma)
        shmem: bint = not anonymous and file != 0 and self.file_kind(file) == FILE_SHMEM
        if wanted & self.vm_uffd_minor() != 0 and not shmem:
            return False
        return anonymous or shmem

    def uffd_may_unregister(self, vma: u64, ctx: u64) -> bint:
        """Whether ``ctx`` may let go of the area; one that watches something else may, too."""
        return self.vma_can_userfault(vma, self.vm_flags(vma))

    def uffd_change(self, mm: u64, vma: u64, start: u64, end: u64, ctx: u64, wanted: u64) -> i64:
        """Give [start, end), whose areas are found good, the context and its flags."""
        prev: u64 = vma if start > self.vm_start(vma) else self.vma_prev(mm, start)
        while vma != 0 and self.vm_start(vma) < end:
            old: u64 = self.vm_flags(vma)
            owner: u64 = self.vm_userfaultfd_ctx(vma)
            same: bint = owner == ctx and (ctx == 0 or old & wanted == wanted)
            if not same:
                if self.vm_start(vma) > start:
                    start = self.vm_start(vma)
                upto: u64 = self.vm_end(vma) if self.vm_end(vma) < end else end
                new: u64 = (old & ~self.uffd_flags()) | wanted
                vma = self.uffd_modify(mm, prev, vma, start, upto, new, ctx)
                if is_err(vma):
                    return ptr_err(vma)
                self.vm_flags_reset(vma, self.vma_flags_kept(vma, new))
                self.set_vm_userfaultfd_ctx(vma, ctx)
            prev = vma
            start = self.vm_end(vma)
            vma = self.find_vma(mm, start)
        return 0

    def uffd_modify(
        self, mm: u64, prev: u64, vma: u64, start: u64, end: u64, new: u64, ctx: u64
    ) -> u64:
        """Merge or split for a new context: the VMA, or a negative errno as an address.

        6.1 tells merging the page offset of the area's start even where the range begins inside
        (270aa0106217 is not in it), so such a range seldom joins what follows.
        """
        merged: u64 = self.vma_merge(
            mm,
            prev,
            start,
            end,
            new,
            self.anon_vma(vma),
            self.vm_file(vma),
            self.vm_pgoff(vma),
            self.vm_policy(vma),
            ctx,
            self.anon_vma_name(vma),
        )
        if merged != 0:
            return merged
        error: i64 = 0
        if self.vm_start(vma) < start:
            error = self.split_vma(mm, vma, start, True)
        if error == 0 and self.vm_end(vma) > end:
            error = self.split_vma(mm, vma, end, False)
        return vma if error == 0 else err_ptr(error)

"""madvise: advice about a range, area by area; holes are passed over and remembered."""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.mlock import Mlock
from mmtwin.space.words import err_ptr, is_err, ptr_err

if not cython.compiled:
    from mmtwin.pages.words import load
    from mmtwin.space.parts import load32

TOP = declare(u64, c.MAX)
INT = declare(u64, 0xFFFFFFFF)
VM_READ = declare(u64, c.VM_READ)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_MAYWRITE = declare(u64, c.VM_MAYWRITE)
VM_SEQ_READ = declare(u64, c.VM_SEQ_READ)
VM_RAND_READ = declare(u64, c.VM_RAND_READ)
VM_IO = declare(u64, c.VM_IO)
VM_PFNMAP = declare(u64, c.VM_PFNMAP)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_DONTCOPY = declare(u64, c.VM_DONTCOPY)
VM_DONTDUMP = declare(u64, c.VM_DONTDUMP)
VM_HUGETLB = declare(u64, c.VM_HUGETLB)
VM_WIPEONFORK = declare(u64, c.VM_WIPEONFORK)
VM_SPECIAL = declare(u64, c.VM_SPECIAL)
VM_HUGEPAGE = declare(u64, c.VM_HUGEPAGE)
VM_NOHUGEPAGE = declare(u64, c.VM_NOHUGEPAGE)
VM_MERGEABLE = declare(u64, c.VM_MERGEABLE)
VM_DROPPABLE = declare(u64, c.VM_DROPPABLE_6_18)
NEVER_KSM = declare(
    u64, c.VM_SHARED | c.VM_MAYSHARE | c.VM_SPECIAL | c.VM_HUGETLB | c.VM_DROPPABLE_6_18
)
THP_CONFIG = declare(u64, 144)
FILE_DEVICE = declare(u64, files.FILE_DEVICE)
I_FLAGS = declare(u64, 12)
I_SEALS = declare(u64, 608)
S_SWAPFILE = declare(u64, 0x100)
F_SEAL_WRITES = declare(u64, 0x18)
"""Against writing, now or through future mappings."""
SAME = declare(u64, 0xFFFFFFFFFFFFFFFF)
"""``madvise_new_flags``: the advice changes no flags."""
MADV_NORMAL = declare(u64, c.MADV_NORMAL)
MADV_RANDOM = declare(u64, c.MADV_RANDOM)
MADV_SEQUENTIAL = declare(u64, c.MADV_SEQUENTIAL)
MADV_WILLNEED = declare(u64, c.MADV_WILLNEED)
MADV_DONTNEED = declare(u64, c.MADV_DONTNEED)
MADV_FREE = declare(u64, c.MADV_FREE)
MADV_REMOVE = declare(u64, c.MADV_REMOVE)
MADV_DONTFORK = declare(u64, c.MADV_DONTFORK)
MADV_DOFORK = declare(u64, c.MADV_DOFORK)
MADV_MERGEABLE = declare(u64, c.MADV_MERGEABLE)
MADV_UNMERGEABLE = declare(u64, c.MADV_UNMERGEABLE)
MADV_HUGEPAGE = declare(u64, c.MADV_HUGEPAGE)
MADV_NOHUGEPAGE = declare(u64, c.MADV_NOHUGEPAGE)
MADV_DONTDUMP = declare(u64, c.MADV_DONTDUMP)
MADV_DODUMP = declare(u64, c.MADV_DODUMP)
MADV_WIPEONFORK = declare(u64, c.MADV_WIPEONFORK)
MADV_KEEPONFORK = declare(u64, c.MADV_KEEPONFORK)
MADV_COLD = declare(u64, c.MADV_COLD)
MADV_PAGEOUT = declare(u64, c.MADV_PAGEOUT)
MADV_POPULATE_READ = declare(u64, c.MADV_POPULATE_READ)
MADV_POPULATE_WRITE = declare(u64, c.MADV_POPULATE_WRITE)
MADV_DONTNEED_LOCKED = declare(u64, c.MADV_DONTNEED_LOCKED)
MADV_COLLAPSE = declare(u64, c.MADV_COLLAPSE)
# Sets of advice: bit n is advice n.
OF_PAGES = declare(
    u64,
    1 << c.MADV_WILLNEED
    | 1 << c.MADV_DONTNEED
    | 1 << c.MADV_FREE
    | 1 << c.MADV_REMOVE
    | 1 << c.MADV_COLD
    | 1 << c.MADV_PAGEOUT
    | 1 << c.MADV_POPULATE_READ
    | 1 << c.MADV_POPULATE_WRITE
    | 1 << c.MADV_DONTNEED_LOCKED
    | 1 << c.MADV_COLLAPSE,
)
OF_AREAS = declare(
    u64,
    1 << c.MADV_NORMAL
    | 1 << c.MADV_RANDOM
    | 1 << c.MADV_SEQUENTIAL
    | 1 << c.MADV_DONTFORK
    | 1 << c.MADV_DOFORK
    | 1 << c.MADV_MERGEABLE
    | 1 << c.MADV_UNMERGEABLE
    | 1 << c.MADV_HUGEPAGE
    | 1 << c.MADV_NOHUGEPAGE
    | 1 << c.MADV_DONTDUMP
    | 1 << c.MADV_DODUMP
    | 1 << c.MADV_WIPEONFORK
    | 1 << c.MADV_KEEPONFORK,
)
OF_HUGE_PAGES = declare(u64, 1 << c.MADV_HUGEPAGE | 1 << c.MADV_NOHUGEPAGE | 1 << c.MADV_COLLAPSE)


class Madvise(Mlock):
    """``do_madvise``, the walk, and what each advice does to an area."""

    def sys_madvise(self, mm: u64, start: u64, length: u64, advice: u64) -> i64:
        """madvise(2): 0 or a negative errno; areas before the one that failed stay changed."""
        return self.do_madvise(mm, start, length, advice & INT)

    def do_madvise(self, mm: u64, start: u64, length: u64, advice: u64) -> i64:
        """The checks in the kernel's order, then the areas."""
        if not self.madvise_behavior_valid(advice) or start & ~self.page_mask != 0:
            return -errno.EINVAL
        rounded: u64 = (length + self.page_size - 1) & self.page_mask
        if length != 0 and rounded == 0:
            return -errno.EINVAL
        end: u64 = (start + rounded) & TOP
        if end < start:
            return -errno.EINVAL
        if end == start:
            return 0
        return self.madvise_range(mm, start, end, advice)

    def madvise_behavior_valid(self, advice: u64) -> bint:
        """Whether this kernel knows the advice (memory failure injection is configured out)."""
        if advice >= 64:
            return False
        known: u64 = OF_AREAS | OF_PAGES
        if load(self.memory, self.sysctl + THP_CONFIG) == 0:
            known &= ~OF_HUGE_PAGES
        return (known >> advice) & 1 != 0

    def madvise_range(self, mm: u64, start: u64, end: u64, advice: u64) -> i64:
        """Advise all of [start, end), once the arguments are found good."""
        return self.madvise_walk_vmas(mm, start, end, advice, 0)

    def madvise_walk_vmas(self, mm: u64, start: u64, end: u64, advice: u64, name: u64) -> i64:
        """Visit the areas of [start, end); a hole makes the result ``-ENOMEM`` at the end.

        ``advice`` of ``SAME`` names the areas: ``name`` is the name's number, 0 for none.
        """
        vma: u64 = self.find_vma(mm, start)
        if vma == 0:
            return -errno.ENOMEM
        prev: u64 = vma if start > self.vm_start(vma) else self.vma_prev(mm, start)
        result: i64 = 0
        while True:
            if start < self.vm_start(vma):
                result = -errno.ENOMEM
                start = self.vm_start(vma)
                if start >= end:
                    return result
            upto: u64 = self.vm_end(vma)
            if upto > end:
                upto = end
            done: u64
            if advice == SAME:
                done = self.madvise_vma_anon_name(mm, vma, prev, start, upto, name)
            else:
                done = self.madvise_vma_behavior(mm, vma, prev, start, upto, advice)
            if is_err(done):
                return ptr_err(done)
            start = self.vm_end(done)
            if start < upto:
                start = upto
            if start >= end:
                return result
            prev = done
            vma = self.find_vma(mm, start)
            if vma == 0:
                return -errno.ENOMEM

    def madvise_vma_behavior(
        self, mm: u64, vma: u64, prev: u64, start: u64, end: u64, advice: u64
    ) -> u64:
        """Advise [start, end) of one area: the VMA that covers it now, or an errno as address."""
        if (OF_PAGES >> advice) & 1 != 0:
            return self.madvise_pages(mm, vma, start, end, advice)
        old: u64 = self.vm_flags(vma)
        new: i64 = self.madvise_new_flags(vma, old, advice)
        if new < 0:
            return err_ptr(new)
        return self.madvise_update_vma(mm, vma, prev, start, end, new, self.anon_vma_name(vma))

    def madvise_new_flags(self, vma: u64, old: u64, advice: u64) -> i64:
        """The area's flags after the advice, or ``-EINVAL``."""
        if advice == MADV_NORMAL:
            return old & ~(VM_RAND_READ | VM_SEQ_READ)
        if advice == MADV_SEQUENTIAL:
            return (old & ~VM_RAND_READ) | VM_SEQ_READ
        if advice == MADV_RANDOM:
            return (old & ~VM_SEQ_READ) | VM_RAND_READ
        if advice == MADV_DONTFORK:
            return old | VM_DONTCOPY
        if advice == MADV_DOFORK:
            return -errno.EINVAL if old & VM_IO != 0 else old & ~VM_DONTCOPY
        if advice == MADV_WIPEONFORK:
            refused: bint = self.vm_file(vma) != 0 or old & VM_SHARED != 0
            return -errno.EINVAL if refused else old | VM_WIPEONFORK
        if advice == MADV_KEEPONFORK:
            return -errno.EINVAL if old & VM_DROPPABLE != 0 else old & ~VM_WIPEONFORK
        if advice == MADV_DONTDUMP:
            return old | VM_DONTDUMP
        if advice == MADV_DODUMP:
            special: bint = old & VM_SPECIAL != 0 and old & VM_HUGETLB == 0
            return -errno.EINVAL if special or old & VM_DROPPABLE != 0 else old & ~VM_DONTDUMP
        if advice == MADV_MERGEABLE:
            return old if old & NEVER_KSM != 0 else old | VM_MERGEABLE
        if advice == MADV_UNMERGEABLE:
            return old & ~VM_MERGEABLE
        if advice == MADV_HUGEPAGE:
            return (old & ~VM_NOHUGEPAGE) | VM_HUGEPAGE
        return (old & ~VM_HUGEPAGE) | VM_NOHUGEPAGE

    def madvise_update_vma(
        self, mm: u64, vma: u64, prev: u64, start: u64, end: u64, new: u64, name: u64
    ) -> u64:
        """Give [start, end) of an area new flags and name, by merging or splitting.

        ``-EAGAIN`` as an address where memory or the map limit forbids it: both may change soon.
        """
        if new == self.vm_flags(vma) and name == self.anon_vma_name(vma):
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
            name,
        )
        if is_err(done):
            # Resources that ran out may be there again soon.
            return err_ptr(-errno.EAGAIN) if ptr_err(done) == -errno.ENOMEM else done
        self.set_vm_flags(done, self.vma_flags_kept(done, new))
        self.replace_anon_vma_name(done, name)
        return done

    def replace_anon_vma_name(self, vma: u64, name: u64) -> None:
        """Name an area, if it is of a kind that can have a name."""
        if self.vm_file(vma) == 0:
            self.set_anon_vma_name(vma, name)

    # Advice that reaches for pages: areas stay as they are, but may get an anon_vma.

    def madvise_pages(self, mm: u64, vma: u64, start: u64, end: u64, advice: u64) -> u64:
        """Carry out advice about pages: ``vma``, or an errno as an address."""
        error: i64 = 0
        vm_flags: u64 = self.vm_flags(vma)
        if advice in (MADV_POPULATE_READ, MADV_POPULATE_WRITE):
            error = self.madvise_populate_area(vma, start, end, advice == MADV_POPULATE_WRITE)
        elif advice in (MADV_DONTNEED, MADV_FREE):
            wrong: bint = advice == MADV_FREE and not self.vma_is_anonymous(vma)
            if wrong or vm_flags & (VM_PFNMAP | VM_LOCKED) != 0:
                error = -errno.EINVAL
        elif advice == MADV_DONTNEED_LOCKED:
            if vm_flags & VM_PFNMAP != 0:
                error = -errno.EINVAL
        elif advice in (MADV_COLD, MADV_PAGEOUT):
            if vm_flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB) != 0:
                error = -errno.EINVAL
        elif advice == MADV_REMOVE:
            if vm_flags & VM_LOCKED != 0 or self.vm_file(vma) == 0:
                error = -errno.EINVAL
            else:
                error = self.madvise_remove_check(vma)
        elif advice == MADV_COLLAPSE:
            error = self.madvise_collapse(vma, start, end)
        if vm_flags & VM_HUGETLB != 0 and advice in (MADV_DONTNEED, MADV_DONTNEED_LOCKED):
            last: u64 = self.vma_kernel_pagesize(vma) - 1
            if start & last != 0:
                error = -errno.EINVAL
            end &= ~last
        if error != 0:
            return err_ptr(error)
        self.advise_pages(vma, start, end, advice)
        return vma

    def advise_pages(self, vma: u64, start: u64, end: u64, advice: u64) -> None:
        """Carry out advice that was found good on the pages of [start, end)."""

    def madvise_remove_check(self, vma: u64) -> i64:
        """Whether holes may be punched through this mapping: 0 or a negative errno.

        It must be shared and writable some day, its file a regular one, not swapped to and not
        sealed against writing, be it only since it was mapped (``vfs_fallocate``).
        """
        if not self.vma_is_shared_maywrite(vma):
            return -errno.EACCES
        file: u64 = self.vm_file(vma)
        inode: u64 = self.file_inode(file)
        if load32(self.memory, inode + I_FLAGS) & S_SWAPFILE != 0:
            return -errno.ETXTBSY
        if self.file_kind(file) == FILE_DEVICE:
            return -errno.ENODEV
        sealed: bint = load32(self.memory, inode + I_SEALS) & F_SEAL_WRITES != 0
        return -errno.EPERM if sealed else 0

    def madvise_populate_area(self, vma: u64, start: u64, end: u64, write: bint) -> i64:
        """Fault [start, end) of one area in: 0, ``-EINVAL`` if access forbids it, ``-ENOMEM``."""
        vm_flags: u64 = self.vm_flags(vma)
        if vm_flags & (VM_IO | VM_PFNMAP) != 0:
            return -errno.EINVAL
        if vm_flags & (VM_WRITE if write else VM_READ) == 0:
            return -errno.EINVAL
        return self.populate_range(vma, start, end, write)

    def madvise_collapse(self, vma: u64, start: u64, end: u64) -> i64:
        """Huge pages at once for the 2 MiB blocks inside [start, end): 0 or a negative errno."""
        raise TypeError("memory is collapsed by a class further up")

    # Names.

    def madvise_set_anon_name(self, mm: u64, start: u64, length: u64, name: u64) -> i64:
        """Name the anonymous areas of a range; 0 as ``name`` takes their names away."""
        if start & ~self.page_mask != 0:
            return -errno.EINVAL
        rounded: u64 = (length + self.page_size - 1) & self.page_mask
        if length != 0 and rounded == 0:
            return -errno.EINVAL
        end: u64 = (start + rounded) & TOP
        if end < start:
            return -errno.EINVAL
        if end == start:
            return 0
        return self.madvise_walk_vmas(mm, start, end, SAME, name)

    def madvise_vma_anon_name(
        self, mm: u64, vma: u64, prev: u64, start: u64, end: u64, name: u64
    ) -> u64:
        """Name [start, end) of one area; ``-EBADF`` as an address if it has a file."""
        if self.vm_file(vma) != 0:
            return err_ptr(-errno.EBADF)
        return self.madvise_update_vma(mm, vma, prev, start, end, self.vm_flags(vma), name)

"""mmap as Linux 6.1 does it: the checks in their order, then ``mmap_region``."""

from __future__ import annotations

import errno

import cython
from cython import bint, cfunc, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.mmap_region import MmapRegion
from mmtwin.space.words import failed

if not cython.compiled:
    from mmtwin.pages.words import load
    from mmtwin.space.parts import load32

TOP = declare(u64, c.MAX)
LOW_32 = declare(u64, 0xFFFFFFFF)
VM_READ = declare(u64, c.VM_READ)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_EXEC = declare(u64, c.VM_EXEC)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_MAYWRITE = declare(u64, c.VM_MAYWRITE)
VM_MAYEXEC = declare(u64, c.VM_MAYEXEC)
VM_MAYSHARE = declare(u64, c.VM_MAYSHARE)
VM_MAY_ALL = declare(u64, c.VM_MAY_ALL)
VM_ACCESS_FLAGS = declare(u64, c.VM_ACCESS_FLAGS)
VM_GROWSDOWN = declare(u64, c.VM_GROWSDOWN)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_LOCKED_MASK = declare(u64, c.VM_LOCKED_MASK)
VM_SYNC = declare(u64, c.VM_SYNC)
VM_NORESERVE = declare(u64, c.VM_NORESERVE)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
VM_SPECIAL = declare(u64, c.VM_SPECIAL)
VM_SOFTDIRTY = declare(u64, c.VM_SOFTDIRTY)
PROT_READ = declare(u64, c.PROT_READ)
PROT_WRITE = declare(u64, c.PROT_WRITE)
PROT_EXEC = declare(u64, c.PROT_EXEC)
MAP_SHARED = declare(u64, c.MAP_SHARED)
MAP_PRIVATE = declare(u64, c.MAP_PRIVATE)
MAP_SHARED_VALIDATE = declare(u64, c.MAP_SHARED_VALIDATE)
MAP_TYPE = declare(u64, c.MAP_TYPE)
MAP_FIXED = declare(u64, c.MAP_FIXED)
MAP_FIXED_NOREPLACE = declare(u64, c.MAP_FIXED_NOREPLACE)
MAP_ANONYMOUS = declare(u64, c.MAP_ANONYMOUS)
MAP_GROWSDOWN = declare(u64, c.MAP_GROWSDOWN)
MAP_LOCKED = declare(u64, c.MAP_LOCKED)
MAP_SYNC = declare(u64, c.MAP_SYNC)
MAP_NORESERVE = declare(u64, c.MAP_NORESERVE)
MAP_POPULATE = declare(u64, c.MAP_POPULATE)
MAP_NONBLOCK = declare(u64, c.MAP_NONBLOCK)
MAP_HUGETLB = declare(u64, c.MAP_HUGETLB)
LEGACY_MAP_MASK = declare(u64, c.LEGACY_MAP_MASK)
FMODE_READ = declare(u64, c.FMODE_READ)
FMODE_WRITE = declare(u64, c.FMODE_WRITE)
READ_IMPLIES_EXEC = declare(u64, c.READ_IMPLIES_EXEC)
FILE_NO_MMAP = declare(u64, files.FILE_NO_MMAP)
FILE_SHMEM = declare(u64, files.FILE_SHMEM)
FILE_ZERO = declare(u64, files.FILE_ZERO)
FILE_DEVICE = declare(u64, files.FILE_DEVICE)
AREA_THP = declare(u64, files.AREA_THP)
FOPS_MAXBYTES = declare(u64, 16)
I_FLAGS = declare(u64, 12)
I_SEALS = declare(u64, 608)
S_APPEND = declare(u64, 0x4)
S_SWAPFILE = declare(u64, 0x100)
S_NOEXEC = declare(u64, 0x80000000)
"""The twin's own bit: the file lies on a noexec mount."""
F_SEAL_WRITE = declare(u64, 0x8)
F_SEAL_FUTURE_WRITE = declare(u64, 0x10)
OVERCOMMIT_MEMORY = declare(u64, 24)
OVERCOMMIT_NEVER = declare(u64, c.OVERCOMMIT_NEVER)

HUGE_SHIFT = declare(i32, c.MAP_HUGE_SHIFT)
HUGE_MASK = declare(u64, c.MAP_HUGE_MASK)


@cfunc
def whole_pages(length: u64, shift: i32) -> u64:
    """``length`` rounded up to pages of ``1 << shift`` bytes; wraps to 0, as in the kernel."""
    one: u64 = 1
    last: u64 = (one << shift) - 1
    return (length + last) & TOP & ~last


class Mmap(MmapRegion):
    """``do_mmap``, ``mmap_region`` and the system call."""

    def sys_mmap(
        self,
        mm: u64,
        addr: u64,
        length: u64,
        prot: u64,
        map_flags: u64,
        file: u64,
        offset: u64,
    ) -> i64:
        """mmap(2): the address or a negative errno.

        ``file`` is the open file description behind the descriptor, 0 for none; it is ignored
        with MAP_ANONYMOUS.
        """
        prot &= LOW_32
        if offset & ~self.page_mask != 0:
            return -errno.EINVAL
        if map_flags & MAP_ANONYMOUS == 0:
            if file == 0:
                return -errno.EBADF
            shift: i32 = self.huge_page_shift(file)
            if shift == 0:
                if map_flags & MAP_HUGETLB != 0:
                    return -errno.EINVAL
            else:
                length = whole_pages(length, shift)
        elif map_flags & MAP_HUGETLB != 0:
            return self.mmap_hugetlb(mm, addr, length, prot, map_flags, offset >> self.page_shift)
        else:
            file = 0
        return self.vm_mmap_pgoff(
            mm, file, addr, length, prot, map_flags, offset >> self.page_shift
        )

    def mmap_hugetlb(
        self, mm: u64, addr: u64, length: u64, prot: u64, map_flags: u64, pgoff: u64
    ) -> i64:
        """MAP_ANONYMOUS | MAP_HUGETLB: a file of huge pages is made and mapped."""
        shift: i32 = self.hstate_sizelog((map_flags >> HUGE_SHIFT) & HUGE_MASK)
        if shift == 0:
            return -errno.EINVAL
        length = whole_pages(length, shift)
        file: u64 = self.hugetlb_file_setup("/anon_hugepage (deleted)", length, shift)
        if file == 0:
            return -errno.ENOMEM
        found: i64 = self.vm_mmap_pgoff(mm, file, addr, length, prot, map_flags, pgoff)
        self.fput(file)
        return found

    def vm_mmap_pgoff(
        self, mm: u64, file: u64, addr: u64, length: u64, prot: u64, map_flags: u64, pgoff: u64
    ) -> i64:
        """Map, then fault the pages in if the flags ask for it; failures of that are ignored."""
        fixed: bint = map_flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) == MAP_FIXED
        replaced: list[int] | None = None
        if fixed and self.has_huge_pages():
            replaced = self.huge.hold_files(mm, addr, length)
        found: i64 = self.do_mmap(mm, file, addr, length, prot, map_flags, 0, pgoff)
        if not failed(found):
            locked: bint = (self.def_flags(mm) | (map_flags & MAP_LOCKED)) & VM_LOCKED != 0
            if locked or map_flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE:
                self.mm_populate(mm, found, (length + self.page_size - 1) & self.page_mask, True)
        if replaced is not None:
            for gone in replaced:
                self.fput(gone)
        return found

    def do_mmap(
        self,
        mm: u64,
        file: u64,
        addr: u64,
        length: u64,
        prot: u64,
        map_flags: u64,
        extra_flags: u64,
        pgoff: u64,
    ) -> i64:
        """The checks of mmap in the kernel's order, then the mapping: address or negative errno.

        ``extra_flags`` are VM_* to add.
        """
        if length == 0:
            return -errno.EINVAL
        if (
            prot & PROT_READ != 0
            and self.personality(mm) & READ_IMPLIES_EXEC != 0
            and not (file != 0 and self.noexec(file))
        ):
            prot |= PROT_EXEC
        if map_flags & MAP_FIXED_NOREPLACE != 0:
            map_flags |= MAP_FIXED
        if map_flags & MAP_FIXED == 0:
            addr = self.round_hint_to_min(addr)
        if length > self.page_mask:
            return -errno.ENOMEM
        length = (length + self.page_size - 1) & self.page_mask
        if pgoff + (length >> self.page_shift) < pgoff or pgoff + (length >> self.page_shift) > TOP:
            return -errno.EOVERFLOW
        if self.map_count(mm) > self.sysctl_max_map_count():
            return -errno.ENOMEM
        found: i64 = self.get_unmapped_area(mm, file, addr, length, pgoff, map_flags)
        if failed(found):
            return found
        addr = found
        if map_flags & MAP_FIXED_NOREPLACE != 0 and self.find_vma_intersection(
            mm, addr, addr + length
        ):
            return -errno.EEXIST
        vm_flags: u64 = self.calc_vm_flags(mm, prot, map_flags) | extra_flags
        if map_flags & MAP_LOCKED != 0 and not self.can_do_mlock(mm):
            return -errno.EPERM
        if not self.mlock_future_ok(mm, vm_flags, length):
            return -errno.EAGAIN
        kind: u64 = map_flags & MAP_TYPE
        if file != 0:
            error: i64 = self.file_mmap_check(file, prot, map_flags, length, pgoff, vm_flags)
            if error != 0:
                return error
            vm_flags = self.file_vm_flags(file, map_flags, vm_flags)
        else:
            pgoff = 0 if kind == MAP_SHARED else addr >> self.page_shift
            allowed: i64 = self.anonymous_vm_flags(map_flags, vm_flags)
            if allowed < 0:
                return allowed
            vm_flags = allowed
        if map_flags & MAP_NORESERVE != 0 and (
            load(self.memory, self.sysctl + OVERCOMMIT_MEMORY) != OVERCOMMIT_NEVER
            or self.huge_page_shift(file) != 0
        ):
            vm_flags |= VM_NORESERVE
        return self.mmap_region(mm, file, addr, length, vm_flags, pgoff)

    def round_hint_to_min(self, hint: u64) -> u64:
        """A hint rounded down to a page, and up to mmap_min_addr."""
        hint &= self.page_mask
        least: u64 = (self.sysctl_mmap_min_addr() + self.page_size - 1) & self.page_mask
        return least if hint != 0 and hint < least else hint

    def calc_vm_flags(self, mm: u64, prot: u64, map_flags: u64) -> u64:
        """VM_* for PROT_* and MAP_*, before the type of mapping and the file are looked at."""
        vm_flags: u64 = prot & (VM_READ | VM_WRITE | VM_EXEC)
        vm_flags |= map_flags & MAP_GROWSDOWN  # the same bits as VM_GROWSDOWN and VM_LOCKED
        vm_flags |= map_flags & MAP_LOCKED
        if map_flags & MAP_SYNC != 0:
            vm_flags |= VM_SYNC
        return vm_flags | self.def_flags(mm) | VM_MAY_ALL

    def noexec(self, file: u64) -> bint:
        """Whether the file lies on a mount without execution."""
        return load32(self.memory, self.file_inode(file) + I_FLAGS) & S_NOEXEC != 0

    def file_mmap_check(
        self, file: u64, prot: u64, map_flags: u64, length: u64, pgoff: u64, vm_flags: u64
    ) -> i64:
        """What a file and the way it is open allow: 0 or a negative errno."""
        most: u64 = load(self.memory, load(self.memory, file + self.at_f_op) + FOPS_MAXBYTES)
        if length > most or pgoff > (most - length) >> self.page_shift:
            return -errno.EOVERFLOW
        kind: u64 = map_flags & MAP_TYPE
        mode: u64 = self.file_mode(file)
        if kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
            if kind == MAP_SHARED_VALIDATE and map_flags & ~self.known_map_flags(file) != 0:
                return -errno.EOPNOTSUPP
            inode_flags: u64 = load32(self.memory, self.file_inode(file) + I_FLAGS)
            if prot & PROT_WRITE != 0:
                if mode & FMODE_WRITE == 0:
                    return -errno.EACCES
                if inode_flags & S_SWAPFILE != 0:
                    return -errno.ETXTBSY
            if inode_flags & S_APPEND != 0 and mode & FMODE_WRITE != 0:
                return -errno.EACCES
        elif kind != MAP_PRIVATE:
            return -errno.EINVAL
        if mode & FMODE_READ == 0:
            return -errno.EACCES
        if vm_flags & VM_EXEC != 0 and self.noexec(file):
            return -errno.EPERM
        if self.file_kind(file) == FILE_NO_MMAP:
            return -errno.ENODEV
        if vm_flags & VM_GROWSDOWN != 0:
            return -errno.EINVAL
        return 0

    def known_map_flags(self, file: u64) -> u64:
        """What MAP_SHARED_VALIDATE accepts: the old flags, and those that the file system knows."""
        if self.file_area(file) == AREA_THP:
            return LEGACY_MAP_MASK | MAP_TYPE | MAP_SYNC  # its own mmap may still refuse that
        return LEGACY_MAP_MASK | MAP_TYPE

    def file_vm_flags(self, file: u64, map_flags: u64, vm_flags: u64) -> u64:
        """VM_* after the type of mapping and the file's mode are known."""
        if map_flags & MAP_TYPE != MAP_PRIVATE:
            vm_flags |= VM_SHARED | VM_MAYSHARE
            if self.file_mode(file) & FMODE_WRITE == 0:
                vm_flags &= ~(VM_MAYWRITE | VM_SHARED)
            elif vm_flags & VM_WRITE == 0:
                seals: u64 = load32(self.memory, self.file_inode(file) + I_SEALS)
                if seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0:
                    vm_flags &= ~VM_MAYWRITE
        if self.noexec(file):
            vm_flags &= ~VM_MAYEXEC
        return vm_flags

    def anonymous_vm_flags(self, map_flags: u64, vm_flags: u64) -> i64:
        """VM_* of memory without a file after its type is known, or ``-EINVAL``."""
        kind: u64 = map_flags & MAP_TYPE
        if kind == MAP_SHARED:
            if vm_flags & VM_GROWSDOWN != 0:
                return -errno.EINVAL
            return vm_flags | VM_SHARED | VM_MAYSHARE
        return vm_flags if kind == MAP_PRIVATE else -errno.EINVAL

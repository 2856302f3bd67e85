"""mmap as Linux 6.1 does it: the checks in their order, then ``mmap_region``."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.merge import error_pointer
from mmtwin.space.touch import Touch

PAGE_MASK = declare(u64, c.PAGE_MASK)
TOP = declare(u64, c.MAX)
ERR_MIN = declare(u64, 0xFFFFFFFFFFFFF001)
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
NEVER_LOCKED = declare(u64, c.VM_SPECIAL | c.VM_HUGETLB | c.VM_DROPPABLE_6_18)
VM_SOFTDIRTY = declare(u64, c.VM_SOFTDIRTY)
VM_DEVICE = declare(u64, c.VM_IO | c.VM_PFNMAP | c.VM_DONTEXPAND | c.VM_DONTDUMP)
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

KNOWN_HUGE_SIZES = {0, 21, 30}
"""log2 of the huge page sizes in MAP_HUGETLB's size field; 0 is the default size."""


class Mmap(Touch):
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
        with MAP_ANONYMOUS. No huge pages are reserved on this machine.
        """
        prot &= LOW_32
        if offset & ~PAGE_MASK != 0:
            return -errno.EINVAL
        if map_flags & MAP_ANONYMOUS == 0:
            if file == 0:
                return -errno.EBADF
            if map_flags & MAP_HUGETLB != 0:
                return -errno.EINVAL
        elif map_flags & MAP_HUGETLB != 0:
            if (map_flags >> c.MAP_HUGE_SHIFT) & c.MAP_HUGE_MASK not in KNOWN_HUGE_SIZES:
                return -errno.EINVAL
            return -errno.ENOMEM
        else:
            file = 0
        return self.vm_mmap_pgoff(mm, file, addr, length, prot, map_flags, offset >> 12)

    def vm_mmap_pgoff(
        self, mm: u64, file: u64, addr: u64, length: u64, prot: u64, map_flags: u64, pgoff: u64
    ) -> i64:
        """Map, then fault the pages in if the flags ask for it; failures of that are ignored."""
        found: i64 = self.do_mmap(mm, file, addr, length, prot, map_flags, 0, pgoff)
        if found >= 0:
            locked: bint = (self.def_flags(mm) | (map_flags & MAP_LOCKED)) & VM_LOCKED != 0
            if locked or map_flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE:
                self.mm_populate(mm, found, (length + 0xFFF) & PAGE_MASK, True)
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
        if length > PAGE_MASK:
            return -errno.ENOMEM
        length = (length + 0xFFF) & PAGE_MASK
        if pgoff + (length >> 12) < pgoff or pgoff + (length >> 12) > TOP:
            return -errno.EOVERFLOW
        if self.map_count(mm) > self.sysctl_max_map_count():
            return -errno.ENOMEM
        found: i64 = self.get_unmapped_area(mm, file, addr, length, pgoff, map_flags)
        if found < 0:
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
            pgoff = 0 if kind == MAP_SHARED else addr >> 12
            allowed: i64 = self.anonymous_vm_flags(map_flags, vm_flags)
            if allowed < 0:
                return allowed
            vm_flags = allowed
        if (
            map_flags & MAP_NORESERVE != 0
            and self.memory.load(self.sysctl + OVERCOMMIT_MEMORY) != OVERCOMMIT_NEVER
        ):
            vm_flags |= VM_NORESERVE
        return self.mmap_region(mm, file, addr, length, vm_flags, pgoff)

    def round_hint_to_min(self, hint: u64) -> u64:
        """A hint rounded down to a page, and up to mmap_min_addr."""
        hint &= PAGE_MASK
        least: u64 = (self.sysctl_mmap_min_addr() + 0xFFF) & PAGE_MASK
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
        return self.memory.load32(self.file_inode(file) + I_FLAGS) & S_NOEXEC != 0

    def file_mmap_check(
        self, file: u64, prot: u64, map_flags: u64, length: u64, pgoff: u64, vm_flags: u64
    ) -> i64:
        """What a file and the way it is open allow: 0 or a negative errno."""
        most: u64 = self.memory.load(self.memory.load(file + self.at_f_op) + FOPS_MAXBYTES)
        if length > most or pgoff > (most - length) >> 12:
            return -errno.EOVERFLOW
        kind: u64 = map_flags & MAP_TYPE
        mode: u64 = self.file_mode(file)
        if kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
            if kind == MAP_SHARED_VALIDATE and map_flags & ~self.known_map_flags(file) != 0:
                return -errno.EOPNOTSUPP
            inode_flags: u64 = self.memory.load32(self.file_inode(file) + I_FLAGS)
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
                seals: u64 = self.memory.load32(self.file_inode(file) + I_SEALS)
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

    # The region.

    def mmap_region(
        self, mm: u64, file: u64, addr: u64, length: u64, vm_flags: u64, pgoff: u64
    ) -> i64:
        """Map [addr, addr + length): limits, unmap what is there, charge, merge or make a VMA.

        The address or a negative errno; once the old areas are unmapped a failure does not bring
        them back.
        """
        if file != 0 and vm_flags & (VM_SHARED | VM_MAYWRITE) == VM_SHARED | VM_MAYWRITE:
            seals: u64 = self.memory.load32(self.file_inode(file) + I_SEALS)
            if seals & F_SEAL_WRITE != 0:
                return -errno.EPERM
        if not self.mmap_may_expand(mm, addr, length, vm_flags):
            return -errno.ENOMEM
        end: u64 = addr + length
        mas: MaState = self.vma_iterator(mm, addr)
        if self.do_mas_munmap(mas, mm, addr, length) != 0:
            return -errno.ENOMEM
        charged: u64 = 0
        if self.accountable_mapping(vm_flags):
            charged = length >> 12
            if self.vm_enough_memory(mm, charged) != 0:
                return -errno.ENOMEM
            vm_flags |= VM_ACCOUNT
        mas.set_range(addr, end - 1)
        above: u64 = self.maple.mas_next(mas, TOP)
        mas.set_range(addr, end - 1)
        below: u64 = self.maple.mas_prev(mas, 0)
        vma: u64 = 0
        if vm_flags & VM_SPECIAL == 0:
            vma = self.mmap_merge(mas, below, above, file, addr, end, vm_flags, pgoff)
        if vma == 0:
            mas.set_range(addr, end - 1)
            vma = self.mmap_new_vma(mas, mm, below, file, addr, end, vm_flags, pgoff)
            if vma >= ERR_MIN:
                if charged != 0:
                    self.vm_unacct_memory(charged)
                error: i64 = vma - TOP - 1
                return error
            vm_flags = self.vm_flags(vma)
        self.mmap_complete(mm, vma, vm_flags, length)
        return addr

    def mmap_may_expand(self, mm: u64, addr: u64, length: u64, vm_flags: u64) -> bint:
        """The limits, with the pages that a fixed mapping replaces counted as free."""
        pages: u64 = length >> 12
        if self.may_expand_vm(mm, vm_flags, pages):
            return True
        replaced: u64 = self.count_vma_pages_range(mm, addr, addr + length)
        return self.may_expand_vm(mm, vm_flags, pages - replaced)

    def accountable_mapping(self, vm_flags: u64) -> bint:
        """Private and writable, and not exempted by MAP_NORESERVE."""
        return vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE

    def mmap_merge(
        self,
        mas: MaState,
        prev: u64,
        next: u64,
        file: u64,
        addr: u64,
        end: u64,
        vm_flags: u64,
        pgoff: u64,
    ) -> u64:
        """Let new memory join its neighbours, the next one first: the VMA, 0 if none takes it."""
        vma: u64 = 0
        start: u64 = addr
        past: u64 = end
        lower: u64 = pgoff
        pages: u64 = (end - addr) >> 12
        anon_vma: u64 = 0
        uffd_ctx: u64 = 0
        if (
            next != 0
            and self.vm_start(next) == end
            and self.vm_policy(next) == 0
            and self.can_vma_merge_before(next, vm_flags, 0, file, pgoff + pages, 0, 0)
        ):
            vma = next
            past = self.vm_end(next)
            lower = self.vm_pgoff(next) - pages
            anon_vma = self.anon_vma(next)
            uffd_ctx = self.vm_userfaultfd_ctx(next)
        if (
            prev != 0
            and self.vm_end(prev) == addr
            and self.vm_policy(prev) == 0
            and self.can_vma_merge_after(prev, vm_flags, anon_vma, file, pgoff, uffd_ctx, 0)
        ):
            vma = prev
            start = self.vm_start(prev)
            lower = self.vm_pgoff(prev)
        if vma != 0 and self.vma_expand(mas, vma, start, past, lower, next) != 0:
            return 0
        return vma

    def mmap_new_vma(
        self,
        mas: MaState,
        mm: u64,
        prev: u64,
        file: u64,
        addr: u64,
        end: u64,
        vm_flags: u64,
        pgoff: u64,
    ) -> u64:
        """A VMA of its own over the free range, or a negative errno as an address."""
        vma: u64 = self.vm_area_alloc(mm)
        if vma == 0:
            return error_pointer(-errno.ENOMEM)
        self.vma_set_range(vma, addr, end, pgoff)
        self.set_vm_flags(vma, vm_flags)
        if self.maple.mas_preallocate(mas, vma, GFP_KERNEL) != 0:
            self.vm_area_free(vma)
            return error_pointer(-errno.ENOMEM)
        error: i64 = 0
        if file != 0:
            self.get_file(file)
            self.set_vm_file(vma, file)
            error = self.mmap_file(file, vma)
            if error != 0:
                self.fput(file)
        elif vm_flags & VM_SHARED != 0:
            error = self.shmem_zero_setup(vma)
        if error != 0:
            self.maple.mas_destroy(mas)
            self.vm_area_free(vma)
            return error_pointer(error)
        changed: u64 = self.vm_flags(vma)
        if changed != vm_flags and prev != 0:
            # The driver changed the flags: what did not fit before may fit now.
            mapped: u64 = self.vm_file(vma)
            merged: u64 = self.vma_merge(
                mm, prev, addr, end, changed, 0, mapped, self.vm_pgoff(vma), 0, 0, 0
            )
            if merged != 0:
                self.fput(mapped)
                self.vm_area_free(vma)
                self.maple.mas_destroy(mas)
                return merged
        self.vma_mas_store(vma, mas)
        self.set_map_count(mm, self.map_count(mm) + 1)
        self.vma_link_file(vma)
        return vma

    def mmap_file(self, file: u64, vma: u64) -> i64:
        """The file's mmap method: it gives the VMA its operations, and may change its flags."""
        kind: u64 = self.file_kind(file)
        vm_flags: u64 = self.vm_flags(vma)
        if kind == FILE_ZERO:
            if vm_flags & VM_SHARED == 0:
                self.set_vm_ops(vma, 0)
                return 0
            error: i64 = self.shmem_zero_setup(vma)
            if error == 0:
                self.fput(file)
            return error
        if kind == FILE_SHMEM:
            seals: u64 = self.memory.load32(self.file_inode(file) + I_SEALS)
            if (
                seals & F_SEAL_FUTURE_WRITE != 0
                and vm_flags & (VM_SHARED | VM_WRITE) == VM_SHARED | VM_WRITE
            ):
                return -errno.EPERM
            self.set_vm_ops(vma, self.shmem_vm_ops)
        elif kind == FILE_DEVICE:
            self.set_vm_ops(vma, self.device_vm_ops)
            self.set_vm_flags(vma, vm_flags | VM_DEVICE)
        else:
            if vm_flags & VM_SYNC != 0 and self.file_area(file) == AREA_THP:
                return -errno.EOPNOTSUPP  # not on persistent memory
            self.set_vm_ops(vma, self.generic_file_vm_ops)
        return 0

    def shmem_zero_setup(self, vma: u64) -> i64:
        """Put a shmem object of its own behind a shared VMA: 0 or ``-ENOMEM``.

        The object is charged as a whole, unless the VMA is VM_NORESERVE.
        """
        pages: u64 = self.vma_pages(vma)
        if self.vm_flags(vma) & VM_NORESERVE != 0:
            pages = 0
        elif self.vm_enough_memory(self.vm_mm(vma), pages) != 0:
            return -errno.ENOMEM
        size: u64 = self.vm_end(vma) - self.vm_start(vma)
        file: u64 = self.shmem_file_setup("/dev/zero (deleted)", size, pages)
        if file == 0:
            self.vm_unacct_memory(pages)
            return -errno.ENOMEM
        self.set_vm_file(vma, file)
        self.set_vm_ops(vma, self.shmem_vm_ops)
        return 0

    def mmap_complete(self, mm: u64, vma: u64, vm_flags: u64, length: u64) -> None:
        """Count the new memory; lock and soft-dirty bits of the result."""
        pages: u64 = length >> 12
        self.vm_stat_account(mm, vm_flags, pages)
        kept: u64 = self.vm_flags(vma)
        if vm_flags & VM_LOCKED != 0:
            if vm_flags & NEVER_LOCKED != 0:
                kept &= ~VM_LOCKED_MASK
            else:
                self.set_locked_vm(mm, self.locked_vm(mm) + pages)
        self.set_vm_flags(vma, kept | VM_SOFTDIRTY)
        self.vma_set_page_prot(vma)

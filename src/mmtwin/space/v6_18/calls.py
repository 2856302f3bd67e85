"""What 6.18 does otherwise in mprotect, mlock, madvise and mremap."""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches
from mmtwin.space.move_vma import Move
from mmtwin.space.v6_18.mmap import Mmap618
from mmtwin.space.words import err_ptr

if not cython.compiled:
    from mmtwin.pages.words import load

TOP = declare(u64, c.MAX)
PAGE_MASK = declare(u64, c.PAGE_MASK)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_UNGUARDED = declare(u64, c.VM_SPECIAL | c.VM_HUGETLB)
VM_MAYBE_GUARD = declare(u64, c.VM_MAYBE_GUARD_6_18)
MADV_POPULATE_READ = declare(u64, c.MADV_POPULATE_READ)
MADV_POPULATE_WRITE = declare(u64, c.MADV_POPULATE_WRITE)
MADV_GUARD_INSTALL = declare(u64, c.MADV_GUARD_INSTALL)
MADV_GUARD_REMOVE = declare(u64, c.MADV_GUARD_REMOVE)
MREMAP_MAYMOVE = declare(u64, c.MREMAP_MAYMOVE)
MREMAP_FIXED = declare(u64, c.MREMAP_FIXED)
MREMAP_DONTUNMAP = declare(u64, c.MREMAP_DONTUNMAP)
AREA_ZERO = declare(u64, files.AREA_ZERO)


class Calls618(Mmap618):
    """6.18's rules for calls on areas that exist."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.nameless_shmem = memory.strings.number("/dev/zero (deleted)")

    # mprotect

    def mprotect_account(self, vma: u64, old: u64, new: u64) -> u64:
        """As before; and never-written memory that becomes read-only is charged no more (6.7)."""
        if new & VM_WRITE != 0:
            return Mmap618.mprotect_account(self, vma, old, new)
        if old & VM_ACCOUNT != 0 and self.vma_is_anonymous(vma) and self.anon_vma(vma) == 0:
            return new & ~VM_ACCOUNT
        return new

    def vma_flags_kept(self, vma: u64, new: u64) -> u64:
        """That an area may hold guards stays known when others merge with it (6.18.y)."""
        return new | (self.vm_flags(vma) & VM_MAYBE_GUARD)

    # madvise

    def madvise_behavior_valid(self, advice: u64) -> bint:
        """Guard regions are new (6.13)."""
        if advice in (MADV_GUARD_INSTALL, MADV_GUARD_REMOVE):
            return True
        return Mmap618.madvise_behavior_valid(self, advice)

    def madvise_range(self, mm: u64, start: u64, end: u64, advice: u64) -> i64:
        """Populating goes over the range as a whole and stops at the first hole."""
        if advice in (MADV_POPULATE_READ, MADV_POPULATE_WRITE):
            return self.madvise_populate(mm, start, end, advice == MADV_POPULATE_WRITE)
        return Mmap618.madvise_range(self, mm, start, end, advice)

    def madvise_populate(self, mm: u64, start: u64, end: u64, write: bint) -> i64:
        """Fault [start, end) in: 0, ``-ENOMEM`` at a hole, ``-EINVAL`` where access forbids it."""
        while start < end:
            vma: u64 = self.vma_lookup(mm, start)
            if vma == 0:
                return -errno.ENOMEM
            upto: u64 = self.vm_end(vma)
            if upto > end:
                upto = end
            error: i64 = self.madvise_populate_area(vma, start, upto, write)
            if error != 0:
                return error
            start = upto
        return 0

    def madvise_vma_behavior(
        self, mm: u64, vma: u64, prev: u64, start: u64, end: u64, advice: u64
    ) -> u64:
        """Guards are put up and taken away page by page; the area only remembers that it may."""
        if advice not in (MADV_GUARD_INSTALL, MADV_GUARD_REMOVE):
            return Mmap618.madvise_vma_behavior(self, mm, vma, prev, start, end, advice)
        vm_flags: u64 = self.vm_flags(vma)
        if vm_flags & VM_UNGUARDED != 0:
            return err_ptr(-errno.EINVAL)
        if advice == MADV_GUARD_REMOVE:
            self.remove_guards(vma, start, end)
            return vma
        if vm_flags & VM_LOCKED != 0:
            return err_ptr(-errno.EINVAL)
        # A guard is a page-table entry, and fork copies those of areas with an anon_vma; of an area
        # with a file those that the flag tells of.
        error: i64 = self.anon_vma_prepare(vma) if self.vma_is_anonymous(vma) else 0
        if error != 0:
            return err_ptr(error)
        self.set_vm_flags(vma, vm_flags | VM_MAYBE_GUARD)
        if self.install_guards(vma, start, end) != 0:
            return err_ptr(-errno.ENOMEM)
        return vma

    def madvise_vma_anon_name(
        self, mm: u64, vma: u64, prev: u64, start: u64, end: u64, name: u64
    ) -> u64:
        """Shared anonymous memory may have a name too (6.2)."""
        file: u64 = self.vm_file(vma)
        if file != 0 and not self.vma_is_anon_shmem(file):
            return err_ptr(-errno.EBADF)
        return self.madvise_update_vma(mm, vma, prev, start, end, self.vm_flags(vma), name)

    def vma_is_anon_shmem(self, file: u64) -> bint:
        """Whether the file is the nameless object behind MAP_SHARED | MAP_ANONYMOUS memory."""
        return load(self.memory, file + self.at_f_path) == self.nameless_shmem

    def anon_vma_name(self, vma: u64) -> u64:
        """The number of the area's name; 0 for none and for areas with any other file."""
        file: u64 = self.vm_file(vma)
        if file != 0 and not self.vma_is_anon_shmem(file):
            return 0
        return load(self.memory, vma + self.at_anon_name)

    def replace_anon_vma_name(self, vma: u64, name: u64) -> None:
        """Name an area, if it is of a kind that can have a name."""
        file: u64 = self.vm_file(vma)
        if file == 0 or self.vma_is_anon_shmem(file):
            self.set_anon_vma_name(vma, name)

    # mremap

    def sys_mremap(
        self, mm: u64, addr: u64, old_len: u64, new_len: u64, flags: u64, new_addr: u64
    ) -> i64:
        """mremap(2): all checks of arguments come first (6.17)."""
        old_len = (old_len + 0xFFF) & PAGE_MASK
        new_len = (new_len + 0xFFF) & PAGE_MASK
        move: Move = Move(mm, addr, old_len, new_len, flags, new_addr)
        error: i64 = self.check_mremap_params(move)
        if error != 0:
            return error
        if flags & MREMAP_FIXED != 0 and old_len == new_len:
            return self.remap_move(move)
        move.vma = self.vma_lookup(mm, addr)
        if move.vma == 0:
            return -errno.EFAULT
        placed: bint = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0
        if self.is_vm_hugetlb_page(move.vma) and not self.align_hugetlb(move):
            return -errno.EINVAL
        if placed:
            return self.mremap_done(move, self.mremap_place(move))
        return self.mremap_done(move, self.mremap_at(move))

    def check_mremap_params(self, move: Move) -> i64:
        """What the arguments alone tell, and the map limit: 0 or a negative errno."""
        flags: u64 = move.flags
        top: u64 = self.task_size(move.mm)
        if flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP) != 0:
            return -errno.EINVAL
        if move.addr & ~PAGE_MASK != 0 or move.new_len == 0 or move.new_len > top:
            return -errno.EINVAL
        if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) == 0:
            return 0
        if move.new_addr > top - move.new_len or move.new_addr & ~PAGE_MASK != 0:
            return -errno.EINVAL
        if flags & MREMAP_MAYMOVE == 0:
            return -errno.EINVAL
        if flags & MREMAP_DONTUNMAP != 0 and move.old_len != move.new_len:
            return -errno.EINVAL
        old_end: u64 = (move.addr + move.old_len) & TOP
        if old_end > move.new_addr and move.new_addr + move.new_len > move.addr:
            return -errno.EINVAL
        return -errno.ENOMEM if self.mremap_near_limit(move.mm, 2) else 0

    def mremap_place(self, move: Move) -> i64:
        """The source is checked before anything is unmapped."""
        mm: u64 = move.mm
        rest: u64 = 0
        if move.old_len > move.new_len:
            rest = move.old_len - move.new_len
            move.old_len = move.new_len
        error: i64 = self.vma_to_resize(move)
        if error != 0:
            return error
        if move.flags & MREMAP_FIXED != 0:
            error = self.do_munmap(mm, move.new_addr, move.new_len)
            if error != 0:
                return error
            if self.vma_lookup(mm, move.addr) == 0:
                return -errno.EFAULT
        if rest != 0:
            error = self.do_munmap(mm, move.addr + move.new_len, rest)
            if error != 0:
                return error
        move.vma = self.vma_lookup(mm, move.addr)
        if move.vma == 0:
            return -errno.EFAULT
        return self.mremap_to_checked(move)

    def remap_move(self, move: Move) -> i64:
        """MREMAP_FIXED without resizing: move every area of the range, gaps kept (6.17).

        The first page must be mapped. The first area's new address, or a negative errno; areas
        moved before the one that failed stay moved.
        """
        start: u64 = move.addr
        end: u64 = (start + move.old_len) & TOP
        target: u64 = move.new_addr
        result: i64 = -errno.EFAULT
        seen: bint = False
        past: u64 = start
        vma: u64 = self.find_vma_intersection(move.mm, start, end) if start < end else 0
        while vma != 0:
            first: u64 = self.vm_start(vma)
            upto: u64 = self.vm_end(vma)
            if not seen and start < first:
                return -errno.EFAULT
            alone: bint = not self.vma_multi_allowed(vma)
            if alone and (seen or upto < end):
                return -errno.EFAULT
            if seen:
                target += first - past
            addr: u64 = first if first > start else start
            length: u64 = (upto if upto < end else end) - addr
            part: Move = Move(move.mm, addr, length, length, move.flags, target)
            part.vma = vma
            if self.is_vm_hugetlb_page(vma) and not self.align_hugetlb(part):
                return -errno.EINVAL
            error: i64 = self.mremap_place(part)
            if error < 0:
                return error
            if not seen:
                result = error
            target = error
            target += part.new_len
            seen = True
            past = upto
            vma = self.find_vma_intersection(move.mm, past, end) if past < end else 0
        return result

    def vma_multi_allowed(self, vma: u64) -> bint:
        """Whether the area may move together with others.

        Not one that userfaultfd watches, nor one of a file with its own search, unless that
        search is known to keep fixed addresses.
        """
        if self.vm_userfaultfd_ctx(vma) != 0:
            return False
        file: u64 = self.vm_file(vma)
        return file == 0 or (self.file_area(file) != AREA_ZERO and not self.is_shm(vma))

    def mremap_extend(self, vma: u64, addr: u64, delta: u64) -> u64:
        """Merging minds only the end of an area that goes, so extending needs no other way."""
        return self.vma_merge_extend(vma, addr, delta)

    def move_split_locked(self, move: Move) -> i64:
        """6.18 takes the lock off the whole source of MREMAP_DONTUNMAP, whatever part moves."""
        return 0

    def copy_may_merge(self, move: Move, clean: bint) -> bint:
        """Nothing keeps a never-written source from becoming one with its copy."""
        return True

    def dontunmap_complete(self, move: Move, target: u64) -> None:
        """The copy's locked pages are counted, and the source's stay counted as well."""
        if self.vm_flags(target) & VM_LOCKED != 0:
            pages: u64 = move.new_len >> 12
            self.set_locked_vm(move.mm, self.locked_vm(move.mm) + pages)
        Mmap618.dontunmap_complete(self, move, target)

    def dontunmap_reset_pgoff(self, vma: u64) -> None:
        """The emptied source keeps its page offset."""

"""mremap as Linux 6.1 does it: shrink, grow in place, or move an area of memory."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.move_vma import Move, MoveVma
from mmtwin.space.words import failed

TOP = declare(u64, c.MAX)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_MAYSHARE = declare(u64, c.VM_MAYSHARE)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_LOCKED_MASK = declare(u64, c.VM_LOCKED_MASK)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
VM_FIXED_SIZE = declare(u64, c.VM_DONTEXPAND | c.VM_PFNMAP)
MAP_SHARED = declare(u64, c.MAP_SHARED)
MAP_FIXED = declare(u64, c.MAP_FIXED)
MREMAP_MAYMOVE = declare(u64, c.MREMAP_MAYMOVE)
MREMAP_FIXED = declare(u64, c.MREMAP_FIXED)
MREMAP_DONTUNMAP = declare(u64, c.MREMAP_DONTUNMAP)


class Mremap(MoveVma):
    """The system call, ``mremap_to``, ``vma_to_resize``."""

    def sys_mremap(
        self, mm: u64, addr: u64, old_len: u64, new_len: u64, flags: u64, new_addr: u64
    ) -> i64:
        """mremap(2): the new address or a negative errno."""
        if flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP) != 0:
            return -errno.EINVAL
        may_move: bint = flags & MREMAP_MAYMOVE != 0
        if flags & MREMAP_FIXED != 0 and not may_move:
            return -errno.EINVAL
        if flags & MREMAP_DONTUNMAP != 0 and (not may_move or old_len != new_len):
            return -errno.EINVAL
        if addr & ~self.page_mask != 0:
            return -errno.EINVAL
        old_len = (old_len + self.page_size - 1) & self.page_mask
        new_len = (new_len + self.page_size - 1) & self.page_mask
        if new_len == 0:
            return -errno.EINVAL
        move: Move = Move(mm, addr, old_len, new_len, flags, new_addr)
        move.vma = self.vma_lookup(mm, addr)
        if move.vma == 0:
            return -errno.EFAULT
        if self.is_vm_hugetlb_page(move.vma) and not self.align_hugetlb(move):
            return -errno.EINVAL
        if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0:
            return self.mremap_done(move, self.mremap_to(move))
        return self.mremap_done(move, self.mremap_at(move))

    def align_hugetlb(self, move: Move) -> bint:
        """Round the lengths to huge pages; False if an address is none's, or the area would grow.

        The new address counts even where the flags leave it without a meaning (seed 7024154).
        """
        last: u64 = self.vma_kernel_pagesize(move.vma) - 1
        move.old_len = (move.old_len + last) & TOP & ~last
        move.new_len = (move.new_len + last) & TOP & ~last
        if (move.addr | move.new_addr) & last != 0:
            return False
        return move.new_len <= move.old_len

    def mremap_done(self, move: Move, result: i64) -> i64:
        """Fault in what a locked area gained; ``result`` is the call's."""
        if not failed(result) and move.populate and move.new_len > move.old_len:
            grown: u64 = move.new_len - move.old_len
            self.mm_populate(move.mm, move.new_addr + move.old_len, grown, True)
        return result

    # Without a place asked for.

    def mremap_at(self, move: Move) -> i64:
        """Shrink, or grow where the area is, or else move it to where there is room."""
        mm: u64 = move.mm
        addr: u64 = move.addr
        error: i64
        if move.old_len >= move.new_len:
            rest: u64 = (addr + move.new_len) & TOP
            error = self.do_munmap(mm, rest, move.old_len - move.new_len)
            # An empty rest is refused, and no error here.
            return error if error < 0 and move.old_len != move.new_len else addr
        error = self.vma_to_resize(move)
        if error != 0:
            return error
        delta: u64 = move.new_len - move.old_len
        if move.old_len == self.vm_end(move.vma) - addr and self.vma_expandable(move.vma, delta):
            return self.expand_vma_in_place(move, delta)
        if move.flags & MREMAP_MAYMOVE == 0:
            return -errno.ENOMEM
        found: i64 = self.mremap_unmapped_area(move, 0, 0)
        if failed(found):
            return found
        move.new_addr = found
        return self.move_vma(move)

    def vma_expandable(self, vma: u64, delta: u64) -> bint:
        """Whether the ``delta`` bytes above the area are free and may be mapped."""
        start: u64 = self.vm_start(vma)
        end: u64 = self.vm_end(vma)
        if delta > TOP - end or self.find_vma_intersection(self.vm_mm(vma), end, end + delta) != 0:
            return False
        length: u64 = end + delta - start
        return not failed(self.get_unmapped_area(self.vm_mm(vma), 0, start, length, 0, MAP_FIXED))

    def expand_vma_in_place(self, move: Move, delta: u64) -> i64:
        """Extend the area upwards: its address or ``-ENOMEM``."""
        vma: u64 = move.vma
        pages: u64 = delta >> self.page_shift
        charged: bint = self.vm_flags(vma) & VM_ACCOUNT != 0
        if charged and self.vm_enough_memory(move.mm, pages) != 0:
            return -errno.ENOMEM
        vma = self.mremap_extend(vma, move.addr, delta)
        if vma == 0:
            if charged:
                self.vm_unacct_memory(pages)
            return -errno.ENOMEM
        self.vm_stat_account(move.mm, self.vm_flags(vma), pages)
        if self.vm_flags(vma) & VM_LOCKED != 0:
            self.set_locked_vm(move.mm, self.locked_vm(move.mm) + pages)
            move.populate = True
            move.new_addr = move.addr
        return move.addr

    def mremap_extend(self, vma: u64, addr: u64, delta: u64) -> u64:
        """The area ``delta`` bytes longer, with what then follows if it fits; 0 if it cannot be.

        Where something must hear of an area's end, merging is refused: it only grows.
        """
        if not self.has_close(vma):
            return self.vma_merge_extend(vma, addr, delta)
        error: i64 = self.vma_adjust(
            vma, self.vm_start(vma), self.vm_end(vma) + delta, self.vm_pgoff(vma), 0, 0
        )
        return vma if error == 0 else 0

    # To a place asked for.

    def mremap_to(self, move: Move) -> i64:
        """MREMAP_FIXED and MREMAP_DONTUNMAP: the new address or a negative errno.

        What MREMAP_FIXED unmapped stays unmapped when a later step fails.
        """
        mm: u64 = move.mm
        new_addr: u64 = move.new_addr
        if new_addr & ~self.page_mask != 0:
            return -errno.EINVAL
        if move.new_len > self.task_size(mm) or new_addr > self.task_size(mm) - move.new_len:
            return -errno.EINVAL
        old_end: u64 = (move.addr + move.old_len) & TOP
        if old_end > new_addr and new_addr + move.new_len > move.addr:
            return -errno.EINVAL
        if self.mremap_near_limit(mm, 2):
            return -errno.ENOMEM
        return self.mremap_place(move)

    def mremap_place(self, move: Move) -> i64:
        """Free the place, shrink and check the source, move it."""
        mm: u64 = move.mm
        error: i64
        if move.flags & MREMAP_FIXED != 0:
            error = self.do_munmap(mm, move.new_addr, move.new_len)
            if error != 0:
                return error
        if move.old_len > move.new_len:
            rest: u64 = move.old_len - move.new_len
            error = self.do_munmap(mm, move.addr + move.new_len, rest)
            if error != 0:
                return error
            move.old_len = move.new_len
        error = self.vma_to_resize(move)
        if error != 0:
            return error
        return self.mremap_to_checked(move)

    def mremap_to_checked(self, move: Move) -> i64:
        """The last limit, the address, the move."""
        pages: u64 = move.old_len >> self.page_shift
        keeps: bint = move.flags & MREMAP_DONTUNMAP != 0
        if keeps and not self.may_expand_vm(move.mm, self.vm_flags(move.vma), pages):
            return -errno.ENOMEM
        fixed: u64 = MAP_FIXED if move.flags & MREMAP_FIXED != 0 else 0
        found: i64 = self.mremap_unmapped_area(move, move.new_addr, fixed)
        if failed(found):
            return found
        move.new_addr = found
        return self.move_vma(move)

    def mremap_unmapped_area(self, move: Move, hint: u64, map_flags: u64) -> i64:
        """Where ``new_len`` bytes may go: an address or a negative errno."""
        vma: u64 = move.vma
        if self.vm_flags(vma) & VM_MAYSHARE != 0:
            map_flags |= MAP_SHARED
        pgoff: u64 = self.vm_pgoff(vma) + ((move.addr - self.vm_start(vma)) >> self.page_shift)
        file: u64 = self.vm_file(vma)
        return self.get_unmapped_area(move.mm, file, hint, move.new_len, pgoff, map_flags)

    def vma_to_resize(self, move: Move) -> i64:
        """Find the source and see whether it may change like this: 0 or a negative errno."""
        vma: u64 = self.vma_lookup(move.mm, move.addr)
        if vma == 0:
            return -errno.EFAULT
        move.vma = vma
        vm_flags: u64 = self.vm_flags(vma)
        if move.old_len == 0 and vm_flags & (VM_SHARED | VM_MAYSHARE) == 0:
            return -errno.EINVAL
        if move.flags & MREMAP_DONTUNMAP != 0 and vm_flags & VM_FIXED_SIZE != 0:
            return -errno.EINVAL
        if move.old_len > self.vm_end(vma) - move.addr:
            return -errno.EFAULT
        if move.new_len == move.old_len:
            return 0
        pgoff: u64 = self.vm_pgoff(vma) + ((move.addr - self.vm_start(vma)) >> self.page_shift)
        if move.new_len >> self.page_shift > TOP - pgoff:
            return -errno.EINVAL
        if vm_flags & VM_FIXED_SIZE != 0:
            return -errno.EFAULT
        grown: u64 = move.new_len - move.old_len
        if not self.mlock_future_ok(move.mm, vm_flags, grown):
            return -errno.EAGAIN
        if not self.may_expand_vm(move.mm, vm_flags, grown >> self.page_shift):
            return -errno.ENOMEM
        return 0

"""mremap as Linux 6.1 does it: shrink, grow in place, or move an area of memory."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.prctl_vma import PrctlVma
from mmtwin.space.words import err_ptr, is_err, ptr_err

TOP = declare(u64, c.MAX)
PAGE_MASK = declare(u64, c.PAGE_MASK)
TASK_SIZE = declare(u64, c.TASK_SIZE)
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


class Move:
    """One mremap under way: what the kernel keeps in arguments and on its stack.

    ``vma`` is the source, [``addr``, ``addr + old_len``) in it goes to
    [``new_addr``, ``new_addr + new_len``). ``populate`` tells that a locked area has grown.
    """

    def __init__(
        self, mm: u64, addr: u64, old_len: u64, new_len: u64, flags: u64, new_addr: u64
    ) -> None:
        self.mm = mm
        self.addr = addr
        self.old_len = old_len
        self.new_len = new_len
        self.flags = flags
        self.new_addr = new_addr
        self.vma = 0
        self.populate = False


class Mremap(PrctlVma):
    """The system call, ``mremap_to``, ``move_vma``, ``copy_vma``."""

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
        if addr & ~PAGE_MASK != 0:
            return -errno.EINVAL
        old_len = (old_len + 0xFFF) & PAGE_MASK
        new_len = (new_len + 0xFFF) & PAGE_MASK
        if new_len == 0:
            return -errno.EINVAL
        move: Move = Move(mm, addr, old_len, new_len, flags, new_addr)
        move.vma = self.vma_lookup(mm, addr)
        if move.vma == 0:
            return -errno.EFAULT
        if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0:
            return self.mremap_done(move, self.mremap_to(move))
        return self.mremap_done(move, self.mremap_at(move))

    def mremap_done(self, move: Move, result: i64) -> i64:
        """Fault in what a locked area gained; ``result`` is the call's."""
        if result >= 0 and move.populate and move.new_len > move.old_len:
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
        if found < 0:
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
        return self.get_unmapped_area(self.vm_mm(vma), 0, start, length, 0, MAP_FIXED) >= 0

    def expand_vma_in_place(self, move: Move, delta: u64) -> i64:
        """Extend the area upwards: its address or ``-ENOMEM``."""
        vma: u64 = move.vma
        pages: u64 = delta >> 12
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
        if new_addr & ~PAGE_MASK != 0:
            return -errno.EINVAL
        if move.new_len > TASK_SIZE or new_addr > TASK_SIZE - move.new_len:
            return -errno.EINVAL
        old_end: u64 = (move.addr + move.old_len) & TOP
        if old_end > new_addr and new_addr + move.new_len > move.addr:
            return -errno.EINVAL
        if self.mremap_near_limit(mm, 2):
            return -errno.ENOMEM
        return self.mremap_place(move)

    def mremap_near_limit(self, mm: u64, more: u64) -> bint:
        """Whether a move could hit the map limit half way, with ``more`` VMAs than now."""
        limit: u64 = self.sysctl_max_map_count()
        return self.map_count(mm) + more + 3 >= limit

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
        pages: u64 = move.old_len >> 12
        keeps: bint = move.flags & MREMAP_DONTUNMAP != 0
        if keeps and not self.may_expand_vm(move.mm, self.vm_flags(move.vma), pages):
            return -errno.ENOMEM
        fixed: u64 = MAP_FIXED if move.flags & MREMAP_FIXED != 0 else 0
        found: i64 = self.mremap_unmapped_area(move, move.new_addr, fixed)
        if found < 0:
            return found
        move.new_addr = found
        return self.move_vma(move)

    def mremap_unmapped_area(self, move: Move, hint: u64, map_flags: u64) -> i64:
        """Where ``new_len`` bytes may go: an address or a negative errno."""
        vma: u64 = move.vma
        if self.vm_flags(vma) & VM_MAYSHARE != 0:
            map_flags |= MAP_SHARED
        pgoff: u64 = self.vm_pgoff(vma) + ((move.addr - self.vm_start(vma)) >> 12)
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
        pgoff: u64 = self.vm_pgoff(vma) + ((move.addr - self.vm_start(vma)) >> 12)
        if move.new_len >> 12 > TOP - pgoff:
            return -errno.EINVAL
        if vm_flags & VM_FIXED_SIZE != 0:
            return -errno.EFAULT
        grown: u64 = move.new_len - move.old_len
        if not self.mlock_future_ok(move.mm, vm_flags, grown):
            return -errno.EAGAIN
        if not self.may_expand_vm(move.mm, vm_flags, grown >> 12):
            return -errno.ENOMEM
        return 0

    # The move.

    def move_vma(self, move: Move) -> i64:
        """Copy the area to its new place and unmap the old one: the new address or an errno."""
        mm: u64 = move.mm
        if self.mremap_near_limit(mm, 0):
            return -errno.ENOMEM
        error: i64 = self.move_may_split(move)
        if error != 0:
            return error
        keeps: bint = move.flags & MREMAP_DONTUNMAP != 0
        vm_flags: u64 = self.vm_flags(move.vma)
        if keeps:
            error = self.move_split_locked(move)
            if error != 0:
                return error
        charged: u64 = 0
        if vm_flags & VM_ACCOUNT != 0:
            charged = (move.new_len if keeps else move.new_len - move.old_len) >> 12
            if self.vm_enough_memory(mm, charged) != 0:
                return -errno.ENOMEM
        source: u64 = move.vma
        pgoff: u64 = self.vm_pgoff(source) + ((move.addr - self.vm_start(source)) >> 12)
        target: u64 = self.copy_vma(move, pgoff)
        if is_err(target):
            if charged != 0:
                self.vm_unacct_memory(charged)
            return ptr_err(target)
        self.move_page_tables(move, target)
        hiwater: u64 = self.hiwater_vm(mm)
        self.vm_stat_account(mm, vm_flags, move.new_len >> 12)
        if keeps:
            self.dontunmap_complete(move, target)
            return move.new_addr
        self.unmap_source_vma(move, vm_flags)
        if vm_flags & VM_LOCKED != 0:
            self.set_locked_vm(mm, self.locked_vm(mm) + (move.new_len >> 12))
            move.populate = True
        self.set_hiwater_vm(mm, hiwater)
        return move.new_addr

    def move_may_split(self, move: Move) -> i64:
        """Whether the area may be cut at the range's borders: 0 or a negative errno."""
        vma: u64 = move.vma
        if not self.has_may_split(vma):
            return 0
        error: i64 = 0
        if self.vm_start(vma) != move.addr:
            error = self.vma_may_split(vma, move.addr)
        end: u64 = move.addr + move.old_len
        if error == 0 and self.vm_end(vma) != end:
            error = self.vma_may_split(vma, end)
        return error

    def move_split_locked(self, move: Move) -> i64:
        """Cut a locked source at both borders, as only what moves may lose the lock."""
        vma: u64 = move.vma
        if self.vm_flags(vma) & VM_LOCKED == 0:
            return 0
        error: i64 = 0
        if self.vm_start(vma) != move.addr:
            error = self.split_vma(move.mm, vma, move.addr, True)
        end: u64 = move.addr + move.old_len
        if error == 0 and self.vm_end(vma) != end:
            error = self.split_vma(move.mm, vma, end, False)
        return error

    def copy_vma(self, move: Move, pgoff: u64) -> u64:
        """An area like the source at the new place: the VMA, or ``-ENOMEM`` as an address.

        It may join neighbours there, even the source itself if that was never written: then
        ``move.vma`` is what the source became.
        """
        vma: u64 = move.vma
        start: u64 = self.vm_start(vma)
        mm: u64 = move.mm
        addr: u64 = move.new_addr
        clean: bint = self.vma_is_anonymous(vma) and self.anon_vma(vma) == 0
        if clean:
            pgoff = addr >> 12
        if self.find_vma_intersection(mm, addr, addr + move.new_len) != 0:
            return err_ptr(-errno.ENOMEM)
        target: u64 = 0
        if self.copy_may_merge(move, clean):
            prev: u64 = self.vma_prev(mm, addr)
            target = self.vma_merge_copy(vma, prev, addr, move.new_len, pgoff)
        if target != 0:
            if self.vm_start(target) <= start < self.vm_end(target):
                move.vma = target
            return target
        return self.copy_vma_new(vma, addr, move.new_len, pgoff)

    def copy_may_merge(self, move: Move, clean: bint) -> bint:
        """Whether the copy may join what is around it.

        A source that stays must not become one with its copy: never-written memory could.
        """
        if move.flags & MREMAP_DONTUNMAP == 0 or not clean:
            return True
        touches: bint = move.new_addr == self.vm_end(
            move.vma
        ) or move.new_addr + move.new_len == self.vm_start(move.vma)
        return not touches

    def copy_vma_new(self, vma: u64, addr: u64, length: u64, pgoff: u64) -> u64:
        """A VMA of its own like ``vma`` at a free place, or ``-ENOMEM`` as an address."""
        new: u64 = self.vm_area_dup(vma)
        if new == 0:
            return err_ptr(-errno.ENOMEM)
        self.vma_set_range(new, addr, addr + length, pgoff)
        if self.anon_vma_clone(new, vma) != 0:
            self.vm_area_free(new)
            return err_ptr(-errno.ENOMEM)
        file: u64 = self.vm_file(new)
        if file != 0:
            self.get_file(file)
        if self.vm_ops(new) != 0:
            self.vma_open(new)
        if self.vma_link(self.vm_mm(new), new) == 0:
            return new
        if self.has_close(new):
            self.vma_close(new)
        if file != 0:
            self.fput(file)
        self.unlink_anon_vmas(new)
        self.vm_area_free(new)
        return err_ptr(-errno.ENOMEM)

    def move_page_tables(self, move: Move, target: u64) -> None:
        """Page tables follow the area: none are kept on this floor."""

    def dontunmap_complete(self, move: Move, target: u64) -> None:
        """The source stays, without its pages: unlocked, and clean again if all of it moved."""
        vma: u64 = move.vma
        self.set_vm_flags(vma, self.vm_flags(vma) & ~VM_LOCKED_MASK)
        whole: bint = self.vm_start(vma) == move.addr and (
            self.vm_end(vma) == move.addr + move.old_len
        )
        if target != vma and whole:
            self.unlink_anon_vmas(vma)
            self.dontunmap_reset_pgoff(vma)

    def dontunmap_reset_pgoff(self, vma: u64) -> None:
        """Never-written memory without a file counts pages from its own address."""
        if self.vma_is_anonymous(vma) and self.vm_file(vma) == 0:
            self.set_vm_pgoff(vma, self.vm_start(vma) >> 12)

    def unmap_source_vma(self, move: Move, vm_flags: u64) -> None:
        """Unmap the old place without giving back the charge, which the copy keeps."""
        vma: u64 = move.vma
        addr: u64 = move.addr
        end: u64 = addr + move.old_len
        accounted: bint = vm_flags & VM_ACCOUNT != 0
        start: u64 = self.vm_start(vma)
        past: u64 = self.vm_end(vma)
        if accounted:
            self.set_vm_flags(vma, self.vm_flags(vma) & ~VM_ACCOUNT)
        if self.do_munmap(move.mm, addr, move.old_len) < 0:
            if accounted:
                self.vm_acct_memory(move.old_len >> 12)
            return
        if not accounted:
            return
        if start < addr:
            self.restore_account(self.vma_lookup(move.mm, addr - 1))
        if past > end:
            self.restore_account(self.vma_lookup(move.mm, end))

    def restore_account(self, vma: u64) -> None:
        """Mark a piece that is left of a moved area as charged again."""
        self.set_vm_flags(vma, self.vm_flags(vma) | VM_ACCOUNT)

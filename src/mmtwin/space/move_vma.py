"""Moving an area of memory for mremap: copy it, take its pages along, unmap what was."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.space import flags as c
from mmtwin.space.prctl_vma import PrctlVma
from mmtwin.space.words import err_ptr, is_err, ptr_err

VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_UFFD_MISSING = declare(u64, c.VM_UFFD_MISSING)
VM_UFFD_WP = declare(u64, c.VM_UFFD_WP)
VM_LOCKED_MASK = declare(u64, c.VM_LOCKED_MASK)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
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


class MoveVma(PrctlVma):
    """``move_vma`` and ``copy_vma``."""

    def mremap_near_limit(self, mm: u64, more: u64) -> bint:
        """Whether a move could hit the map limit half way, with ``more`` VMAs than now."""
        limit: u64 = self.sysctl_max_map_count()
        return self.map_count(mm) + more + 3 >= limit

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
            charged = (move.new_len if keeps else move.new_len - move.old_len) >> self.page_shift
            if self.vm_enough_memory(mm, charged) != 0:
                return -errno.ENOMEM
        source: u64 = move.vma
        pgoff: u64 = self.vm_pgoff(source) + (
            (move.addr - self.vm_start(source)) >> self.page_shift
        )
        target: u64 = self.copy_vma(move, pgoff)
        if is_err(target):
            if charged != 0:
                self.vm_unacct_memory(charged)
            return ptr_err(target)
        moved: u64 = self.move_page_tables(move, target)
        if moved < move.old_len:
            self.move_undo(move, target, moved)
            if charged != 0:
                self.vm_unacct_memory(charged)
            return -errno.ENOMEM
        self.mremap_userfaultfd_prep(target)
        if self.is_vm_hugetlb_page(source):
            self.huge.clear_resv(source)
        hiwater: u64 = self.hiwater_vm(mm)
        self.vm_stat_account(mm, vm_flags, move.new_len >> self.page_shift)
        if keeps:
            self.dontunmap_complete(move, target)
            return move.new_addr
        self.unmap_source_vma(move, vm_flags)
        if vm_flags & VM_LOCKED != 0:
            self.set_locked_vm(mm, self.locked_vm(mm) + (move.new_len >> self.page_shift))
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

    def vm_uffd_minor(self) -> u64:
        """VM_UFFD_MINOR, where this kernel has it."""
        return c.VM_UFFD_MINOR

    def uffd_flags(self) -> u64:
        """All of __VM_UFFD_FLAGS."""
        return VM_UFFD_MISSING | VM_UFFD_WP | self.vm_uffd_minor()

    def mremap_userfaultfd_prep(self, vma: u64) -> None:
        """What moves is watched no more: its context did not ask to hear of moves."""
        if self.vm_userfaultfd_ctx(vma) != 0:
            self.set_vm_userfaultfd_ctx(vma, 0)
            self.vm_flags_reset(vma, self.vm_flags(vma) & ~self.uffd_flags())

    def dontunmap_repaired(self) -> bint:
        """Whether MREMAP_DONTUNMAP has its repairs of 2026, which are in 6.1.192, not in 6.1.176:
        no source that becomes one with its copy, keeps its page offset or loses too many locks.
        """
        return self.profile.since(6, 1, 192)

    def move_split_locked(self, move: Move) -> i64:
        """Cut a locked source at both borders, as only what moves may lose the lock."""
        vma: u64 = move.vma
        if self.vm_flags(vma) & VM_LOCKED == 0 or not self.dontunmap_repaired():
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
            pgoff = addr >> self.page_shift
        if self.find_vma_intersection(mm, addr, addr + move.new_len) != 0:
            return err_ptr(-errno.ENOMEM)
        target: u64 = 0
        if self.copy_may_merge(move, clean):
            prev: u64 = self.vma_prev(mm, addr)
            target = self.vma_merge_copy(vma, prev, addr, move.new_len, pgoff)
        if target != 0:
            if self.vm_start(target) <= start < self.vm_end(target):
                if not clean:
                    raise KernelBug("faulted_in_anon_vma", "copy_vma")
                move.vma = target
            return target
        return self.copy_vma_new(vma, addr, move.new_len, pgoff)

    def copy_may_merge(self, move: Move, clean: bint) -> bint:
        """Whether the copy may join what is around it.

        A source that stays must not become one with its copy: never-written memory could.
        """
        if move.flags & MREMAP_DONTUNMAP == 0 or not clean or not self.dontunmap_repaired():
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

    def move_page_tables(self, move: Move, target: u64) -> u64:
        """The pages and their entries follow the area: how many bytes of it were moved."""
        return move.old_len

    def move_undo(self, move: Move, target: u64, moved: u64) -> None:
        """No memory for page tables: the pages go back, and the copy of the area goes."""
        self.move_back(move, target, moved)
        self.set_vm_flags(target, self.vm_flags(target) & ~VM_ACCOUNT)
        self.vm_stat_account(move.mm, self.vm_flags(move.vma), move.new_len >> self.page_shift)
        locked: bint = self.vm_flags(target) & VM_LOCKED != 0
        if locked:
            self.set_locked_vm(move.mm, self.locked_vm(move.mm) + (move.new_len >> self.page_shift))
        self.do_munmap(move.mm, move.new_addr, move.new_len)

    def move_back(self, move: Move, target: u64, moved: u64) -> None:
        """Move the entries of the first ``moved`` bytes back."""

    def dontunmap_complete(self, move: Move, target: u64) -> None:
        """The source stays, without its pages: unlocked, and clean again if all of it moved."""
        vma: u64 = move.vma
        if target == vma and self.dontunmap_repaired() and not self.profile.since(6, 2):
            raise KernelWarning("new_vma == vma", "move_vma")
        self.set_vm_flags(vma, self.vm_flags(vma) & ~VM_LOCKED_MASK)
        whole: bint = self.vm_start(vma) == move.addr and (
            self.vm_end(vma) == move.addr + move.old_len
        )
        if target != vma and whole:
            self.unlink_anon_vmas(vma)
            self.dontunmap_reset_pgoff(vma)

    def dontunmap_reset_pgoff(self, vma: u64) -> None:
        """Never-written memory without a file counts pages from its own address."""
        unnamed: bint = self.vma_is_anonymous(vma) and self.vm_file(vma) == 0
        if unnamed and self.dontunmap_repaired():
            self.set_vm_pgoff(vma, self.vm_start(vma) >> self.page_shift)

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
                self.vm_acct_memory(move.old_len >> self.page_shift)
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

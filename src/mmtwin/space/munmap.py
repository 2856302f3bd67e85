"""munmap as Linux 6.1 does it: split, gather into a side tree, clear the range with one store."""

from __future__ import annotations

import errno

from cython import declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState, cursor
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches
from mmtwin.space.merge import Merge

VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
TOP = declare(u64, c.MAX)
LOCK_EXTERN = declare(u64, c.MT_FLAGS_LOCK_EXTERN)
MAPLE_TREE_SIZE = 24


class Detach:
    """VMAs put aside to be unmapped: the side tree's cursor, how many, how many pages locked.

    ``tree`` is the address of the side tree's ``struct maple_tree``.
    """

    def begin(self, tree: u64) -> i32:
        """Nothing is put aside yet; returns 0."""
        self.mas = cursor(tree, 0)
        self.count = 0
        self.locked_vm = 0
        return 0


class Munmap(Merge):
    """``do_mas_munmap`` and the system call."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.stack = Arena(memory, MAPLE_TREE_SIZE, 8, "stack_maple_tree")

    def sys_munmap(self, mm: u64, addr: u64, length: u64) -> i64:
        """munmap(2): 0 or a negative errno."""
        return self.do_munmap(mm, addr, length)

    def do_munmap(self, mm: u64, start: u64, length: u64) -> i64:
        """Unmap [start, start + length), rounded up to pages: 0 or a negative errno."""
        return self.do_mas_munmap(self.vma_iterator(mm, start), mm, start, length)

    def do_mas_munmap(self, mas: MaState, mm: u64, start: u64, length: u64) -> i64:
        """Unmap with the caller's cursor, which must stand fresh at ``start``."""
        if (
            start & ~self.page_mask != 0
            or start > self.task_size(mm)
            or length > self.task_size(mm) - start
        ):
            return -errno.EINVAL
        end: u64 = start + ((length + self.page_size - 1) & self.page_mask)
        if end == start:
            return -errno.EINVAL
        vma: u64 = self.munmap_first(mas, start, end)
        if vma == 0:
            return 0
        return self.do_mas_align_munmap(mas, vma, mm, start, end)

    def munmap_first(self, mas: MaState, start: u64, end: u64) -> u64:
        """The first VMA that the range touches: the search's limit is the last byte, inclusive."""
        return self.maple.mas_find(mas, end - 1)

    def do_mas_align_munmap(self, mas: MaState, vma: u64, mm: u64, start: u64, end: u64) -> i64:
        """Unmap page-aligned [start, end), whose first VMA is ``vma``: 0 or a negative errno.

        A failing second split leaves the first one in place.
        """
        if self.maple.mas_preallocate(mas, vma, GFP_KERNEL) != 0:
            return -errno.ENOMEM
        error: i64
        if start > self.vm_start(vma):
            # The count may pass the limit for a moment, so that resources can be freed at it.
            if end < self.vm_end(vma) and self.map_count(mm) >= self.sysctl_max_map_count():
                self.maple.mas_destroy(mas)
                return -errno.ENOMEM
            error = self.split_vma_nocheck(mm, vma, start, False)
            if error != 0:
                self.maple.mas_destroy(mas)
                return error
        tree: u64 = self.stack.alloc(GFP_KERNEL)
        self.maple.mt_init_flags(tree, LOCK_EXTERN)
        detach: Detach = Detach.__new__(Detach)
        detach.begin(tree)
        error = self.munmap_gather(mas, detach, mm, start, end)
        if error == 0:
            # The point of no return.
            mas.set_range(start, end - 1)
            self.maple.mas_store_prealloc(mas, 0)
            self.set_locked_vm(mm, self.locked_vm(mm) - detach.locked_vm)
            self.set_map_count(mm, self.map_count(mm) - detach.count)
            self.unmap_region(detach)
            self.remove_mt(mm, detach)
        self.maple.mt_destroy(tree)
        self.stack.free(tree)
        self.maple.mas_destroy(mas)
        return error

    def munmap_gather(self, mas: MaState, detach: Detach, mm: u64, start: u64, end: u64) -> i64:
        """Put the VMAs of [start, end) into the side tree; split the last one if it reaches on."""
        cursor: MaState = self.vma_iterator(mm, start)
        vma: u64 = self.maple.mas_find(cursor, end - 1)
        while vma != 0:
            error: i64
            past: u64 = self.vm_end(vma)
            if past > end:
                error = self.split_vma_nocheck(mm, vma, end, True)
                if error != 0:
                    return error
                vma = self.vma_prev(mm, end)
                past = end
            if self.vm_start(vma) < start:
                raise KernelBug("next->vm_start < start", "do_mas_align_munmap")
            detach.mas.set_range(self.vm_start(vma), past - 1)
            error = self.maple.mas_store_gfp(detach.mas, vma, GFP_KERNEL)
            if error != 0:
                return error
            if self.vm_flags(vma) & VM_LOCKED != 0:
                detach.locked_vm += self.vma_pages(vma)
            detach.count += 1
            if past == end:
                break
            vma = self.maple.mas_find(cursor, end - 1)
        return 0

    def unmap_region(self, detach: Detach) -> None:
        """Zap the gathered VMAs' pages, take them out of reverse mapping, free their tables."""
        mas: MaState = detach.mas
        self.unmap_vmas(mas)
        mas.set(0)
        vma: u64 = self.maple.mas_find(mas, TOP)
        while vma != 0:
            self.unlink_anon_vmas(vma)
            self.unlink_file_vma(vma)
            vma = self.maple.mas_find(mas, TOP)
        self.free_region_tables(mas)

    def unmap_vmas(self, mas: MaState) -> None:
        """Zap the pages of every VMA that ``mas`` walks from its beginning."""

    def free_region_tables(self, mas: MaState) -> None:
        """Free the page tables of the VMAs that ``mas`` walks, but what the neighbours need."""

    def remove_mt(self, mm: u64, detach: Detach) -> None:
        """Count out, uncharge, close and free the gathered VMAs."""
        self.update_hiwater_vm(mm)
        charged: u64 = 0
        mas: MaState = detach.mas
        mas.set(0)
        vma: u64 = self.maple.mas_find(mas, TOP)
        while vma != 0:
            pages: u64 = self.vma_pages(vma)
            vm_flags: u64 = self.vm_flags(vma)
            if vm_flags & VM_ACCOUNT != 0:
                charged += pages
            self.vm_stat_account(mm, vm_flags, -pages)
            self.remove_vma(vma)
            vma = self.maple.mas_find(mas, TOP)
        if charged != 0:
            self.vm_unacct_memory(charged)

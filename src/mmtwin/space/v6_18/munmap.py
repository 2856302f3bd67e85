"""munmap since 6.12: gather, clear the tree, then free; what was only gathered can go back."""

from __future__ import annotations

import errno

from cython import declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState, cursor
from mmtwin.space import flags as c
from mmtwin.space.v6_18.merge import Merge618

TOP = declare(u64, c.MAX)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
VM_SEALED = declare(u64, c.VM_SEALED_6_18)
LOCK_EXTERN = declare(u64, c.MT_FLAGS_LOCK_EXTERN)


class VmaMunmap:
    """VMAs gathered to be unmapped: the kernel's ``struct vma_munmap_struct``.

    ``vma`` is the first VMA of [``start``, ``end``), 0 if there is none. ``tree`` is the side tree
    that holds them by number, ``mas`` a cursor on it. ``prev`` and ``next`` are the VMAs around.
    The counts are of pages.
    """

    def begin(self, tree: u64, vma: u64, start: u64, end: u64) -> i32:
        """Nothing is gathered yet; returns 0."""
        self.tree = tree
        self.mas = cursor(tree, 0)
        self.vma = vma
        self.start = start
        self.end = end
        self.prev = 0
        self.next = 0
        self.vma_count = 0
        self.nr_pages = 0
        self.locked_vm = 0
        self.nr_accounted = 0
        self.exec_vm = 0
        self.stack_vm = 0
        self.data_vm = 0
        self.clear_ptes = False
        self.closed = False
        return 0


class Munmap618(Merge618):
    """``do_vmi_align_munmap`` and its parts, which mmap uses too."""

    def do_mas_align_munmap(self, mas: MaState, vma: u64, mm: u64, start: u64, end: u64) -> i64:
        """Unmap page-aligned [start, end), whose first VMA is ``vma``: 0 or a negative errno."""
        vms: VmaMunmap = self.vms_begin(vma, start, end)
        error: i64 = self.vms_gather_munmap_vmas(vms, mm)
        if error != 0:
            return error
        mas.set_range(start, end - 1)
        error = self.maple.mas_store_gfp(mas, 0, GFP_KERNEL)
        if error != 0:
            self.vms_reattach(vms)
            return error
        self.vms_complete_munmap_vmas(vms, mm)
        return 0

    def vms_begin(self, vma: u64, start: u64, end: u64) -> VmaMunmap:
        """An empty collection with a side tree of its own."""
        tree: u64 = self.stack.alloc(GFP_KERNEL)
        self.maple.mt_init_flags(tree, LOCK_EXTERN)
        vms: VmaMunmap = VmaMunmap.__new__(VmaMunmap)
        vms.begin(tree, vma, start, end)
        return vms

    def vms_gather_munmap_vmas(self, vms: VmaMunmap, mm: u64) -> i64:
        """Split at the borders and put every VMA of the range into the side tree.

        0 or a negative errno; the splits stay, everything else is as before. A split leaves the
        new VMA outside of the range.
        """
        error: i64 = 0
        vma: u64 = vms.vma
        if vms.start > self.vm_start(vma):
            if vms.end < self.vm_end(vma) and self.map_count(mm) >= self.sysctl_max_map_count():
                error = -errno.ENOMEM
            elif self.vm_flags(vma) & VM_SEALED != 0:
                error = -errno.EPERM
            else:
                error = self.split_vma_nocheck(mm, vma, vms.start, True)
        if error != 0:
            self.vms_reattach(vms)
            return error
        vms.prev = self.vma_prev(mm, vms.start)
        cursor: MaState = self.vma_iterator(mm, vms.start)
        vma = self.maple.mas_find(cursor, vms.end - 1)
        while vma != 0:
            vm_flags: u64 = self.vm_flags(vma)
            if vm_flags & VM_SEALED != 0:
                error = -errno.EPERM
            elif self.vm_end(vma) > vms.end:
                error = self.split_vma_nocheck(mm, vma, vms.end, False)
            if error == 0:
                vms.mas.set(vms.vma_count)
                error = self.maple.mas_store_gfp(vms.mas, vma, GFP_KERNEL)
            if error != 0:
                self.vms_reattach(vms)
                return error
            vms.vma_count += 1
            pages: u64 = self.vma_pages(vma)
            vms.nr_pages += pages
            if vm_flags & VM_LOCKED != 0:
                vms.locked_vm += pages
            if vm_flags & VM_ACCOUNT != 0:
                vms.nr_accounted += pages
            if self.is_exec_mapping(vm_flags):
                vms.exec_vm += pages
            elif self.is_stack_mapping(vm_flags):
                vms.stack_vm += pages
            elif self.is_data_mapping(vm_flags):
                vms.data_vm += pages
            if self.vm_end(vma) == vms.end:
                break
            vma = self.maple.mas_find(cursor, vms.end - 1)
        vms.next = self.find_vma(mm, vms.end)
        vms.clear_ptes = True
        return 0

    def vms_reattach(self, vms: VmaMunmap) -> None:
        """Leave the VMAs where they are; the side tree goes."""
        self.maple.mt_destroy(vms.tree)
        self.stack.free(vms.tree)
        vms.nr_pages = 0

    def vms_clear_ptes(self, vms: VmaMunmap) -> None:
        """Pages and page tables go; with them the places in reverse mapping."""
        if not vms.clear_ptes:
            return
        self.unmap_vmas(vms.mas)
        vms.mas.set(0)
        vma: u64 = self.maple.mas_find(vms.mas, TOP)
        while vma != 0:
            self.unlink_anon_vmas(vma)
            self.unlink_file_vma(vma)
            vma = self.maple.mas_find(vms.mas, TOP)
        self.free_region_tables(vms.mas)
        vms.clear_ptes = False

    def vms_clean_up_area(self, vms: VmaMunmap) -> None:
        """Before a new mapping takes the place: clear the pages and close the old VMAs."""
        if vms.nr_pages == 0:
            return
        self.vms_clear_ptes(vms)
        vms.mas.set(0)
        vma: u64 = self.maple.mas_find(vms.mas, TOP)
        while vma != 0:
            if self.has_close(vma):
                self.vma_close(vma)
                # As vma_close() leaves it, so that it is not closed again.
                self.set_vm_ops(vma, self.generic_file_vm_ops)
            vma = self.maple.mas_find(vms.mas, TOP)

    def vms_complete_munmap_vmas(self, vms: VmaMunmap, mm: u64) -> None:
        """The VMAs are out of the tree: count them out and free them."""
        self.set_map_count(mm, self.map_count(mm) - vms.vma_count)
        self.set_locked_vm(mm, self.locked_vm(mm) - vms.locked_vm)
        self.vms_clear_ptes(vms)
        self.update_hiwater_vm(mm)
        if (
            vms.exec_vm > self.exec_vm(mm)
            or vms.stack_vm > self.stack_vm(mm)
            or vms.data_vm > self.data_vm(mm)
        ):
            raise KernelWarning("vms->data_vm > mm->data_vm", "vms_complete_munmap_vmas")
        self.set_total_vm(mm, self.total_vm(mm) - vms.nr_pages)
        self.set_exec_vm(mm, self.exec_vm(mm) - vms.exec_vm)
        self.set_stack_vm(mm, self.stack_vm(mm) - vms.stack_vm)
        self.set_data_vm(mm, self.data_vm(mm) - vms.data_vm)
        vms.mas.set(0)
        vma: u64 = self.maple.mas_find(vms.mas, TOP)
        while vma != 0:
            self.remove_vma(vma)
            vma = self.maple.mas_find(vms.mas, TOP)
        if vms.nr_accounted != 0:
            self.vm_unacct_memory(vms.nr_accounted)
        self.maple.mt_destroy(vms.tree)
        self.stack.free(vms.tree)

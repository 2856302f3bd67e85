"""mmap and brk since 6.12: the old areas are gathered first and go only once nothing can fail."""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL, NOFAIL
from mmtwin.maple.state import MaState
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.v6_18.merge import VmaMerge, merge_attempt
from mmtwin.space.v6_18.munmap import Munmap618, VmaMunmap
from mmtwin.space.words import failed

if not cython.compiled:
    from mmtwin.pages.words import load
    from mmtwin.space.parts import load32

TOP = declare(u64, c.MAX)
PAGE_SIZE = declare(u64, c.PAGE_SIZE)
PMD_SIZE = declare(u64, c.PMD_SIZE)
ERR_MIN = declare(u64, 0xFFFFFFFFFFFFF001)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_MAYWRITE = declare(u64, c.VM_MAYWRITE)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_SOFTDIRTY = declare(u64, c.VM_SOFTDIRTY)
VM_NOHUGEPAGE = declare(u64, c.VM_NOHUGEPAGE)
PROT_WRITE = declare(u64, c.PROT_WRITE)
MAP_SHARED = declare(u64, c.MAP_SHARED)
MAP_PRIVATE = declare(u64, c.MAP_PRIVATE)
MAP_FIXED = declare(u64, c.MAP_FIXED)
MAP_32BIT = declare(u64, c.MAP_32BIT)
MAP_32BIT_LOW = declare(u64, c.MAP_32BIT_LOW)
MAP_32BIT_HIGH = declare(u64, c.MAP_32BIT_HIGH)
MAP_STACK = declare(u64, c.MAP_STACK)
MAP_TYPE = declare(u64, c.MAP_TYPE)
MAP_ABOVE4G = declare(u64, c.MAP_ABOVE4G)
MAP_DROPPABLE = declare(u64, c.MAP_DROPPABLE)
MAP_LOCKED = declare(u64, c.MAP_LOCKED)
MAP_HUGETLB = declare(u64, c.MAP_HUGETLB)
VM_GROWSDOWN = declare(u64, c.VM_GROWSDOWN)
VM_DROPPABLE = declare(u64, c.VM_DROPPABLE_6_18)
VM_NORESERVE = declare(u64, c.VM_NORESERVE)
VM_WIPEONFORK = declare(u64, c.VM_WIPEONFORK)
VM_DONTDUMP = declare(u64, c.VM_DONTDUMP)
AREA_ZERO = declare(u64, files.AREA_ZERO)
F_SEAL_WRITE = declare(u64, 0x8)
F_SEAL_FUTURE_WRITE = declare(u64, 0x10)
I_SEALS = declare(u64, 608)
THP = declare(u64, 144)
FOUR_GIB = declare(u64, 1 << 32)
MAP_WINDOW = declare(u64, c.DEFAULT_MAP_WINDOW)


class Mmap618(Munmap618):
    """Placement of large areas, ``mmap_region`` and ``do_brk_flags`` as 6.18 has them."""

    # Where a new area goes.

    def area_low_limit(self, low: u64) -> u64:
        """Searches keep above mmap_min_addr."""
        least: u64 = self.sysctl_mmap_min_addr()
        return low if low > least else least

    def choose_area(
        self, mm: u64, file: u64, addr: u64, length: u64, pgoff: u64, map_flags: u64
    ) -> i64:
        """Large anonymous areas begin at 2 MiB if they consist of whole ones and have no hint.

        efa7df3e3bb5 ("mm: align larger anonymous mappings on THP boundaries", 6.7), limited by
        d4148aeab412 (6.13).
        """
        if file != 0 and self.huge_page_shift(file) != 0:
            return self.hugetlb_get_unmapped_area(mm, file, addr, length, map_flags)
        if load(self.memory, self.sysctl + THP) == 0:
            return self.mm_get_unmapped_area(mm, addr, length, map_flags)
        if file != 0 and self.file_area(file) == AREA_ZERO:
            if map_flags & MAP_SHARED == 0:
                return self.thp_get_unmapped_area(mm, addr, length, pgoff << 12, map_flags)
        elif (
            file == 0 and map_flags & MAP_SHARED == 0 and addr == 0 and length & (PMD_SIZE - 1) == 0
        ):
            return self.thp_get_unmapped_area(mm, addr, length, 0, map_flags)
        return Munmap618.choose_area(self, mm, file, addr, length, pgoff, map_flags)

    def arch_get_unmapped_area_topdown(
        self, mm: u64, addr: u64, length: u64, map_flags: u64
    ) -> i64:
        """MAP_ABOVE4G keeps this search above 4 GiB (6.6), not the one that it falls back to."""
        if map_flags & (MAP_FIXED | MAP_32BIT | MAP_ABOVE4G) == MAP_ABOVE4G:
            return self.masked_area_topdown(mm, addr, length, map_flags, 0)
        return Munmap618.arch_get_unmapped_area_topdown(self, mm, addr, length, map_flags)

    def hugetlb_get_unmapped_area(
        self, mm: u64, file: u64, addr: u64, length: u64, map_flags: u64
    ) -> i64:
        """The address space's own search, with alignment (6.13); a hint is rounded up."""
        one: u64 = 1
        size: u64 = one << self.huge_page_shift(file)
        if length & (size - 1) != 0 or (map_flags & MAP_FIXED != 0 and addr & (size - 1) != 0):
            return -errno.EINVAL
        hint: u64 = (addr + size - 1) & TOP & ~(size - 1)
        if map_flags & MAP_FIXED != 0:
            return hint
        if self.mm_topdown(mm) and map_flags & MAP_32BIT == 0:
            return self.masked_area_topdown(mm, hint, length, map_flags, size - PAGE_SIZE)
        return self.masked_area(mm, hint, length, map_flags, size - PAGE_SIZE)

    def masked_area_topdown(
        self, mm: u64, addr: u64, length: u64, map_flags: u64, mask: u64
    ) -> i64:
        """The top-down search for an address with none of the mask's bits; it keeps a hint."""
        top: u64 = self.task_size(mm)
        if length > top:
            return -errno.ENOMEM
        hint: u64 = addr & self.page_mask
        crosses: bint = (hint > MAP_WINDOW) != (hint + length > MAP_WINDOW)
        if hint != 0 and hint <= top - length and not crosses and self.is_free(mm, hint, length):
            return hint
        low: u64 = FOUR_GIB if map_flags & MAP_ABOVE4G != 0 else self.page_size
        high: u64 = self.mmap_base(mm)
        if hint > MAP_WINDOW and top > MAP_WINDOW:
            high += top - MAP_WINDOW
        found: i64 = self.aligned_area_topdown(mm, length, low, high, mask, 0)
        if failed(found):
            return self.masked_area(mm, addr, length, map_flags, mask)
        return found

    def masked_area(self, mm: u64, addr: u64, length: u64, map_flags: u64, mask: u64) -> i64:
        """The bottom-up search for such an address."""
        begin: u64 = self.mmap_legacy_base(mm)
        end: u64 = self.task_size(mm)
        if map_flags & MAP_32BIT != 0:
            begin = MAP_32BIT_LOW
            end = MAP_32BIT_HIGH
        elif addr <= MAP_WINDOW and end > MAP_WINDOW:
            end = MAP_WINDOW
        if length > end:
            return -errno.ENOMEM
        hint: u64 = (addr + self.page_size - 1) & self.page_mask
        if addr != 0 and end - length >= hint and self.is_free(mm, hint, length):
            return hint
        return self.aligned_area(mm, length, begin, end, mask, 0)

    def is_free(self, mm: u64, start: u64, length: u64) -> bint:
        """Does no area, with the gap below it if it is a stack, begin below the range's end?"""
        above: u64 = self.find_vma(mm, start)
        return above == 0 or start + length <= self.vm_start_gap(above)

    def thp_align(self, mm: u64, found: u64, offset: u64) -> u64:
        """The address in the padded window; the highest one where the search went top-down."""
        shift: u64 = ((offset & (PMD_SIZE - 1)) + PMD_SIZE - (found & (PMD_SIZE - 1))) % PMD_SIZE
        if shift == 0 and self.mm_topdown(mm):
            return found + PMD_SIZE
        return found + shift

    def calc_vm_flags(self, mm: u64, prot: u64, map_flags: u64) -> u64:
        """MAP_STACK asks for small pages (c4608d1bf7c6, 6.7), where huge ones are built in."""
        vm_flags: u64 = Munmap618.calc_vm_flags(self, mm, prot, map_flags)
        if map_flags & MAP_STACK != 0 and load(self.memory, self.sysctl + THP) != 0:
            vm_flags |= VM_NOHUGEPAGE
        return vm_flags

    def known_map_flags(self, file: u64) -> u64:
        """MAP_ABOVE4G is an old flag by now (6.6)."""
        return Munmap618.known_map_flags(self, file) | MAP_ABOVE4G

    def file_mmap_check(
        self, file: u64, prot: u64, map_flags: u64, length: u64, pgoff: u64, vm_flags: u64
    ) -> i64:
        """A memfd sealed against writing is refused before anything is unmapped (6.14)."""
        error: i64 = Munmap618.file_mmap_check(self, file, prot, map_flags, length, pgoff, vm_flags)
        if error != 0 or map_flags & MAP_TYPE == MAP_PRIVATE or prot & PROT_WRITE == 0:
            return error
        seals: u64 = load32(self.memory, self.file_inode(file) + I_SEALS)
        return -errno.EPERM if seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0 else 0

    def anonymous_vm_flags(self, map_flags: u64, vm_flags: u64) -> i64:
        """MAP_DROPPABLE (6.11): memory that may be taken away, so neither charged nor inherited."""
        if map_flags & MAP_TYPE != MAP_DROPPABLE:
            return Munmap618.anonymous_vm_flags(self, map_flags, vm_flags)
        if map_flags & (MAP_LOCKED | MAP_HUGETLB) != 0 or vm_flags & VM_GROWSDOWN != 0:
            return -errno.EINVAL
        return vm_flags | VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP

    # The region.

    def mmap_region(
        self, mm: u64, file: u64, addr: u64, length: u64, vm_flags: u64, pgoff: u64
    ) -> i64:
        """Map [addr, addr + length): the address or a negative errno.

        Limits, charge and splits fail with the old areas in place; only what a driver refuses
        leaves a hole.
        """
        if file != 0 and vm_flags & (VM_SHARED | VM_MAYWRITE) == VM_SHARED | VM_MAYWRITE:
            seals: u64 = load32(self.memory, self.file_inode(file) + I_SEALS)
            if seals & F_SEAL_WRITE != 0:
                return -errno.EPERM
        end: u64 = addr + length
        pages: u64 = length >> 12
        first: u64 = self.find_vma_intersection(mm, addr, end)
        vms: VmaMunmap = self.vms_begin(first, addr, end)
        error: i64
        if first != 0:
            error = self.vms_gather_munmap_vmas(vms, mm)
            if error != 0:
                return error
        else:
            vms.prev = self.vma_prev(mm, addr)
            vms.next = self.find_vma(mm, end)
        charged: i64 = self.mmap_setup(vms, mm, file, pages, vm_flags)
        if charged < 0:
            self.vms_reattach(vms)
            return charged
        if self.accountable_mapping(file, vm_flags):
            vm_flags |= VM_ACCOUNT
        self.vms_clean_up_area(vms)
        vmg: VmaMerge = merge_attempt(mm, addr, end, vm_flags, pgoff)
        vmg.prev = vms.prev
        vmg.next = vms.next
        vmg.file = file
        vma: u64 = self.vma_merge_new_range(vmg)
        if vma == 0:
            mas: MaState = self.vma_iterator(mm, addr)
            mas.set_range(addr, end - 1)
            vma = self.mmap_new_vma(mas, mm, 0, file, addr, end, vm_flags, pgoff)
            if vma >= ERR_MIN:
                if charged != 0:
                    self.vm_unacct_memory(charged)
                if vms.vma_count != 0:
                    mas.set_range(addr, end - 1)
                    self.maple.mas_store_gfp(mas, 0, GFP_KERNEL | NOFAIL)
                self.vms_complete_munmap_vmas(vms, mm)
                error = vma - TOP - 1
                return error
            vm_flags = self.vm_flags(vma)
        self.vms_complete_munmap_vmas(vms, mm)
        self.mmap_complete(mm, vma, vm_flags, length)
        return addr

    def mmap_setup(self, vms: VmaMunmap, mm: u64, file: u64, pages: u64, vm_flags: u64) -> i64:
        """Limits and charge, less what the gathered areas hold: pages charged, or ``-ENOMEM``."""
        if not self.may_expand_vm(mm, vm_flags, pages - vms.nr_pages):
            return -errno.ENOMEM
        if not self.accountable_mapping(file, vm_flags):
            return 0
        charged: u64 = pages - vms.nr_accounted
        if charged != 0 and self.vm_enough_memory(mm, charged) != 0:
            return -errno.ENOMEM
        vms.nr_accounted = 0
        return charged

    def do_brk_flags(
        self, mas: MaState, mm: u64, vma: u64, addr: u64, length: u64, extra_flags: u64
    ) -> i64:
        """Zero pages at [addr, addr + length): 0 or ``-ENOMEM``; a failure charges nothing."""
        vm_flags: u64 = extra_flags | self.data_default_flags(mm) | self.def_flags(mm)
        pages: u64 = length >> 12
        if not self.may_expand_vm(mm, vm_flags, pages):
            return -errno.ENOMEM
        if self.map_count(mm) > self.sysctl_max_map_count():
            return -errno.ENOMEM
        if self.vm_enough_memory(mm, pages) != 0:
            return -errno.ENOMEM
        merged: u64 = 0
        failed: bint = False
        if vma != 0 and self.vm_end(vma) == addr:
            vmg: VmaMerge = merge_attempt(mm, addr, addr + length, vm_flags, addr >> 12)
            vmg.prev = vma
            vmg.just_expand = True
            merged = self.vma_merge_new_range(vmg)
            failed = vmg.nomem
        if merged == 0 and not failed:
            merged = self.vm_area_alloc(mm)
            if merged != 0:
                self.vma_set_range(merged, addr, addr + length, addr >> 12)
                self.set_vm_flags(merged, vm_flags)
                self.vma_set_page_prot(merged)
                mas.set_range(addr, addr + length - 1)
                if self.maple.mas_store_gfp(mas, merged, GFP_KERNEL) != 0:
                    self.vm_area_free(merged)
                    merged = 0
                else:
                    self.set_map_count(mm, self.map_count(mm) + 1)
        if merged == 0:
            self.vm_unacct_memory(pages)
            return -errno.ENOMEM
        self.set_total_vm(mm, self.total_vm(mm) + pages)
        self.set_data_vm(mm, self.data_vm(mm) + pages)
        if vm_flags & VM_LOCKED != 0:
            self.set_locked_vm(mm, self.locked_vm(mm) + pages)
        self.set_vm_flags(merged, self.vm_flags(merged) | VM_SOFTDIRTY)
        return 0

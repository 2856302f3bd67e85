"""Where a new area goes: hints, the search in both directions, guard gaps, alignment.

The x86-64 functions. The tree's gaps know nothing of guard gaps: a window that reaches into one is
refused and the search goes on beyond it. No alignment is needed on today's CPUs.
"""

from __future__ import annotations

import errno

from cython import bint, cfunc, declare, inline
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.maple.state import MaState
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space.layouts import MM_TOPDOWN_BIT
from mmtwin.space.munmap import Munmap
from mmtwin.space.words import failed, is_err, ptr_err

TOP = declare(u64, c.MAX)
VM_GROWSDOWN = declare(u64, c.VM_GROWSDOWN)
MAP_SHARED = declare(u64, c.MAP_SHARED)
MAP_FIXED = declare(u64, c.MAP_FIXED)
MAP_32BIT = declare(u64, c.MAP_32BIT)
MAP_32BIT_LOW = declare(u64, c.MAP_32BIT_LOW)
MAP_32BIT_HIGH = declare(u64, c.MAP_32BIT_HIGH)
CAP_SYS_RAWIO = declare(u64, c.CAP_SYS_RAWIO)
AREA_THP = declare(u64, files.AREA_THP)
AREA_ZERO = declare(u64, files.AREA_ZERO)
TOPDOWN_BIT = declare(u64, MM_TOPDOWN_BIT)
ENOMEM = declare(i64, errno.ENOMEM)
MAP_WINDOW = declare(u64, c.DEFAULT_MAP_WINDOW)


@cfunc
@inline
def search_end(top: u64, hint: u64) -> u64:
    """Where a search ends in a user space that ends at ``top``.

    With five levels of page tables only a hint above the window of four opens what lies beyond.
    """
    return top if hint > MAP_WINDOW or top < MAP_WINDOW else MAP_WINDOW


@cfunc
@inline
def hint_valid(hint: u64, length: u64, top: u64) -> bint:
    """``mmap_address_hint_valid``: the range lies in user space, on one side of the window."""
    return hint <= top - length and (hint > MAP_WINDOW) == (hint + length > MAP_WINDOW)


class UnmappedArea(Munmap):
    """``get_unmapped_area`` and below. Addresses come back as they are, errors negative."""

    def get_unmapped_area(
        self, mm: u64, file: u64, addr: u64, length: u64, pgoff: u64, map_flags: u64
    ) -> i64:
        """Verify or choose the address for ``length`` bytes (whole pages).

        ``addr`` is a hint, or the address with MAP_FIXED.
        """
        if length > self.task_size(mm):
            return -ENOMEM
        if map_flags & MAP_FIXED != 0 and self.huge_page_shift(file) == 0:
            # The last 4,095 addresses are taken for the errors that they would stand for.
            if is_err(addr):
                return ptr_err(addr)
            if addr > self.task_size(mm) - length:
                return -ENOMEM
        found: i64 = self.choose_area(mm, file, addr, length, pgoff, map_flags)
        if failed(found):
            return found
        start: u64 = found
        if start > self.task_size(mm) - length:
            return -ENOMEM
        if start & ~self.page_mask != 0:
            return -errno.EINVAL
        if start < self.dac_mmap_min_addr() and not self.capable(mm, CAP_SYS_RAWIO):
            return -errno.EPERM
        return found

    def choose_area(
        self, mm: u64, file: u64, addr: u64, length: u64, pgoff: u64, map_flags: u64
    ) -> i64:
        """The file's own search if it has one, else the address space's.

        Shared memory searches as usual while its mount allows no huge pages, which is the default.
        """
        if file != 0 and self.huge_page_shift(file) != 0:
            return self.hugetlb_get_unmapped_area(mm, file, addr, length, map_flags)
        if file != 0 and self.file_area(file) == AREA_THP:
            return self.thp_get_unmapped_area(mm, addr, length, pgoff << self.page_shift, map_flags)
        return self.mm_get_unmapped_area(mm, addr, length, map_flags)

    def mm_topdown(self, mm: u64) -> bint:
        """Whether the address space is searched from the top."""
        return (self.mm_flags(mm) >> TOPDOWN_BIT) & 1 != 0

    def mm_get_unmapped_area(self, mm: u64, addr: u64, length: u64, map_flags: u64) -> i64:
        """The search of the address space's layout."""
        if self.mm_topdown(mm):
            return self.arch_get_unmapped_area_topdown(mm, addr, length, map_flags)
        return self.arch_get_unmapped_area(mm, addr, length, map_flags)

    def thp_get_unmapped_area(
        self, mm: u64, addr: u64, length: u64, offset: u64, map_flags: u64
    ) -> i64:
        """A place where address and file ``offset`` agree modulo 2 MiB, if a huge page fits."""
        past: u64 = offset + length
        first: u64 = (offset + self.pmd_size - 1) & ~(self.pmd_size - 1)
        if past > first and past - first >= self.pmd_size:
            found: i64 = self.mm_get_unmapped_area(mm, addr, length + self.pmd_size, map_flags)
            if not failed(found):
                place: u64 = found
                if place == addr:
                    return found
                return self.thp_align(mm, place, offset)
        return self.mm_get_unmapped_area(mm, addr, length, map_flags)

    def thp_align(self, mm: u64, found: u64, offset: u64) -> u64:
        """The address in a window padded by 2 MiB that begins at ``found``."""
        within: u64 = self.pmd_size - 1
        return found + ((offset & within) + self.pmd_size - (found & within)) % self.pmd_size

    def arch_get_unmapped_area(self, mm: u64, addr: u64, length: u64, map_flags: u64) -> i64:
        """The bottom-up search (legacy layout, MAP_32BIT, and what top-down falls back to)."""
        if map_flags & MAP_FIXED != 0:
            return addr
        begin: u64 = self.mmap_legacy_base(mm)
        end: u64 = search_end(self.task_size(mm), addr)
        if map_flags & MAP_32BIT != 0:
            begin = MAP_32BIT_LOW
            end = MAP_32BIT_HIGH
        if length > end:
            return -ENOMEM
        if addr != 0:
            addr = (addr + self.page_size - 1) & self.page_mask
            above: u64 = self.find_vma(mm, addr)
            if end - length >= addr and (above == 0 or addr + length <= self.vm_start_gap(above)):
                return addr
        return self.unmapped_area(mm, length, begin, end)

    def arch_get_unmapped_area_topdown(
        self, mm: u64, addr: u64, length: u64, map_flags: u64
    ) -> i64:
        """The top-down search, with its fall-back."""
        top: u64 = self.task_size(mm)
        if length > top:
            return -ENOMEM
        if map_flags & MAP_FIXED != 0:
            return addr
        if map_flags & MAP_32BIT == 0:
            hint: u64 = addr & self.page_mask
            if hint != 0 and hint_valid(hint, length, top):
                above: u64 = self.find_vma(mm, hint)
                if above == 0 or hint + length <= self.vm_start_gap(above):
                    return hint
            high: u64 = self.mmap_base(mm)
            if hint > MAP_WINDOW and top > MAP_WINDOW:
                high += top - MAP_WINDOW
            found: i64 = self.unmapped_area_topdown(mm, length, self.page_size, high)
            if not failed(found):
                return found
        return self.arch_get_unmapped_area(mm, addr, length, map_flags)

    def hugetlb_get_unmapped_area(
        self, mm: u64, file: u64, addr: u64, length: u64, map_flags: u64
    ) -> i64:
        """A place for whole huge pages; a hint counts from the huge page that it lies in."""
        one: u64 = 1
        size: u64 = one << self.huge_page_shift(file)
        if length & (size - 1) != 0:
            return -errno.EINVAL
        top: u64 = self.task_size(mm)
        if length > top:
            return -ENOMEM
        if map_flags & MAP_FIXED != 0:
            return -errno.EINVAL if addr & (size - 1) != 0 else addr
        hint: u64 = addr & ~(size - 1)
        if hint != 0 and hint_valid(hint, length, top):
            above: u64 = self.find_vma(mm, hint)
            if above == 0 or hint + length <= self.vm_start_gap(above):
                return hint
        mask: u64 = size - self.page_size
        legacy: u64 = self.mmap_legacy_base(mm)
        if not self.mm_topdown(mm):
            return self.aligned_area(mm, length, legacy, search_end(top, hint), mask, 0)
        high: u64 = self.mmap_base(mm)
        if hint > MAP_WINDOW and top > MAP_WINDOW:
            high += top - MAP_WINDOW
        found: i64 = self.aligned_area_topdown(mm, length, self.page_size, high, mask, 0)
        if failed(found):
            base: u64 = self.profile.unmapped_base
            return self.aligned_area(mm, length, base, search_end(top, 0), mask, 0)
        return found

    def aligned_area(
        self, mm: u64, length: u64, low: u64, high: u64, mask: u64, offset: u64
    ) -> i64:
        """The lowest free window in [low, high) that agrees with ``offset`` in the mask's bits."""
        found: i64 = self.unmapped_area(mm, length + mask, low, high)
        if failed(found):
            return found
        place: u64 = found
        return place + ((offset - place) & mask)

    def aligned_area_topdown(
        self, mm: u64, length: u64, low: u64, high: u64, mask: u64, offset: u64
    ) -> i64:
        """The highest such window."""
        found: i64 = self.unmapped_area_topdown(mm, length + mask, low, high)
        if failed(found):
            return found
        place: u64 = found
        place += mask  # the window's upper end is what counts
        return place - ((place - offset) & mask)

    def area_low_limit(self, low: u64) -> u64:
        """The lowest address that a search gives, at least."""
        return low

    def unmapped_area(self, mm: u64, length: u64, low: u64, high: u64) -> i64:
        """The lowest free window in [low, high) that leaves the guard gap above it alone."""
        low = self.area_low_limit(low)
        mas: MaState = self.vma_iterator(mm, 0)
        while self.maple.mas_empty_area(mas, low, high - 1, length) == 0:
            gap: u64 = mas.index
            above: u64 = self.maple.mas_next(mas, TOP)
            if above == 0 or self.vm_flags(above) & VM_GROWSDOWN == 0:
                return gap
            if self.vm_start_gap(above) >= gap + length - 1:
                return gap
            low = self.vm_end(above)
            mas.reset()
        return -ENOMEM

    def unmapped_area_topdown(self, mm: u64, length: u64, low: u64, high: u64) -> i64:
        """The highest free window in [low, high) that leaves the guard gap above it alone."""
        low = self.area_low_limit(low)
        mas: MaState = self.vma_iterator(mm, 0)
        while self.maple.mas_empty_area_rev(mas, low, high - 1, length) == 0:
            last: u64 = mas.last
            above: u64 = self.maple.mas_next(mas, TOP)
            if above == 0 or self.vm_flags(above) & VM_GROWSDOWN == 0:
                return (last + 1 - length) & TOP
            if self.vm_start_gap(above) > last:
                return (last + 1 - length) & TOP
            high = self.vm_start_gap(above)
            if high <= low:
                break
            mas.reset()
        return -ENOMEM

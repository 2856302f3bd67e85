"""Huge pages in address spaces: faults, copies, unmapping, moves, what becomes of a file's pages.

A pmd entry maps a huge page of the pool; no table is put by, as none is ever split. Pages of 1 GiB
have no pool: of them only the tables above are made. mm/hugetlb.c, fs/hugetlbfs/inode.c.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mmtwin.machine.bug import KernelBug
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.hugetlb_pool import HUGE_SIZE, RESTORE_RESERVE
from mmtwin.space.hugetlb_reserve import (
    HUGE_SHIFT,
    PAGES,
    RESV_OWNER,
    RESV_UNMAPPED,
    HugeReserve,
)
from mmtwin.space.resv_map import END

if TYPE_CHECKING:
    from mmtwin.space.rmap import Rmap

I_DATA: Final = 376
I_PAGES: Final = 392
I_MMAP: Final = 448
TOP: Final = (1 << 64) - 1


class HugePages(HugeReserve):
    """What an address-space engine asks for its areas of huge pages."""

    def __init__(self, space: Rmap) -> None:
        super().__init__(space)
        new = space.profile.since(6, 7)
        self.index_shift = HUGE_SHIFT - c.PAGE_SHIFT if new else 0
        """Since 6.7 a file's huge pages are counted in small ones (a08c7193e4f1)."""
        self.gathered: list[int] = []
        """Pages of an unmapping under way, which go at its end."""
        self.at_nr = self.hstate.address + space.layouts.hstate.offset("nr_huge_pages")
        self.early_anon_vma = space.profile.since(6, 9)
        self.at_nrpages = space.layouts.inode.offset("nrpages")
        mm = space.layouts.mm_struct
        self.at_usage = mm.offset("hugetlb_usage") if "hugetlb_usage" in mm else 0

    # Entries.

    def steps(self, vma: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(address, where its entry lies) for huge pages of a range whose table is there."""
        space = self.space
        size = space.vma_kernel_pagesize(vma)
        level = 1 if size == HUGE_SIZE else 2
        table = size << 9
        mm = self.area(vma, "vm_mm")
        while start < end:
            slot = space.walk(mm, start, level)
            if slot:
                yield start, slot
                start += size
            else:
                start = (start & ~(table - 1)) + table

    def usage(self, mm: int) -> int:
        """Small pages in mapped huge ones (``mm->hugetlb_usage``)."""
        return self.memory.load(mm + self.at_usage) if self.at_usage else 0

    def count_usage(self, mm: int, change: int) -> None:
        """One huge page more, or with -1 one less."""
        self.memory.store(mm + self.at_usage, (self.usage(mm) + change * PAGES) & TOP)

    def head_of(self, entry: int) -> int:
        """The page that a present entry maps."""
        return self.space.page_of(entry & ~p.PSE)

    def make_entry(self, vma: int, head: int, writable: bool) -> int:
        """An entry for a page: young, and writable and dirty if asked for."""
        space = self.space
        entry = space.mk_pte(head, self.area(vma, "vm_page_prot")) | p.PSE | p.ACCESSED
        return space.pte_mkdirty(entry) | p.RW if writable else entry & ~p.RW

    # Pages of files.

    def cached(self, inode: int, index: int) -> int:
        """The huge page ``index`` of a file; 0 if it has none there."""
        return self.space.find_get_page(inode, index << self.index_shift)

    def add_to_cache(self, inode: int, index: int, head: int) -> bool:
        """Put a page into a file; the file takes a reference. False without memory."""
        space = self.space
        place = index << self.index_shift
        if not space.xa.store(inode + I_PAGES, place, head):
            return False
        self.get_page(head)
        space.set_page_mapping(head, inode + I_DATA, place)
        self.count_cached(inode, 1)
        self.mark(head, RESTORE_RESERVE, False)
        space.set_page_flag(head, space.pg_dirty)
        return True

    def count_cached(self, inode: int, change: int) -> None:
        """One huge page more in a file, or with -1 one less."""
        at = inode + self.at_nrpages
        self.memory.store(at, self.memory.load(at) + change)

    # Faults.

    def fault(self, vma: int, address: int, write: bool, unshare: bool) -> int:
        """``hugetlb_fault``: VM_FAULT_* bits. ``unshare``: who pins it must own the page."""
        space = self.space
        size = space.vma_kernel_pagesize(vma)
        address &= ~(size - 1)
        slot = space.entry_alloc(self.area(vma, "vm_mm"), address, 1 if size == HUGE_SIZE else 2)
        if not slot:
            return p.VM_FAULT_OOM
        entry = self.memory.load(slot)
        if not entry:
            return self.no_page(vma, address, slot, write)
        if (write or unshare) and not entry & p.RW:
            cached = 0
            if not self.shared(vma):
                cached = self.cached(self.inode_of(vma), self.index(vma, address))
            return self.wp(vma, address, slot, cached, unshare)
        space.hardware_access(slot, entry, write)
        return 0

    def no_page(self, vma: int, address: int, slot: int, write: bool) -> int:
        """Fill the empty entry at ``slot``: VM_FAULT_* bits, SIGBUS where there is no page."""
        space, shared = self.space, self.shared(vma)
        if self.resv_set(vma, RESV_UNMAPPED):
            return p.VM_FAULT_SIGBUS
        inode, index = self.inode_of(vma), self.index(vma, address)
        shift = space.vma_kernel_pagesize(vma).bit_length() - 1
        head = self.cached(inode, index)
        anon = not head and not shared
        if head:
            self.get_page(head)
        else:
            if index << HUGE_SHIFT >> shift >= self.memory.load(inode + self.at_i_size) >> shift:
                return p.VM_FAULT_SIGBUS
            if anon and self.early_anon_vma and space.anon_vma_prepare(vma):
                return p.VM_FAULT_OOM
            head = self.alloc_huge_page(vma, address, False) if shift == HUGE_SHIFT else 0
            if not head:
                return p.VM_FAULT_SIGBUS
            space.set_page_flag(head, space.pg_uptodate)
            failed = 0
            if shared and not self.add_to_cache(inode, index, head):
                failed = p.VM_FAULT_SIGBUS
            elif anon and space.anon_vma_prepare(vma):
                failed = p.VM_FAULT_OOM
            if failed:
                self.restore_on_error(vma, address, head)
                self.put_page(head)
                return failed
        if anon:
            self.add_new_anon_rmap(vma, address, head)
        else:
            space.compound_mapcount_add(head, 1)
        vm_flags = self.area(vma, "vm_flags")
        both = c.VM_SHARED | c.VM_WRITE
        self.memory.store(slot, self.make_entry(vma, head, vm_flags & both == both))
        self.count_usage(self.area(vma, "vm_mm"), 1)
        if write and not vm_flags & c.VM_SHARED:
            return self.wp(vma, address, slot, 0 if anon else head, False)
        return 0

    def add_new_anon_rmap(self, vma: int, address: int, head: int) -> None:
        """A fresh page becomes the area's own: exclusive, mapped once."""
        space = self.space
        self.mark(head, RESTORE_RESERVE, False)
        place = self.index(vma, address) << self.index_shift
        space.set_page_mapping(head, self.area(vma, "anon_vma") | p.PAGE_MAPPING_ANON, place)
        space.set_page_exclusive(head, True)
        space.compound_mapcount_add(head, 1)

    def remove_rmap(self, head: int) -> None:
        """One entry less maps the page."""
        self.space.compound_mapcount_add(head, -1)

    def wp(self, vma: int, address: int, slot: int, cached: int, unshare: bool) -> int:
        """A write to (or with ``unshare`` a pin of) what may be shared: VM_FAULT_* bits.

        ``cached`` is the file's page there. If the pool has no page for the owner's copy, the page
        is taken from the children that share it.
        """
        space = self.space
        entry = self.memory.load(slot)
        if self.shared(vma):
            if not unshare:
                self.memory.store(slot, space.pte_mkdirty(entry) | p.RW)
            return 0
        old = self.head_of(entry)
        new, tried = 0, 0
        while not new:
            maps = space.compound_mapcount(old)
            if maps == 1 and space.page_anon(old):
                if not space.page_exclusive(old):
                    space.page_move_anon_rmap(old, vma)
                if not unshare:
                    self.memory.store(slot, space.pte_mkdirty(entry) | p.RW)
                return 0
            owner = self.resv_set(vma, RESV_OWNER) and old != cached
            new = self.alloc_huge_page(vma, address, owner)
            if not new:
                if not owner:
                    return p.VM_FAULT_SIGBUS
                if tried == maps:
                    raise KernelBug("a copy that is tried for ever", "hugetlb_wp")
                tried = maps
                self.unmap_ref_private(vma, address, old)
        if space.anon_vma_prepare(vma):
            self.restore_on_error(vma, address, new)
            self.put_page(new)
            return p.VM_FAULT_OOM
        space.set_page_flag(new, space.pg_uptodate)
        self.remove_rmap(old)
        self.add_new_anon_rmap(vma, address, new)
        self.memory.store(slot, self.make_entry(vma, new, not unshare))
        self.put_page(old)
        return 0

    def unmap_ref_private(self, vma: int, address: int, head: int) -> None:
        """Take a page from the private areas without promises that map it, as from children."""
        place = (address - self.area(vma, "vm_start")) >> c.PAGE_SHIFT
        place += self.area(vma, "vm_pgoff")
        for other in self.mapping(self.inode_of(vma), place, place):
            if other != vma and not self.shared(other) and not self.resv_set(other, RESV_OWNER):
                self.unmap_range(other, address, address + HUGE_SIZE, head)
                self.finish_unmap()

    def mapping(self, inode: int, first: int, last: int) -> list[int]:
        """The areas that map small pages ``first`` to ``last`` (inclusive) of a file."""
        found = []
        vma = self.memory.load(inode + I_MMAP)
        while vma:
            low = self.area(vma, "vm_pgoff")
            pages = (self.area(vma, "vm_end") - self.area(vma, "vm_start")) >> c.PAGE_SHIFT
            if low <= last and low + pages > first:
                found.append(vma)
            vma = self.memory.load(vma + self.at_area["shared_next"])
        return found

    def gup_unshare(self, vma: int, address: int) -> int:
        """Copy a page that a child may share before it is pinned for reading: VM_FAULT_* bits."""
        space = self.space
        for _, slot in self.steps(vma, address & ~(HUGE_SIZE - 1), address + 1):
            entry = self.memory.load(slot)
            if entry & p.PRESENT and not entry & p.RW:
                head = self.head_of(entry)
                if space.page_anon(head) and not space.page_exclusive(head):
                    return self.fault(vma, address, False, True)
        return 0

    # Unmapping.

    def unmap_range(self, vma: int, start: int, end: int, only: int = 0) -> None:
        """Unmap huge pages of [``start``, ``end``); with ``only`` that page, and mark the area.

        Like the kernel's (mmu_gather), the pages are freed when :meth:`finish_unmap` is called.
        """
        space, mm = self.space, self.area(vma, "vm_mm")
        for address, slot in self.steps(vma, start, end):
            entry = self.memory.load(slot)
            head = self.head_of(entry) if entry else 0
            if not entry or (only and head != only):
                continue
            if only:
                self.set_private(vma, self.area(vma, "vm_private_data") | RESV_UNMAPPED)
            self.memory.store(slot, 0)
            if entry & p.DIRTY:
                space.set_page_flag(head, space.pg_dirty)
            self.count_usage(mm, -1)
            self.remove_rmap(head)
            if self.restores and not self.count("surplus") and space.page_anon(head):
                self.restore_unmapped(vma, address, head)
            self.gathered.append(head)
            if only:
                return

    def finish_unmap(self) -> None:
        """Drop the references of entries that are gone."""
        while self.gathered:
            self.put_page(self.gathered.pop(0))

    def restore_unmapped(self, vma: int, address: int, head: int) -> None:
        """What the owner unmapped, it is promised again: the page is not for others."""
        if self.resv_set(vma, RESV_OWNER):
            self.mark(head, RESTORE_RESERVE, True)
            if self.needs_reservation(vma, address):
                self.restore_reservation(vma, address)

    # fork, mremap, mprotect.

    def copy_page_range(self, dst: int, src: int) -> int:
        """Share the parent's pages with the child: 0 or ``-ENOMEM``."""
        space, child = self.space, self.area(dst, "vm_mm")
        level = 1 if space.vma_kernel_pagesize(src) == HUGE_SIZE else 2
        cow = self.area(src, "vm_flags") & (c.VM_SHARED | c.VM_MAYWRITE) == c.VM_MAYWRITE
        for address, slot in self.steps(src, self.area(src, "vm_start"), self.area(src, "vm_end")):
            to = space.entry_alloc(child, address, level)
            if not to:
                return -errno.ENOMEM
            entry = self.memory.load(slot)
            if not entry:
                continue
            head = self.head_of(entry)
            self.get_page(head)
            if space.page_anon(head):
                space.set_page_exclusive(head, False)
            space.compound_mapcount_add(head, 1)
            if cow:
                entry &= ~p.RW
                self.memory.store(slot, entry)
            self.memory.store(to, entry)
            self.count_usage(child, 1)
        return 0

    def move_page_tables(self, vma: int, old: int, new: int, length: int) -> int:
        """Move the entries of ``length`` bytes from ``old`` to ``new``: bytes done."""
        space, mm = self.space, self.area(vma, "vm_mm")
        for address, slot in self.steps(vma, old, old + length):
            entry = self.memory.load(slot)
            if not entry:
                continue
            to = space.entry_alloc(mm, new + address - old, 1)
            if not to:
                return address - old
            self.memory.store(slot, 0)
            self.memory.store(to, entry)
        return length

    def change_protection(self, vma: int, start: int, end: int) -> None:
        """Give the entries of a range the bits of the area's new protection."""
        for _, slot in self.steps(vma, start, end):
            entry = self.memory.load(slot)
            if entry:
                prot = self.area(vma, "vm_page_prot")
                self.memory.store(slot, self.space.pte_modify(entry & ~p.PSE, prot) | p.PSE)

    # Files that lose pages.

    def hold_files(self, mm: int, start: int, length: int) -> list[int]:
        """Take references to the files of huge pages that a range maps: who replaces the range
        drops them at the end of its call.

        The last reference to a file is put to rest when the call returns to the program
        (task_work), so that what replaces an area can neither be promised nor get its pages.
        """
        space, held = self.space, []
        vma = space.find_vma(mm, start)
        while vma and self.area(vma, "vm_start") < start + length:
            if self.area(vma, "vm_flags") & c.VM_HUGETLB:
                held.append(self.area(vma, "vm_file"))
                space.get_file(held[-1])
            vma = space.find_vma(mm, self.area(vma, "vm_end"))
        return held

    def punch_hole(self, inode: int, start: int, end: int) -> None:
        """Take the whole huge pages of bytes [``start``, ``end``) out of a file and all areas."""
        first = (start + HUGE_SIZE - 1) >> HUGE_SHIFT
        last = end >> HUGE_SHIFT
        if first < last:
            self.unmap_file(inode, first, last)
            self.remove_pages(inode, first, last)

    def truncate(self, inode: int, size: int) -> int:
        """Give a file a size in bytes; what lies behind goes: 0 or ``-EINVAL``."""
        if size & (HUGE_SIZE - 1):
            return -errno.EINVAL
        self.memory.store(inode + self.at_i_size, size)
        self.unmap_file(inode, size >> HUGE_SHIFT, END)
        self.remove_all(inode, size >> HUGE_SHIFT)
        return 0

    def evict_inode(self, inode: int) -> None:
        """A file goes with its pages and what was promised of it."""
        self.remove_all(inode, 0)
        self.free_inode_map(inode)

    def unmap_file(self, inode: int, first: int, last: int) -> None:
        """Unmap huge pages [``first``, ``last``) of a file wherever they are mapped."""
        shift = HUGE_SHIFT - c.PAGE_SHIFT
        for vma in self.mapping(inode, first << shift, (last << shift) - 1):
            base = self.area(vma, "vm_start") - (self.area(vma, "vm_pgoff") << c.PAGE_SHIFT)
            start = max(self.area(vma, "vm_start"), base + (first << HUGE_SHIFT))
            end = min(self.area(vma, "vm_end"), base + (last << HUGE_SHIFT))
            self.unmap_range(vma, start, end)
            self.finish_unmap()

    def remove_all(self, inode: int, first: int) -> None:
        """Take all pages from ``first`` on out of a file; nothing is promised of them any more."""
        freed = self.take_from_cache(inode, first, END)
        self.unreserve_pages(inode, first, END, freed)

    def remove_pages(self, inode: int, first: int, last: int) -> None:
        """Take pages [``first``, ``last``) out of a file, and those only out of its map."""
        for index in range(first, last):
            if self.take_from_cache(inode, index, index + 1):
                self.unreserve_pages(inode, index, index + 1, 1)

    def take_from_cache(self, inode: int, first: int, last: int) -> int:
        """Take pages [``first``, ``last``) out of a file's cache: how many there were."""
        space = self.space
        past = min(last << self.index_shift, TOP)
        taken = 0
        place = space.xa.find(inode + I_PAGES, first << self.index_shift, past - 1)
        while place != TOP:
            head = space.xa.load(inode + I_PAGES, place)
            space.xa.erase(inode + I_PAGES, place)
            space.set_page_mapping(head, 0, place)
            self.count_cached(inode, -1)
            space.clear_page_flag(head, space.pg_dirty)
            self.put_page(head)
            taken += 1
            place = space.xa.find(inode + I_PAGES, place, past - 1)
        return taken

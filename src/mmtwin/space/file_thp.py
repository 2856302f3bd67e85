"""Huge pages of files: mapped by a pmd entry, zapped where an anonymous one would be split.

No table of ptes is put by for such an entry: what it mapped, faults map again. Of files, Debian's
kernels make huge pages of shared memory only (no CONFIG_READ_ONLY_THP_FOR_FS).
``do_set_pmd``, mm/memory.c; mm/huge_memory.c; ``shmem_is_huge``, mm/shmem.c.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.memory.view import View
from mmtwin.pages.pages import Pages
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.collapse import Collapse
from mmtwin.space.fields import Caches
from mmtwin.space.rmap import Rmap
from mmtwin.space.thp import Thp

if not cython.compiled:
    from mmtwin.pages.words import load

MADV_FREE = declare(u64, c.MADV_FREE)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_LOCKED = declare(u64, c.VM_LOCKED)
LOCKED_SPECIAL = declare(u64, c.VM_LOCKED | c.VM_SPECIAL)
VM_HUGEPAGE = declare(u64, c.VM_HUGEPAGE)
VM_NOHUGEPAGE = declare(u64, c.VM_NOHUGEPAGE)
NEVER = declare(u64, c.VM_NO_KHUGEPAGED | c.VM_NOHUGEPAGE)
VM_STACK_INCOMPLETE_SETUP = declare(u64, c.VM_STACK_INCOMPLETE_SETUP)
PSE = declare(u64, p.PSE)
RW = declare(u64, p.RW)
DIRTY = declare(u64, p.DIRTY)
ACCESSED = declare(u64, p.ACCESSED)
VM_FAULT_FALLBACK = declare(u64, p.VM_FAULT_FALLBACK)
VM_FAULT_NOPAGE = declare(u64, p.VM_FAULT_NOPAGE)
FAULT_AROUND = declare(u64, p.FAULT_AROUND_PAGES)
FAULT = declare(u64, 40)
"""vm_operations_struct.fault"""
THP_ENABLED = declare(u64, 96)
TOTAL_SWAP = declare(u64, 72)
SHMEM_HUGE = declare(u64, 176)
SHMEM_ALWAYS = declare(u64, 1)
SHMEM_WITHIN_SIZE = declare(u64, 2)
SHMEM_DENY = declare(u64, 4)
SHMEM_FORCE = declare(u64, 5)
I_DATA = declare(u64, 376)
I_PAGES = declare(u64, 392)


class FileThp(Rmap):
    """What becomes of pmd entries that map a file's huge page; which areas may have huge pages.

    ``collapse`` makes huge pages for MADV_COLLAPSE. ``large_shmem``: the rules of 6.12; an area
    with VM_NOHUGEPAGE is not given a pmd entry for a huge page that a file has.
    """

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.large_shmem = profile.since(6, 12)

    def take_pages(self, pages: Pages) -> None:
        """Huge pages come from this page allocator."""
        Rmap.take_pages(self, pages)
        self.collapse = self.collapse_control(None)

    def collapse_control(self, limits: View | None) -> Collapse:
        """What collapses memory within the daemon's limits, or without any."""
        return Collapse(self, limits)

    def madvise_collapse(self, vma: u64, start: u64, end: u64) -> i64:
        """Huge pages at once for the 2 MiB blocks inside [start, end): 0 or a negative errno."""
        done: i64 = self.collapse.madvise_collapse(vma, start, end)
        return done

    # Which areas.

    def transhuge_vma_suitable(self, vma: u64, start: u64) -> bint:
        """Does a pmd entry at ``start``, aligned, fit the area and the offset it has in a file?"""
        if not self.vma_is_anonymous(vma):
            first: u64 = self.vm_start(vma) >> 12
            if (first - self.vm_pgoff(vma)) & (self.hpage_nr - 1) != 0:
                return False
        return start >= self.vm_start(vma) and start + self.pmd_size <= self.vm_end(vma)

    def hugepage_vma_check(self, vma: u64, smaps: bint, enforce: bint) -> bint:
        """May the area have huge pages, for smaps or to be collapsed?

        ``enforce``: as the settings in sysfs are. That an aligned 2 MiB fits is so of any area that
        ends below 2 MiB: the kernel's subtraction wraps.
        """
        vm_flags: u64 = self.vm_flags(vma)
        if vm_flags & NEVER != 0:
            return False
        end: u64 = self.vm_end(vma)
        if end >= self.pmd_size:
            last: u64 = (end - self.pmd_size) & ~(self.pmd_size - 1)
            if not self.transhuge_vma_suitable(vma, last):
                return False
        file: u64 = self.vm_file(vma)
        if file != 0 and self.file_is_shmem(file):
            return self.shmem_is_huge(vma, not enforce)
        enabled: u64 = load(self.memory, self.sysctl + THP_ENABLED)
        if enforce and (enabled == 0 or (enabled == 1 and vm_flags & VM_HUGEPAGE == 0)):
            return False
        if not self.vma_is_anonymous(vma):
            return False
        if vm_flags & VM_STACK_INCOMPLETE_SETUP == VM_STACK_INCOMPLETE_SETUP:
            return False
        return self.anon_vma(vma) != 0 or smaps

    def shmem_is_huge(self, vma: u64, force: bint) -> bint:
        """May the shared memory that the area maps have huge pages (shmem_enabled)?"""
        setting: u64 = load(self.memory, self.sysctl + SHMEM_HUGE)
        if setting == SHMEM_DENY:
            return False
        if force or setting in (SHMEM_FORCE, SHMEM_ALWAYS):
            return True
        if setting == SHMEM_WITHIN_SIZE:
            past: u64 = (self.vm_pgoff(vma) | (self.hpage_nr - 1)) + 1
            if self.max_index(self.file_inode(self.vm_file(vma))) >= past:
                return True
        return setting >= SHMEM_WITHIN_SIZE and self.vm_flags(vma) & VM_HUGEPAGE != 0

    # At a fault.

    def map_huge_of_file(self, vma: u64, address: u64, pmd: u64, write: bint) -> u64:
        """Map the huge page that a file has there, if it has one: VM_FAULT_* bits.

        A read maps what is cached around the address, which may be within the file though the
        address is past its end.
        """
        private: bint = self.vm_flags(vma) & VM_SHARED == 0
        if (write and private) or self.vm_op(vma, FAULT) == 0 or not self.has_page_cache(vma):
            return VM_FAULT_FALLBACK
        probe: u64 = address
        if not write and self.should_fault_around(vma):
            probe = address & ~(FAULT_AROUND * 0x1000 - 1)
            if probe < self.vm_start(vma):
                probe = self.vm_start(vma)
        inode: u64 = self.file_inode(self.vm_file(vma))
        index: u64 = self.linear_page_index(vma, probe)
        if index >= self.max_index(inode):
            return VM_FAULT_FALLBACK
        page: u64 = self.find_get_page(inode, index)
        if page == 0 or page & 1 != 0:
            return VM_FAULT_FALLBACK
        head: u64 = self.pages.compound_head(page)
        if not self.do_set_pmd(vma, address & ~(self.pmd_size - 1), pmd, head, write):
            return VM_FAULT_FALLBACK
        if write:
            self.set_page_flag(head, self.pg_dirty)
        return VM_FAULT_NOPAGE

    def do_set_pmd(self, vma: u64, start: u64, pmd: u64, head: u64, write: bint) -> bint:
        """Map a file's page by the empty pmd entry; False if it is no huge one or does not fit."""
        if not self.pages.page_head(head) or self.pages.compound_order(head) != self.hpage_order:
            return False
        if not self.transhuge_vma_suitable(vma, start) or self.pmdp_get(pmd) != 0:
            return False
        if self.large_shmem and self.vm_flags(vma) & VM_NOHUGEPAGE != 0:
            return False
        entry: u64 = self.mk_pte(head, self.shared_page_prot(vma)) | PSE
        if write:
            entry = self.maybe_mkwrite(self.pte_mkdirty(entry), vma)
        self.pages.get_page(head)
        self.add_mm_counter(self.vm_mm(vma), self.mm_counter(head), self.hpage_nr)
        self.compound_mapcount_add(head, 1)
        if self.vm_flags(vma) & LOCKED_SPECIAL == VM_LOCKED:
            self.pages.mlock_folio(head)
        self.set_pmd(pmd, entry)
        return True

    def huge_pmd_fault(self, vma: u64, address: u64, pmd: u64, write: bint) -> u64:
        """A fault on a huge page; a file's is mapped anew for a write that its entry forbids."""
        entry: u64 = self.pmdp_get(pmd)
        if self.vma_is_anonymous(vma) or not write or entry & RW != 0:
            return Thp.huge_pmd_fault(self, vma, address, pmd, write)
        self.zap_file_pmd(vma, pmd, True)
        return VM_FAULT_FALLBACK

    # Entries that are there.

    def has_deposit(self, entry: u64) -> bint:
        """Was a table of ptes put by for the huge page?"""
        return self.is_huge_zero_pmd(entry) or self.page_anon(self.page_of(entry & ~PSE))

    def zap_file_pmd(self, vma: u64, pmd: u64, split: bint) -> None:
        """Take a pmd entry of a file's huge page away; ``split``: as a split, which notes use."""
        entry: u64 = self.pmdp_get(pmd)
        head: u64 = self.page_of(entry & ~PSE)
        self.set_pmd(pmd, 0)
        if entry & DIRTY != 0:
            self.set_page_flag(head, self.pg_dirty)
        if split and entry & ACCESSED != 0:
            self.set_page_flag(head, self.pg_referenced)
        self.compound_mapcount_add(head, -1)
        self.munlock_huge(vma, head)
        self.add_mm_counter(self.vm_mm(vma), self.mm_counter(head), -self.hpage_nr)
        self.put_user_page(head)

    def split_huge_pmd(self, vma: u64, pmd: u64, address: u64) -> bint:
        """Let ptes map what the pmd entry maps; a file's huge page is only unmapped."""
        if self.vma_is_anonymous(vma):
            return Thp.split_huge_pmd(self, vma, pmd, address)
        self.zap_file_pmd(vma, pmd, True)
        return True

    def zap_huge_pmd(self, vma: u64, pmd: u64, start: u64, end: u64) -> u64:
        """Zap a huge page wholly, or split it: the pmd entry that leads to ptes, 0 if gone."""
        if self.vma_is_anonymous(vma):
            return Thp.zap_huge_pmd(self, vma, pmd, start, end)
        self.zap_file_pmd(vma, pmd, end - start != self.pmd_size)
        return 0

    def copy_huge_pmd(self, dst: u64, src: u64, to: u64, pmd: u64, address: u64) -> i64:
        """Share a huge page with the child, which maps a file's by a fault of its own: 0 or -1."""
        if self.vma_is_anonymous(dst):
            return Thp.copy_huge_pmd(self, dst, src, to, pmd, address)
        return 0

    def advise_huge_pmd(self, vma: u64, pmd: u64, start: u64, end: u64, advice: u64) -> u64:
        """Advise a whole huge page, or split it: the entry that leads to ptes, 0 for none."""
        entry: u64 = self.pmdp_get(pmd)
        if end - start == self.pmd_size or self.is_huge_zero_pmd(entry):
            return Thp.advise_huge_pmd(self, vma, pmd, start, end, advice)
        if not self.split_for_advice(vma, self.page_of(entry & ~PSE), advice):
            return 0
        return self.pmdp_get(pmd)

    def split_for_advice(self, vma: u64, page: u64, advice: u64) -> bint:
        """Split the huge page that ``page`` is a part of; False if others map it, or it cannot be
        split.

        6.1 judges by one page whether others map it: MADV_FREE by the first, even where nobody maps
        that one any more (``folio_estimated_sharers``).
        """
        head: u64 = self.pages.compound_head(page)
        if self.advises_folios:
            if self.mapped_elsewhere(head, self.vm_mm(vma)):
                return False
        elif self.mapcount(head if advice == MADV_FREE else page) != 1:
            return False
        return self.split_huge_page(head)

    def mapped_elsewhere(self, head: u64, mm: u64) -> bool:
        """Does another address space map a part of the page (``folio_maybe_mapped_shared``)?"""
        for page in range(head, head + 64 * self.hpage_nr, 64):
            for vma, address in self.rmap_walk(page) if self.mapcount(page) else ():
                if self.vm_mm(vma) != mm and (
                    self.mapped_huge_at(vma, address & -self.pmd_size, head)
                    or self.mapped_at(vma, address, page)
                ):
                    return True
        return False

    # The page itself.

    def split_huge_page(self, head: u64) -> bint:
        """Make single pages of a huge one; False leaves it whole. A file's are mapped nowhere."""
        pages: Pages = self.pages
        if not pages.folio_isolate_lru(head):
            return False
        rest: u64 = pages.private_list(pages.page_to_nid(head), "folio_list")
        done: bint = self.split_folio(head, rest)
        pages.folio_putback_lru(head)
        while not pages.list_empty(rest):
            page: u64 = load(self.memory, rest) - pages.o_lru
            pages.list_del(page + pages.o_lru)
            pages.folio_putback_lru(page)
        return done

    def split_folio(self, head: int, rest: int) -> bool:
        """Make single pages of an isolated huge page, the others in the list ``rest``.

        Those of a file that lie past its end leave its cache.
        """
        if self.page_anon(head):
            return bool(Rmap.split_folio(self, head, rest))
        pages = self.pages
        size = pages.folio_nr_pages(head)
        mapping, index = pages.page_mapping(head), self.page_index(head)
        members = [head + 64 * nth for nth in range(size)]
        maps = self.compound_mapcount(head) + sum(map(self.own_mapcount, members))
        if pages.page_ref_count(head) != 1 + size + maps:
            return False
        inode = mapping - I_DATA
        if not self.xa.split(inode + I_PAGES, index, self.hpage_order, head, 64):
            return False
        self.unmap_folio(head, members)
        limit = self.max_index(inode)
        flags = pages.ld(head) & pages.mask_of_split
        pages.st(head, pages.ld(head) & ~self.pg_head)
        pages.page_ref_add(head, 1 - size)
        for nth, page in enumerate(members[1:], 1):
            pages.st(page + pages.o_lru, 0)
            pages.st(page + pages.o_lru + 8, 0)
            pages.page_ref_add(page, 1)
            self.set_page_mapping(page, mapping, index + nth)
            if index + nth >= limit:
                self.delete_from_page_cache(page)
                continue
            pages.page_ref_add(page, 1)
            pages.st(page, pages.ld(page) | flags)
            pages.list_add_tail(page + pages.o_lru, rest)
        return True

    def split_for_swap(self, head: int, rest: int) -> bool:
        """Make single pages of a huge page of shared memory that is to be written to swap.

        Since 6.12 one stays whole where there is no swap; it is unmapped all the same.
        """
        if self.large_shmem and not load(self.memory, self.sysctl + TOTAL_SWAP):
            self.unmap_folio(head, [head + 64 * nth for nth in range(self.hpage_nr)])
            return False
        return self.split_folio(head, rest)

    def unmap_folio(self, head: int, members: list[int]) -> None:
        """Take all mappings of a file's huge page and of its parts away."""
        for vma, address in self.rmap_walk(head):
            pmd = self.mapped_huge_at(vma, address, head)
            if pmd:
                self.zap_file_pmd(vma, pmd, True)
        for page in members:
            if self.own_mapcount(page):
                self.try_to_unmap(page, ignore_mlock=True)

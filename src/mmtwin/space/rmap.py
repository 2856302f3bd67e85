"""Reverse mapping: from a page to the entries that map it, for reclaim and migration.

The walk goes through the links of an anonymous page's anon_vma, or through the VMAs of a file's
inode, by the page's offset; what is filed under a wrong offset is not found. mm/rmap.c,
mm/migrate.c.
"""

from __future__ import annotations

import cython
from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.pages.pages import Pages
from mmtwin.pages.shrink import ScanControl
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.hugetlb_pages import HugePages
from mmtwin.space.thp import Thp

if not cython.compiled:
    from mmtwin.pages.words import load

PAGE_SIZE = declare(u64, c.PAGE_SIZE)
PSE = declare(u64, p.PSE)
RW = declare(u64, p.RW)
ACCESSED = declare(u64, p.ACCESSED)
DIRTY = declare(u64, p.DIRTY)
SOFT_DIRTY = declare(u64, p.SOFT_DIRTY)
SWP_SOFT_DIRTY = declare(u64, p.SWP_SOFT_DIRTY)
SWP_EXCLUSIVE = declare(u64, p.SWP_EXCLUSIVE)
ANON = declare(u64, p.PAGE_MAPPING_ANON)
VM_LOCKED = declare(u64, c.VM_LOCKED)
VM_SEQ_READ = declare(u64, c.VM_SEQ_READ)
VM_DROPPABLE = declare(u64, c.VM_DROPPABLE_6_18)
# struct anon_vma and anon_vma_chain; struct inode.
TREE_FIRST = declare(u64, 80)
AVC_VMA = declare(u64, 0)
TREE_NEXT = declare(u64, 32)
CACHED_START = declare(u64, 48)
CACHED_LAST = declare(u64, 56)
I_DATA = declare(u64, 376)
I_PAGES = declare(u64, 392)
I_MMAP = declare(u64, 448)
GFP_KERNEL = 0xCC0
MAX_NR_ZONES = 4


class Rmap(Thp):
    """``rmap_walk`` and what it is used for; :class:`mmtwin.pages.rmap_hook.RmapHook`."""

    def take_pages(self, pages: Pages) -> None:
        """The page allocator's reclaim and migration ask this engine."""
        Thp.take_pages(self, pages)
        pages.rmap = self
        self.take_huge_pages(HugePages(self))

    # Walks.

    def rmap_walk(self, page: int) -> list[tuple[int, int]]:
        """(VMA, address) of every place where the page may be mapped, by its offset."""
        mapping = self.pages.page_mapping(self.pages.compound_head(page))
        index = self.page_index(page)
        if mapping & ANON:
            return self.rmap_walk_anon(mapping - ANON, index)
        return self.rmap_walk_file(mapping - I_DATA, index) if mapping else []

    def rmap_walk_anon(self, anon_vma: int, index: int) -> list[tuple[int, int]]:
        """The places of an anonymous page: the links whose interval holds the offset."""
        memory = self.memory
        found = []
        avc = load(memory, anon_vma + TREE_FIRST)
        while avc:
            vma = load(memory, avc + AVC_VMA)
            if load(memory, avc + CACHED_START) <= index <= load(memory, avc + CACHED_LAST):
                found += self.vma_address(vma, index)
            avc = load(memory, avc + TREE_NEXT)
        return found

    def rmap_walk_file(self, inode: int, index: int) -> list[tuple[int, int]]:
        """The places of a page of a file."""
        found = []
        vma = load(self.memory, inode + I_MMAP)
        while vma:
            found += self.vma_address(vma, index)
            vma = load(self.memory, vma + self.at_shared)
        return found

    def vma_address(self, vma: int, index: int) -> list[tuple[int, int]]:
        """Where ``vma`` would map the offset: one place, or none."""
        first = self.vm_pgoff(vma)
        if not first <= index < first + self.vma_pages(vma):
            return []
        return [(vma, self.vm_start(vma) + ((index - first) << c.PAGE_SHIFT))]

    def mapped_at(self, vma: int, address: int, page: int) -> int:
        """Where the pte lies that maps ``page`` at ``address``; 0 if none does."""
        at = self.pte_at(self.vm_mm(vma), address)
        entry = self.ptep_get(at) if at else 0
        if not self.pte_present(entry) or entry & p.SPECIAL or self.page_of(entry) != page:
            return 0
        return at

    def mapped_huge_at(self, vma: int, address: int, head: int) -> int:
        """Where the pmd entry lies that maps the huge page ``head`` at ``address``; 0 if none."""
        at = self.walk(self.vm_mm(vma), address, 1)
        entry = self.pmdp_get(at) if at else 0
        if entry == 0 or not self.pmd_is_leaf(entry) or self.page_of(entry & ~p.PSE) != head:
            return 0
        return at

    # Reclaim.

    def folio_referenced(self, page: int) -> tuple[int, int]:
        """Clear the accessed bits of all mappings; how many were set, and the areas' flags or-ed.

        An area that is locked ends the walk.
        """
        referenced, vm_flags = 0, 0
        for vma, address in self.rmap_walk(page):
            at = self.mapped_at(vma, address, page)
            pmd = 0 if at else self.mapped_huge_at(vma, address, page)
            if not at and not pmd:
                continue
            if self.vm_flags(vma) & VM_LOCKED:
                self.mlock_vma_page(page, vma)
                return referenced, vm_flags | VM_LOCKED
            entry = self.pmdp_get(pmd) if pmd else self.ptep_get(at)
            if entry & ACCESSED:
                if pmd:
                    self.set_pmd(pmd, entry & ~ACCESSED)
                else:
                    self.set_pte(at, entry & ~ACCESSED)
                if not self.vm_flags(vma) & VM_SEQ_READ:
                    referenced += 1
                    vm_flags |= self.vm_flags(vma)
        return referenced, vm_flags

    def try_to_unmap(self, page: int, ignore_mlock: bool = False) -> None:
        """Take every mapping of the page away, its swap entry in their place if it has one.

        A locked area keeps it unless ``ignore_mlock``.
        """
        for vma, address in self.rmap_walk(page):
            at = self.mapped_at(vma, address, page)
            if not at:
                continue
            if self.vm_flags(vma) & VM_LOCKED and not ignore_mlock:
                return
            if not self.try_to_unmap_one(vma, at, page):
                return

    def try_to_unmap_one(self, vma: int, at: int, page: int) -> bool:
        """Take the mapping at ``at`` away; False if the page must stay."""
        mm = self.vm_mm(vma)
        entry = self.ptep_get(at)
        member = self.mm_counter(page)
        fresh = 0
        if self.page_anon(page):
            if not self.page_flag(page, self.pg_swapbacked):
                dirty = entry & DIRTY != 0 or self.page_flag(page, self.pg_dirty)
                if dirty and not self.vm_flags(vma) & VM_DROPPABLE:
                    # Written to since MADV_FREE: it is worth keeping again.
                    self.set_page_flag(page, self.pg_swapbacked)
                    return False
            else:
                slot = self.pages.page_private(page)
                self.swap_duplicate(slot)
                fresh = self.swp_pte(0, slot)
                if self.page_exclusive(page):
                    fresh |= SWP_EXCLUSIVE
                    self.set_page_exclusive(page, False)
                if entry & SOFT_DIRTY:
                    fresh |= SWP_SOFT_DIRTY
                self.add_mm_counter(mm, p.MM_SWAPENTS, 1)
        self.update_hiwater_rss(mm)
        if entry & DIRTY:
            self.set_page_flag(page, self.pg_dirty)
        self.set_pte(at, fresh)
        self.add_mm_counter(mm, member, -1)
        self.page_remove_rmap(page)
        self.munlock_vma_page(page, vma)
        self.pages.page_ref_add(self.pages.compound_head(page), -1)
        return True

    def remove_mapping(self, page: int) -> bool:
        """Take a clean page out of its file's cache; of shared memory it is one never written to,
        whose zeros the next fault makes again."""
        self.remove_from_page_cache(page)
        return True

    def writepage(self, page: int) -> bool:
        """The file has the page's content now, or swap if it is shared memory's."""
        if self.page_flag(page, self.pg_swapbacked):
            return self.shmem_writepage(page)
        self.clear_page_flag(page, self.pg_dirty)
        return True

    def shmem_writepage(self, page: int) -> bool:
        """Write a page of shared memory to a slot, which stands in its cache from then on.

        The page is the swap cache's. False if no slot is free; nothing has changed then.
        """
        pages = self.pages
        slot = pages.get_swap_page()
        if not slot:
            return False
        inode, index = pages.page_mapping(page) - I_DATA, self.page_index(page)
        pages.add_to_swap_cache(page, slot)
        self.swap_duplicate(slot)
        self.xa.store(inode + I_PAGES, index, slot << 1 | 1)
        self.leave_page_cache(page)
        pages.page_ref_add(page, -1)
        return bool(pages.swap_writepage(page))

    def page_out(self, page: u64) -> None:
        """Reclaim a page at once, whether it was used lately or not."""
        pages = self.pages
        if self.page_flag(page, pages.pg_unevictable) or not pages.folio_isolate_lru(page):
            return
        pages.clear_page_flag(page, pages.pg_active)
        node = pages.page_to_nid(page)
        head = pages.private_list(node, "folio_list")
        name = "isolated_file" if pages.folio_is_file_lru(page) else "isolated_anon"
        size = pages.folio_nr_pages(page)
        pages.mod_node_page_state(node, name, size)
        pages.list_add(page + pages.o_lru, head)
        sc = ScanControl(GFP_KERNEL, 0, MAX_NR_ZONES)
        pages.shrink_folio_list(head, node, sc, ignore_references=True)
        pages.move_folios_to_lru(node, head)
        pages.mod_node_page_state(node, name, -size)

    # Locked areas.

    def mlock_vma_pages_range(self, vma: u64, start: u64, end: u64) -> None:
        """Lock or unlock the pages that [start, end) maps, as its area's flags are now."""
        mm: u64 = self.vm_mm(vma)
        if self.pgtables_bytes(mm) == 0:
            return
        at: u64 = start
        while at < end:
            pmd: u64 = self.walk(mm, at, 1)
            entry: u64 = self.pmdp_get(pmd) if pmd != 0 else 0
            past: u64 = (at | (self.pmd_size - 1)) + 1
            if past > end:
                past = end
            if entry != 0 and self.pmd_is_leaf(entry):
                if not self.is_huge_zero_pmd(entry):
                    self.mlock_by_area(vma, self.page_of(entry & ~PSE))
                at = past
            while entry != 0 and at < past:
                pte: u64 = self.ptep_get(self.pte_offset(entry, at))
                page: u64 = self.vm_normal_page(pte) if self.pte_present(pte) else 0
                if page != 0 and self.single(page):
                    self.mlock_by_area(vma, page)
                at += PAGE_SIZE
            at = past

    def mlock_by_area(self, vma: u64, page: u64) -> i32:
        """The area that maps the page has become a locked one, or is none any more; returns 0."""
        if self.vm_flags(vma) & VM_LOCKED != 0:
            return self.pages.mlock_folio(page)
        return self.pages.munlock_folio(page)

    # Huge pages.

    def split_folio(self, head: int, rest: int) -> bool:
        """Make single pages of an isolated huge page, the others in the list ``rest``.

        ``split_huge_page_to_list``: pages that nothing maps any more are freed. False, and nothing
        has changed, if others than its mappings refer to it.
        """
        pages = self.pages
        members = [head + 64 * nth for nth in range(1 << pages.compound_order(head))]
        maps = self.compound_mapcount(head) + sum(map(self.own_mapcount, members))
        if pages.page_ref_count(head) != 1 + maps:
            return False
        for vma, address in self.rmap_walk(head):
            if self.mapped_huge_at(vma, address, head):
                self.split_huge_pmd(vma, self.walk(self.vm_mm(vma), address, 1), address)
        flags = pages.ld(head) & pages.mask_of_split
        mapping, index = pages.page_mapping(head), self.page_index(head)
        pages.st(head, pages.ld(head) & ~self.pg_head)
        pages.page_ref_add(head, self.own_mapcount(head) + 1 - pages.page_ref_count(head))
        for nth, page in enumerate(members[1:], 1):
            used = self.own_mapcount(page)
            pages.st(page + pages.o_lru, 0)
            pages.st(page + pages.o_lru + 8, 0)
            pages.page_ref_add(page, 1 + used)
            if not used:
                self.set_page_mapping(page, 0, 0)
                pages.put_page(page)
                continue
            self.set_page_mapping(page, mapping, index + nth)
            pages.st(page, pages.ld(page) | flags)
            pages.list_add_tail(page + pages.o_lru, rest)
        return True

    def split_for_swap(self, head: int, rest: int) -> bool:
        """The same of a huge page of shared memory that is to be written to swap."""
        return self.split_folio(head, rest)

    def own_mapcount(self, page: int) -> int:
        """How many ptes map a part of a huge page."""
        return (self.pages.page_mapcount(page) + 1) & 0xFFFFFFFF

    # Migration.

    def migrate_page(self, old: int, new: int) -> bool:
        """Make every entry and cache slot that leads to ``old`` lead to ``new``, by migration
        entries; counts are the caller's."""
        mapping = self.pages.page_mapping(old)
        if not mapping & ANON and mapping:
            inode = mapping - I_DATA
            if not self.xa.store(inode + I_PAGES, self.page_index(old), new):
                return False
        self.try_to_migrate(old)
        if self.page_exclusive(old):
            self.set_page_exclusive(old, False)
            self.set_page_exclusive(new, True)
        self.remove_migration_ptes(old, new)
        return True

    def try_to_migrate(self, page: int) -> None:
        """Put a migration entry in the place of each entry that maps the page."""
        pfn = self.pages.page_to_pfn(page)
        for vma, address in self.rmap_walk(page):
            at = self.mapped_at(vma, address, page)
            if not at:
                continue
            entry = self.ptep_get(at)
            kind = p.SWP_MIGRATION_READ
            if entry & RW:
                kind = p.SWP_MIGRATION_WRITE
            elif self.page_anon(page) and self.page_exclusive(page):
                kind = p.SWP_MIGRATION_READ_EXCLUSIVE
            offset = pfn
            offset |= p.SWP_MIG_YOUNG if entry & ACCESSED else 0
            offset |= p.SWP_MIG_DIRTY if entry & DIRTY else 0
            fresh = self.swp_pte(kind, offset)
            self.set_pte(at, fresh | (SWP_SOFT_DIRTY if entry & SOFT_DIRTY else 0))

    def remove_migration_ptes(self, old: int, new: int) -> None:
        """Let each migration entry of ``old`` that the walk finds map ``new``."""
        pfn = self.pages.page_to_pfn(old)
        for vma, address in self.rmap_walk(old):
            at = self.pte_at(self.vm_mm(vma), address)
            entry = self.ptep_get(at) if at else 0
            if entry == 0 or self.pte_present(entry) or not self.is_migration_pte(entry):
                continue
            offset = self.swp_offset(entry)
            if offset & ((1 << p.SWP_PFN_BITS) - 1) != pfn:
                continue
            fresh = self.mk_pte(new, self.page_prot(vma)) & ~(ACCESSED | RW)
            fresh |= ACCESSED if offset & p.SWP_MIG_YOUNG else 0
            fresh |= DIRTY if offset & p.SWP_MIG_DIRTY else 0
            fresh |= SOFT_DIRTY if entry & SWP_SOFT_DIRTY else 0
            if self.swp_type(entry) == p.SWP_MIGRATION_WRITE:
                fresh = self.maybe_mkwrite(fresh, vma)
            self.set_pte(at, fresh)

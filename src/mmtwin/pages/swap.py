"""Swap: one area with its slots, their counts, and the swap cache.

A swap entry is the number of its slot; slot 0 is the header, so 0 is no entry. The device is
memory of its own behind the ram, and writing it takes no time.
"""

from __future__ import annotations

from collections.abc import Sequence

from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.memory.memory import PAGE, Memory
from mmtwin.pages import layouts as c
from mmtwin.pages.era import PageEra
from mmtwin.pages.lru import Lru
from mmtwin.pages.zone import ZoneSpec

SWAP_HAS_CACHE = 1 << 31
"""A word a slot; kernels have a byte, and go on elsewhere where its 6 bits do not suffice."""
NR_SLOTS, FREE_SLOTS, CLUSTER_NEXT, SWAP_MAP, SWAP_CACHE, DEVICE = range(0, 48, 8)
SWAP_INFO_SIZE = 48


def swap_room(nr_pages: int) -> int:
    """Bytes that :meth:`Swap.swapon` takes of what boot may allocate; 0 for no area."""
    return nr_pages * (PAGE + 16) + 2 * PAGE if nr_pages else 0


class Swap(Lru):
    """``swap_info_struct``: a word for each slot, its users and SWAP_HAS_CACHE."""

    def __init__(
        self,
        memory: Memory,
        era: PageEra,
        memmap: u64,
        frames: u64,
        specs: Sequence[ZoneSpec],
        cpus: i32,
    ) -> None:
        super().__init__(memory, era, memmap, frames, specs, cpus)
        self.swap_info = memory.boot_alloc(SWAP_INFO_SIZE, 8)

    def _swap(self, field: int) -> int:
        return self.memory.load(self.swap_info + field)

    def swapon(self, nr_pages: int) -> None:
        """Give the machine a swap area of so many slots, one of which is its header.

        :class:`ValueError` if there is one already, or it would hold nothing.
        """
        if self._swap(NR_SLOTS):
            raise ValueError("there is a swap area already")
        if nr_pages < 2:
            raise ValueError(f"a swap area of {nr_pages} pages holds nothing")
        memory = self.memory
        for field, value in (
            (SWAP_MAP, memory.boot_alloc(8 * nr_pages, 8)),
            (SWAP_CACHE, memory.boot_alloc(8 * nr_pages, 8)),
            (DEVICE, memory.boot_alloc(nr_pages * PAGE, PAGE)),
            (NR_SLOTS, nr_pages),
            (FREE_SLOTS, nr_pages - 1),
            (CLUSTER_NEXT, 1),
        ):
            memory.store(self.swap_info + field, value)

    def total_swap_pages(self) -> int:
        """Slots that can hold a page."""
        return max(0, self._swap(NR_SLOTS) - 1)

    def get_nr_swap_pages(self) -> int:
        """Slots that hold none."""
        return self._swap(FREE_SLOTS)

    def vm_swap_full(self) -> bool:
        """Is less than half of the swap free? Then pages in memory give their slots up."""
        return self.get_nr_swap_pages() * 2 < self.total_swap_pages()

    # Slots.

    def swap_map(self, entry: int) -> int:
        """The word of a slot; :class:`KernelBug` for an entry that no slot has."""
        if not 0 < entry < self._swap(NR_SLOTS):
            raise KernelBug(f"Bad swap offset entry {entry:#x}", "_swap_info_get")
        return self.memory.load(self._swap(SWAP_MAP) + 8 * entry)

    def _put_map(self, entry: int, value: int) -> None:
        self.memory.store(self._swap(SWAP_MAP) + 8 * entry, value)
        if value == 0:
            self.memory.store(self.swap_info + FREE_SLOTS, self._swap(FREE_SLOTS) + 1)

    def swap_count(self, entry: int) -> int:
        """How many page tables hold the entry."""
        return self.swap_map(entry) & ~SWAP_HAS_CACHE

    def get_swap_page(self) -> int:
        """A free slot, marked as being in the cache; 0 if there is none.

        Slots are given out upwards from a cursor.
        """
        if self._swap(FREE_SLOTS) == 0:
            return 0
        slots = self._swap(NR_SLOTS)
        entry = self._swap(CLUSTER_NEXT)
        while self.swap_map(entry):
            entry = entry + 1 if entry + 1 < slots else 1
        self.memory.store(self._swap(SWAP_MAP) + 8 * entry, SWAP_HAS_CACHE)
        self.memory.store(self.swap_info + FREE_SLOTS, self._swap(FREE_SLOTS) - 1)
        self.memory.store(self.swap_info + CLUSTER_NEXT, entry + 1 if entry + 1 < slots else 1)
        return entry

    def swap_duplicate(self, entry: int) -> None:
        """One more page table holds the entry."""
        value = self.swap_map(entry)
        if value == 0:
            raise KernelBug("swap_duplicate of a free slot", "__swap_duplicate")
        self._put_map(entry, value + 1)

    def swap_free(self, entry: int) -> None:
        """One page table fewer holds the entry; the slot is free when nobody is left."""
        value = self.swap_map(entry)
        if value & ~SWAP_HAS_CACHE == 0:
            raise KernelBug("swap_free: Unused swap offset entry", "__swap_entry_free")
        self._put_map(entry, value - 1)

    # The cache.

    def lookup_swap_cache(self, entry: int) -> int:
        """The page that holds what belongs into the slot; 0 if none does."""
        self.swap_map(entry)
        return self.memory.load(self._swap(SWAP_CACHE) + 8 * entry)

    def add_to_swap_cache(self, page: int, entry: int) -> None:
        """Let a locked page stand for the slot, which is marked already: one reference."""
        at = self._swap(SWAP_CACHE) + 8 * entry
        if self.memory.load(at):
            raise KernelBug("the swap cache holds a page for the slot", "add_to_swap_cache")
        self.get_page(page)
        self.memory.store(at, page)
        self.set_page_flag(page, self.pg_swapcache)
        self.st(page + self.o_private, entry)
        node = self.page_to_nid(page)
        self.mod_node_page_state(node, "file_pages", 1)
        self.mod_node_page_state(node, "swapcached", 1)

    def swapcache_prepare(self, entry: int) -> None:
        """A page is about to stand for a slot that page tables hold the entry of."""
        value = self.swap_map(entry)
        if value == 0 or value & SWAP_HAS_CACHE:
            raise KernelBug("the slot is free, or in the cache", "swapcache_prepare")
        self._put_map(entry, value | SWAP_HAS_CACHE)

    def _delete_from_swap_cache(self, page: int) -> int:
        """Take a page out of the cache, its reference not yet dropped; the entry."""
        entry = self.page_private(page)
        at = self._swap(SWAP_CACHE) + 8 * entry
        if not self.folio_test_swapcache(page) or self.memory.load(at) != page:
            self.page_bug("the swap cache has another page", "__delete_from_swap_cache", page)
        self.memory.store(at, 0)
        self.clear_page_flag(page, self.pg_swapcache)
        self.st(page + self.o_private, 0)
        node = self.page_to_nid(page)
        self.mod_node_page_state(node, "file_pages", -1)
        self.mod_node_page_state(node, "swapcached", -1)
        return entry

    def replace_in_swap_cache(self, page: int, new: int) -> None:
        """Another page stands for the slot from now on."""
        at = self._swap(SWAP_CACHE) + 8 * self.page_private(page)
        if self.memory.load(at) != page:
            self.page_bug("the swap cache has another page", "migrate_folio", page)
        self.memory.store(at, new)

    def put_swap_folio(self, entry: int) -> None:
        """The slot has no page in the cache any more."""
        value = self.swap_map(entry)
        if not value & SWAP_HAS_CACHE:
            raise KernelBug("!(entry & SWAP_HAS_CACHE)", "put_swap_folio")
        self._put_map(entry, value & ~SWAP_HAS_CACHE)

    def delete_from_swap_cache(self, page: int) -> None:
        """Take a page out of the cache and drop the cache's reference."""
        self.put_swap_folio(self._delete_from_swap_cache(page))
        self.put_page(page)

    def add_to_swap(self, page: int) -> bool:
        """Find a slot for an anonymous page; it is dirty and in the cache then."""
        entry = self.get_swap_page()
        if entry == 0:
            return False
        self.add_to_swap_cache(page, entry)
        self.set_page_flag(page, self.pg_dirty)
        return True

    def folio_free_swap(self, page: int) -> bool:
        """Give up the slot of a page in memory, if no page table holds its entry."""
        if not self.folio_test_swapcache(page) or self.test_page_flag(page, self.pg_writeback):
            return False
        if self.swap_count(self.page_private(page)):
            return False
        # Before the cache's reference goes: it may be the last.
        self.set_page_flag(page, self.pg_dirty)
        self.delete_from_swap_cache(page)
        return True

    # The device.

    def swap_writepage(self, page: int) -> bool:
        """Write a page to its slot; not if nobody needs the slot any more, which is given up.

        True if it was written; the page is clean in either case.
        """
        self.clear_page_flag(page, self.pg_dirty)
        if self.folio_free_swap(page):
            return False
        self.copy_frame(self._swap(DEVICE) + PAGE * self.page_private(page), self._content(page))
        self.count_vm_event("pswpout")
        return True

    def swap_readpage(self, page: int) -> None:
        """Read a page of the swap cache from its slot."""
        self.copy_frame(self._content(page), self._swap(DEVICE) + PAGE * self.page_private(page))
        self.set_page_flag(page, self.pg_uptodate)
        self.count_vm_event("pswpin")

    def _content(self, page: int) -> int:
        return self.memory.base + self.page_to_pfn(page) * PAGE

    def copy_frame(self, target: int, source: int) -> None:
        """Copy a page's content; nothing is stored if neither frame was ever written."""
        memory = self.memory
        for address in (target, source):
            if memory.written[(address - memory.base) // PAGE]:
                memory.copy(target, source, PAGE)
                return

    # Reclaim's questions.

    def can_reclaim_anon_pages(self) -> bool:
        """Could anonymous pages go anywhere?"""
        return self.get_nr_swap_pages() > 0

    def vm_swappiness(self) -> int:
        """vm.swappiness, 0 to 200."""
        return self.memory.load(self.sysctl + c.SYSCTL_SWAPPINESS)

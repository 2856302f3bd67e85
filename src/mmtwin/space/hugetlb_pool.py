"""The pool of huge pages of 2 MiB: pages, what is promised of them, how large it is.

``struct hstate`` and what takes from it and gives to it, mm/hugetlb.c. A page of the pool is a
compound page that the page allocator gave; while nobody uses it, it has no reference. Counters are
unsigned, as in the kernel. One node, no limits of cgroups, none of a mount.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mmtwin.machine.bug import KernelBug
from mmtwin.machine.profile import Profile
from mmtwin.memory.layout import Layout
from mmtwin.memory.memory import Memory
from mmtwin.memory.view import View
from mmtwin.pages.pages import Pages
from mmtwin.space.layouts import Layouts

TOP: Final = (1 << 64) - 1
HUGE_SIZE: Final = 1 << 21
ORDER: Final = 9
GFP_HUGE_PAGE: Final = 0x146CCA
"""GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOWARN | __GFP_RETRY_MAYFAIL."""
COMPOUND_DTOR: Final = 0x50
"""A byte of the first tail page, from the head on; how 6.1 marks pages of a pool."""
HUGETLB_PAGE_DTOR: Final = 2
COMPOUND_MAPCOUNT: Final = 0x54
RESTORE_RESERVE: Final = 1
"""Bit of ``private``: the page used up a promise that comes back if it is freed."""
FREED: Final = 8
"""Bit of ``private``: it is on the free list."""


class HugePool:
    """``struct hstate`` of 2 MiB: its counters, its lists, vm.nr_hugepages."""

    def __init__(self, memory: Memory, layouts: Layouts, pages: Pages, profile: Profile) -> None:
        self.memory = memory
        self.pages = pages
        self.restores = profile.since(6, 9)
        """An unmapped page's promise comes back to the area (df7a6d1f6405)."""
        layout = layouts.hstate
        self.hstate = View(memory, layout, memory.boot_alloc(layout.size, 8))
        self.active = self._list(layout, "hugepage_activelist_next")
        self.freelist = self._list(layout, "hugepage_freelist_next")

    def _list(self, layout: Layout, name: str) -> int:
        head = self.hstate.address + layout.offset(name)
        self.pages.list_init(head)
        return int(head)

    # Counters.

    def count(self, name: str) -> int:
        """A counter of hstate: ``nr``, ``free``, ``resv`` or ``surplus`` huge pages."""
        return self.hstate.get(f"{name}_huge_pages")

    def add(self, name: str, change: int) -> None:
        """Add to a counter; below zero it wraps."""
        self.hstate.put(f"{name}_huge_pages", (self.count(name) + change) & TOP)

    def available(self) -> int:
        """Free pages that are not promised; not zero where more are promised than free."""
        return (self.count("free") - self.count("resv")) & TOP

    def persistent(self) -> int:
        """Pages that stay when nobody uses them."""
        return self.count("nr") - self.count("surplus")

    def listed(self, head: int) -> Iterator[int]:
        """The pages of one of the two lists."""
        pages = self.pages
        entry = self.memory.load(head)
        while entry != head:
            yield entry - pages.o_lru
            entry = pages.ld(entry)

    # Marks.

    def is_huge(self, head: int) -> bool:
        """Is it the head of a page of the pool (``PageHuge``)?"""
        return self.memory.load8(head + COMPOUND_DTOR) == HUGETLB_PAGE_DTOR

    def marked(self, head: int, flag: int) -> bool:
        """Has the page this bit of ``private``?"""
        return bool(self.pages.page_private(head) & flag)

    def mark(self, head: int, flag: int, on: bool) -> None:
        """Set or clear a bit of ``private``."""
        at = head + self.pages.o_private
        value = self.pages.ld(at)
        self.pages.st(at, value | flag if on else value & ~flag)

    # Pages in and out.

    def alloc_fresh(self) -> int:
        """A page from the page allocator, counted, without a reference; 0 without memory."""
        pages = self.pages
        head = pages.alloc_pages(GFP_HUGE_PAGE, ORDER, 0)
        if not head:
            return 0
        pages.page_ref_add(head, -1)
        self.memory.store8(head + COMPOUND_DTOR, HUGETLB_PAGE_DTOR)
        self.memory.store32(head + COMPOUND_MAPCOUNT, 0xFFFFFFFF)
        pages.list_add(head + pages.o_lru, self.active)
        self.add("nr", 1)
        return int(head)

    def alloc_surplus(self) -> int:
        """A page beyond the pool's size, if vm.nr_overcommit_hugepages allows it; else 0."""
        if self.count("surplus") >= self.hstate.get("nr_overcommit_huge_pages"):
            return 0
        head = self.alloc_fresh()
        if head:
            self.add("surplus", 1)
        return head

    def enqueue(self, head: int) -> None:
        """Put a page on the free list."""
        self._move(head, self.freelist)
        self.mark(head, FREED, True)
        self.add("free", 1)

    def dequeue(self) -> int:
        """The next free page, in use from now on with one reference; 0 if there is none."""
        head = next(self.listed(self.freelist), 0)
        if head:
            self._move(head, self.active)
            self.mark(head, FREED, False)
            self.pages.set_page_refcounted(head)
            self.add("free", -1)
        return head

    def _move(self, head: int, target: int) -> None:
        entry = head + self.pages.o_lru
        self.pages.list_del(entry)
        self.pages.list_add(entry, target)

    def remove(self, head: int, surplus: bool) -> None:
        """Take a page that nobody uses out of the pool and free it; ``surplus``: it was such."""
        pages = self.pages
        if self.marked(head, FREED):
            self.add("free", -1)
        if surplus:
            self.add("surplus", -1)
        self.add("nr", -1)
        pages.list_del(head + pages.o_lru)
        pages.st(head + pages.o_lru, 0)
        pages.st(head + pages.o_lru + 8, 0)
        pages.st(head + pages.o_private, 0)
        self.memory.store8(head + COMPOUND_DTOR, 0)
        pages.set_page_refcounted(head)
        pages.put_page(head)

    def get_page(self, head: int) -> None:
        """Take a reference."""
        self.pages.get_page(head)

    def put_page(self, head: int) -> None:
        """Drop a reference; the last one gives the page back to the pool."""
        if self.pages.put_page_testzero(head):
            self.free_huge_page(head)

    def free_huge_page(self, head: int) -> None:
        """Nobody uses the page any more: a promise comes back if it had used up one."""
        if (self.memory.load32(head + COMPOUND_MAPCOUNT) + 1) & 0xFFFFFFFF:
            raise KernelBug("folio_mapcount(folio)", "free_huge_page")
        self.pages.st(head + self.pages.o_mapping, 0)
        if self.marked(head, RESTORE_RESERVE):
            self.mark(head, RESTORE_RESERVE, False)
            self.add("resv", 1)
        if self.count("surplus"):
            self.remove(head, True)
        else:
            self.enqueue(head)

    # Promises.

    def acct_memory(self, delta: int) -> bool:
        """Promise ``delta`` pages more, or with a negative number fewer; False if not enough."""
        if delta < 0:
            self._return_unused(-delta)
        elif delta > 0:
            if not self._gather_surplus(delta):
                return False
            # Of the free pages of all nodes; not idle where more are promised than counted.
            if delta > self.count("free"):
                self._return_unused(delta)
                return False
        return True

    def _gather_surplus(self, delta: int) -> bool:
        """Promise pages, taking surplus ones for those that are not free."""
        fresh: list[int] = []
        enough = True
        while enough and len(fresh) < self._needed(delta):
            head = self.alloc_surplus()
            enough = head != 0
            fresh += [head] if head else []
        if enough:
            self.add("resv", delta)
        for head in reversed(fresh):
            if enough:
                self.enqueue(head)
            else:
                self.free_huge_page(head)
        return enough

    def _needed(self, delta: int) -> int:
        """How many pages are missing for so many promises more."""
        missing = (self.count("resv") + delta - self.count("free")) & TOP
        return missing if missing >> 63 == 0 else 0

    def _return_unused(self, unused: int) -> None:
        """Take promises back, and free surplus pages that were kept for them."""
        self.add("resv", -unused)
        for _ in range(min(unused, self.count("surplus"))):
            head = next(self.listed(self.freelist), 0)
            if not head or not self.count("surplus"):
                return
            self.remove(head, True)

    # Sysctls and what is shown.

    def set_nr_hugepages(self, count: int) -> int:
        """Write vm.nr_hugepages: how many there are then, without surplus ones.

        Pages in use or promised stay as surplus ones. Fewer than asked for, if memory is short.
        """
        while self.count("surplus") and count > self.persistent():
            self.add("surplus", -1)
        while count > self.persistent():
            head = self.alloc_fresh()
            if not head:
                return self.persistent()
            self.enqueue(head)
        used = (self.count("resv") + self.count("nr") - self.count("free")) & TOP
        while max(count, used) < self.persistent():
            head = next(self.listed(self.freelist), 0)
            if not head:
                break
            self.remove(head, False)
        while count < self.persistent():
            self.add("surplus", 1)
        return self.persistent()

    def set_nr_overcommit_hugepages(self, count: int) -> None:
        """Write vm.nr_overcommit_hugepages."""
        self.hstate.put("nr_overcommit_huge_pages", count)

    def report_meminfo(self) -> str:
        """The lines of /proc/meminfo from HugePages_Total to Hugetlb."""
        names = (("Total", "nr"), ("Free", "free"), ("Rsvd", "resv"), ("Surp", "surplus"))
        lines = [f"HugePages_{name + ':':<6}   {self.count(field):5}\n" for name, field in names]
        size = HUGE_SIZE >> 10
        lines.append(f"Hugepagesize:   {size:8} kB\n")
        return "".join(lines) + f"Hugetlb:        {size * self.count('nr'):8} kB\n"

"""The pool of huge pages: its counters against its lists, and against what was promised.

Structures are read by their layouts; the engine is asked only where the pool and the inodes lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mmtwin.check.invariants import invariant
from mmtwin.check.violation import Violation
from mmtwin.memory.view import View
from mmtwin.space import flags as c
from mmtwin.space.files import INODE_BUCKETS

if TYPE_CHECKING:
    from mmtwin.check.checker import Checked

TOP: Final = (1 << 64) - 1
HUGE_SHIFT: Final = 21
OWNER: Final = 1
RESV_MASK: Final = 3
RESTORE_RESERVE: Final = 1
FREED: Final = 8


class HugePoolCheck:
    """The rules of a twin's pool."""

    def __init__(self, twin: Checked) -> None:
        self.twin = twin
        self.memory = twin.memory
        self.hstate = twin.space.huge.hstate
        at, layout = self.hstate.address, twin.layouts.hstate
        self.at_nr = at + layout.offset("nr_huge_pages")
        self.at_resv = at + layout.offset("resv_huge_pages")
        self.found: list[Violation] = []

    def full(self) -> list[Violation]:
        """Check everything; a machine without huge pages and promises costs two loads."""
        self.found = []
        if self.memory.load(self.at_nr) or self.memory.load(self.at_resv):
            self.promises(self.lists())
        return self.found

    def _expect(self, name: str, field: str, found: int, expected: int) -> None:
        if found != expected:
            at, told = self.hstate.address, invariant(name).statement
            self.found.append(
                Violation(name, "hstate", at, field, str(found), str(expected), (), told)
            )

    # VM-50.

    def lists(self) -> int:
        """The lists; how many pages in use will give a promise back when they are freed."""
        pages = self.twin.pages
        free, active = self._pages("hugepage_freelist"), self._pages("hugepage_activelist")
        idle = sum(1 for page in free if not pages.page_ref_count(page))
        freed = [page for page in free + active if pages.page_private(page) & FREED]
        self._expect("VM-50", "free_huge_pages", self.hstate.free_huge_pages, len(free))
        self._expect("VM-50", "nr_huge_pages", self.hstate.nr_huge_pages, len(free) + len(active))
        self._expect("VM-50", "unreferenced pages on the free list", idle, len(free))
        self._expect("VM-50", "pages marked free", len(freed), len(free))
        surplus = self.hstate.surplus_huge_pages
        self._expect("VM-50", "surplus_huge_pages", surplus, min(surplus, len(free) + len(active)))
        return sum(1 for page in active if pages.page_private(page) & RESTORE_RESERVE)

    def _pages(self, name: str) -> list[int]:
        """The pages of a list, as far as it is sound; at most as many as there are frames."""
        pages = self.twin.pages
        head = self.hstate.address + self.twin.layouts.hstate.offset(f"{name}_next")
        found: list[int] = []
        entry = self.memory.load(head)
        while entry != head and len(found) < pages.frames:
            found.append(entry - pages.o_lru)
            entry = self.memory.load(entry)
        return found

    # VM-51.

    def promises(self, returns: int) -> None:
        """``resv_huge_pages``: less by the ``returns`` that come back with their pages."""
        promised = sum(self._of_file(inode) for inode in self._inodes())
        promised += sum(self._of_area(vma) for vma in self._areas())
        found = self.hstate.resv_huge_pages
        self._expect("VM-51", "resv_huge_pages", found, (promised - returns) & TOP)

    def _of_file(self, inode: View) -> int:
        resv = inode.i_resv_map
        return self._held(resv, 0, 1 << 63) - inode.nrpages if resv else 0

    def _of_area(self, vma: View) -> int:
        private = vma.vm_private_data
        if vma.vm_flags & c.VM_MAYSHARE or not private & OWNER:
            return 0
        shift = HUGE_SHIFT - c.PAGE_SHIFT
        start = vma.vm_pgoff >> shift
        pages = (vma.vm_end - vma.vm_start) >> HUGE_SHIFT
        return int(pages - self._held(private & ~RESV_MASK, start, start + pages))

    def _held(self, resv: int, start: int, end: int) -> int:
        """How many pages of [``start``, ``end``) a map holds."""
        head = resv + self.twin.layouts.resv_map.offset("regions_next")
        region, held = self.memory.load(head), 0
        while region != head:
            view = View(self.memory, self.twin.layouts.file_region, region)
            held += max(min(end, view.get("to")) - max(start, view.get("from")), 0)
            region = view.link_next
        return held

    def _inodes(self) -> Iterator[View]:
        """All inodes, by their hash."""
        for bucket in range(INODE_BUCKETS):
            inode = self.memory.load(self.twin.space.inode_hash + 8 * bucket)
            while inode:
                view = View(self.memory, self.twin.layouts.inode, inode)
                yield view
                inode = view.i_hash

    def _areas(self) -> Iterator[View]:
        """The areas of huge pages of all processes."""
        space = self.twin.space
        at = self.twin.layouts.task_struct.offset("mm")
        for mm in {self.memory.load(task + at) for _, task in self.twin.pids} - {0}:
            for vma in space.vmas(mm):
                view = View(self.memory, self.twin.layouts.vm_area_struct, vma)
                if view.vm_flags & c.VM_HUGETLB:
                    yield view

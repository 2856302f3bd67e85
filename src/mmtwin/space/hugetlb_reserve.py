"""Promises of huge pages to mappings, and pages that are taken with or without one.

``hugetlb_reserve_pages``, ``vma_needs_reservation`` and its kin, ``alloc_hugetlb_folio``,
mm/hugetlb.c. What a shared mapping was promised, its file's map tells; of a private one the area
that asked for it owns the promises, and a map of those that are used up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mmtwin.space import flags as c
from mmtwin.space.hugetlb_pool import RESTORE_RESERVE, HugePool
from mmtwin.space.resv_map import ResvMaps

if TYPE_CHECKING:
    from mmtwin.space.rmap import Rmap

HUGE_SHIFT: Final = 21
PAGES: Final = 512
"""Small pages of a huge one."""
RESV_OWNER: Final = 1
"""Bit of ``vm_private_data`` (HPAGE_RESV_OWNER): the promises are this area's."""
RESV_UNMAPPED: Final = 2
"""HPAGE_RESV_UNMAPPED: a page was taken from this area, whose next access is its end."""
RESV_MASK: Final = 3


class HugeReserve(HugePool):
    """Reservations of areas (``vma``) and of files (``inode``)."""

    def __init__(self, space: Rmap) -> None:
        super().__init__(space.memory, space.layouts, space.pages, space.profile)
        self.space = space
        self.resv = ResvMaps(space.memory, space.layouts)
        fields = space.layouts.vm_area_struct.fields
        self.at_area = {name: field.offset for name, field in fields.items()}
        self.at_i_resv_map = space.layouts.inode.offset("i_resv_map")
        self.at_i_size = space.layouts.inode.offset("i_size")
        self.at_f_inode = space.layouts.file.offset("f_inode")

    # Fields.

    def area(self, vma: int, name: str) -> int:
        """A member of a VMA."""
        return self.memory.load(vma + self.at_area[name])

    def inode_of(self, vma: int) -> int:
        """The inode that the area maps."""
        return self.memory.load(self.area(vma, "vm_file") + self.at_f_inode)

    def shared(self, vma: int) -> bool:
        """Does the area map the file's own pages?"""
        return bool(self.area(vma, "vm_flags") & c.VM_MAYSHARE)

    def index(self, vma: int, address: int) -> int:
        """Which huge page of the file lies at the address (``vma_hugecache_offset``)."""
        pages = (address - self.area(vma, "vm_start")) >> c.PAGE_SHIFT
        return (self.area(vma, "vm_pgoff") + pages) >> (HUGE_SHIFT - c.PAGE_SHIFT)

    def set_private(self, vma: int, value: int) -> None:
        """Set the map and the bits of a private area."""
        self.memory.store(vma + self.at_area["vm_private_data"], value)

    def resv_set(self, vma: int, flag: int) -> bool:
        """Has a private area this HPAGE_RESV_* bit?"""
        return not self.shared(vma) and bool(self.area(vma, "vm_private_data") & flag)

    def inode_map(self, inode: int) -> int:
        """The file's map, made when it is first needed; 0 without memory."""
        resv = self.memory.load(inode + self.at_i_resv_map)
        if not resv:
            resv = self.resv.alloc()
            self.memory.store(inode + self.at_i_resv_map, resv)
        return resv

    def vma_map(self, vma: int) -> int:
        """The map that counts for the area; 0 for a private one to which nothing was promised."""
        if self.shared(vma):
            return self.inode_map(self.inode_of(vma))
        return self.area(vma, "vm_private_data") & ~RESV_MASK

    # Promises.

    def reserve_pages(self, inode: int, start: int, end: int, vma: int, vm_flags: int) -> bool:
        """Promise huge pages [``start``, ``end``) of a file; False if there are not enough.

        ``vma`` is the area that asks, 0 for a System V segment.
        """
        if vm_flags & c.VM_NORESERVE:
            return True
        if vma and not self.shared(vma):
            return self._reserve_private(vma, end - start)
        resv = self.inode_map(inode)
        if not resv or not self.acct_memory(self.resv.region_chg(resv, start, end)):
            return False
        self.resv.region_add(resv, start, end)
        return True

    def _reserve_private(self, vma: int, pages: int) -> bool:
        resv = self.resv.alloc()
        if not resv:
            return False
        if not self.acct_memory(pages):
            self.resv.put(resv)
            return False
        self.set_private(vma, resv | RESV_OWNER)
        return True

    def unreserve_pages(self, inode: int, start: int, end: int, freed: int) -> None:
        """Take back what was promised of a range of a file, of which ``freed`` pages were used."""
        resv = self.memory.load(inode + self.at_i_resv_map)
        held = self.resv.region_del(resv, start, end) if resv else 0
        self.acct_memory(freed - held)

    def vma_open(self, vma: int) -> None:
        """A piece or a copy of an area shares its map."""
        if self.resv_set(vma, RESV_OWNER):
            self.resv.get(self.vma_map(vma))

    def vma_close(self, vma: int) -> None:
        """An area goes: what it did not use is not promised any more."""
        if not self.resv_set(vma, RESV_OWNER):
            return
        resv = self.vma_map(vma)
        start = self.index(vma, self.area(vma, "vm_start"))
        end = self.index(vma, self.area(vma, "vm_end"))
        self.acct_memory(self.resv.region_count(resv, start, end) - (end - start))
        self.resv.put(resv)

    def clear_resv(self, vma: int) -> None:
        """The promises have moved with a copy of the area: this one has none any more."""
        if self.resv_set(vma, RESV_OWNER):
            self.resv.put(self.vma_map(vma))
        if not self.shared(vma):
            self.set_private(vma, 0)

    def free_inode_map(self, inode: int) -> None:
        """The file goes."""
        self.resv.put(self.memory.load(inode + self.at_i_resv_map))
        self.memory.store(inode + self.at_i_resv_map, 0)

    # One page.

    def needs_reservation(self, vma: int, address: int) -> bool:
        """Is the page at the address not promised?"""
        resv = self.vma_map(vma)
        if not resv:
            return True
        index = self.index(vma, address)
        absent = self.resv.region_chg(resv, index, index + 1) != 0
        return absent if self.shared(vma) else not absent

    def commit_reservation(self, vma: int, address: int) -> None:
        """The page is allocated: note it in the map."""
        resv = self.vma_map(vma)
        if resv:
            index = self.index(vma, address)
            self.resv.region_add(resv, index, index + 1)

    def restore_reservation(self, vma: int, address: int) -> None:
        """The page is promised again (``vma_add_reservation``)."""
        resv = self.vma_map(vma)
        if not resv:
            return
        index = self.index(vma, address)
        if self.shared(vma):
            self.resv.region_add(resv, index, index + 1)
        else:
            self.resv.region_del(resv, index, index + 1)

    def drop_reservation(self, vma: int, address: int) -> None:
        """The page is not promised any more (``vma_del_reservation``)."""
        index = self.index(vma, address)
        resv = self.vma_map(vma)
        if self.shared(vma):
            self.resv.region_del(resv, index, index + 1)
        else:
            self.resv.region_add(resv, index, index + 1)

    def restore_on_error(self, vma: int, address: int, head: int) -> None:
        """A page was allocated and cannot be mapped: the map is as it was before."""
        needed = self.needs_reservation(vma, address)
        if self.marked(head, RESTORE_RESERVE):
            if needed:
                self.restore_reservation(vma, address)
        elif not needed:
            self.drop_reservation(vma, address)

    def alloc_huge_page(self, vma: int, address: int, from_owner: bool) -> int:
        """A page for the area, one reference; 0 if there is none.

        ``from_owner``: it is for the copy of a page for which a promise was used up already.
        """
        promised = not (from_owner or self.needs_reservation(vma, address))
        head = self.dequeue() if promised or self.available() else 0
        if not head:
            head = self.alloc_surplus()
            if not head:
                return 0
            self.pages.set_page_refcounted(head)
        if promised:
            self.mark(head, RESTORE_RESERVE, True)
            self.add("resv", -1)
        self.commit_reservation(vma, address)
        return head

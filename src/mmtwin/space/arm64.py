"""What arm64 with pages of 64 KiB does otherwise: its layout and its search for free memory.

User space has 48 bits. No pages and no page tables are kept: what a fault does is what its VMA
shows. The structures are x86-64's. From arch/arm64/include/asm/processor.h and elf.h, mm/mmap.c
and mm/util.c of Linux 6.1 (``generic_get_unmapped_area``, ``mmap_base``).
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

from mmtwin.space import flags as c
from mmtwin.space.exec import MapsLine
from mmtwin.space.larger_pages import laid_out, moved
from mmtwin.space.space import Space
from mmtwin.space.words import failed


class SpaceArm64(Space):
    """Address spaces of 64-bit tasks on arm64, with the rules of Linux 6.1."""

    # Without pages.

    def page_facts(self) -> dict[str, int]:
        """There are no page tables to hold against VMAs."""
        return super().page_facts() | {"levels": 0}

    def mm_alloc_pgd(self, mm: int) -> bool:
        """No table is kept."""
        return True

    def mm_free_pgd(self, mm: int) -> None:
        """No table is kept."""

    def walk(self, mm: int, address: int, level: int) -> int:
        """No entry of any level: a table is always missing."""
        return 0

    def shift_page_tables(self, vma: int, start: int, end: int, shift: int) -> bool:
        """No entries are to be moved."""
        return True

    def advise_pages(self, vma: int, start: int, end: int, advice: int) -> None:
        """There are no pages that advice could reach."""

    def handle_range(self, vma: int, start: int, end: int, write: bool) -> int:
        """Faults on [start, end): an anon_vma for what is written: 0, ``-ENOMEM``, ``-EFAULT``."""
        area = self.view("vm_area_struct", vma)
        private = not area.get("vm_flags") & c.VM_SHARED
        if write and private and not area.get("anon_vma") and self.anon_vma_prepare(vma) != 0:
            return -errno.ENOMEM
        if not area.get("vm_ops") or not area.get("vm_file") or not self.has_page_cache(vma):
            return 0
        inode = self.view("file", area.get("vm_file")).get("f_inode")
        size = self.view("inode", inode).get("i_size")
        past = self.linear_page_index(vma, end) << self.page_shift
        return -errno.EFAULT if past >= size + self.page_size else 0

    def populate_range(self, vma: int, start: int, end: int, write: bool) -> int:
        """As by touching."""
        return self.handle_range(vma, start, end, write)

    def pin_page(self, vma: int, page: int, write: bool) -> int:
        """As by touching."""
        return self.handle_range(vma, page, page + self.page_size, write)

    # Calls.

    def sys_pkey_mprotect(self, mm: int, start: int, length: int, prot: int, pkey: int) -> int:
        """There are no protection keys, so there is no such call."""
        return -errno.ENOSYS

    def known_map_flags(self, file: int) -> int:
        """MAP_32BIT is not one of them."""
        return super().known_map_flags(file) & ~c.MAP_32BIT

    def hugetlb_file_setup(self, name: str, size: int, shift: int) -> int:
        """Huge pages, of 512 MiB, are not kept."""
        return 0

    # Where things go.

    def load_image(
        self, task: int, lines: Sequence[MapsLine], *, start_brk: int = 0, start_stack: int = 0
    ) -> int:
        """As everywhere, an image of smaller pages being laid out for those of this machine."""
        laid = laid_out(lines, self.page_size)
        return super().load_image(
            task,
            laid,
            start_brk=moved(start_brk, lines, laid),
            start_stack=moved(start_stack, lines, laid),
        )

    def arch_pick_mmap_layout(self, mm: int) -> None:
        """As everywhere, but an unlimited stack asks for the old layout too."""
        if self.rlimit(mm, c.RLIMIT_STACK) == c.RLIM_INFINITY:
            self.view("mm_struct", mm).mmap_base = self.profile.unmapped_base
        else:
            super().arch_pick_mmap_layout(mm)

    def hint_or_error(self, mm: int, addr: int, length: int, map_flags: int) -> int:
        """The address if it is fixed or a hint that can be had; 0 if it must be sought."""
        least = self.view("sysctl", self.sysctl).get("mmap_min_addr")
        top = self.profile.task_size
        if length > top - least:
            return -errno.ENOMEM
        if map_flags & c.MAP_FIXED or addr == 0:
            return addr
        addr = addr + self.page_size - 1 & self.page_mask
        above = self.find_vma(mm, addr)
        free = above == 0 or addr + length <= self.vm_start_gap(above)
        return addr if free and least <= addr <= top - length else 0

    def arch_get_unmapped_area(self, mm: int, addr: int, length: int, map_flags: int) -> int:
        """The bottom-up search of the old layout."""
        found = self.hint_or_error(mm, addr, length, map_flags)
        if found or map_flags & c.MAP_FIXED:
            return found
        base = self.view("mm_struct", mm).get("mmap_base")
        return self.unmapped_area(mm, length, base, self.profile.task_size)

    def arch_get_unmapped_area_topdown(
        self, mm: int, addr: int, length: int, map_flags: int
    ) -> int:
        """The top-down search; what finds nothing there is sought from below."""
        found = self.hint_or_error(mm, addr, length, map_flags)
        if found or map_flags & c.MAP_FIXED:
            return found
        least = self.view("sysctl", self.sysctl).get("mmap_min_addr")
        low, base = max(self.page_size, least), self.view("mm_struct", mm).get("mmap_base")
        found = self.unmapped_area_topdown(mm, length, low, base)
        if failed(found):
            profile = self.profile
            found = self.unmapped_area(mm, length, profile.unmapped_base, profile.task_size)
        return found

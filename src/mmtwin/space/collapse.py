"""Making huge pages of small ones that are there: what khugepaged and MADV_COLLAPSE share.

A :class:`Collapse` is the kernel's ``collapse_control``: with limits it works as the daemon does,
without as MADV_COLLAPSE, which takes what suits, used or not. mm/khugepaged.c.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from mmtwin.memory.view import View
from mmtwin.space.collapse_anon import CollapseAnon
from mmtwin.space.collapse_file import CollapseFile
from mmtwin.space.scan_result import DONE, FAILED, GO_ON, PMD_MAPPED, PTE_MAPPED_HUGE, TRY_AGAIN

if TYPE_CHECKING:
    from mmtwin.space.file_thp import FileThp

BUSY: Final = "exceed_none_pte"


class Collapse:
    """``hpage_collapse_scan_pmd`` and ``_file``, and ``madvise_collapse``."""

    def __init__(self, space: FileThp, limits: View | None) -> None:
        self.space = space
        self.anon = CollapseAnon(space, limits)
        self.file = CollapseFile(space, limits)

    def scan(self, mm: int, vma: int, address: int) -> tuple[str, bool]:
        """Put the 2 MiB at ``address`` together if they suit: what came of it in the kernel's
        words, and whether mmap_lock was dropped for it."""
        if not self.space.view("vm_area_struct", vma).vm_ops:
            return self.anon.scan_pmd(mm, vma, address)
        return self.file.scan_file(mm, vma, address), True

    def madvise_collapse(self, vma: int, start: int, end: int) -> int:
        """MADV_COLLAPSE of [start, end) of one area: 0 or a negative errno.

        0 if all 2 MiB blocks inside are huge pages then (there may be none, if both ends round to
        one address), else what the last failure says; some failures end the call at once.
        """
        space = self.space
        if not space.hugepage_vma_check(vma, False, False):
            return -errno.EINVAL
        size = space.pmd_size
        low, high = (start + size - 1) & -size, end & -size
        mm = space.view("vm_area_struct", vma).get("vm_mm")
        huge, last = 0, "fail"
        for address in range(low, high, size):
            result, _ = self.scan(mm, vma, address)
            if result == PTE_MAPPED_HUGE:
                result = self.file.collapse_pte_mapped_thp(mm, address, True)
            if result in (DONE, PMD_MAPPED):
                huge += 1
                continue
            last = result
            if result not in GO_ON:
                break
        return 0 if huge == (high - low) // size else self.errno_of(last)

    def errno_of(self, result: str) -> int:
        """``madvise_collapse_errno``."""
        if result == FAILED:
            return -errno.ENOMEM
        if result in TRY_AGAIN:
            return -errno.EAGAIN
        if result == BUSY and self.space.profile.since(6, 8):
            return -errno.EBUSY
        return -errno.EINVAL

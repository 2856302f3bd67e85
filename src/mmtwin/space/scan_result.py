"""What came of the look at one huge page's worth of memory: ``enum scan_result``, in its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mmtwin.space.file_thp import FileThp

DONE: Final = "succeed"
FAIL: Final = "fail"
FAILED: Final = "alloc_huge_page_fail"
PMD_MAPPED: Final = "pmd_mapped"
PMD_NULL: Final = "pmd_null"
PMD_NONE: Final = "pmd_none"
PTE_MAPPED_HUGE: Final = "pte_mapped_hugepage"
GO_ON: Final = frozenset(
    (
        PMD_NULL,
        "pte_non_present",
        "pte_uffd_wp",
        "page_ro",
        "lack_referenced_page",
        "page_null",
        "page_count",
        "page_lock",
        "page_compound",
        "page_lru",
        "del_page_lru",
    )
)
"""MADV_COLLAPSE goes on with the next huge page after these."""
TRY_AGAIN: Final = frozenset(("page_count", "page_lock", "page_lru", "del_page_lru"))
"""Failures that may not come again."""


def find_pmd(space: FileThp, mm: int, address: int) -> tuple[int, str]:
    """Where the pmd entry lies, and whether it leads to ptes (``find_pmd_or_thp_or_none``)."""
    pmd = space.walk(mm, address, 1)
    if not pmd:
        return 0, PMD_NULL
    entry = space.pmdp_get(pmd)
    if not entry:
        return pmd, PMD_NONE
    return pmd, PMD_MAPPED if space.pmd_is_leaf(entry) else DONE

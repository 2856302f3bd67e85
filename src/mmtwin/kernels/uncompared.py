"""What a comparison leaves out, and why: part of the command's output."""

from __future__ import annotations

from mmtwin.kernels.diff import Differ


def uncompared(differ: Differ) -> list[str]:
    """One line each: what cannot be compared on this kernel."""
    facts = differ.facts
    lines = [
        "process ids and the numbers of unnamed objects (the kernel's own order)",
        "which pages of [vvar] exist (the running clock decides)",
        "Referenced and LazyFree of smaps (pages wait in batches of each processor)",
        "which pages of files on a disk are there (what others have read is in the page cache)",
        "MADV_HWPOISON and MADV_SOFT_OFFLINE (they cost real pages where they are configured)",
    ]
    if not differ.collapses:
        lines.append("MADV_COLLAPSE of 2 MiB and more (what is free, what khugepaged does)")
    if not differ.kernel.own_machine:
        lines.append(
            "max_map_count, overcommit modes and the commit charge (settings and sums of the "
            "whole machine)"
        )
    else:
        lines.append("files in memory under overcommit mode 2 (their pages are charged one by one)")
    if not facts.soft_dirty:
        lines.append("the soft-dirty flag (not configured)")
    if not facts.anon_vma_name:
        lines.append("names given by prctl(PR_SET_VMA) (not configured)")
    if not facts.pkeys:
        lines.append(
            "protection keys beyond their errors (the processor has none; 6.18 leaks key 0 then)"
        )
    return lines

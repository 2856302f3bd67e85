"""Which calls a real kernel must not be asked to make."""

from __future__ import annotations

from typing import Final

from mmtwin.kernels import abi
from mmtwin.kernels.abi import HUGE, PAGE, TOP
from mmtwin.kernels.calls import Call
from mmtwin.kernels.maps import Area

POPULATE_MOST: Final = 64 << 20
"""Bytes mapped above which no call may fault pages in bulk."""
TOUCH_MOST: Final = 4 * HUGE
RANGED: Final = frozenset(
    (
        "munmap",
        "mprotect",
        "pkey_mprotect",
        "madvise",
        "remap_file_pages",
        "mmap",
        "mlock",
        "munlock",
        "mlock2",
        "touch",
        "prctl",
        "mseal",
        "mbind",
        "process_madvise",
        "process_vm_writev",
    )
)


def reaches(call: Call, start: int, end: int) -> bool:
    """Whether the call could change anything in [start, end)."""
    name, args = call.name, call.args
    ranges: list[tuple[int, int]] = []
    if name == "mremap":
        ranges = [(args[0], max(args[1], args[2]))]
        if args[2] < args[1]:
            ranges.append((args[0] + args[2] & TOP, args[1] - args[2]))  # it may wrap
        if args[3] & (abi.MREMAP_FIXED | abi.MREMAP_DONTUNMAP):
            ranges.append((args[4], in_whole(HUGE, args[2])))  # it may be of huge pages
    elif name == "mmap" and args[3] & abi.MAP_HUGETLB:
        log = args[3] >> abi.MAP_HUGE_SHIFT & abi.MAP_HUGE_MASK
        ranges = [(args[0], in_whole(1 << log if log else HUGE, args[1]))]
    elif name == "prctl":
        ranges = [(args[2], args[3])]
    elif name.startswith("uffdio_") and len(args) > 2:
        ranges = [(args[1], args[2])]
    elif name in RANGED:
        ranges = [(args[0], args[1])]
    elif name == "shmat":
        ranges = [(args[1], HUGE)]
    for at, length in ranges:
        if at & ~(PAGE - 1) < end and min(at + length + PAGE, TOP) > start:
            return True
    return False


def in_whole(unit: int, length: int) -> int:
    """``length`` rounded up to a multiple of ``unit``, a power of two."""
    return (length + unit - 1) & ~(unit - 1)


def bounded(call: Call, space: list[Area], heap: int, task_size: int) -> bool:
    """Whether the page faults that the call may cause, now or under MCL_FUTURE, stay few.

    ``space`` is the process's address space, ``heap`` where its heap begins,
    ``task_size`` the end of what can be mapped.
    """
    name, args = call.name, call.args
    if name == "mmap":
        bulk = args[3] & (abi.MAP_POPULATE | abi.MAP_LOCKED)
        return args[1] <= 8 * HUGE or (not bulk and args[1] >= task_size - PAGE)
    if name == "mremap":
        return args[2] <= 8 * HUGE or args[2] >= task_size - PAGE
    if name == "touch":
        return args[1] <= TOUCH_MOST and not touches_clock_pages(call, space)
    if name == "brk":
        return args[0] <= heap + 4 * HUGE or args[0] >= task_size
    if name in ("process_vm_readv", "process_vm_writev"):
        return not touches_clock_pages(call, space)
    if name in ("mlock", "mlock2", "mlockall", "madvise", "process_madvise"):
        return sum(area.end - area.start for area in space) <= POPULATE_MOST
    return True


def collapses(call: Call) -> bool:
    """Could the call make huge pages at once? That hangs on what is free."""
    advises = call.name.endswith("madvise") and call.args[2] == abi.MADV_COLLAPSE
    return advises and call.args[1] >= HUGE


def touches_clock_pages(call: Call, space: list[Area]) -> bool:
    """Whether a touch meets [vvar]: which of its pages exist, the running clock decides."""
    at, length = call.args[:2]
    return any(
        area.start < at + length + PAGE and area.end > at
        for area in space
        if area.name.startswith("[vvar")
    )

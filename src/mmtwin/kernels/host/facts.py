"""What the running kernel is: version, settings and rights that change what calls answer."""

from __future__ import annotations

import ctypes
import os
import re
import resource
from dataclasses import dataclass
from pathlib import Path

PAGE = 4096
PR_SET_VMA = 0x53564D41


@dataclass(frozen=True, slots=True)
class Facts:
    """One kernel and the rights of this process on it.

    ``thp`` and ``shmem_thp`` are the words chosen in /sys (``"never"`` where there are none);
    sizes are in pages; ``limits`` holds (soft, hard) by RLIMIT number, 2^64 - 1 for none.
    """

    release: tuple[int, int, int]
    thp: str
    shmem_thp: str
    overcommit_memory: int
    max_map_count: int
    mmap_min_addr: int
    legacy_va_layout: bool
    total_ram_pages: int
    total_swap_pages: int
    capabilities: int
    limits: dict[int, tuple[int, int]]
    pkeys: bool
    soft_dirty: bool
    vsyscall: bool
    anon_vma_name: bool


def _chosen(path: str) -> str:
    """The word in brackets of a /sys setting; "never" if there is no such file."""
    try:
        text = Path(path).read_text()
    except OSError:
        return "never"
    found = re.search(r"\[(\w+)\]", text)
    return found.group(1) if found else text.strip()


def _names_areas() -> bool:
    """Whether prctl(PR_SET_VMA) is configured: an empty range is refused only where it is not."""
    library = ctypes.CDLL(None, use_errno=True)
    arguments = (PR_SET_VMA, 0, 0, 0, 0)
    return bool(library.prctl(*(ctypes.c_ulong(value) for value in arguments)) == 0)


def _number(path: str) -> int:
    return int(Path(path).read_text())


def _kilobytes(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def read_facts() -> Facts:
    """The facts of this machine; raises OSError where /proc is not there."""
    words = re.findall(r"\d+", os.uname().release)
    release = (int(words[0]), int(words[1]), int(words[2]) if len(words) > 2 else 0)
    memory = Path("/proc/meminfo").read_text()
    status = Path("/proc/self/status").read_text()
    rights = re.search(r"^CapEff:\s+(\w+)", status, re.MULTILINE)
    smaps = Path("/proc/self/smaps").read_text()
    mask = (1 << 64) - 1
    return Facts(
        release=release,
        thp=_chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        shmem_thp=_chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
        overcommit_memory=_number("/proc/sys/vm/overcommit_memory"),
        max_map_count=_number("/proc/sys/vm/max_map_count"),
        mmap_min_addr=_number("/proc/sys/vm/mmap_min_addr"),
        legacy_va_layout=_number("/proc/sys/vm/legacy_va_layout") != 0,
        total_ram_pages=_kilobytes("MemTotal", memory) * 1024 // PAGE,
        total_swap_pages=_kilobytes("SwapTotal", memory) * 1024 // PAGE,
        capabilities=int(rights.group(1), 16) if rights else 0,
        limits={
            which: tuple_of(resource.getrlimit(which), mask)
            for which in (
                resource.RLIMIT_DATA,
                resource.RLIMIT_STACK,
                resource.RLIMIT_MEMLOCK,
                resource.RLIMIT_AS,
            )
        },
        pkeys=re.search(r"^flags\s*:.*\bospke\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        is not None,
        soft_dirty=re.search(r"^VmFlags:.*\bsd\b", smaps, re.MULTILINE) is not None,
        vsyscall="[vsyscall]" in smaps,
        anon_vma_name=_names_areas(),
    )


def tuple_of(limit: tuple[int, int], mask: int) -> tuple[int, int]:
    """A resource limit with -1 (none) as the kernel's unsigned number."""
    soft, hard = limit
    return soft & mask, hard & mask


def why_not(facts: Facts) -> str | None:
    """Why the 6.18 profile cannot be held against this kernel, in a few words; None if it can."""
    if facts.release[:2] != (6, 18):
        return f"the kernel is {'.'.join(map(str, facts.release))}, not 6.18"
    if os.uname().machine != "x86_64":
        return f"the machine is {os.uname().machine}, not x86_64"
    if facts.thp == "always":
        return "transparent huge pages are on for all memory"
    if facts.overcommit_memory != 0:
        return f"vm.overcommit_memory is {facts.overcommit_memory}, not 0"
    if facts.legacy_va_layout:
        return "vm.legacy_va_layout is set"
    return None

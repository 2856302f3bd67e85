"""What a kernel is: version, settings and rights that change what calls answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mmtwin.kernels.abi import HUGE
from mmtwin.kernels.host.agent import Agent
from mmtwin.kernels.host.build import AgentError

PAGE: Final = 4096
UNLIMITED: Final = (1 << 64) - 1
LIMITS: Final = {
    2: "Max data size",
    3: "Max stack size",
    8: "Max locked memory",
    9: "Max address space",
}
"""RLIMIT numbers and how /proc/PID/limits names them."""
THP: Final = "/sys/kernel/mm/transparent_hugepage/"
PROFILES: Final = {
    ("x86_64", 6, 1): "6.1",
    ("x86_64", 6, 18): "6.18",
    ("x86_64-la57", 6, 1): "6.1-la57",
    ("s390x", 6, 1): "6.1-s390x",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """One kernel and the rights of the agent on it.

    ``thp`` and ``shmem_thp`` are the words chosen in /sys (``"never"`` where there are none);
    sizes are in pages; ``limits`` holds (soft, hard) by RLIMIT number, 2^64 - 1 for none.
    """

    machine: str
    release: tuple[int, int, int]
    thp: str
    shmem_thp: str
    overcommit_memory: int
    max_map_count: int
    mmap_min_addr: int
    legacy_va_layout: bool
    total_ram_pages: int
    total_swap_pages: int
    admin_reserve_kbytes: int
    user_reserve_kbytes: int
    capabilities: int
    limits: dict[int, tuple[int, int]]
    pkeys: bool
    soft_dirty: bool
    vsyscall: bool
    anon_vma_name: bool
    userfaultfd: bool
    huge_sizes: tuple[int, ...] = ()
    """log2 of the sizes that MAP_HUGETLB may ask for; none if pages are reserved for it."""

    @property
    def profile(self) -> str | None:
        """The profile of this kernel; None if there is none."""
        return PROFILES.get((self.machine, *self.release[:2]))


def _chosen(agent: Agent, name: str) -> str:
    """The word in brackets of a setting of huge pages; "never" if there is no such file."""
    try:
        text = agent.read_text(THP + name)
    except AgentError:
        return "never"
    found = re.search(r"\[(\w+)\]", text)
    return found.group(1) if found else text.strip()


def _number(agent: Agent, name: str) -> int:
    return int(agent.read_text(f"/proc/sys/vm/{name}"))


def _kilobytes(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def _huge_sizes(memory: str, processor: str) -> tuple[int, ...]:
    if _kilobytes("Hugepagesize", memory) != HUGE // 1024 or _kilobytes("Hugetlb", memory) != 0:
        return ()
    return (21, 30) if re.search(r"\bpdpe1gb\b", processor) else (21,)


def _limit(name: str, text: str) -> tuple[int, int]:
    found = re.search(rf"^{name}\s+(\S+)\s+(\S+)", text, re.MULTILINE)
    if found is None:
        return UNLIMITED, UNLIMITED
    soft, hard = (UNLIMITED if word == "unlimited" else int(word) for word in found.groups())
    return soft, hard


def read_facts(agent: Agent) -> Facts:
    """The facts as the agent sees them; AgentError where /proc is not there."""
    release = [int(word) for word in re.findall(r"\d+", agent.read_text("/proc/version"))[:3]]
    memory = agent.read_text("/proc/meminfo")
    limits = agent.read_text("/proc/self/limits")
    smaps = agent.read_text("/proc/self/smaps")
    rights = re.search(r"^CapEff:\s+(\w+)", agent.read_text("/proc/self/status"), re.MULTILINE)
    processor = agent.read_text("/proc/cpuinfo")
    return Facts(
        machine=agent.machine.name,
        release=(release[0], release[1], release[2]),
        thp=_chosen(agent, "enabled"),
        shmem_thp=_chosen(agent, "shmem_enabled"),
        overcommit_memory=_number(agent, "overcommit_memory"),
        max_map_count=_number(agent, "max_map_count"),
        mmap_min_addr=_number(agent, "mmap_min_addr"),
        legacy_va_layout=_number(agent, "legacy_va_layout") != 0,
        total_ram_pages=_kilobytes("MemTotal", memory) * 1024 // PAGE,
        total_swap_pages=_kilobytes("SwapTotal", memory) * 1024 // PAGE,
        admin_reserve_kbytes=_number(agent, "admin_reserve_kbytes"),
        user_reserve_kbytes=_number(agent, "user_reserve_kbytes"),
        capabilities=int(rights.group(1), 16) if rights else 0,
        limits={which: _limit(name, limits) for which, name in LIMITS.items()},
        pkeys=re.search(r"^flags\s*:.*\bospke\b", processor, re.MULTILINE) is not None,
        soft_dirty=re.search(r"^VmFlags:.*\bsd\b", smaps, re.MULTILINE) is not None,
        vsyscall="[vsyscall]" in smaps,
        anon_vma_name=agent.names_areas(),
        userfaultfd=agent.watches_writes(),
        huge_sizes=_huge_sizes(memory, processor),
    )


def why_not(facts: Facts) -> str | None:
    """Why no profile can be held against this kernel, in a few words; None if one can."""
    if facts.profile is None:
        release = ".".join(map(str, facts.release))
        known = ", ".join(PROFILES.values())
        return f"the kernel is {release} for {facts.machine}; the profiles are {known}"
    if facts.overcommit_memory != 0:
        return f"vm.overcommit_memory is {facts.overcommit_memory}, not 0"
    if facts.legacy_va_layout:
        return "vm.legacy_va_layout is set"
    return None

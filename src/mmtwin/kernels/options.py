"""How a run begins, and what it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmtwin.kernels import abi
from mmtwin.kernels.host.machines import X86_64, Machine


@dataclass(frozen=True, slots=True)
class Start:
    """How a run begins: personality bits, soft RLIMIT_STACK in bytes at exec, vm.max_map_count.

    None leaves a limit as it is. ``overcommit`` is vm.overcommit_memory; in mode 2 ``spare`` pages
    may be charged beyond those that are. ``huge_pages`` is vm.nr_hugepages, ``huge_surplus``
    vm.nr_overcommit_hugepages; ``huge_segments`` are segments of huge pages, made then: their bytes
    and shmget flags.
    """

    personality: int = 0
    stack_limit: int | None = None
    max_map_count: int | None = None
    overcommit: int = 0
    spare: int = 0
    huge_pages: int = 0
    huge_surplus: int = 0
    huge_segments: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What a run may use.

    ``files`` are paths of regular files that can be read and written; ``segments`` counts the
    System V segments; ``most_slots`` bounds the processes alive at once; ``forks`` and ``huge``
    (ranges of 2 MiB) switch these off; [``keep_start``, ``keep_end``) is never changed.
    ``seals`` and ``watches`` allow mseal and userfaultfd, where the kernel has them;
    ``huge_sizes`` are log2 of what MAP_HUGETLB may ask for, where no huge pages are reserved;
    ``huge_pool``: some runs may begin with a pool of huge pages;
    ``collapses``: MADV_COLLAPSE may meet whole huge pages' worth of memory.
    ``capabilities`` are those that the process starts with, ``hard_limits`` the hard limits by
    RLIMIT number (none where not listed): no call asks for more. ``own_machine``: the kernel's
    settings may be changed.
    """

    files: tuple[str, ...] = ()
    segments: int = 0
    most_slots: int = 3
    forks: bool = True
    huge: bool = True
    keep_start: int = 0x400000
    keep_end: int = 0x41C000
    capabilities: int = abi.ALL_CAPABILITIES
    hard_limits: Mapping[int, int] = field(default_factory=dict)
    own_machine: bool = False
    seals: bool = False
    watches: bool = False
    huge_sizes: tuple[int, ...] = ()
    huge_pool: bool = False
    collapses: bool = False
    machine: Machine = X86_64


@dataclass(slots=True)
class Process:
    """What the generator remembers of a process: next descriptor, those open, the last break.

    ``watchers`` are the descriptors of userfaultfd that watch its own memory.
    """

    next_descriptor: int = 0
    descriptors: list[int] = field(default_factory=list)
    brk: int = 0
    watchers: list[int] = field(default_factory=list)

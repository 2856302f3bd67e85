"""Profiles: which kernel the twin is.

A profile is data: a release, an architecture and the options that change what mm does. Rooms ask
it for facts (``profile.maple_era``, ``profile.since(6, 8)``); behaviour that differs lives in
overrides that are chosen by it, not in tests scattered over the code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Profile:
    """One kernel.

    ``release`` is the version as numbers; a stable series stands for its newest release that was
    held against a real kernel (6.1 is 6.1.192). Addresses and sizes are bytes.
    """

    name: str
    release: tuple[int, int, int]
    machine: str = "x86_64"
    word_size: int = 8
    big_endian: bool = False
    page_size: int = 4096
    pmd_size: int = 1 << 21
    """What one table of ptes maps, and a huge page's size."""
    task_size: int = (1 << 47) - 4096
    stack_top: int = (1 << 47) - 4096
    stack_top_max: int = (1 << 47) - 4096
    """Where exec's temporary stack ends (STACK_TOP_MAX), before it is moved below ``stack_top``."""
    unmapped_base: int = 0x2AAAAAAAB000
    """Where bottom-up searches begin (TASK_UNMAPPED_BASE)."""
    stack_random_pages: int = 0x3FFFFF
    protection: tuple[int, int, int, int] = (0x120, 0x25, 0x2, 1 << 63)
    """Page-table bits: of no access; of reading and execution; what writing adds; what their
    absence adds for execution."""
    smp: bool = True
    """Without it, on x86-64, there is no NUMA either."""
    numa: bool = True
    """Without it there are no memory policies: mbind does not exist."""
    mmap_min_addr: int = 65536
    stack_guard_gap: int = 256 * 4096
    max_map_count: int = 65530
    transparent_hugepages: bool = True
    anon_vma_name: bool = True
    page_table_levels: int = 4
    soft_dirty: bool = True
    """CONFIG_MEM_SOFT_DIRTY."""

    def since(self, *release: int) -> bool:
        """Whether this kernel is at least the given release, such as ``since(6, 12)``."""
        return self.release >= release

    @property
    def layout(self) -> str:
        """Which structure layouts hold: ``"6.1"``, ``"6.18"`` or ``"s390x"``.

        A kernel without SMP keeps the layout of the one with it, though its locks take no room.
        """
        if self.machine == "s390x":
            return "s390x"
        return "6.18" if self.since(6, 12) else "6.1"

    @property
    def nodes_in_vmas(self) -> bool:
        """Whether the tree of VMAs needs no memory of its own: the red-black tree, up to 5.15."""
        return not self.since(5, 16)

    @property
    def maple_era(self) -> str:
        """The maple tree's write model: ``"6.1"`` up to 6.5, ``"6.18"`` for what follows."""
        return "6.18" if self.since(6, 6) else "6.1"


_PTE_ARM64 = 3 | 1 << 7 | 3 << 8 | 1 << 10 | 1 << 11 | 1 << 53
"""Of arm64, what every entry of user space has: a page, read-only, inner shareable, accessed, not
global, not for the kernel to execute."""

_S390X = Profile(
    "6.1-s390x",
    (6, 1, 176),
    machine="s390x",
    big_endian=True,
    pmd_size=1 << 20,
    task_size=(1 << 64) - 4096,
    stack_top=(1 << 42) - 5 * 4096,
    stack_top_max=(1 << 42) - 5 * 4096,
    unmapped_base=1 << 41,
    stack_random_pages=0x3FF80,
    mmap_min_addr=32768,
    page_table_levels=5,
    anon_vma_name=False,
    protection=(0x601, 0x611, 0x20, 0x100),
    numa=False,
)
"""Debian's 6.1.176 for s390x: no NUMA, four pages of [vvar] and [vdso] above the stack."""

_ARM64_64K = Profile(
    "6.1-arm64-64k",
    (6, 1, 192),
    machine="arm64",
    page_size=1 << 16,
    pmd_size=1 << 29,
    task_size=1 << 48,
    stack_top=1 << 48,
    stack_top_max=1 << 48,
    unmapped_base=1 << 46,
    stack_random_pages=0x3FFF,
    stack_guard_gap=256 << 16,
    page_table_levels=3,
    protection=(
        _PTE_ARM64 & ~1 | 1 << 54 | 1 << 58,
        _PTE_ARM64 | 1 << 6,
        1 << 51,
        1 << 54,
    ),
)
"""arm64 with pages of 64 KiB and 48 bits of user space, which no kernel here has been held against:
its layout is the source's, its structures are x86-64's, and pages are not kept."""

_6_1 = Profile("6.1", (6, 1, 192))
_6_18 = Profile("6.18", (6, 18, 44), soft_dirty=False)


def _without_smp(profile: Profile) -> Profile:
    return replace(profile, name=f"{profile.name}-up", smp=False, numa=False)


def _with_five_levels(profile: Profile) -> Profile:
    """On a processor with LA57: user space of 56 bits, for those who ask for it by a hint."""
    top = (1 << 56) - 4096
    name = f"{profile.name}-la57"
    return replace(profile, name=name, page_table_levels=5, task_size=top, stack_top_max=top)


PROFILES = {
    profile.name: profile
    for profile in (
        _6_1,
        _without_smp(_6_1),
        _with_five_levels(_6_1),
        _S390X,
        _6_18,
        _without_smp(_6_18),
        _with_five_levels(_6_18),
        replace(_S390X, name="5.18-rc6", release=(5, 18, 0)),
        _ARM64_64K,
    )
}


def profile(name: str) -> Profile:
    """The profile of that name; :class:`KeyError` names those there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise KeyError(f"no profile {name!r}; there are {', '.join(PROFILES)}") from None

"""Profiles: which kernel the twin is.

A profile is data: a release, an architecture and the options that change what mm does. Rooms ask
it for facts (``profile.maple_era``, ``profile.since(6, 8)``); behaviour that differs lives in
overrides that are chosen by it, not in tests scattered over the code.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    task_size: int = (1 << 47) - 4096
    mmap_min_addr: int = 65536
    stack_guard_gap: int = 256 * 4096
    max_map_count: int = 65530
    transparent_hugepages: bool = True
    anon_vma_name: bool = True

    def since(self, *release: int) -> bool:
        """Whether this kernel is at least the given release, such as ``since(6, 12)``."""
        return self.release >= release

    @property
    def maple_era(self) -> str:
        """The maple tree's write model: ``"6.1"`` up to 6.5, ``"6.18"`` for what follows."""
        return "6.18" if self.since(6, 6) else "6.1"


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("6.1", (6, 1, 192)),
        Profile("6.18", (6, 18, 44)),
    )
}


def profile(name: str) -> Profile:
    """The profile of that name; :class:`KeyError` names those there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise KeyError(f"no profile {name!r}; there are {', '.join(PROFILES)}") from None

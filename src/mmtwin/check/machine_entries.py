"""How the entries of a machine's page tables are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from mmtwin.space import s390_entries


class Translation(NamedTuple):
    """By level and word to the bits of ``pte_bits``, 0 for no entry; and back."""

    to_twin: Callable[[int, int], int]
    to_machine: Callable[[int, int], int]


def as_it_stands(level: int, word: int) -> int:
    """x86-64's entries have the bits of ``pte_bits``."""
    return word


X86_64: Final = Translation(as_it_stands, as_it_stands)
TRANSLATIONS: Final = {
    "x86_64": X86_64,
    "s390x": Translation(s390_entries.to_twin, s390_entries.to_machine),
    "arm64": X86_64,
}
"""By the profile's machine; of arm64 no tables are kept."""

"""Migratetypes: their numbers, names and letters, by era.

1 and 2 were swapped in Linux 4.4 (016c13daa5c9), so that the bits of the GFP flags shift into the
type; 3 was RESERVE until then and is HIGHATOMIC since. Without CMA, ISOLATE is 4.
"""

from __future__ import annotations

from dataclasses import dataclass

NAMES = {
    "U": "Unmovable",
    "M": "Movable",
    "E": "Reclaimable",
    "R": "Reserve",
    "H": "HighAtomic",
    "C": "CMA",
    "I": "Isolate",
}
"""What pagetypeinfo calls a type, by its letter in show_mem."""

NONE = -1
"""The number of a type that an era does not have."""


@dataclass(frozen=True, slots=True)
class Migratetypes:
    """One era's types: ``letters[n]`` is the letter of type ``n``.

    ``fallbacks[n]`` are the types from which type ``n`` may steal, best first. ``pcptypes`` is the
    number of types with per-cpu lists of their own: those below it.
    """

    letters: str
    fallbacks: tuple[tuple[int, ...], ...]
    pcptypes: int = 3

    def __len__(self) -> int:
        return len(self.letters)

    def number(self, letter: str) -> int:
        """The number of the type with that letter, :data:`NONE` if this era has none."""
        return self.letters.find(letter)

    def name(self, number: int) -> str:
        """The type's name as in pagetypeinfo; ``type N`` for a number out of range."""
        return NAMES[self.letters[number]] if 0 <= number < len(self.letters) else f"type {number}"

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order of their numbers."""
        return tuple(NAMES[letter] for letter in self.letters)


def migratetypes(*, before_4_4: bool, cma: bool, isolate: bool) -> Migratetypes:
    """The types of a kernel, by its era and configuration."""
    extra = ("C" if cma else "") + ("I" if isolate else "")
    nothing: tuple[tuple[int, ...], ...] = ((),) * (1 + len(extra))
    if before_4_4:
        movable = (4, 1, 0) if cma else (1, 0)
        return Migratetypes("UEMR" + extra, ((1, 2), (0, 2), movable, *nothing))
    return Migratetypes("UMEH" + extra, ((2, 1), (2, 0), (0, 1), *nothing))

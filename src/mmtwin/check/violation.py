"""What a check reports."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One invariant that one object does not keep.

    ``invariant`` is the stable id (``MT-09``); ``kind`` the object's kind (``maple_node``,
    ``maple_tree``, ``vm_area_struct``, ``mm_struct``, ``anon_vma``, ``anon_vma_chain``,
    ``kmem_cache``); ``address`` its kernel address. ``field`` names the word or the slot
    (``pivot[14]``), ``found`` and ``expected`` say both sides of the disagreement. ``path`` leads
    from the root to the object: ``(address, slot)`` of every node above it, top first.
    """

    invariant: str
    kind: str
    address: int
    field: str
    found: str
    expected: str
    path: tuple[tuple[int, int], ...] = dataclasses.field(default=())
    message: str = ""

    def __str__(self) -> str:
        return (
            f"{self.invariant} {self.kind} {self.address:#x} {self.field}: "
            f"found {self.found}, expected {self.expected}"
        )

    def as_json(self) -> dict[str, object]:
        """The violation as the plain values of a JSON document; addresses in hexadecimal."""
        return {
            "invariant": self.invariant,
            "kind": self.kind,
            "address": f"{self.address:#x}",
            "field": self.field,
            "found": self.found,
            "expected": self.expected,
            "path": [{"node": f"{node:#x}", "slot": slot} for node, slot in self.path],
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class BadStep:
    """The first step after which a check fails.

    ``step`` counts from 0; ``before`` and ``after`` are the journal's positions around it.
    ``full_checks`` and ``touched_checks`` say what it cost to find it.
    """

    step: int
    before: int
    after: int
    violations: tuple[Violation, ...]
    full_checks: int = 0
    touched_checks: int = 0

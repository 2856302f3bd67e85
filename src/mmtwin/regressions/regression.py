"""What a regression is: a historical bug as an override that puts it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mmtwin.machine.profile import Profile


@dataclass(frozen=True, slots=True)
class Regression:
    """One bug of the catalogue.

    ``source`` names its thread or commit, ``versions`` the kernels that had it. ``mechanism`` tells
    in a paragraph what went wrong, ``trigger`` which operations bring it out. ``invariants`` are
    those that are expected to fail at the step of the cause, the first of them always.
    ``overrides`` gives the class with the old method for a kernel: a subclass of the engine's class
    of that ``layer``, with one method replaced.
    """

    name: str
    title: str
    source: str
    versions: str
    layer: Literal["maple", "space"]
    mechanism: str
    trigger: str
    invariants: tuple[str, ...]
    overrides: Callable[[Profile], type]

    def override(self, profile: Profile) -> type:
        """The class with the old method, for this kernel."""
        return self.overrides(profile)

"""What an invariant is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layer = Literal["maple", "space"]
How = Literal["state", "step", "behaviour"]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One rule. ``judge`` names the function that judges it (``module.Class.method``)."""

    id: str
    statement: str
    layer: Layer
    how: How
    source: str
    judge: str

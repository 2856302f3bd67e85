"""The suite runs twice, compiled and uncompiled: what of it is whole only in the first run.

The compiled run is the complete one. The uncompiled run proves that the same files do the same as
plain Python, tens of times slower: every test of the twin takes part in it, with fewer cases where
it draws them (``COMPILED`` chooses) and with a ``sample`` where it lists many. A test whose outcome
does not depend on the mode is marked ``one_mode`` and left out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from mmtwin.memory import memory

COMPILED = memory.__file__.endswith(".so")
"""Whether the rooms that this process imports are the compiled ones."""

_Case = TypeVar("_Case")


def sample(cases: Sequence[_Case], every: int) -> Sequence[_Case]:
    """All cases of a test compiled; uncompiled each ``every``-th of them, from the first one on."""
    return cases if COMPILED else cases[::every]

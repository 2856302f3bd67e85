"""Eras: what differs between the maple trees of Linux 6.1 to 6.19, as data.

Tree shapes are the same in all of them. What differs is the order of publication and dead mark,
where nodes for a store come from and how many are asked for, how a cursor says that it ran past
its limit, and a few bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

WORST = "worst case"
SHARP = "by the leaf's new size, one node at least where the leaf changes size"
TYPED = "by store type"
HEIGHT = "by store type and vacant height"


@dataclass(frozen=True, slots=True)
class Era:
    """The switches of a span of kernel releases.

    ``since`` is the first release (inclusive) the era covers. Offsets are bytes in
    ``struct maple_tree`` of a 64-bit kernel without lockdep.
    """

    name: str
    since: tuple[int, int]
    tree_size: int = 24
    """``sizeof(struct maple_tree)``: 24 up to 6.11, 16 from 6.12."""
    lock_offset: int = 0
    root_offset: int = 8
    flags_offset: int = 16
    gap_none: int = 15
    """``meta.gap`` of an allocation node without any gap: 15 first, 0 from 6.6
    (31 instead of 15 on 32-bit kernels)."""
    dead_first: bool = True
    """Replaced nodes are marked dead before the replacement is published. From 6.6 the other way
    round: commit 530f745c7620 ("maple_tree: replace data before marking dead ...")."""
    recycles: bool = True
    """Without RCU a state keeps the nodes it replaces for its own use; up to 6.17."""
    typed: bool = False
    """The kind of a store is decided by the leaf's new size: from 6.6 on the way, from 6.12 before
    anything is written. Both write the same; the model decides first."""
    converges: bool = False
    """A spanning store stops as soon as both of its edges lie in one node; from 6.16."""
    keeps_flags: bool = False
    """``__mt_destroy`` leaves all flags but the height."""
    strict_window: bool = False
    """The empty-area searches refuse a size that the window cannot hold, and no longer refuse a
    window of one index: commit ba9972121ab2, in 6.5."""
    bounded_states: bool = False
    """Cursors tell running past a limit (overflow, underflow) from finding nothing; from 6.8."""
    walk_resumes: bool = True
    """``mas_walk`` on a positioned cursor walks down from its node. Not from 6.8 to 6.15."""
    bulk: bool = True
    """``mas_expected_entries`` exists; up to 6.17."""
    prealloc: str = WORST
    depth_base: int = 1
    """Depth of a cursor in the root node: 1, and 0 from 6.16."""
    dump_hex: bool = False
    """``mt_dump`` takes a format; from 6.5."""
    dump_empty: bool = False
    """An empty tree dumps as ``(empty)``; from 6.18."""


_E1 = Era("E1", (6, 1))
_E2 = Era("E2", (6, 3), strict_window=True, dump_hex=True, keeps_flags=True)
_E3 = Era(
    "E3",
    (6, 6),
    gap_none=0,
    dead_first=False,
    typed=True,
    keeps_flags=True,
    strict_window=True,
    bounded_states=True,
    walk_resumes=False,
    prealloc=SHARP,
    dump_hex=True,
)
_E4 = Era(
    "E4",
    (6, 12),
    tree_size=16,
    root_offset=8,
    flags_offset=4,
    gap_none=0,
    dead_first=False,
    typed=True,
    keeps_flags=True,
    strict_window=True,
    bounded_states=True,
    walk_resumes=False,
    prealloc=TYPED,
    dump_hex=True,
)
_E5 = Era(
    "E5",
    (6, 16),
    tree_size=16,
    root_offset=8,
    flags_offset=4,
    gap_none=0,
    dead_first=False,
    typed=True,
    converges=True,
    keeps_flags=True,
    strict_window=True,
    bounded_states=True,
    prealloc=HEIGHT,
    depth_base=0,
    dump_hex=True,
)
_E6 = Era(
    "E6",
    (6, 18),
    tree_size=16,
    root_offset=8,
    flags_offset=4,
    gap_none=0,
    dead_first=False,
    recycles=False,
    typed=True,
    converges=True,
    keeps_flags=True,
    strict_window=True,
    bounded_states=True,
    bulk=False,
    prealloc=HEIGHT,
    depth_base=0,
    dump_hex=True,
    dump_empty=True,
)

ERAS = (_E1, _E2, _E3, _E4, _E5, _E6)
"""All eras, oldest first."""


def era_of(version: str | tuple[int, ...] | Era) -> Era:
    """The era of a kernel release such as ``"6.1"``, ``"6.18.2"`` or ``(6, 12)``.

    An :class:`Era` comes back as it is, and so does one named ``"E1"`` to ``"E6"``. Releases
    before 6.1 never had a maple tree and from 7.0 split nodes elsewhere: :class:`ValueError`.
    """
    if isinstance(version, Era):
        return version
    if isinstance(version, str):
        for era in ERAS:
            if era.name == version:
                return era
        try:
            version = tuple(int(part) for part in version.split("-")[0].split(".")[:2])
        except ValueError:
            raise ValueError(f"{version!r} is not a kernel release") from None
    release = (version[0], version[1] if len(version) > 1 else 0)
    if not (6, 1) <= release < (7, 0):
        raise ValueError(f"no maple tree model for Linux {release[0]}.{release[1]}")
    return next(era for era in reversed(ERAS) if release >= era.since)

"""The machines that the kernel's tree can be built for, and the shape of a node on each.

A 32-bit kernel has other nodes than a 64-bit one (twice the slots of half the width), and a
big-endian one keeps the metadata at the other end of its word. Debian's cross compilers and qemu's
user mode make all four testable on one machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

LEAF, RANGE, ARANGE = 1, 2, 3


class Shape(NamedTuple):
    """Where things are in a node of one type, in words of the machine."""

    first_pivot: int
    first_slot: int
    pivots: int
    first_gap: int = 0
    meta: int = 0


SHAPES = {
    64: {
        LEAF: Shape(1, 16, 15),
        RANGE: Shape(1, 16, 15),
        ARANGE: Shape(1, 10, 9, 20, 30),
    },
    32: {
        LEAF: Shape(1, 32, 31),
        RANGE: Shape(1, 32, 31),
        ARANGE: Shape(1, 21, 20, 42, 63),
    },
}
"""By word size and node type."""


@dataclass(frozen=True)
class Target:
    """One kind of machine."""

    name: str
    bits: int
    big_endian: bool
    compiler: str | None = None
    """None: the environment's ``CC``, or ``cc``"""
    runner: tuple[str, ...] = ()
    """What runs its programs here; nothing where they run by themselves"""
    packages: str = field(default="gcc", compare=False)
    """Debian packages that bring compiler and runner"""

    @property
    def top(self) -> int:
        """ULONG_MAX, the last index of a tree (inclusive)."""
        return (1 << self.bits) - 1

    @property
    def node_words(self) -> int:
        """Words of the machine in a node."""
        return 256 * 8 // self.bits

    def meta(self, word: int) -> tuple[int, int]:
        """The metadata in a word: the data end, the slot with the largest gap."""
        if self.big_endian:
            return word >> self.bits - 8 & 255, word >> self.bits - 16 & 255
        return word & 255, word >> 8 & 255


NATIVE = Target("native", 64, False)
S390X = Target(
    "s390x",
    64,
    True,
    "s390x-linux-gnu-gcc",
    ("qemu-s390x-static",),
    "gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static",
)
I386 = Target(
    "i386", 32, False, "i686-linux-gnu-gcc", (), "gcc-i686-linux-gnu libc6-dev-i386-cross"
)
POWERPC = Target(
    "powerpc",
    32,
    True,
    "powerpc-linux-gnu-gcc",
    ("qemu-ppc-static",),
    "gcc-powerpc-linux-gnu libc6-dev-powerpc-cross qemu-user-static",
)

TARGETS = {target.name: target for target in (NATIVE, S390X, I386, POWERPC)}
"""By name: both word sizes, both byte orders."""

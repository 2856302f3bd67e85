"""The processors that the agent runs on: what its user interface looks like from outside."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from mmtwin.kernels.calls import NUMBERS, NUMBERS_S390X

MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Machine:
    """One processor's user interface.

    ``order`` is struct's letter for its byte order; ``numbers`` its system calls; ``task_size`` the
    first byte after what a process can map at most, ``huge`` a huge page's size, both in bytes;
    ``borders`` are further addresses that matter: where one more level of page tables is needed;
    above ``high`` lie only the stack and what is mapped below it;
    ``compilers`` are tried in order, ``compiler_package`` is what to install if none is there.
    """

    name: str
    order: str
    numbers: Mapping[str, int]
    task_size: int
    huge: int
    borders: tuple[int, ...]
    high: int
    compilers: tuple[str, ...]
    compiler_package: str
    command: struct.Struct = field(init=False)
    answer: struct.Struct = field(init=False)
    length: struct.Struct = field(init=False)
    stat: struct.Struct = field(init=False)

    def __post_init__(self) -> None:
        """The layouts of the agent's stream, and of the head of struct stat: dev, ino, nlink,
        mode, uid, gid, pad, rdev, size."""
        for name, form in (
            ("command", "BBHIQ6Q"),
            ("answer", "qIIQ"),
            ("length", "I"),
            ("stat", "QQQIIIIQq"),
        ):
            object.__setattr__(self, name, struct.Struct(self.order + form))

    def pack(self, form: str, *values: int) -> bytes:
        """``values`` as the machine has them in memory; ``form`` as in struct, without an order."""
        return struct.pack(self.order + form, *values)


X86_64: Final = Machine(
    "x86_64",
    "<",
    NUMBERS,
    task_size=(1 << 47) - 4096,
    huge=1 << 21,
    borders=(),
    high=1 << 46,
    compilers=("x86_64-linux-gnu-gcc", "cc"),
    compiler_package="gcc",
)
X86_64_LA57: Final = replace(
    X86_64,
    name="x86_64-la57",
    task_size=(1 << 56) - 4096,
    borders=((1 << 47) - 4096, 1 << 48, 1 << 52),
)
"""With five levels of page tables: user space of 56 bits."""
S390X: Final = Machine(
    "s390x",
    ">",
    NUMBERS_S390X,
    task_size=MASK + 1 - 4096,
    huge=1 << 20,
    borders=(1 << 31, 1 << 42, 1 << 53),
    high=1 << 41,
    compilers=("s390x-linux-gnu-gcc",),
    compiler_package="gcc-s390x-linux-gnu and libc6-dev-s390x-cross",
)

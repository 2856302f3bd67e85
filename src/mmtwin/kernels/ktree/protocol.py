"""The words between the driver and us: operations, results, dumps.

All words are 64 bits, for 32-bit machines too. An operation is five of them: a head (code, tree,
state, allocation flags, eight bits each from the low end) and the arguments ``a b c d``. A result
is eight: the return value, then for the state operations index, last, the class of the node, the
small fields, min, max and what is allocated. Errors are negative numbers in two's complement.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

OPERATION_WORDS = 5
RESULT_WORDS = 8
WORD = 1 << 64
MAX = WORD - 1
"""ULONG_MAX, the last index of a tree (inclusive)."""

BUG = 1 << 63
"""Set in a result's last word when the operation ended in a BUG_ON."""


class Request(IntEnum):
    """Kinds of request."""

    OPERATIONS = 0
    DUMP = 1
    TIMED = 2
    POISON = 3


class Timed(IntEnum):
    """Loops the driver runs under its stopwatch, and the words each takes."""

    STORE = 0
    """first, last, entry"""
    LOAD = 1
    """index"""
    ITERATE = 2
    """nothing"""
    ERASE = 3
    """index"""
    FILL_DOWN = 4
    """low, high, size, entry: the highest free window, then filled"""
    FILL_UP = 5
    """low, high, size, entry: the lowest free window, then filled"""
    SEARCH_UP = 6
    """low, high, size: the lowest free window"""


class Gfp(IntEnum):
    """Allocation flags, as far as they matter to a tree with a lock of its own."""

    NOWAIT = 0
    KERNEL = 1
    ATOMIC = 2


class Op(IntEnum):
    """Operation codes, with their arguments. Ends of ranges are inclusive."""

    NOP = 0
    INIT = 1
    """a = flags"""
    STORE_RANGE = 2
    """a, b = range, c = entry"""
    INSERT_RANGE = 3
    """a, b = range, c = entry"""
    ERASE = 4
    """a = index"""
    LOAD = 5
    """a = index"""
    FIND = 6
    """a = index, b = max; the result's start is where the next find begins"""
    FIND_AFTER = 7
    """as FIND"""
    NEXT = 8
    """a = index, b = max"""
    PREV = 9
    """a = index, b = min"""
    ALLOC_RANGE = 10
    """a, b = window, c = entry, d = size"""
    ALLOC_RRANGE = 11
    """as ALLOC_RANGE"""
    DESTROY = 12
    SET_RCU = 13
    """a = 1 or 0"""
    GRACE = 14
    """the grace period ends; returns how many callbacks ran"""
    FAIL = 15
    """a = the a-th allocation from now fails (0: none), b = 1: and all after it"""
    COUNTS = 16
    """returns nodes in use; start = nodes handed out since the start, last = callbacks waiting,
    min = destroyed subtrees that the driver did not dare to free (``spoiled`` in driver.c)"""

    MAS_INIT = 32
    """a, b = range"""
    MAS_SET = 33
    """a, b = range; position forgotten"""
    MAS_KEEP = 34
    """a, b = range; position kept"""
    MAS_RESET = 35
    MAS_PAUSE = 36
    MAS_WALK = 37
    MAS_FIND = 38
    """a = max"""
    MAS_FIND_REV = 39
    """a = min"""
    MAS_NEXT = 40
    """a = max"""
    MAS_PREV = 41
    """a = min"""
    MAS_STORE = 42
    """c = entry"""
    MAS_STORE_GFP = 43
    """c = entry"""
    MAS_ERASE = 44
    MAS_PREALLOCATE = 45
    """c = entry"""
    MAS_STORE_PREALLOC = 46
    """c = entry"""
    MAS_EMPTY_AREA = 47
    """a, b = window, c = size"""
    MAS_EMPTY_AREA_REV = 48
    """as MAS_EMPTY_AREA"""
    MAS_EXPECTED = 49
    """a = number of entries"""
    MAS_DESTROY = 50
    MAS_NOMEM = 51
    MAS_FILL = 52
    """a, b = window, d = size, c = entry: MAS_EMPTY_AREA, and on success MAS_STORE_GFP"""
    MAS_FILL_REV = 53
    """as MAS_FILL, with MAS_EMPTY_AREA_REV"""
    MAS_REPLACE = 54
    """a = max, c = entry: MAS_FIND, and if it found something MAS_STORE_GFP over it"""


class Operation(NamedTuple):
    """One operation, readable."""

    op: Op
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    tree: int = 0
    state: int = 0
    gfp: Gfp = Gfp.KERNEL

    def words(self) -> tuple[int, int, int, int, int]:
        """The five words the driver reads."""
        head = self.op | self.tree << 8 | self.state << 16 | self.gfp << 24
        return head, self.a, self.b, self.c, self.d

    def __str__(self) -> str:
        arguments = " ".join(f"{word:#x}" for word in (self.a, self.b, self.c, self.d))
        return f"{self.op.name} {arguments} tree={self.tree} state={self.state} {self.gfp.name}"


class Result(NamedTuple):
    """One result, readable. Which fields an operation fills is said at its code."""

    value: int
    start: int
    """index of the state; for FIND where the next find begins"""
    last: int
    node: int
    """a sentinel or an error as it stands; for a node 2**32 plus its type bits"""
    small: int
    """offset, depth and flags of the state, eight bits each"""
    min: int
    max: int
    allocated: int
    """nodes held | request << 24 | warnings << 48 | BUG"""

    @property
    def signed(self) -> int:
        """The return value as a signed number."""
        return self.value - WORD if self.value >> 63 else self.value


def encode(operations: Iterable[Operation]) -> array[int]:
    """The words of some operations."""
    words = array("Q")
    for operation in operations:
        words.extend(operation.words())
    return words


def operation_at(words: array[int], number: int) -> Operation:
    """The operation ``number`` of encoded ones."""
    head, a, b, c, d = words[number * OPERATION_WORDS : (number + 1) * OPERATION_WORDS]
    return Operation(
        Op(head & 0xFF), a, b, c, d, head >> 8 & 0xFF, head >> 16 & 0xFF, Gfp(head >> 24 & 0xFF)
    )


def result_at(words: array[int], number: int) -> Result:
    """The result ``number`` of a batch."""
    return Result(*words[number * RESULT_WORDS : (number + 1) * RESULT_WORDS])

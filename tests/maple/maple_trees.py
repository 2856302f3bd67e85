"""A tree with the memory, the allocator and the engine that it needs."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.maple import Maple
from mmtwin.maple.notation import digest, node_counts, notation
from mmtwin.maple.state import MaState
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import Memory

TOP = (1 << 64) - 1
ALLOC, RCU = 1, 2


def value(number: int) -> int:
    """The value entry for a number."""
    return number << 1 | 1


class Tree:
    """One tree, spoken to in plain numbers: value entries come and go as their numbers."""

    def __init__(
        self,
        flags: int = 0,
        era: str = "6.1",
        *,
        engine: type[Maple] = Maple,
        bits: int = 64,
        big_endian: bool = False,
        journal: bool = False,
        size: int = 1 << 28,
        memory: Memory | None = None,
    ) -> None:
        base = 0xFFFF888000000000 if bits == 64 else 0x80000000
        self.memory = memory or Memory(size, base=base, big_endian=big_endian, journal=journal)
        self.arena = Arena(self.memory, 256, 256, "maple_node")
        self.maple = engine(self.memory, self.arena, era=era, bits=bits)
        self.address = self.memory.boot_alloc(64, 64)
        self.maple.mt_init_flags(self.address, flags)
        self.top = self.maple.max_index

    def store(self, first: int, last: int, number: int | None, gfp: int = GFP_KERNEL) -> int:
        entry = 0 if number is None else value(number)
        return self.maple.mtree_store_range(self.address, first, last, entry, gfp)

    def erase(self, index: int) -> int | None:
        return self.number(self.maple.mtree_erase(self.address, index))

    def load(self, index: int) -> int | None:
        return self.number(self.maple.mtree_load(self.address, index))

    def state(self, index: int = 0, last: int | None = None) -> MaState:
        return MaState(self.address, index, last)

    @staticmethod
    def number(entry: int) -> int | None:
        return entry >> 1 if entry else None

    def slots(self) -> list[tuple[int, int, int | None]]:
        """Every slot of every leaf in order: (first, last, number or None)."""
        found: list[tuple[int, int, int | None]] = []
        first = 0
        while True:
            mas = self.state(first)
            entry = self.maple.mas_walk(mas)
            found.append((mas.index, mas.last, self.number(entry)))
            if mas.last == self.top:
                return found
            first = mas.last + 1

    def __str__(self) -> str:
        return notation(self.maple, self.address)

    @property
    def digest(self) -> str:
        return digest(self.maple, self.address)

    @property
    def nodes(self) -> list[int]:
        return node_counts(self.maple, self.address)

    @property
    def height(self) -> int:
        return self.maple.mt_height(self.address)

    def settled(self) -> None:
        """Nothing leaks: after the grace period the nodes out are the nodes in the tree."""
        self.maple.rcu_barrier()
        assert self.arena.in_use() == sum(self.nodes)

    def words(self) -> bytes:
        """All of memory that the tree can have touched."""
        return bytes(self.memory.physical[: 1 << 20])


class FailAt:
    """The n-th allocation (from 1) fails, and with ``onwards`` all after it."""

    def __init__(self, nth: int, onwards: bool = False) -> None:
        self.nth = nth
        self.onwards = onwards
        self.asked = 0
        self.flags: list[int] = []

    def should_fail(self, name: str, gfp: int) -> bool:
        self.asked += 1
        self.flags.append(gfp)
        return self.asked == self.nth or (self.onwards and self.asked > self.nth)


def xorshift() -> Iterator[int]:
    """The generator of the published workloads, 53 bits a draw."""
    x = 88172645463325252
    while True:
        x ^= x << 13 & TOP
        x ^= x >> 7
        x ^= x << 17 & TOP
        yield x >> 11


def workload(domain: int, longest: int, count: int) -> Iterator[tuple[str, int, int, int | None]]:
    """``("store", first, last, number or None)`` and ``("erase", index, index, None)``."""
    draw = xorshift().__next__
    for i in range(count):
        a, length, kind = draw() % domain, draw() % longest + 1, draw() % 10
        b = min(a + length - 1, domain - 1)
        if kind < 9:
            yield "store", a, b, i + 1 if kind < 6 else None
        else:
            yield "erase", a, a, None


def play(tree: Tree, steps: Iterator[tuple[str, int, int, int | None]]) -> None:
    for what, first, last, number in steps:
        if what == "store":
            assert tree.store(first, last, number) == 0
        else:
            tree.erase(first)

"""Stories: the shortest way that is known to each bug, told step by step and checked after each.

A story is a generator over a bench: it does something, and yields in words what it did. After each
yield everything is checked. Told on a bench with the bug it ends at the step of the cause; on one
without it passes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmtwin.check.behaviour import Behaviour, Reference
from mmtwin.check.checker import Checker
from mmtwin.check.step import STEP_RULES, StepCheck
from mmtwin.check.violation import Violation
from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.machine.profile import Profile
from mmtwin.machine.profile import profile as profile_named
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.memory.allocator import Arena, Injector
from mmtwin.memory.errors import BadAccess
from mmtwin.memory.memory import Memory
from mmtwin.space import flags
from mmtwin.space.space import Space
from mmtwin.twin import Override, Twin, with_overrides

TOP = (1 << 64) - 1
TREE_MEMORY = 64 << 20
POINTERS = 0xFFFF_8880_7000_0000
"""Entries look like kernel pointers: above every index that a story stores at."""


@dataclass(frozen=True, slots=True)
class Found:
    """The step, from 0, at which a story found something, and what.

    ``violations`` is empty where the kernel stopped by itself: ``what`` is its message then.
    ``steps`` are those before, in words.
    """

    step: int
    what: str
    violations: tuple[Violation, ...]
    steps: tuple[str, ...] = ()

    @property
    def invariants(self) -> set[str]:
        """The ids of the invariants that failed; ``BUG`` if the kernel stopped."""
        return {violation.invariant for violation in self.violations} or {"BUG"}


class TreeBench:
    """One maple tree, a plain list of what was stored into it, and all checks of a tree."""

    def __init__(self, kernel: str, tree_flags: int, override: type | None) -> None:
        self.memory = Memory(TREE_MEMORY, journal=True)
        self.nodes = Arena(self.memory, 256, 256, "maple_node")
        engine = with_overrides(Maple, [override] if override is not None else [])
        self.maple = engine(self.memory, self.nodes, era=kernel)
        era = self.maple.era
        self.tree = self.memory.boot_alloc(era.tree_size, 8)
        self.flags = tree_flags
        self.maple.mt_init_flags(self.tree, tree_flags)
        self.checks = StepCheck(
            self.memory,
            nodes=self.nodes,
            rcu_list=self.maple.rcu_list,
            unprepared=self.maple.unprepared,
            root_at=era.root_offset,
            flags_at=era.flags_offset,
            old_metadata=era.gap_none != 0,
        )
        self.behaviour = Behaviour(self.maple)
        self.reference = Reference()
        self.chance = random.Random(1)
        self.mark = self.memory.mark()
        self.answers: list[Violation] = []

    def store(self, first: int, last: int, value: int) -> str:
        """Store the entry number ``value`` over ``first..last`` (inclusive); 0 stores NULL."""
        entry = POINTERS + (value << 4) if value else 0
        error = self.maple.mtree_store_range(self.tree, first, last, entry, GFP_KERNEL)
        if error == 0:
            self.reference.store(first, last, entry)
        return f"store {value} over {first}..{last}" if value else f"clear {first}..{last}"

    def store_through(self, mas: MaState, value: int) -> str:
        """Store through a cursor, over its range."""
        first, last = mas.index, mas.last
        entry = POINTERS + (value << 4)
        if self.maple.mas_store_gfp(mas, entry, GFP_KERNEL) == 0:
            self.reference.store(first, last, entry)
        return f"store {value} over {first}..{last} through the cursor"

    def erase(self, index: int) -> str:
        """Erase the range that holds ``index``."""
        if self.maple.mtree_erase(self.tree, index):
            for first, last, _ in self.reference.slots:
                if first <= index <= last:
                    self.reference.store(first, last, 0)
                    break
        return f"erase {index}"

    def play(self, sequence: str) -> Iterator[str]:
        """``S15-18`` stores a fresh value over 15..18, ``N3-10`` NULL, ``E7`` erases at 7."""
        for value, word in enumerate(sequence.split(), 1):
            first, _, last = word[1:].partition("-")
            low = int(first)
            high = TOP if last == "MAX" else int(last or first)
            if word[0] == "E":
                yield self.erase(low)
            else:
                yield self.store(low, high, value if word[0] == "S" else 0)

    def search(self, low: int, high: int, size: int) -> str:
        """Ask for room in ``low..high`` (inclusive) from both ends and compare the answers."""
        self.answers += self.behaviour.areas(
            self.tree, self.behaviour.slots(self.tree), [(low, high, size)]
        )
        return f"search {size} in {low}..{high}"

    def fail(self, injector: Injector | None) -> None:
        """Let this decide which allocations of nodes fail."""
        self.nodes.injector = injector

    def glance(self) -> list[Violation]:
        """The step check: what the last step touched."""
        found = self.checks.touched(self.mark, [self.tree])
        self.mark = self.memory.mark()
        return found

    def look(self) -> list[Violation]:
        """All checks: what the last step touched, everything, and what the tree answers."""
        trees = [self.tree]
        touched = self.checks.touched(self.mark, trees)
        found = self.checks.full(trees) or touched
        found += [v for v in touched if v.invariant in STEP_RULES and v not in found]
        if not found:
            slots = self.behaviour.slots(self.tree)
            found = self.answers + self.reference.compare(self.tree, slots)
        if not found:
            found = self.behaviour.check(self.tree, self.chance, windows=8)
        self.mark = self.memory.mark()
        return found


PAGE = 0x1000
BASE = 0x1000_0000_0000
"""Page 0 of a story's address space."""
RW = flags.PROT_READ | flags.PROT_WRITE
READ = flags.PROT_READ
ANON = flags.MAP_PRIVATE | flags.MAP_ANONYMOUS


class NotThere(Space):
    """The engine as it is: a kernel that does not have the code with the bug."""


class SpaceBench:
    """A twin with one process, and all checks of a twin. Areas are told in pages from ``BASE``."""

    def __init__(
        self, kernel: str | Profile, bugs: Sequence[Override], *, ram: int = 1 << 28
    ) -> None:
        profile = profile_named(kernel) if isinstance(kernel, str) else kernel
        self.twin = Twin(profile, bugs, ram=ram)
        self.memory = self.twin.memory
        self.space = self.twin.space
        self.task, self.mm = self.twin.new_process(1)
        self.checker = Checker(self.twin)
        self.mark = self.twin.memory.mark()

    def map(
        self, start: int, end: int, prot: int = RW, more: int = flags.MAP_FIXED, file: int = 0
    ) -> str:
        """Map pages ``start`` to ``end`` (exclusive)."""
        got = self.space.sys_mmap(
            self.mm, BASE + start * PAGE, (end - start) * PAGE, prot,
            more | (flags.MAP_PRIVATE if file else ANON), file, 0,
        )  # fmt: skip
        return self._said(f"mmap pages {start}..{end} prot {prot}", got)

    def unmap(self, start: int, end: int) -> str:
        """Unmap pages ``start`` to ``end`` (exclusive)."""
        got = self.space.sys_munmap(self.mm, BASE + start * PAGE, (end - start) * PAGE)
        return self._said(f"munmap pages {start}..{end}", got)

    def protect(self, start: int, end: int, prot: int) -> str:
        """Change the protection of pages ``start`` to ``end`` (exclusive)."""
        got = self.space.sys_mprotect(self.mm, BASE + start * PAGE, (end - start) * PAGE, prot)
        return self._said(f"mprotect pages {start}..{end} to {prot}", got)

    def write(self, start: int, end: int) -> str:
        """Write to pages ``start`` to ``end`` (exclusive)."""
        got = self.space.touch(self.mm, BASE + start * PAGE, (end - start) * PAGE, True)
        return self._said(f"write to pages {start}..{end}", got)

    def lock(self, start: int, end: int) -> str:
        """Lock pages ``start`` to ``end`` (exclusive)."""
        got = self.space.sys_mlock(self.mm, BASE + start * PAGE, (end - start) * PAGE)
        return self._said(f"mlock pages {start}..{end}", got)

    def remap(self, start: int, end: int, to: int, more: int = 0) -> str:
        """Move pages ``start`` to ``end`` (exclusive) so that they begin at page ``to``."""
        length = (end - start) * PAGE
        how = flags.MREMAP_MAYMOVE | flags.MREMAP_FIXED | more
        got = self.space.sys_mremap(
            self.mm, BASE + start * PAGE, length, length, how, BASE + to * PAGE
        )
        return self._said(f"mremap pages {start}..{end} to {to} flags {how}", got)

    def brk(self, address: int) -> str:
        """Set the program break."""
        return self._said(f"brk {address:#x}", self.space.sys_brk(self.mm, address))

    def fail(self, injector: Injector | None) -> None:
        """Let this decide which slab allocations fail."""
        for cache in self.twin.caches.caches:
            cache.injector = injector

    def glance(self) -> list[Violation]:
        """The step check: what the last step touched."""
        found = self.checker.touched(self.mark)
        self.mark = self.twin.begin_step()
        return found

    def look(self) -> list[Violation]:
        """All checks."""
        found = self.checker.every(self.mark)
        self.mark = self.twin.begin_step()
        return found

    def _said(self, what: str, result: int) -> str:
        return f"{what}: {result}" if -4096 < result < 0 else what


TreeStory = Callable[[TreeBench], Iterator[str]]
SpaceStory = Callable[[SpaceBench], Iterator[str]]


class Bench(Protocol):
    """What a story is told on."""

    def look(self) -> list[Violation]:
        """All checks."""


def tell(bench: Bench, story: Iterator[str]) -> Found | None:
    """Tell the story up to the first step that leaves something to find; None if none does."""
    steps: list[str] = []
    try:
        for what in story:
            found = bench.look()
            if found:
                return Found(len(steps), what, tuple(found), tuple(steps))
            steps.append(what)
    except (KernelBug, KernelWarning, BadAccess) as stopped:
        return Found(len(steps), str(stopped), (), tuple(steps))
    return None

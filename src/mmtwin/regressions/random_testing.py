"""Random operations instead of a story: after how many of them a bug that was put back is found.

A run is fixed by its number: one tree or one process from empty, ``OPERATIONS`` random operations
with a check after each; runs follow one another until something is found. The operations know
nothing of the bug. They are weighted as such tests are: dense ranges, edges, erasures in a row,
searches and stores through their cursors, now and then an allocation that fails.

The step check looks at what the last operation touched; every ``WHOLE_EVERY`` operations, and at
the end of a run, everything is checked, answers to look-ups and searches included.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from mmtwin.check.violation import Violation
from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.machine.failslab import FailSlab
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.machine.profile import profile
from mmtwin.maple.state import MaState
from mmtwin.memory.errors import BadAccess
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import (
    BASE,
    PAGE,
    POINTERS,
    READ,
    RW,
    TOP,
    SpaceBench,
    TreeBench,
)
from mmtwin.space import flags

MOST = 100_000
"""Operations after which the catalogue gives up."""
OPERATIONS = 1000
"""Operations of one run."""
WHOLE_EVERY = 16
DOMAINS = (24, 300, 2000, 2000)
"""Indexes in which the ranges of a tree's run lie, turn about."""
FILLED = 400
"""Ranges that lie in the tree of every fourth run from the beginning."""
PAGES = 48
"""Pages in which a process of a random run keeps its areas."""
HEAP = 1 << 20
"""Page, from ``BASE``, at which its heap begins."""


@dataclass(frozen=True, slots=True)
class AtRandom:
    """A bug found at random: after how many operations, all runs counted; in which run; as what."""

    operations: int
    run: int
    what: str
    invariants: tuple[str, ...]
    message: str


def search(bug: Regression, most: int, *, put_back: bool = True) -> AtRandom | None:
    """Run after run with the bug put back until a check finds something; None after ``most``
    operations without."""
    done = 0
    run = 0
    while done < most:
        run += 1
        bench = bench_of(bug, run, put_back=put_back)
        count = min(OPERATIONS, most - done)
        found = _one_run(bench, run, count)
        if found is not None:
            operations, what, violations, message = found
            names = tuple(dict.fromkeys(v.invariant for v in violations)) or ("BUG",)
            return AtRandom(done + operations, run, what, names, message)
        done += count
    return None


def bench_of(bug: Regression, run: int, *, put_back: bool) -> TreeBench | SpaceBench:
    """What a run of this number works on: a tree in one of the modes, or a process."""
    if bug.layer == "space":
        return SpaceBench(bug.kernel, [bug] if put_back else [], ram=1 << 26)
    override = bug.override(profile(bug.kernel)) if put_back else None
    era = profile(bug.kernel).maple_era
    return TreeBench(era, run & 3, override)


def _one_run(
    bench: TreeBench | SpaceBench, run: int, count: int
) -> tuple[int, str, list[Violation], str] | None:
    """The number of the operation (from 1) that left something to find, and what; or None."""
    chance = Random(run)
    player = TreeRun(bench, run) if isinstance(bench, TreeBench) else ProcessRun(bench)
    what = "the beginning"
    number = 0
    try:
        for number in range(1, count + 1):
            what = player.operation(chance)
            whole = number % WHOLE_EVERY == 0 or number == count
            found = bench.look() if whole else bench.glance()
            if found:
                return number, what, found, str(found[0])
    except (KernelBug, KernelWarning, BadAccess) as stopped:
        return number, what, [], str(stopped)
    return None


class TreeRun:
    """Random operations on one tree."""

    def __init__(self, bench: TreeBench, run: int) -> None:
        self.bench = bench
        self.domain = DOMAINS[run // 4 % 4]
        self.filled = run % 16 >= 12

    def operation(self, chance: Random) -> str:
        """One operation, in words."""
        bench = self.bench
        if self.filled:
            self.filled = False
            return self._fill()
        first, last = self._range(chance)
        kind = chance.random()
        if kind < 0.38:
            return bench.store(first, last, chance.randrange(1, 1 << 20))
        if kind < 0.48:
            return bench.store(first, last, 0)
        if kind < 0.66:
            return self._erase(first, chance.choice((1, 1, 2, 8, 30)))
        if kind < 0.76 and bench.flags & 1:
            low, high = self._window(chance)
            room = high - low + 1
            size = room if chance.randrange(4) == 0 else chance.randrange(1, min(40, room + 1))
            return bench.search(low, high, size)
        if kind < 0.86 and bench.flags & 1:
            return self._store_through_search(chance)
        if kind < 0.97:
            return self._store_prepared(first, last, chance)
        return self._start_over()

    def _range(self, chance: Random) -> tuple[int, int]:
        """First and last index: mostly short ranges, at times edges and long ones.

        Never all indexes: 6.18 leaves a leaf of one NULL when such an entry is erased, computes
        its length as 0, and its search from the top then finds no room in an empty tree.
        """
        kind = chance.randrange(24)
        first = chance.randrange(self.domain)
        if kind == 0:
            return first + 1, TOP
        if kind == 1:
            return 0, first
        if kind < 6 or (self.domain < 100 and kind < 16):
            return first, first
        if kind == 6:
            return first, first + chance.randrange(600)
        if kind == 7:
            return 0, 0
        return first, first + chance.randrange(16)

    def _window(self, chance: Random) -> tuple[int, int]:
        """Two different indexes: 6.1 refuses a window of one."""
        low, high = sorted(chance.sample(range(self.domain), 2))
        return (0, high) if chance.randrange(6) == 0 else (low, high)

    def _fill(self) -> str:
        for number in range(FILLED):
            self.bench.store(10 * number, 10 * number + 5, number + 1)
        return f"store {FILLED} ranges of 6"

    def _erase(self, first: int, ranges: int) -> str:
        """So many ranges one after the other, from the one at ``first`` on."""
        slots = [slot for slot in self.bench.reference.slots if slot[2] and slot[1] >= first]
        for low, _, _ in slots[:ranges]:
            self.bench.erase(low)
        return f"erase {len(slots[:ranges])} ranges from {first}"

    def _store_through_search(self, chance: Random) -> str:
        """Find room from either end, and store into it through the cursor that found it."""
        engine = self.bench.maple
        mas = MaState(self.bench.tree, 0)
        low, high = self._window(chance)
        size = chance.randrange(1, min(12, high - low + 2))
        downward = chance.random() < 0.5
        find = engine.mas_empty_area_rev if downward else engine.mas_empty_area
        if find(mas, low, high, size):
            return f"no room for {size} in {low}..{high}"
        if downward:
            mas.index = mas.last - size + 1
        else:
            mas.last = mas.index + size - 1
        return self.bench.store_through(mas, chance.randrange(1, 1 << 20))

    def _store_prepared(self, first: int, last: int, chance: Random) -> str:
        """Preallocate and store; one time in four the memory for it is not there."""
        bench = self.bench
        mas = MaState(bench.tree, first, last)
        entry = POINTERS + (chance.randrange(1, 1 << 20) << 4)
        failing = chance.random() < 0.25
        if failing:
            bench.fail(FailSlab("maple_node", times=1))
        error = bench.maple.mas_preallocate(mas, entry, GFP_KERNEL)
        bench.fail(None)
        if error == 0:
            bench.maple.mas_store_prealloc(mas, entry)
            bench.reference.store(first, last, entry)
        return f"preallocate and store over {first}..{last}{' without memory' if failing else ''}"

    def _start_over(self) -> str:
        """Destroy the tree and begin again; its flags go with it before 6.3."""
        bench = self.bench
        bench.maple.mtree_destroy(bench.tree)
        bench.maple.mt_init_flags(bench.tree, bench.flags)
        bench.reference.store(0, TOP, 0)
        return "destroy"


class ProcessRun:
    """Random calls of one process."""

    def __init__(self, bench: SpaceBench) -> None:
        self.bench = bench
        self.modern = bench.twin.profile.since(6, 12)

    def operation(self, chance: Random) -> str:
        """One call, in words; some have an allocation fail.

        Not so brk and mremap: 6.1.192 itself loses count of a charge when these run out of memory
        (brk after it has charged, mremap when it cannot split the old area that it joined). 6.18
        does in mmap, over memory that is charged already, and loses count of locked memory that
        MREMAP_DONTUNMAP leaves: there nothing fails, and nothing is locked.
        """
        bench = self.bench
        kind = chance.random()
        if kind < 0.08:
            return self._heap(chance)
        start = chance.randrange(PAGES)
        end = start + chance.randrange(1, 9)
        if kind < 0.2:
            to = chance.randrange(PAGES)
            more = flags.MREMAP_DONTUNMAP if chance.random() < 0.3 else 0
            return bench.remap(start, end, to, more)
        failing = chance.random() < 0.06 and not self.modern
        if failing:
            cache = chance.choice(("maple_node", "vm_area_struct", None))
            bench.fail(FailSlab(cache, after=chance.randrange(3), times=1))
        what = self._area(start, end, chance)
        bench.fail(None)
        return what + (", an allocation fails" if failing else "")

    def _area(self, start: int, end: int, chance: Random) -> str:
        """One call on pages ``start`` to ``end`` (exclusive)."""
        bench = self.bench
        kind = chance.random()
        if kind < 0.3:
            return bench.map(start, end, chance.choice((RW, RW, READ)))
        if kind < 0.46:
            return bench.unmap(start, end)
        if kind < 0.7:
            return bench.protect(start, end, chance.choice((RW, READ)))
        if kind < 0.92 or self.modern:
            return bench.write(start, end)
        return bench.lock(start, end)

    def _heap(self, chance: Random) -> str:
        """Move the break, write to the heap or unmap a part of it."""
        bench = self.bench
        view = bench.space.view("mm_struct", bench.mm)
        if view.get("start_brk") == 0:
            view.start_brk = view.brk = BASE + HEAP * PAGE
        pages = chance.randrange(16)
        kind = chance.random()
        if kind < 0.5:
            return bench.brk(BASE + (HEAP + pages) * PAGE)
        if kind < 0.8:
            return bench.write(HEAP, HEAP + pages + 1)
        return bench.unmap(HEAP, HEAP + pages + 1)

"""Each rule of page tables finds its damage, on every machine, in the step and in the whole."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from mmtwin.check.run import Check, Run
from mmtwin.machine.profile import PROFILES, Profile, profile
from mmtwin.regressions.migration_entry_left import Migration
from mmtwin.regressions.story import BASE, PAGE, READ, SpaceBench
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space import s390_entries as e
from mmtwin.space.space import Space
from mmtwin.trace.generate import workload
from modes import COMPILED

KERNELS = ["6.1", "6.18", "6.18-la57", "6.1-s390x", "5.18-rc6"]
S390 = [name for name in KERNELS if PROFILES[name].machine == "s390x"]
MINE, FILE, READ_ONLY, SWAPPED, SHARED, FREE = 0, 20, 40, 60, 80, 100
"""Pages from BASE, in one page table of any machine: areas of 8 pages, and none."""


@dataclass
class Machine:
    """A process with pages of every kind, and its page tables."""

    kernel: str

    def __post_init__(self) -> None:
        self.bench = SpaceBench(PROFILES[self.kernel], [], ram=64 << 20)
        self.twin, self.space, self.memory = self.bench.twin, self.bench.space, self.bench.memory
        self.mm = self.bench.mm
        self.space.swapon(64)
        self.file = self.space.open_file("/lib/x.so", 254, 0, 7, c.O_RDWR, size=1 << 20)
        self.bench.map(MINE, MINE + 8)
        self.bench.map(FILE, FILE + 8, READ, file=self.file)
        self.bench.map(READ_ONLY, READ_ONLY + 8)
        self.bench.map(SWAPPED, SWAPPED + 8)
        anon = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED
        self.space.sys_mmap(self.mm, self.address(SHARED), 8 * PAGE, 3, anon, 0, 0)
        for first in (MINE, READ_ONLY, SWAPPED, SHARED):
            self.bench.write(first, first + 4)
        self.space.touch(self.mm, self.address(FILE), 4 * PAGE, False)
        self.bench.protect(READ_ONLY, READ_ONLY + 8, READ)
        self.space.sys_madvise(self.mm, self.address(SWAPPED), 4 * PAGE, c.MADV_PAGEOUT)
        self.mark = self.memory.mark()

    def address(self, page: int) -> int:
        return BASE + page * PAGE

    def slot(self, page: int) -> int:
        return self.space.pte_at(self.mm, self.address(page))

    def entry(self, page: int) -> int:
        return self.space.ptep_get(self.slot(page))

    def put(self, page: int, entry: int) -> None:
        self.space.set_pte(self.slot(page), entry)

    def page(self, page: int) -> int:
        return self.space.page_of(self.entry(page))

    def add(self, field: str, change: int) -> None:
        view = self.space.view("mm_struct", self.mm)
        setattr(view, field, getattr(view, field) + change)

    def exchange(self, page: int) -> None:
        """The entries of a page and the next one."""
        first, second = self.entry(page), self.entry(page + 1)
        self.put(page, second)
        self.put(page + 1, first)

    def found(self) -> tuple[set[str], set[str]]:
        """The ids of what is broken: by the step, and by the whole."""
        step = {violation.invariant for violation in self.bench.checker.since(self.mark)}
        return step, {violation.invariant for violation in self.bench.checker.full()}


def outside(machine: Machine) -> None:
    machine.put(FREE, machine.entry(MINE))


def lost(machine: Machine) -> None:
    machine.put(MINE, 0)


def mapcount(machine: Machine) -> None:
    machine.space.mapcount_add(machine.page(MINE), 1)


def reference(machine: Machine) -> None:
    machine.twin.pages.page_ref_add(machine.page(MINE), -1)


def no_frame(machine: Machine) -> None:
    prot = machine.entry(MINE) & ~p.PFN_MASK
    machine.put(MINE, machine.space.pfn_pte(machine.twin.pages.frames + 5, prot))


def too_far(machine: Machine) -> None:
    vma = machine.space.vma_lookup(machine.mm, machine.address(FILE))
    machine.space.view("vm_area_struct", vma).vm_pgoff = 1 << 52


def writable(machine: Machine) -> None:
    machine.put(READ_ONLY, machine.entry(READ_ONLY) | p.RW)


def shared(machine: Machine) -> None:
    machine.space.set_page_exclusive(machine.page(MINE), False)
    machine.put(MINE, machine.entry(MINE) ^ p.DIRTY)


def unlocked(machine: Machine) -> None:
    moving = Migration.begin(machine.space, machine.mm, machine.address(MINE))
    assert machine.found() == (set(), set())
    machine.put(MINE, 0)
    machine.space.clear_page_flag(moving.page, machine.space.pg_locked)
    machine.put(MINE, moving.in_place())


def swap_count(machine: Machine) -> None:
    machine.put(SWAPPED + 1, machine.entry(SWAPPED))


def top(machine: Machine) -> None:
    machine.add("pgd", 4 * PAGE)


DAMAGE: dict[str, tuple[Callable[[Machine], None], set[str]]] = {
    "bytes of tables": (lambda machine: machine.add("pgtables_bytes", PAGE), {"VM-36"}),
    "an entry outside": (outside, {"VM-37"}),
    "an entry lost": (lost, {"VM-38"}),
    "a counter of resident pages": (lambda machine: machine.add("rss_stat_1", 1), {"VM-38"}),
    "a mapping too many": (mapcount, {"VM-39"}),
    "anonymous pages exchanged": (lambda machine: machine.exchange(MINE), {"VM-40"}),
    "pages of a file exchanged": (lambda machine: machine.exchange(FILE), {"VM-41"}),
    "pages of shared memory exchanged": (lambda machine: machine.exchange(SHARED), {"VM-41"}),
    "past the end of files": (too_far, {"VM-41", "VM-42"}),
    "writable in an area that is not": (writable, {"VM-43"}),
    "writable and shared": (shared, {"VM-43"}),
    "a page that moves, unlocked": (unlocked, {"VM-44"}),
    "no frame of memory": (no_frame, {"VM-45"}),
    "a reference too few": (reference, {"VM-45"}),
    "a swap slot's count": (swap_count, {"VM-46"}),
    "another top table": (top, {"VM-48"}),
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", DAMAGE)
def test_damage_to_page_tables_shows_in_the_step_and_in_the_whole(kernel: str, name: str) -> None:
    machine = Machine(kernel)
    assert machine.found() == (set(), set())
    damage, told = DAMAGE[name]
    damage(machine)
    step, whole = machine.found()
    assert step >= told
    assert whole >= told


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_cache_that_is_miscounted_shows_in_the_step(kernel: str) -> None:
    """The whole check reads tables, which do not name pages that nobody maps."""
    machine = Machine(kernel)
    page = machine.page(SHARED)
    assert (
        machine.space.zap_page_range(
            machine.space.vma_lookup(machine.mm, machine.address(SHARED)),
            machine.address(SHARED),
            machine.address(SHARED + 1),
        )
        is None
    )
    machine.twin.pages.st(page + machine.twin.pages.o_mapping, 0)
    assert machine.found() == ({"VM-47"}, set())


def other_level(machine: Machine) -> None:
    machine.add("asce", -4)


def other_limit(machine: Machine) -> None:
    machine.add("asce_limit", PAGE)


def unprotected(machine: Machine) -> None:
    """The processor lets the page be written to, the kernel does not know."""
    at = machine.slot(READ_ONLY)
    machine.memory.store(at, machine.memory.load(at) & ~e.PROTECT)


def other_type(machine: Machine) -> None:
    """A segment table in the place of a region table."""
    at = machine.space.pgd(machine.mm)
    machine.memory.store(at, machine.memory.load(at) ^ e.TYPE_MASK)


def other_empty(machine: Machine) -> None:
    machine.put(MINE, 0)
    machine.memory.store(machine.slot(MINE), e.INVALID | e.PROTECT)


S390_DAMAGE: dict[str, tuple[Callable[[Machine], None], set[str]]] = {
    "another level": (other_level, {"VM-48"}),
    "another limit": (other_limit, {"VM-48"}),
    "not protected": (unprotected, {"VM-52"}),
    "a table of another type": (other_type, {"VM-52"}),
    "no entry, but not empty": (other_empty, {"VM-38"}),
}


@pytest.mark.parametrize("kernel", S390)
@pytest.mark.parametrize("name", S390_DAMAGE)
def test_damage_that_only_s390_can_have_shows_too(kernel: str, name: str) -> None:
    machine = Machine(kernel)
    damage, told = S390_DAMAGE[name]
    damage(machine)
    step, whole = machine.found()
    assert step >= told
    assert whole >= told


def words_of_tables(machine: Machine) -> list[int]:
    """Where the entries of the tables on the way to the areas lie, by levels alike."""
    space, top = machine.space, PROFILES[machine.kernel].page_table_levels - 1
    slots = [machine.slot(page) for page in range(MINE, FREE + 4)]
    for level in range(1, top + 1):
        slots += [space.walk(machine.mm, machine.address(MINE), level)] * 20
    return [slot for slot in slots if slot]


@pytest.mark.parametrize("kernel", KERNELS)
def test_both_checks_find_damage_to_tables_or_neither_does(kernel: str) -> None:
    """A word of a table is changed: what one check says, the other says."""
    machine = Machine(kernel)
    memory, chance = machine.memory, random.Random(kernel)
    slots = words_of_tables(machine)
    found = 0
    changes = 300 if COMPILED else 100
    for _ in range(changes):
        at = chance.choice(slots)
        old = memory.load(at)
        value = chance.choice(
            (
                old ^ 1 << chance.randrange(64),
                memory.load(chance.choice(slots)),
                chance.randrange(1 << 64),
                0,
            )
        )
        memory.store(at, value)
        step, whole = machine.found()
        assert bool(step) == bool(whole), (hex(at), hex(old), hex(value), step, whole)
        found += bool(whole)
        memory.rewind(machine.mark)
    assert found > changes // 3


class CountsTwice(Space):
    """Tables of ptes that come are counted twice in ``pgtables_bytes``."""

    def count_tables(self, mm: int, level: int, more: bool) -> None:
        super().count_tables(mm, level, more)
        if more and level == 0:
            super().count_tables(mm, level, more)


@dataclass
class TwiceCounted:
    name: str = "tables-twice"
    layer: Literal["maple", "space"] = "space"

    def override(self, profile: Profile) -> type:
        return CountsTwice


@pytest.mark.parametrize("kernel", ["6.18", "6.1-s390x"])
def test_a_table_counted_twice_is_found_at_the_same_step_by_each_way(kernel: str) -> None:
    found = set()
    for check in (Check.TOUCHED, Check.EVERY, Check.BISECT):
        run = Run(
            lambda: workload("loader", 12, seed=1),
            profile(kernel),
            regressions=[TwiceCounted()],
            check=check,
            compare=False,
        )
        first = run.run().findings[0]
        found.add((first.step, first.invariant))
    assert {invariant for _, invariant in found} == {"VM-36"}
    assert len(found) == 1


@pytest.mark.parametrize("kind", ["malloc", "threads", "loader", "mixed"])
def test_replays_on_s390x_are_clean(kind: str) -> None:
    """With pages, tables, swap and several processes; the traces are another machine's."""
    for check in (Check.TOUCHED, Check.BISECT):
        run = Run(
            lambda: workload(kind, 60, seed=2),
            profile("6.1-s390x"),
            check=check,
            compare=False,
            swap=1 << 20,
        )
        result = run.run()
        assert result.findings == []
        assert result.counts.disagreed == 0

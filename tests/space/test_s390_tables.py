"""s390's page tables: what stands in them, what they cost, and that nothing is lost or left."""

import random

import pytest
from s390_machine import FIXED, PRIVATE, REGION1, REGION2, RW, SHARED, Machine

from mmtwin.machine.failslab import FailSlab
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space import s390_entries as e
from modes import sample

P = 4096
SEGMENT = 1 << 20
AT = 1 << 32
"""In a segment table of its own: nobody else is between 4 and 6 GiB."""
CRST, PAGE_TABLE = 16384, 2048
TYPES = {2: 4, 3: 8, 4: 12}

PROTECTIONS = [0, p.RW, p.NX, p.RW | p.NX]
MARKS = [0, p.ACCESSED, p.DIRTY, p.ACCESSED | p.DIRTY, p.SOFT_DIRTY, p.DIRTY | p.SOFT_DIRTY]


@pytest.mark.parametrize("bits", [a | b for a in PROTECTIONS for b in MARKS])
def test_entries_survive_their_translation(bits: int) -> None:
    frame = 0x123 << 20
    for entry in (frame | p.PRESENT | p.USER | bits, ~frame & p.PFN_MASK | p.PROTNONE | p.USER):
        assert e.pte_to_twin(e.pte_to_machine(entry)) == entry
        assert e.pte_to_twin(e.pte_to_machine(entry | p.SPECIAL)) == entry | p.SPECIAL
        assert e.segment_to_twin(e.segment_to_machine(entry | p.PSE)) == entry | p.PSE


@pytest.mark.parametrize(
    ("bits", "low"),
    [
        (0, 0x611),
        (p.ACCESSED, 0x215),
        (p.DIRTY, 0x619),
        (p.RW, 0x631),
        (p.RW | p.ACCESSED, 0x235),
        (p.RW | p.DIRTY, 0x439),
        (p.RW | p.ACCESSED | p.DIRTY, 0x03D),
    ],
)
def test_the_bits_of_a_pte_are_those_of_the_table_in_the_headers(bits: int, low: int) -> None:
    """The comment above the bit patterns in arch/s390/include/asm/pgtable.h."""
    assert e.pte_to_machine(0x5000 | p.PRESENT | p.USER | bits) == 0x5000 | low


@pytest.mark.parametrize(
    ("bits", "low"),
    [
        (0, 0x621),
        (p.ACCESSED, 0x1601),
        (p.RW | p.DIRTY, 0x2423),
        (p.RW | p.ACCESSED | p.DIRTY, 0x3403),
    ],
)
def test_the_bits_of_a_huge_page_too(bits: int, low: int) -> None:
    assert e.segment_to_machine(0x500000 | p.PRESENT | p.USER | p.PSE | bits) == 0x500000 | low


def test_swap_and_migration_entries() -> None:
    space = Machine().space
    entry = space.swp_pte(0, 0x1234) | p.SWP_EXCLUSIVE
    assert e.pte_to_machine(entry) == 0x1234E00
    assert e.pte_to_twin(0x1234E00) == entry
    moving = space.swp_pte(p.SWP_MIGRATION_WRITE, 0x77 | p.SWP_MIG_DIRTY) | p.SWP_SOFT_DIRTY
    assert e.pte_to_machine(moving) == (0x77 | 1 << 35) << 12 | 0x600 | 30 << 2 | 2
    assert e.pte_to_twin(e.pte_to_machine(moving)) == moving


class Tables(Machine):
    """A machine whose page tables are read word by word, as the processor does."""

    def __init__(self) -> None:
        super().__init__()
        self.children: list[int] = []

    def walk(self, mm: int) -> tuple[dict[int, int], int]:
        """What is mapped, by address, and the bytes of tables that are counted."""
        self.mapped: dict[int, int] = {}
        self.bytes = 0
        pgd = self.space.view("mm_struct", mm).pgd
        level = (self.twin.memory.load(pgd) >> 2 & 3) + 1
        self._table(pgd, level, 0)
        return self.mapped, self.bytes

    def _table(self, table: int, level: int, first: int) -> None:
        load, base = self.twin.memory.load, self.twin.memory.base
        for nth in range(2048 if level else 256):
            entry = load(table + 8 * nth)
            at = first + (nth << (9 + 11 * level if level else 12))
            if level == 0:
                if entry != 0x400:
                    self.mapped[at] = entry
            elif level == 1:
                if entry & 0x400:
                    self.mapped[at] = entry
                    self.bytes += PAGE_TABLE  # the one put by
                elif entry != 0x20:
                    self.bytes += PAGE_TABLE
                    self._table(base + (entry & ~0x7FF), 0, at)
            else:
                assert entry & TYPES[level] == TYPES[level]
                if entry != TYPES[level] | 0x20:
                    self.bytes += CRST if level < 4 else 0
                    self._table(base + (entry & ~0xFFF), level - 1, at)

    def agree(self, mm: int) -> None:
        """Entries lie in areas, and are what the counters say."""
        space = self.space
        mapped, tables = self.walk(mm)
        assert tables == space.pgtables_bytes(mm)
        resident = swapped = 0
        for address, entry in mapped.items():
            vma = space.find_vma(mm, address)
            start = space.view("vm_area_struct", vma).vm_start if vma else 0
            assert vma
            assert start <= address
            huge = entry & 0x400 and entry & 0xFFFFF < 0x8000 and address % SEGMENT == 0
            pte = space.pte_at(mm, address)
            if not pte:
                assert huge
                slot = space.walk(mm, address, 1)
                resident += 0 if space.is_huge_zero_pmd(space.pmdp_get(slot)) else 256
            elif entry & 1:
                resident += not entry & 0x40
            else:
                swapped += 1
        assert resident == space.mm_rss(mm)
        assert swapped == space.rss(mm, p.MM_SWAPENTS)

    def touch(self, at: int, size: int, write: bool = True, mm: int = 0) -> None:
        assert self.space.touch(mm or self.mm, at, size, write) == 0


@pytest.fixture
def machine() -> Tables:
    return Tables()


def test_two_page_tables_share_a_page_and_are_2_kib_each(machine: Tables) -> None:
    machine.mmap(AT, 3 * SEGMENT, PRIVATE | FIXED)
    before = machine.tables()
    for nth, pages in enumerate((2, 2, 3)):
        machine.touch(AT + nth * SEGMENT, 1)
        # The segment table comes with the first one.
        assert machine.tables() == before + pages
        assert machine.space.pgtables_bytes(machine.mm) == CRST + (nth + 1) * PAGE_TABLE
    machine.agree(machine.mm)
    machine.space.sys_munmap(machine.mm, AT, 3 * SEGMENT)
    assert machine.tables() == before
    assert machine.space.pgtables_bytes(machine.mm) == 0


def test_a_half_that_was_freed_is_used_again(machine: Tables) -> None:
    machine.mmap(AT, 2 * SEGMENT, PRIVATE | FIXED)
    machine.touch(AT, 1)
    machine.touch(AT + SEGMENT, 1)
    pages = machine.tables()
    machine.space.sys_munmap(machine.mm, AT, SEGMENT)
    assert machine.tables() == pages
    machine.mmap(AT + 8 * SEGMENT, P, PRIVATE | FIXED)
    machine.touch(AT + 8 * SEGMENT, 1)
    assert machine.tables() == pages
    machine.agree(machine.mm)


def test_a_page_of_ones_own_and_the_zero_page(machine: Tables) -> None:
    machine.mmap(AT, 2 * P, PRIVATE | FIXED)
    machine.touch(AT, 1)
    machine.touch(AT + P, 1, write=False)
    mapped, _ = machine.walk(machine.mm)
    assert mapped[AT] & 0xFFF == 0x13F  # not executable, soft-dirty
    assert mapped[AT + P] & 0xFFF == 0x355
    machine.space.sys_mprotect(machine.mm, AT, P, 0)
    assert machine.walk(machine.mm)[0][AT] & 0xFFF == 0x60F
    machine.agree(machine.mm)


@pytest.mark.parametrize(
    ("at", "tables"),
    [
        (AT, CRST),
        (REGION2, 3 * CRST),
        (REGION1, 3 * CRST),
        ((1 << 64) - 2 * P, 3 * CRST),
    ],
)
def test_a_fault_beyond_the_limit_finds_the_levels_that_mmap_added(
    machine: Tables, at: int, tables: int
) -> None:
    """The program of thread 003. Counted are the segment table and the region-third tables: that
    of the place, and the one that was on top. A child has the latter for its stack."""
    machine.mmap(at, P, PRIVATE | FIXED)
    child = machine.fork()
    for mm in (machine.mm, child):
        machine.touch(at, 1, mm=mm)
        machine.agree(mm)
        assert machine.space.pgtables_bytes(mm) == tables + PAGE_TABLE
    assert f"VmPTE:\t{(tables + PAGE_TABLE) // 1024:>8} kB" in machine.space.proc_status(machine.mm)


def test_a_child_shares_pages_until_one_writes(machine: Tables) -> None:
    machine.mmap(AT, 4 * P, PRIVATE | FIXED)
    machine.touch(AT, 4 * P)
    child = machine.fork()
    for mm in (machine.mm, child):
        machine.agree(mm)
        assert machine.walk(mm)[0][AT] & 0x220 == 0x200  # protected, not writable
    machine.touch(AT, 1, mm=child)
    machine.touch(AT + P, 1)
    ours, theirs = (machine.walk(mm)[0] for mm in (machine.mm, child))
    assert [ours[AT + n * P] >> 12 == theirs[AT + n * P] >> 12 for n in range(4)] == [
        *(False, False),
        *(True, True),
    ]
    machine.agree(child)
    machine.agree(machine.mm)


def test_mremap_moves_entries_one_by_one(machine: Tables) -> None:
    """Without HAVE_MOVE_PMD the old tables go only with the old area."""
    machine.mmap(AT, SEGMENT, PRIVATE | FIXED)
    machine.touch(AT, SEGMENT)
    before = machine.walk(machine.mm)[0]
    there = AT + 64 * SEGMENT
    moved = machine.space.sys_mremap(machine.mm, AT, SEGMENT, SEGMENT, 3, there)
    assert moved == there
    after = machine.walk(machine.mm)[0]
    assert after == {address - AT + there: entry for address, entry in before.items()}
    machine.agree(machine.mm)


def test_huge_pages_are_1_mib(machine: Tables) -> None:
    machine.space.view("sysctl", machine.space.sysctl).thp_enabled = 2
    machine.mmap(AT, 4 * SEGMENT, PRIVATE | FIXED)
    machine.touch(AT, 2 * SEGMENT)
    machine.touch(AT + 2 * SEGMENT, 1, write=False)
    mapped, tables = machine.walk(machine.mm)
    assert [mapped[AT + n * SEGMENT] & 0xFFFFF for n in range(3)] == [0x7503, 0x7503, 0x1701]
    assert tables == CRST + 3 * PAGE_TABLE
    assert "AnonHugePages:      2048 kB" in machine.space.proc_smaps(machine.mm)
    child = machine.fork()
    machine.touch(AT, 1, mm=child)  # split, and one page copied
    machine.space.sys_mprotect(machine.mm, AT + SEGMENT, P, 1)
    machine.space.sys_mremap(machine.mm, AT, SEGMENT, SEGMENT, 3, AT + 80 * SEGMENT)
    for mm in (machine.mm, child):
        machine.agree(mm)
    machine.space.sys_munmap(machine.mm, AT, 4 * SEGMENT)
    machine.agree(machine.mm)


def test_swapped_out_and_back(machine: Tables) -> None:
    machine.space.swapon(64)
    machine.mmap(AT, 8 * P, PRIVATE | FIXED)
    machine.touch(AT, 8 * P)
    assert machine.space.sys_madvise(machine.mm, AT, 8 * P, c.MADV_PAGEOUT) == 0
    mapped, _ = machine.walk(machine.mm)
    assert {entry & 0x601 for entry in mapped.values()} == {0x600}
    machine.agree(machine.mm)
    child = machine.fork()
    machine.touch(AT, 8 * P, mm=child)
    machine.touch(AT, 4 * P)
    machine.agree(machine.mm)
    machine.agree(child)


def test_without_memory_nothing_is_left_behind(machine: Tables) -> None:
    machine.mmap(1 << 54, 4 * SEGMENT, PRIVATE)
    for after in range(5):
        machine.twin.pages.injector = FailSlab("page", after=after, times=1)
        assert machine.space.touch(machine.mm, 1 << 54, 1, True) == (0 if after > 4 else -12)
        machine.twin.pages.injector = None
        machine.agree(machine.mm)
        machine.space.sys_munmap(machine.mm, 1 << 54, 4 * SEGMENT)
        machine.mmap(1 << 54, 4 * SEGMENT, PRIVATE)


@pytest.mark.parametrize("seed", sample(range(6), 3))
def test_tables_agree_with_areas_and_counters_whatever_is_called(
    machine: Tables, seed: int
) -> None:
    chance = random.Random(seed)
    space = machine.space
    space.view("sysctl", space.sysctl).thp_enabled = 2 * (seed % 2)
    space.swapon(512)
    places = [AT, REGION2 - 8 * SEGMENT, REGION2 + AT, REGION1 - SEGMENT, (1 << 54) + AT]
    spaces = [machine.mm]
    for _ in range(60):
        mm = chance.choice(spaces)
        at = chance.choice(places) + chance.randrange(0, 2 * SEGMENT, P)
        size = chance.choice([P, 5 * P, SEGMENT, 2 * SEGMENT])
        kind = chance.randrange(8)
        if kind < 2:
            flags = chance.choice([PRIVATE, SHARED]) | FIXED
            space.sys_mmap(mm, at, size, RW, flags, 0, 0)
        elif kind < 4:
            space.touch(mm, at, size, chance.random() < 0.7)
        elif kind == 4:
            space.sys_munmap(mm, at, size)
        elif kind == 5:
            space.sys_mprotect(mm, at, size, chance.choice([0, 1, RW]))
        elif kind == 6:
            space.sys_mremap(mm, at, size, size, 3, chance.choice(places) + 4 * SEGMENT)
        elif len(spaces) < 3:
            spaces.append(machine.fork())
        else:
            space.sys_madvise(mm, at, size, chance.choice([c.MADV_DONTNEED, c.MADV_PAGEOUT]))
        for one in spaces:
            machine.agree(one)
    assert machine.checker.full() == []
    for pid, one in enumerate(spaces, 1):
        machine.twin.pids.remove(pid)
        space.mmput(one)
    assert machine.tables() == 0

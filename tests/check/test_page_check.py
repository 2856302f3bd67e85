"""The page allocator's invariants: clean storms are clean, damage is found, both ways agree."""

import random

import pytest

from mmtwin.check.page_step import PageStepCheck
from mmtwin.pages import layouts as c
from mmtwin.pages.pages import Pages
from mmtwin.pages.storm import EVENTS, IN_USE_WEIGHTS, WEIGHTS, Storm
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618
from modes import COMPILED, sample

NO_RANGES = tuple(0 if nth in (5, 6, 7) else weight for nth, weight in enumerate(WEIGHTS))
"""3.15 miscounts isolated pages and moves RESERVE blocks by design."""


def machine(kind: type[Pages], seed: int) -> tuple[PageStepCheck, Storm]:
    pages = kind.of_ram(40 << 20, cpus=2, journal=True)
    weights = NO_RANGES if kind is Pages315 else WEIGHTS
    return PageStepCheck(pages, reserve=False), Storm(pages, seed, weights=weights)


@pytest.mark.parametrize("seed", sample(range(2), 2))
@pytest.mark.parametrize("kind", [Pages, Pages315, Pages618])
def test_a_storm_keeps_every_invariant(kind: type[Pages], seed: int) -> None:
    check, storm = machine(kind, seed)
    memory = storm.pages.memory
    assert check.full() == []
    for nth in range(600):
        mark = memory.mark()
        storm.step()
        assert check.touched(mark) == [], (nth, storm.event)
        if nth % 100 == 0:
            assert check.full() == []
    assert check.full() == []
    assert check.whole_runs == 0, "and what is touched was enough to tell"


def full_machine(kind: type[Pages], seed: int) -> tuple[PageStepCheck, Storm]:
    """A machine with swap, processes and files, and all events that the kernel knows."""
    pages = kind.of_ram(24 << 20, cpus=2, journal=True, room=(2048 << 12) + (2 << 20))
    pages.swapon(2048)
    weights = IN_USE_WEIGHTS
    if kind is Pages315:
        ranges = {EVENTS.index(event) for event in ("isolate", "contig", "sysctl")}
        weights = tuple(0 if nth in ranges else weight for nth, weight in enumerate(weights))
    return PageStepCheck(pages, reserve=False), Storm(pages, seed, weights=weights)


@pytest.mark.parametrize("kind", [Pages, Pages315, Pages618])
def test_reclaim_and_compaction_keep_every_invariant(kind: type[Pages]) -> None:
    check, storm = full_machine(kind, 1)
    pages, memory = storm.pages, storm.pages.memory
    storm.run(2500)
    for nth in range(500):
        memory.journal.forget()
        mark = memory.mark()
        storm.step()
        assert check.touched(mark) == [], (nth, storm.event)
        if nth % 100 == 0:
            assert check.full() == []
    assert check.full() == []
    assert pages.vm_event("pswpout")
    assert pages.vm_event("pgsteal_direct")


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(10, 20))
@pytest.mark.parametrize("kind", [Pages, Pages315, Pages618])
def test_long_storms(kind: type[Pages], seed: int) -> None:
    check, storm = machine(kind, seed)
    for _ in range(200):
        storm.pages.memory.journal.forget()
        mark = storm.pages.memory.mark()
        storm.run(500)
        assert check.touched(mark) == []
    assert check.full() == []


@pytest.mark.parametrize("seed", sample(range(3), 3))
@pytest.mark.parametrize("kind", [Pages, Pages315, Pages618])
def test_what_is_touched_tells_of_damage_if_and_only_if_everything_does(
    kind: type[Pages], seed: int
) -> None:
    check, storm = machine(kind, seed)
    pages, memory = storm.pages, storm.pages.memory
    storm.run(400)
    choices = random.Random(seed)
    zones = pages.populated_zones()
    found = 0
    changes = 120 if COMPILED else 60
    for _ in range(changes):
        mark = memory.mark()
        kind_of_word = choices.randrange(4)
        if kind_of_word == 0:
            address = choices.choice(zones) + 8 * choices.randrange(c.ZONE_SIZE // 8)
        elif kind_of_word == 1:
            address = pages.pageblock_flags
        else:
            free = list(_free_heads(pages))
            page = choices.choice(free) if kind_of_word == 2 else choices.choice(storm.held)[0]
            address = page - c.VMEMMAP + pages.memmap + 8 * choices.randrange(8)
        old = memory.load(address)
        changed = choices.choice((old + 1, old ^ 1 << choices.randrange(64), 0, old - 1))
        memory.store(address, changed % 2**64)
        touched = check.touched(mark)
        assert touched == check.full(), hex(address - zones[0])
        found += bool(touched)
        memory.rewind(mark)
    assert found > changes // 4


def _free_heads(pages: Pages) -> list[int]:
    return [
        page
        for zone in pages.populated_zones()
        for order in range(11)
        for migratetype in range(pages.mt_types)
        for page in pages.free_area_pages(zone, order, migratetype)
    ]


@pytest.mark.parametrize("kind", [Pages, Pages618])
def test_damage_to_lists_of_pages_in_use_is_found_both_ways(kind: type[Pages]) -> None:
    check, storm = full_machine(kind, 5)
    pages, memory = storm.pages, storm.pages.memory
    storm.run(3000)
    choices = random.Random(5)
    listed = [page for lru in range(5) for page in pages.lru_pages(0, lru)]
    found: set[str] = set()
    for nth in range(150 if COMPILED else 60):
        mark = memory.mark()
        place = nth % 3
        if place == 0:
            address = pages.pgdat(0) + 8 * choices.randrange(16)
        elif place == 1:
            words = (0, pages.o_lru, pages.o_lru + 8, pages.o_counts)
            address = choices.choice(listed) - c.VMEMMAP + pages.memmap + choices.choice(words)
        else:
            table = memory.load(pages.swap_info + choices.choice((24, 32)))
            address = table + 8 * choices.randrange(1, 2048)
        changed = choices.choice((memory.load(address) + 1, 0, pages.memory.load(address) ^ 16))
        memory.store(address, changed % 2**64)
        touched = check.touched(mark)
        assert touched == check.full(), hex(address)
        found |= {violation.invariant for violation in touched}
        memory.rewind(mark)
    assert {"PG-19", "PG-20", "PG-21", "PG-23"} <= found

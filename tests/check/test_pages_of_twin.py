"""The page allocator of a twin is checked with its address spaces, whole and by what a step did."""

from collections.abc import Callable

import pytest

from mmtwin.check.checker import Checker
from mmtwin.check.run import Run
from mmtwin.machine.profile import profile
from mmtwin.pages import layouts as c
from mmtwin.pages.gfp_request import OOM_VICTIM
from mmtwin.space import flags
from mmtwin.trace.generate import workload
from mmtwin.twin import Twin

BASE = 0x10000000
RW = flags.PROT_READ | flags.PROT_WRITE
ANON = flags.MAP_PRIVATE | flags.MAP_ANONYMOUS | flags.MAP_FIXED


def at(twin: Twin, page: int) -> int:
    """Where a struct page lies in the direct map."""
    return page - c.VMEMMAP + twin.pages.memmap


def count(twin: Twin, mm: int) -> None:
    zone = twin.pages.populated_zones()[0]
    twin.pages.add_to(zone + c.ZONE_NR_FREE_PAGES, 1)


def lost(twin: Twin, mm: int) -> None:
    page = twin.space.page_of(twin.memory.load(twin.space.pte_at(mm, BASE)))
    twin.pages.clear_page_flag(page, twin.pages.flag_lru)


def freed_while_mapped(twin: Twin, mm: int) -> None:
    page = twin.space.page_of(twin.memory.load(twin.space.pte_at(mm, BASE)))
    twin.pages.page_ref_add(page, -1)


def isolated(twin: Twin, mm: int) -> None:
    twin.pages.mod_node_page_state(0, "isolated_anon", 1)


def buddy(twin: Twin, mm: int) -> None:
    page = twin.pages.alloc_pages(0xCC0, 3)
    twin.pages.st(page + twin.pages.o_counts, twin.pages.buddy_value)


DAMAGE: dict[str, tuple[Callable[[Twin, int], None], set[str]]] = {
    "free pages miscounted": (count, {"PG-02"}),
    "off its list": (lost, {"PG-19"}),
    "a reference too few": (freed_while_mapped, {"VM-45", "PG-19"}),
    "isolated and forgotten": (isolated, {"PG-22"}),
    "marked free in use": (buddy, {"PG-11"}),
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("kernel", ["6.1", "6.18"])
def test_damage_to_pages_shows_in_the_step_and_in_the_whole(kernel: str, name: str) -> None:
    twin = Twin(profile(kernel), ram=64 << 20, keep_journal=True)
    space = twin.space
    _, mm = twin.new_process(1)
    space.view("sysctl", space.sysctl).thp_enabled = 0
    checker = Checker(twin)
    mark = twin.memory.mark()
    assert space.sys_mmap(mm, BASE, 64 << 12, RW, ANON, 0, 0) == BASE
    assert space.touch(mm, BASE, 64 << 12, True) == 0
    assert checker.touched(mark) == []
    assert checker.full() == []
    mark = twin.memory.mark()
    damage, told = DAMAGE[name]
    damage(twin, mm)
    found = {violation.invariant for violation in checker.touched(mark)}
    assert found >= told
    assert found == {violation.invariant for violation in checker.full()}


def test_what_is_done_between_two_steps_counts_to_the_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(lambda: workload("malloc", 40, seed=1), profile("6.18"), compare=False)
    twin = run.twin()
    steps: list[int] = []

    def step_ends() -> None:
        steps.append(1)
        if len(steps) == 10:
            twin.pages.mod_node_page_state(0, "isolated_file", 1)

    monkeypatch.setattr(twin.victims, "step_ends", step_ends)
    twin.pages.current |= OOM_VICTIM
    monkeypatch.setattr(run, "twin", lambda **_: twin)
    found = run.run().findings[0]
    assert (found.step, found.invariant) == (10, "PG-22")

"""Damage to the pool of huge pages shows, in the check of what a step touched and in the whole."""

from collections.abc import Callable

import pytest

from mmtwin.check.checker import Checker
from mmtwin.machine.profile import profile
from mmtwin.space import flags as c
from mmtwin.space.hugetlb_pool import FREED
from mmtwin.twin import Twin

AT = 0x20000000
HUGE = 1 << 21
FLAGS = c.MAP_ANONYMOUS | c.MAP_HUGETLB | c.MAP_FIXED
RW = c.PROT_READ | c.PROT_WRITE


def counter(name: str) -> Callable[[Twin, int], None]:
    return lambda twin, mm: twin.space.huge.add(name, 1)


def unlisted(twin: Twin, mm: int) -> None:
    huge = twin.space.huge
    twin.pages.list_del(next(huge.listed(huge.active)) + twin.pages.o_lru)


def unmarked(twin: Twin, mm: int) -> None:
    huge = twin.space.huge
    huge.mark(next(huge.listed(huge.freelist)), FREED, False)


def referenced(twin: Twin, mm: int) -> None:
    huge = twin.space.huge
    twin.pages.page_ref_add(next(huge.listed(huge.freelist)), 1)


def usage(twin: Twin, mm: int) -> None:
    twin.space.huge.count_usage(mm, 1)


def regions(twin: Twin, mm: int) -> None:
    huge = twin.space.huge
    private = huge.vma_map(twin.space.find_vma(mm, AT))
    huge.resv.region_add(private, 1, 2)


def file_regions(twin: Twin, mm: int) -> None:
    huge = twin.space.huge
    huge.resv.region_del(huge.vma_map(twin.space.find_vma(mm, AT + 4 * HUGE)), 1, 2)


def unmapped(twin: Twin, mm: int) -> None:
    twin.memory.store(twin.space.walk(mm, AT, 1), 0)


def misplaced(twin: Twin, mm: int) -> None:
    head = twin.space.huge.head_of(twin.memory.load(twin.space.walk(mm, AT, 1)))
    twin.pages.st(head + twin.pages.o_index, 7)


DAMAGE: dict[str, tuple[Callable[[Twin, int], None], set[str]]] = {
    "total": (counter("nr"), {"VM-50"}),
    "free": (counter("free"), {"VM-50"}),
    "surplus": (lambda twin, mm: twin.space.huge.add("surplus", 6), {"VM-50"}),
    "reserved": (counter("resv"), {"VM-51"}),
    "off its list": (unlisted, {"VM-50"}),
    "free without a mark": (unmarked, {"VM-50"}),
    "free with a reference": (referenced, {"VM-50"}),
    "usage": (usage, {"VM-49"}),
    "a private promise lost": (regions, {"VM-51"}),
    "a file's promise lost": (file_regions, {"VM-51"}),
    "an entry lost": (unmapped, {"VM-49"}),
    "a wrong index": (misplaced, {"VM-40"}),
}
STEPLESS = {"a wrong index"}
"""A page's index alone is not looked at in a step that leaves its entries as they are."""


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("kernel", ["6.1", "6.18"])
def test_damage_to_the_pool_shows(kernel: str, name: str) -> None:
    twin = Twin(profile(kernel), ram=256 << 20, hugepages=5)
    space = twin.space
    _, mm = twin.new_process(1)
    for at, pages, kind in ((AT, 2, c.MAP_PRIVATE), (AT + 4 * HUGE, 2, c.MAP_SHARED)):
        assert space.sys_mmap(mm, at, pages * HUGE, RW, FLAGS | kind, 0, 0) == at
        assert space.touch(mm, at, 1, True) == 0
    checker = Checker(twin)
    assert not checker.full()
    mark = twin.memory.mark()
    damage, expected = DAMAGE[name]
    damage(twin, mm)
    assert {violation.invariant for violation in checker.full()} == expected
    found = {violation.invariant for violation in checker.touched(mark)}
    assert found == (set() if name in STEPLESS else expected)

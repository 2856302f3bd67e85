"""brk: growth, distances to what lies above, shrinking, and what counts as the heap."""

import pytest
from world import FIXED, RW, B, P, R, World

from mmtwin.space import flags as c


@pytest.fixture
def heap(world: World) -> World:
    """A program break at ``B``, nothing mapped."""
    view = world.mm_view()
    view.start_brk = B
    view.brk = B
    return world


def brk(world: World, pages: int, extra: int = 0) -> int:
    return world.space.sys_brk(world.mm, B + pages * P + extra)


def test_growing_and_shrinking(heap: World) -> None:
    assert heap.space.sys_brk(heap.mm, 0) == B
    assert brk(heap, 2, 5) == B + 2 * P + 5
    assert heap.ranges() == [(0, 3)]
    assert brk(heap, 4) == B + 4 * P
    assert heap.ranges() == [(0, 4)]
    assert brk(heap, 1, 1) == B + P + 1
    assert heap.ranges() == [(0, 2)]
    assert brk(heap, -1) == B + P + 1
    assert brk(heap, 0) == B
    assert heap.ranges() == []
    heap.check()


@pytest.mark.parametrize(("distance", "grows"), [(0, False), (1, True), (2, True)])
def test_one_page_must_stay_free(heap: World, distance: int, grows: bool) -> None:
    heap.map(3 + distance, 5 + distance)
    assert brk(heap, 3) == (B + 3 * P if grows else B)


@pytest.mark.parametrize(("distance", "grows"), [(256, False), (257, True)])
def test_below_a_stack_the_guard_gap_as_well(heap: World, distance: int, grows: bool) -> None:
    heap.map(3 + distance, 4 + distance, RW, FIXED | c.MAP_GROWSDOWN)
    assert brk(heap, 3) == (B + 3 * P if grows else B)


def test_data_limit_counts_the_programs_data(heap: World) -> None:
    view = heap.mm_view()
    view.start_data, view.end_data = B - 2 * P, B
    heap.limit(c.RLIMIT_DATA, 4 * P)
    assert brk(heap, 2) == B + 2 * P
    assert brk(heap, 2, 1) == B + 2 * P
    heap.limit(c.RLIMIT_DATA, c.RLIM_INFINITY)
    heap.limit(c.RLIMIT_AS, 3 * P)
    assert brk(heap, 4) == B + 2 * P


def test_never_joins_the_area_that_ends_where_the_heap_begins(heap: World) -> None:
    heap.map(-2, 0)
    brk(heap, 2)
    assert heap.ranges() == [(-2, 0), (0, 2)]


def test_extends_an_area_that_reaches_above_the_beginning(heap: World) -> None:
    """brk +2, unmap them, map there: joins the bss below; the next brk extends the whole."""
    heap.map(-2, 0)
    brk(heap, 2)
    heap.unmap(0, 2)
    heap.map(0, 2)
    assert heap.ranges() == [(-2, 2)]
    brk(heap, 4)
    assert heap.ranges() == [(-2, 4)]
    heap.check()


def test_never_joins_the_area_above(heap: World) -> None:
    brk(heap, 2)
    heap.map(3, 4)
    heap.unmap(3, 4)
    brk(heap, 3)
    heap.map(5, 6)
    assert brk(heap, 5) == B + 3 * P
    assert brk(heap, 4) == B + 4 * P
    assert heap.ranges() == [(0, 4), (5, 6)]


def test_another_kind_of_area_at_the_break_is_left_alone(heap: World) -> None:
    """The full test of attributes counts, not only the flags."""
    brk(heap, 2)
    heap.map(1, 2, RW, c.MAP_PRIVATE | c.MAP_FIXED, heap.open("/f"), 1)
    brk(heap, 4)
    assert heap.ranges() == [(0, 1), (1, 2), (2, 4)]
    heap.check()


def test_written_heap_is_extended_but_not_after_fork(heap: World) -> None:
    brk(heap, 2)
    heap.write(0, 2)
    child = heap.fork()
    brk(child, 4)
    assert child.ranges() == [(0, 2), (2, 4)]
    brk(heap, 4)
    assert heap.ranges() == [(0, 4)]
    heap.check()


def test_shrinking_after_the_heap_is_gone(heap: World) -> None:
    brk(heap, 4)
    heap.unmap(0, 4)
    assert brk(heap, 2) == B + 4 * P


def test_shrinking_unmaps_whatever_is_there(heap: World) -> None:
    brk(heap, 8)
    heap.map(3, 5, R)
    heap.protect(6, 7, R)
    assert brk(heap, 2) == B + 2 * P
    assert heap.ranges() == [(0, 2)]


def test_count_limit(heap: World) -> None:
    heap.sysctl(max_map_count=0)
    assert brk(heap, 1) == B + P
    assert brk(heap, 2) == B + P
    heap.sysctl(max_map_count=1)
    assert brk(heap, 2) == B + 2 * P


def test_locked_by_default(heap: World) -> None:
    assert heap.space.sys_mlockall(heap.mm, 2) == 0
    brk(heap, 2)
    assert heap.flags(0) & c.VM_LOCKED
    assert heap.mm_view().locked_vm == 2
    assert heap.vma(0).get("anon_vma")
    heap.drop_capabilities()
    heap.limit(c.RLIMIT_MEMLOCK, 3 * P)
    assert brk(heap, 4) == B + 2 * P
    assert brk(heap, 3) == B + 3 * P


def test_bss_of_a_program_joins_any_area_before_it(world: World) -> None:
    world.map(0, 2)
    assert world.space.vm_brk_flags(world.mm, B + 2 * P, 2 * P, 0) == 0
    assert world.ranges() == [(0, 4)]
    world.map(6, 9, R)
    assert world.space.vm_brk_flags(world.mm, B + 7 * P, P, c.VM_EXEC) == 0
    assert world.ranges() == [(0, 4), (6, 7), (7, 8), (8, 9)]


# The name.


def test_what_is_called_heap(heap: World) -> None:
    """Up to 6.5 an area that only borders on the heap is called so too."""

    def named() -> list[bool]:
        return ["[heap]" in line for line in heap.space.proc_maps(heap.mm).splitlines()]

    heap.map(-1, 0)
    assert named() == [not heap.new]
    brk(heap, 2)
    assert named() == [not heap.new, True]
    heap.protect(0, 1, R)
    heap.map(2, 3, R)
    assert named() == [not heap.new, True, True, not heap.new]

"""Faults: what they make of an area, and how stacks grow."""

import errno
from collections.abc import Callable

import pytest
from world import ANON, FIXED, NONE, RW, B, P, R, World

from mmtwin.machine.profile import PROFILES
from mmtwin.replay.call_order import CallOrder
from mmtwin.space import flags as c
from mmtwin.space.space import Space

DOWN = FIXED | c.MAP_GROWSDOWN


def test_what_a_fault_makes_of_an_area(world: World) -> None:
    file = world.open()
    world.map(0, 1)
    world.map(2, 3, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED)
    world.map(4, 5, RW, c.MAP_PRIVATE | c.MAP_FIXED, file)
    assert world.read(0, 1) == 0
    assert world.read(4, 5) == 0
    assert world.write(2, 3) == 0
    assert [v.get("anon_vma") for v in world.vmas()] == [0, 0, 0]
    world.write(0, 1)
    world.write(4, 5)
    assert [bool(v.get("anon_vma")) for v in world.vmas()] == [True, False, True]
    world.check()


def test_where_the_program_gets_a_signal(world: World) -> None:
    world.map(0, 2, R)
    world.map(2, 3, NONE)
    assert world.write(0, 1) == -errno.EFAULT
    assert world.read(2, 3) == -errno.EFAULT
    assert world.read(1, 3) == -errno.EFAULT
    assert world.read(5, 6) == -errno.EFAULT
    assert world.read(0, 2) == 0


def test_discarded_memory_stays_written_to(world: World) -> None:
    world.map(0, 1)
    world.write(0, 1)
    assert world.advise(0, 1, c.MADV_DONTNEED) == 0
    assert world.vma(0).get("anon_vma")


@pytest.mark.parametrize(
    ("enabled", "advice", "faulted"), [(0, 0, False), (1, 0, False), (1, 14, True), (2, 0, True)]
)
def test_a_read_that_may_take_a_huge_page(
    world: World, enabled: int, advice: int, faulted: bool
) -> None:
    """Then the area gets an anon_vma even by a read; B is aligned to 2 MiB."""
    world.sysctl(thp_enabled=enabled)
    world.map(0, 512)
    if advice:
        world.advise(0, 512, advice)
    world.read(5, 6)
    assert bool(world.vma(0).get("anon_vma")) == faulted
    world.map(1001, 1400)
    world.read(1001, 1400)
    assert not world.vma(1001).get("anon_vma")


# Growth.


def test_growth_by_any_distance_in_one_step(world: World) -> None:
    world.map(2000, 2001, RW, DOWN)
    assert world.read(1000, 1001) == 0
    assert world.ranges() == [(1000, 2001)]
    assert world.vma(1000).get("vm_pgoff") == (B >> 12) + 1000
    assert world.vma(1000).get("anon_vma")
    assert world.mm_view().stack_vm == 1001
    assert world.mm_view().map_count == 1
    world.check()


@pytest.mark.parametrize(
    ("distance", "prot", "flags", "grows"),
    [
        (255, R, FIXED, False),
        (256, R, FIXED, True),
        (0, NONE, FIXED, True),
        (0, RW, DOWN, True),
    ],
)
def test_distance_to_the_area_below(
    world: World, distance: int, prot: int, flags: int, grows: bool
) -> None:
    """256 pages from what is accessible; PROT_NONE and other stacks do not count."""
    world.map(0, 4, prot, flags)
    world.map(400, 401, RW, DOWN)
    result = world.write(4 + distance, 5 + distance)
    assert result == (0 if grows else -errno.EFAULT)
    assert world.ranges()[-1] == ((4 + distance, 401) if grows else (400, 401))
    world.check()


def test_a_refused_growth_still_leaves_an_anon_vma(world: World) -> None:
    world.map(4000, 4001, RW, DOWN)
    world.limit(c.RLIMIT_STACK, 16 * P)
    assert world.write(3900, 3901) == -errno.EFAULT
    assert world.vma(4000).get("anon_vma")


@pytest.mark.parametrize(("pages", "grows"), [(16, True), (17, False)])
def test_the_stack_limit_of_now_counts(world: World, pages: int, grows: bool) -> None:
    world.map(100, 101, RW, DOWN)
    world.limit(c.RLIMIT_STACK, 16 * P)
    assert (world.write(101 - pages, 102 - pages) == 0) == grows


def test_other_limits_of_growth(world: World) -> None:
    world.map(100, 101, RW, DOWN)
    world.limit(c.RLIMIT_DATA, 0)
    assert world.write(99, 100) == 0
    world.limit(c.RLIMIT_AS, 2 * P)
    assert world.write(98, 99) == -errno.EFAULT
    world.limit(c.RLIMIT_AS, c.RLIM_INFINITY)
    world.drop_capabilities()
    world.space.sys_mlock(world.mm, B + 99 * P, 2 * P)
    world.limit(c.RLIMIT_MEMLOCK, 3 * P)
    assert world.write(98, 99) == 0
    assert world.mm_view().locked_vm == 3
    assert world.write(97, 98) == -errno.EFAULT
    world.check()


def test_not_below_mmap_min_addr(world: World) -> None:
    world.space.sys_mmap(world.mm, 0x20000, P, RW, DOWN, 0, 0)
    assert world.space.touch(world.mm, 0xF000, 1, True) == -errno.EFAULT
    assert world.space.touch(world.mm, 0x10000, 1, True) == 0


def test_a_grown_stack_does_not_merge_with_what_it_reaches(world: World) -> None:
    world.map(0, 1, RW, DOWN)
    world.map(10, 11, RW, DOWN)
    world.write(1, 2)
    assert world.ranges() == [(0, 1), (1, 11)]
    world.check()


def test_areas_that_do_not_grow(world: World) -> None:
    world.map(10, 11)
    assert world.write(9, 10) == -errno.EFAULT


def test_charge_of_growth(world: World) -> None:
    world.map(10, 11, RW, DOWN)
    world.sysctl(overcommit_memory=2, overcommit_kbytes=12, user_reserve_kbytes=0)
    assert world.write(9, 10) == 0
    assert world.write(8, 9) == -errno.EFAULT


def test_the_next_mapping_keeps_the_guard_gap(world: World) -> None:
    stack = world.anywhere(1, RW, ANON | c.MAP_GROWSDOWN)
    assert world.anywhere(1) == stack - 257 * P


def heard(kernel: str, written: bool, grow: Callable[[Space, int], int]) -> list[str]:
    """What growth of a stack asks for, locks and stores, in order."""
    order = CallOrder(PROFILES[kernel])
    space = order.twin.space
    mm = space.mm_alloc(space.task_alloc(0))
    space.arch_pick_mmap_layout(mm)
    flags = c.MAP_PRIVATE | c.MAP_ANONYMOUS | DOWN
    assert space.sys_mmap(mm, STACK, P, RW, flags, 0, 0) == STACK
    if written:
        assert space.touch(mm, STACK, 1, True) == 0
    order.begin()
    assert grow(space, mm) == 0
    return [f"{event.what} {event.name}".strip() for event in order.end()]


STACK = 0x70000000
GROWTHS: dict[str, Callable[[Space, int], int]] = {
    "by a fault": lambda space, mm: space.touch(mm, STACK - P, 1, False),
    "by hand": lambda space, mm: space.expand_stack(space.find_vma(mm, STACK), STACK - P),
}
GROWTH = ["preallocate", "lock anon_vma rwsem", "store", "unlock anon_vma rwsem"]
GROWTH_6_1 = [*GROWTH[:2], "lock spinlock", "store", "unlock spinlock", GROWTH[3]]


@pytest.mark.parametrize("way", GROWTHS)
@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize(("kernel", "order"), [("6.1", GROWTH_6_1), ("6.18", GROWTH)])
def test_a_stack_grows_under_locks_in_order_with_nodes_set_aside_before(
    kernel: str, order: list[str], written: bool, way: str
) -> None:
    """6.1 holds page_table_lock around the store; since 6.13 the mmap lock alone is enough."""
    assert heard(kernel, written, GROWTHS[way]) == order


@pytest.mark.parametrize(("kernel", "order"), [("6.1", GROWTH_6_1), ("6.18", GROWTH)])
def test_so_does_exec_s_and_its_moves_are_merges_locks(kernel: str, order: list[str]) -> None:
    listener = CallOrder(PROFILES[kernel])
    space = listener.twin.space
    mm = space.mm_alloc(space.task_alloc(0))
    stack = space.bprm_mm_init(mm)
    listener.begin()
    assert space.copy_strings(stack, 2 * P) == 0
    grown = [f"{event.what} {event.name}".strip() for event in listener.end()]
    assert grown == order
    listener.begin()
    assert space.setup_arg_pages(stack, space.profile.stack_top - 64 * P, False) == 0
    moved = [f"{event.what} {event.name}".strip() for event in listener.end()]
    widened = ["preallocate", "lock anon_vma rwsem", "store", "unlock anon_vma rwsem"]
    assert moved == [*widened, *widened, *order]


@pytest.mark.parametrize("kernel", ["6.1", "6.18"])
def test_a_refused_growth_leaves_no_lock_held(kernel: str) -> None:
    world = World(kernel)
    world.map(0, 1, RW, c.MAP_PRIVATE | c.MAP_ANONYMOUS | DOWN)
    world.limit(c.RLIMIT_STACK, P)
    assert world.read(-1, 0) == -errno.EFAULT
    context = world.space.context
    assert world.twin.memory.load(context.word) == 0

"""s390: where things go and how page tables grow, as Debian's 6.1.176 answered in qemu."""

import pytest
from s390_machine import (
    ADDR_NO_RANDOMIZE,
    FIXED,
    IMAGE,
    MAX,
    NORESERVE,
    PRIVATE,
    REGION1,
    REGION2,
    RW,
    SHARED,
    Machine,
)

from mmtwin.machine.failslab import FailSlab
from mmtwin.space import flags as c
from mmtwin.trace.maps import parse_maps

CALLS = [
    (0, 0x1000, PRIVATE, 0x3FFF7FFA000),
    (0, 0x1000, SHARED, 0x3FFF7F80000),
    (0, 0x1000, SHARED, 0x3FFF7F00000),
    (0, 0x2000, PRIVATE, 0x3FFF7FF8000),
    (0, 0x100000, SHARED, 0x3FFF7E00000),
    (1 << 42, 0x1000, PRIVATE, 1 << 42),
    (1 << 54, 0x1000, SHARED, 1 << 54),
    ((1 << 54) - 0x1000, 0x2000, PRIVATE | FIXED, (1 << 54) - 0x1000),
    (0xFFFFFFFFFFFFE000, 0x1000, PRIVATE, 0xFFFFFFFFFFFFE000),
    (0xFFFFFFFFFFFFD000, 0x1000, PRIVATE | FIXED, 0xFFFFFFFFFFFFD000),
    (0, 1 << 42, PRIVATE | NORESERVE, 0x40000001000),
    (0, 1 << 42, SHARED | NORESERVE, 0x80000080000),
]
"""Address, length and flags of an mmap, and the guest's answer."""


def test_the_image_and_the_base_are_the_kernels():
    machine = Machine()
    assert machine.space.proc_maps(machine.mm) == IMAGE
    assert machine.space.view("mm_struct", machine.mm).mmap_base == 0x3FFF7FFB000
    assert machine.limit() == REGION2


def test_every_mmap_lands_where_the_guest_put_it():
    machine = Machine()
    for addr, length, flags, answer in CALLS:
        assert machine.mmap(addr, length, flags) == answer
    assert machine.mmap(0xFFFFFFFFFFFFF000, 0x1000, PRIVATE | FIXED) == -12 & MAX


@pytest.mark.parametrize(
    ("end", "limit"),
    [
        (REGION2, REGION2),
        (REGION2 + 0x1000, REGION1),
        (REGION1, REGION1),
        (REGION1 + 0x1000, MAX - 0xFFF),
        (MAX - 0xFFF, MAX - 0xFFF),
    ],
)
@pytest.mark.parametrize("fixed", [0, FIXED])
def test_levels_are_added_for_what_lies_beyond_the_limit(end, limit, fixed):
    machine = Machine()
    machine.space.sys_munmap(machine.mm, REGION2 - 0x4000, 0x4000)
    assert machine.mmap(end - 0x1000, 0x1000, PRIVATE | fixed) == end - 0x1000
    assert machine.limit() == limit
    machine.space.sys_munmap(machine.mm, end - 0x1000, 0x1000)
    assert machine.limit() == limit  # for good


def test_the_highest_table_leads_to_those_below():
    machine = Machine()
    memory, base = machine.twin.memory, machine.twin.memory.base
    lowest = machine.space.view("mm_struct", machine.mm).pgd
    machine.mmap(1 << 54, 0x1000, SHARED)
    view = machine.space.view("mm_struct", machine.mm)
    assert view.asce == view.pgd - base | 0x1CF
    second = (memory.load(view.pgd) & ~0xFFF) + base
    assert memory.load(view.pgd) & 0xFFF == 0xF
    assert memory.load(second) == lowest - base | 0xB
    assert memory.load(view.pgd + 8) == 0x2C


def test_a_child_has_its_parents_levels_and_its_own_tables():
    machine = Machine()
    machine.mmap(1 << 42, 0x1000, PRIVATE)
    child = machine.fork()
    assert machine.limit(child) == REGION1
    assert machine.mmap(1 << 54, 0x1000, SHARED, child) == 1 << 54
    assert (machine.limit(child), machine.limit()) == (MAX - 0xFFF, REGION1)


def test_no_table_no_mapping_and_nothing_is_lost():
    for after in (0, 1):
        machine = Machine()
        machine.twin.pages.injector = FailSlab("page", after=after, times=1)
        assert machine.mmap(1 << 54, 0x1000, SHARED) == -12 & MAX
        assert machine.limit() == REGION2
        assert machine.mmap(1 << 54, 0x1000, SHARED) == 1 << 54
    machine = Machine()
    machine.twin.pages.injector = FailSlab("page")
    assert machine.fork() == -12


def test_an_exit_gives_all_tables_back():
    machine = Machine()
    before = machine.tables()
    child = machine.fork()
    machine.mmap(1 << 54, 0x1000, SHARED, child)
    assert machine.tables() == before + 3
    machine.space.touch(child, 1 << 54, 1, True)
    assert machine.tables() == before + 3 + 4
    machine.twin.pids.remove(2)
    machine.space.mmput(child)
    assert machine.tables() == before


def test_an_unlimited_stack_asks_for_the_old_layout():
    machine = Machine()
    space = machine.space
    task = space.task_alloc(machine.task)
    limits = space.view("signal_struct", space.view("task_struct", task).signal)
    limits.put("rlim_cur", c.RLIM_INFINITY, c.RLIMIT_STACK)
    mm = space.mm_alloc(task)
    space.arch_pick_mmap_layout(mm)
    assert space.sys_mmap(mm, 0, 0x1000, RW, PRIVATE, 0, 0) == 1 << 41
    assert space.sys_mmap(mm, 0, 0x1000, RW, SHARED, 0, 0) == (1 << 41) + 0x80000


def test_there_are_no_memory_policies():
    machine = Machine()
    assert machine.space.sys_mbind(machine.mm, 0x1091000, 0x1000, 2, 1, 1, 0) == -38


def test_no_keys_no_executable_heap_and_a_lower_limit() -> None:
    """As the guest answered; READ_IMPLIES_EXEC makes heaps executable elsewhere."""
    machine = Machine()
    space, mm = machine.space, machine.mm
    assert space.sys_pkey_mprotect(mm, 0x1096000, 0x1000, 1, MAX) == -38
    read_implies_exec = 0x400000
    machine.space.view("task_struct", machine.task).personality = read_implies_exec
    assert space.sys_brk(mm, 0x1098000) == 0x1098000
    assert "01096000-01098000 rw-p" in space.proc_maps(mm)
    machine.space.view("task_struct", machine.task).personality = ADDR_NO_RANDOMIZE
    assert space.sys_mmap(mm, 0x1000, 0x1000, 0, PRIVATE, 0, 0) == 0x8000


def test_shared_memory_without_a_file_begins_at_its_own_page_0() -> None:
    machine = Machine()
    found = machine.space.sys_mmap(machine.mm, 0, 0x1000, 0, SHARED, 0, 0x1000)
    assert found == 0x3FFF7F80000


def test_dontunmap_before_its_repairs_of_2026() -> None:
    """6.1.176: a never-written source may become one with its copy, and keeps its lock whole."""
    machine = Machine()
    space, mm = machine.space, machine.mm
    dontunmap = c.MREMAP_MAYMOVE | c.MREMAP_DONTUNMAP
    assert space.sys_mmap(mm, 0, 0x1000, 0, PRIVATE, 0, 0) == 0x3FFF7FFA000
    assert space.sys_mremap(mm, 0x3FFF7FFA000, 0x1000, 0x1000, dontunmap, 0) == 0x3FFF7FF9000
    assert "3fff7ff9000-3fff7ffb000 ---p" in space.proc_maps(mm)


def test_map_32bit_is_no_flag_here() -> None:
    machine = Machine()
    space = machine.space
    file = space.shmem_file_setup("/memfd:f (deleted)", 0, 0)
    shared_validate = c.MAP_SHARED_VALIDATE
    assert space.sys_mmap(machine.mm, 0, 0x1000, 0, shared_validate, file, 0) > 0
    assert space.sys_mmap(machine.mm, 0, 0x1000, 0, shared_validate | 0x40, file, 0) == -95


def test_any_address_can_be_a_programs() -> None:
    machine = Machine()
    assert machine.space.sys_process_madvise(machine.mm, MAX - 0xFFF, 0x1000, 20, 0) == -22


def test_an_image_of_another_machine_gets_the_tables_it_needs() -> None:
    """And none that its end would leave: nothing is mapped in the lowest 4 TiB."""
    machine = Machine()
    lines = parse_maps("7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]\n")
    mm = machine.space.load_image(machine.space.task_alloc(0), lines)
    assert machine.limit(mm) == REGION1
    assert machine.space.touch(mm, 0x7FFFFFFFE000, 0x1000, True) == 0
    machine.space.mmput(mm)


def test_another_process_reads_and_writes_memory() -> None:
    """Seed 45178 in the guest."""
    machine = Machine()
    machine.mmap(1 << 54, 0x1000, PRIVATE)
    for write in (False, True):
        machine.mmap(0x10000000, 0x1000, PRIVATE | FIXED)
        assert machine.space.sys_process_vm(machine.mm, 0x10000000, 8, write) == 8
    assert machine.space.sys_process_vm(machine.mm, 0x1001000, 8, False) == 8


@pytest.mark.parametrize("end", [REGION2 + (1 << 20), MAX - 0xFFF])
def test_a_break_beyond_the_limit_adds_levels_even_if_it_is_refused(end) -> None:
    """Seeds 60256, 60732 and 61120 in the guest: the limit is looked at first."""
    machine = Machine()
    space, mm = machine.space, machine.mm
    before = space.pgtables_bytes(mm)
    sysctl = space.view("sysctl", space.sysctl)
    sysctl.overcommit_memory = 2
    assert space.sys_brk(mm, end) == 0x1096000
    assert machine.limit() == (REGION1 if end < REGION1 else MAX - 0xFFF)
    assert space.pgtables_bytes(mm) == before + 16384

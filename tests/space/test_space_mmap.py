"""mmap: every check and its errno, in the kernel's order; placement; what failures leave."""

import errno

import pytest
from world import ANON, FIXED, NONE, RW, B, P, R, World, X

from mmtwin.space import flags as c

TASK_SIZE = c.TASK_SIZE
SHARED = c.MAP_SHARED | c.MAP_ANONYMOUS


def call(world: World, addr: int, length: int, prot: int, flags: int, file: int = 0) -> int:
    return world.space.sys_mmap(world.mm, addr, length, prot, flags, file, 0)


@pytest.mark.parametrize(
    ("addr", "length", "prot", "flags", "error"),
    [
        (0, 0, RW, ANON, errno.EINVAL),
        (0, 2**64 - 100, RW, ANON, errno.ENOMEM),
        (0, TASK_SIZE + P, RW, ANON, errno.ENOMEM),
        (0, TASK_SIZE, RW, ANON, errno.ENOMEM),
        (TASK_SIZE, P, RW, FIXED, errno.ENOMEM),
        (TASK_SIZE - P, 2 * P, RW, FIXED, errno.ENOMEM),
        (B + 1, P, RW, FIXED, errno.EINVAL),
        (0, P, RW, c.MAP_ANONYMOUS, errno.EINVAL),
        (0, P, RW, c.MAP_ANONYMOUS | 0xF, errno.EINVAL),
        (0, P, RW, SHARED | c.MAP_GROWSDOWN, errno.EINVAL),
        (0, P, RW, c.MAP_SHARED_VALIDATE | c.MAP_ANONYMOUS, errno.EINVAL),
        (0, P, RW, c.MAP_PRIVATE, errno.EBADF),
        (0, P, RW, ANON | c.MAP_HUGETLB | 5 << c.MAP_HUGE_SHIFT, errno.EINVAL),
        (0, P, RW, ANON | c.MAP_HUGETLB, errno.ENOMEM),
    ],
)
def test_arguments_refused(
    world: World, addr: int, length: int, prot: int, flags: int, error: int
) -> None:
    assert call(world, addr, length, prot, flags) == -error
    assert world.ranges() == []


def test_a_misaligned_offset_comes_first(world: World) -> None:
    assert world.space.sys_mmap(world.mm, 0, 0, RW, 0, 0, 0x123) == -errno.EINVAL


def test_the_end_is_checked_before_the_alignment(world: World) -> None:
    assert call(world, TASK_SIZE + 1, P, RW, FIXED) == -errno.ENOMEM


def test_upper_halves_of_32_bit_arguments_are_ignored(world: World) -> None:
    assert call(world, B, P, RW | 1 << 40, FIXED | 5 << 32) == B


def test_low_addresses_need_a_capability(world: World) -> None:
    assert call(world, P, P, RW, FIXED) == P
    world.drop_capabilities()
    assert call(world, 2 * P, P, RW, FIXED) == -errno.EPERM
    assert call(world, 65536, P, RW, FIXED) == 65536
    assert world.space.sys_munmap(world.mm, 65536, P) == 0
    assert call(world, 0x5000, P, R, ANON) == 65536


def test_fixed_noreplace_refuses_any_overlap_and_takes_what_touches(world: World) -> None:
    world.map(1, 3, RW)
    flags = ANON | c.MAP_FIXED_NOREPLACE
    assert call(world, B + 2 * P, 2 * P, R, flags) == -errno.EEXIST
    assert call(world, B, 2 * P, R, flags) == -errno.EEXIST
    assert call(world, B, P, R, flags) == B
    assert call(world, B + 3 * P, P, R, flags) == B + 3 * P
    assert world.ranges() == [(0, 1), (1, 3), (3, 4)]


def test_lock_limits(world: World) -> None:
    world.drop_capabilities()
    world.limit(c.RLIMIT_MEMLOCK, 0)
    assert world.map(0, 1, RW, FIXED | c.MAP_LOCKED) == -errno.EPERM
    world.limit(c.RLIMIT_MEMLOCK, 2 * P)
    assert world.map(0, 3, RW, FIXED | c.MAP_LOCKED) == -errno.EAGAIN
    assert world.map(0, 2, RW, FIXED | c.MAP_LOCKED) == B
    assert world.map(4, 5, RW, FIXED | c.MAP_LOCKED) == -errno.EAGAIN
    assert world.mm_view().locked_vm == 2
    assert world.vma(0).get("anon_vma") != 0
    world.unmap(1, 2)
    assert world.mm_view().locked_vm == 1
    world.check()


# Files.


def test_how_a_file_is_open_decides(world: World) -> None:
    read, write = world.open("/a", 0), world.open("/b", 1)
    both = world.open("/c", 2)
    shared, private = c.MAP_SHARED, c.MAP_PRIVATE
    assert call(world, 0, P, RW, shared, read) == -errno.EACCES
    assert call(world, 0, P, R, shared, write) == -errno.EACCES
    assert call(world, 0, P, R, private, write) == -errno.EACCES
    assert call(world, 0, P, RW, private, read) > 0
    assert call(world, 0, P, RW, shared, both) > 0
    assert call(world, 0, P, R, private | c.MAP_HUGETLB, both) == -errno.EINVAL
    assert call(world, 0, P, R, 0, both) == -errno.EINVAL
    assert call(world, 0, P, R, private | c.MAP_GROWSDOWN, both) == -errno.EINVAL


def test_a_shared_map_of_a_file_open_for_reading_cannot_become_writable(world: World) -> None:
    file = world.open("/a", 0)
    world.map(0, 1, R, c.MAP_SHARED | c.MAP_FIXED, file)
    assert world.flags(0) & (c.VM_SHARED | c.VM_MAYWRITE | c.VM_MAYSHARE) == c.VM_MAYSHARE
    assert " r--s " in world.space.proc_maps(world.mm)
    assert world.protect(0, 1, RW) == -errno.EACCES


def test_unknown_flags_only_matter_to_shared_validate(world: World) -> None:
    file = world.open()
    unknown = 1 << 23
    assert call(world, 0, P, R, c.MAP_SHARED_VALIDATE | unknown, file) == -errno.EOPNOTSUPP
    noreplace = c.MAP_SHARED_VALIDATE | c.MAP_FIXED_NOREPLACE
    assert call(world, B, P, R, noreplace, file) == -errno.EOPNOTSUPP
    assert call(world, 0, P, R, c.MAP_SHARED_VALIDATE | 1 << 26, file) > 0
    assert call(world, 0, P, R, c.MAP_SHARED | unknown, file) > 0
    assert call(world, 0, P, R, c.MAP_PRIVATE | unknown, file) > 0


def test_offsets_past_the_largest_file(world: World) -> None:
    file = world.open()
    last = 2**63 - P
    assert world.space.sys_mmap(world.mm, 0, P, R, 2, file, last) == -errno.EOVERFLOW
    assert world.space.sys_mmap(world.mm, 0, P, R, 2, file, last - P) > 0


def test_directories_cannot_be_mapped(world: World) -> None:
    assert call(world, 0, P, R, c.MAP_PRIVATE, world.open("/etc", 0, kind=0)) == -errno.ENODEV


def test_noexec_mounts_and_append_only_files(world: World) -> None:
    noexec, append = world.open("/mnt/x"), world.open("/log")
    for file, bit in ((noexec, 1 << 31), (append, 4)):
        inode = world.space.view("file", file).get("f_inode")
        world.space.view("inode", inode).i_flags = bit
    assert call(world, 0, P, R | X, c.MAP_PRIVATE, noexec) == -errno.EPERM
    addr = call(world, 0, P, R, c.MAP_PRIVATE, noexec)
    assert world.space.sys_mprotect(world.mm, addr, P, R | X) == -errno.EACCES
    assert call(world, 0, P, R, c.MAP_SHARED, append) == -errno.EACCES
    assert call(world, 0, P, R, c.MAP_PRIVATE, append) > 0


@pytest.mark.parametrize("seal", [0x8, 0x10])
def test_write_sealed_memfds(world: World, seal: int) -> None:
    file = world.open("/memfd:m (deleted)", 2, kind=2)
    inode = world.space.view("file", file).get("f_inode")
    world.space.view("inode", inode).i_seals = seal
    assert call(world, 0, P, RW, c.MAP_SHARED, file) == -errno.EPERM
    addr = call(world, 0, P, R, c.MAP_SHARED, file)
    assert world.space.sys_mprotect(world.mm, addr, P, RW) == -errno.EACCES
    assert call(world, 0, P, RW, c.MAP_PRIVATE, file) > 0
    world.check()


# Limits.


@pytest.mark.parametrize("count", [-1, 0, 1])
def test_the_map_count_may_reach_one_above_the_limit(world: World, count: int) -> None:
    """mmap asks whether the count is above the limit already, even if it would merge."""
    world.map(0, 1)
    world.map(2, 3)
    world.sysctl(max_map_count=2 - count)
    refused = count > 0
    assert world.map(4, 5) == (-errno.ENOMEM if refused else B + 4 * P)
    world.sysctl(max_map_count=2)
    if not refused:
        assert world.map(5, 6) == -errno.ENOMEM


def test_address_space_limit_counts_replaced_pages_as_free(world: World) -> None:
    world.limit(c.RLIMIT_AS, 4 * P)
    world.map(0, 4)
    assert world.map(4, 5) == -errno.ENOMEM
    assert world.map(1, 3, R) == B + P
    assert world.map(3, 5) == -errno.ENOMEM
    assert world.ranges() == [(0, 1), (1, 3), (3, 4)]


def test_data_limit_spares_stacks_shared_and_read_only(world: World) -> None:
    world.limit(c.RLIMIT_DATA, 2 * P)
    assert world.map(0, 3) == -errno.ENOMEM
    assert world.map(0, 2) == B
    assert world.map(3, 5, R) == B + 3 * P
    assert world.protect(3, 5, RW) == -errno.ENOMEM
    assert world.map(10, 20, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED) > 0
    assert world.map(30, 40, RW, FIXED | c.MAP_GROWSDOWN) > 0


def test_strict_overcommit(world: World) -> None:
    world.sysctl(overcommit_memory=2, overcommit_kbytes=40, user_reserve_kbytes=0)
    assert world.map(0, 9) == B
    assert world.map(10, 11) == -errno.ENOMEM
    assert world.map(10, 11, RW, FIXED | c.MAP_NORESERVE) == -errno.ENOMEM
    assert world.map(10, 20, R) > 0
    world.unmap(0, 9)
    assert world.in_use()["committed"] == 0


def test_the_guess_refuses_only_the_impossible(world: World) -> None:
    world.sysctl(totalram_pages=100)
    assert world.map(0, 100) == B
    assert world.map(200, 301) == -errno.ENOMEM


def test_what_a_failed_fixed_mapping_leaves(world: World) -> None:
    """Up to 6.11 the old area is gone when the charge fails; later it stays."""
    world.map(0, 4, R)
    world.sysctl(overcommit_memory=2, overcommit_kbytes=4)
    assert world.map(1, 3, RW) == -errno.ENOMEM
    split = [(0, 1), (1, 3), (3, 4)] if world.new else [(0, 1), (3, 4)]
    assert world.ranges() == split
    world.check()


# Placement.


def test_top_down_below_the_base_without_randomisation(world: World) -> None:
    world.space.view("task_struct", world.task).personality = c.ADDR_NO_RANDOMIZE
    world.space.arch_pick_mmap_layout(world.mm)
    assert world.mm_view().mmap_base == 0x7FFFF7FFF000
    for stack, base in ((2**30, 0x7FFFBFEFF000), (2**64 - 1, 0x155555556000)):
        world.limit(c.RLIMIT_STACK, stack)
        world.space.arch_pick_mmap_layout(world.mm)
        assert world.mm_view().mmap_base == base
    world.limit(c.RLIMIT_STACK, 8 << 20)
    world.space.arch_pick_mmap_layout(world.mm)
    assert world.anywhere(1) == 0x7FFFF7FFE000
    assert world.anywhere(2, R) == 0x7FFFF7FFC000


def test_legacy_layout_searches_from_below(world: World) -> None:
    world.space.view("task_struct", world.task).personality = c.ADDR_COMPAT_LAYOUT
    world.mm_view().flags = 0
    world.space.arch_pick_mmap_layout(world.mm)
    assert world.anywhere(1) == c.TASK_UNMAPPED_BASE
    assert world.anywhere(1, R) == c.TASK_UNMAPPED_BASE + P


def test_32_bit_window(world: World) -> None:
    assert world.anywhere(1, RW, ANON | c.MAP_32BIT) == 0x40000000
    assert world.anywhere(0x40000, RW, ANON | c.MAP_32BIT) == -errno.ENOMEM
    assert world.anywhere(0x3FFFF, R, ANON | c.MAP_32BIT) == 0x40001000


def test_search_falls_back_to_above_the_base(world: World) -> None:
    """No room below the base: the lowest hole from the legacy base up.

    A search goes down to the second page in 6.1 and to mmap_min_addr later.
    """
    world.mm_view().mmap_base = 0x40000
    assert world.anywhere(0x20) == 0x20000
    assert world.anywhere(0x1F, R) == (c.TASK_UNMAPPED_BASE if world.new else 0x1000)
    assert world.anywhere(0x20, R) == c.TASK_UNMAPPED_BASE + (0x1F * P if world.new else 0)


def test_guard_gap_below_stacks(world: World) -> None:
    """A kernel-chosen address keeps 256 pages below an area that grows down; fixed ones do not."""
    stack = world.anywhere(1, RW, ANON | c.MAP_GROWSDOWN)
    assert world.anywhere(1) == stack - 257 * P
    hint = world.space.sys_mmap(world.mm, stack - 2 * P, P, RW, ANON, 0, 0)
    assert hint != stack - 2 * P
    fixed = world.space.sys_mmap(world.mm, stack - 2 * P, P, RW, FIXED, 0, 0)
    assert fixed == stack - 2 * P
    assert world.space.sys_mmap(world.mm, stack - 300 * P, P, R, ANON, 0, 0) == stack - 300 * P


def test_guard_gap_in_a_bottom_up_search(world: World) -> None:
    low = c.TASK_UNMAPPED_BASE
    world.mm_view().flags = 0
    call(world, low + 258 * P, P, RW, FIXED | c.MAP_GROWSDOWN)
    assert world.anywhere(2, R) == low
    assert world.anywhere(1, R | X) == low + 259 * P


def test_large_anonymous_areas_are_aligned_since_6_7(world: World) -> None:
    world.mm_view().mmap_base = 0x7F0000123000
    assert world.anywhere(0x200, R) == (0x7F0000000000 - 0x200000 if world.new else 0x7EFFFFF23000)
    assert world.anywhere(0x201, RW) % 0x200000 != 0


def test_large_file_areas_are_aligned_to_their_offset(world: World) -> None:
    file = world.open()
    addr = world.space.sys_mmap(world.mm, 0, 0x400000, R, c.MAP_PRIVATE, file, 0x1000)
    assert addr % 0x200000 == 0x1000
    small = world.space.sys_mmap(world.mm, 0, 0x1FF000, R, c.MAP_PRIVATE, file, 0)
    assert small + 0x1FF000 == addr
    other = world.space.open_file("/on/overlay", 0, 40, 7, 2)
    plain = world.space.sys_mmap(world.mm, 0, 0x400000, R, c.MAP_PRIVATE, other, 0)
    assert plain + 0x400000 == small


def test_map_stack_asks_for_small_pages_since_6_7(world: World) -> None:
    world.map(0, 1, RW, FIXED | c.MAP_STACK)
    assert bool(world.flags(0) & c.VM_NOHUGEPAGE) == world.new


def test_reading_may_imply_execution(world: World) -> None:
    world.space.view("task_struct", world.task).personality = c.READ_IMPLIES_EXEC
    world.map(0, 1, R)
    world.map(2, 3, NONE)
    assert world.flags(0) & c.VM_EXEC
    assert not world.flags(2) & c.VM_EXEC


def test_populate_writes_to_private_writable_memory(world: World) -> None:
    world.map(0, 1, RW, FIXED | c.MAP_POPULATE)
    world.map(2, 3, R, FIXED | c.MAP_POPULATE)
    world.map(4, 5, RW, FIXED | c.MAP_POPULATE | c.MAP_NONBLOCK)
    assert [bool(v.get("anon_vma")) for v in world.vmas()] == [True, False, False]


def test_counters_follow_the_class_of_each_area(world: World) -> None:
    world.map(0, 1, RW)
    world.map(2, 4, R | X)
    world.map(5, 8, RW, FIXED | c.MAP_GROWSDOWN)
    world.map(9, 13, R)
    view = world.mm_view()
    assert (view.total_vm, view.data_vm, view.exec_vm, view.stack_vm) == (10, 1, 2, 3)
    world.protect(2, 3, RW)
    assert (view.total_vm, view.data_vm, view.exec_vm) == (10, 2, 1)
    world.unmap(0, 13)
    assert (view.total_vm, view.data_vm, view.exec_vm, view.stack_vm) == (0, 0, 0, 0)
    assert view.hiwater_vm == 10
    world.check()


def test_special_areas_lose_the_lock(world: World) -> None:
    device = world.open("/dev/fb0", kind=4)
    world.map(0, 2, RW, c.MAP_SHARED | c.MAP_FIXED | c.MAP_LOCKED, device)
    assert not world.flags(0) & c.VM_LOCKED
    assert world.mm_view().locked_vm == 0


def test_strict_overcommit_sees_charges_late(world: World) -> None:
    """percpu_counter_add_batch: a processor keeps what is below the batch to itself."""
    world.sysctl(overcommit_memory=2, overcommit_kbytes=4 * 20, vm_committed_as=0)
    world.drop_capabilities()
    world.sysctl(admin_reserve_kbytes=0, user_reserve_kbytes=0)
    world.sysctl(committed_batch=16, committed_held=16)
    world.map(0, 15)
    assert world.space.committed_as_read() == 0
    world.map(20, 35)
    assert world.space.committed_as_read() == 30
    assert world.map(40, 41) == -errno.ENOMEM
    world.unmap(20, 35)
    assert world.space.committed_as_read() == 30, "the sum has not heard of it"
    assert world.map(40, 41) == -errno.ENOMEM
    world.unmap(0, 2)
    assert world.space.committed_as_read() == 13
    world.map(40, 41)
    world.sysctl(committed_batch=0)
    assert world.space.committed_as_read() == 14
    world.check()


def test_the_charge_of_a_shared_object_goes_late_too(world: World) -> None:
    """What a processor gives back goes the same way as what it took."""
    world.sysctl(overcommit_memory=2, vm_committed_as=100, overcommit_kbytes=4 * 200)
    world.sysctl(committed_batch=16, committed_held=16)
    world.map(0, 3, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED)
    assert world.space.committed_as_read() == 100
    world.unmap(0, 3)
    assert world.space.committed_as_read() == 100
    world.sysctl(committed_batch=0)
    assert world.space.committed_as_read() == 100

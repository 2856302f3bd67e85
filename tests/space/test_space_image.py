"""Images: an address space from the maps of a fresh program, and the text that it prints."""

import pytest
from maps_text import DYNAMIC, RANDOM_6_1, STATIC, lines
from world import ANON, RW, P, R, World

from mmtwin.space import flags as c
from mmtwin.space.exec import mmap_base_of, program_of


def load(world: World, text: str, **more: int) -> World:
    mm = world.space.load_image(world.task, lines(text), **more)
    world.space.mmput(world.mm)
    world.mm = mm
    world.adopt(world.task, mm)
    return world


def test_the_text_comes_out_as_it_went_in(new: World) -> None:
    load(new, DYNAMIC)
    assert new.space.proc_maps(new.mm) == DYNAMIC
    new.check()


def test_a_static_program_with_its_heap(old: World) -> None:
    load(old, STATIC, start_brk=0x4B5000)
    assert old.space.proc_maps(old.mm) == STATIC
    old.check()


def test_where_searches_begin(new: World) -> None:
    assert mmap_base_of(lines(DYNAMIC)) == 0x7F16B1063000
    assert mmap_base_of(lines(STATIC)) == 0x7FFFF7FFF000
    assert mmap_base_of(lines(RANDOM_6_1)) == 0x7F3300023000 - 0x2000 + 0x2000
    load(new, DYNAMIC)
    assert new.space.mmap_base_known(new.mm)
    assert new.anywhere(2) == 0x7F16B1024000


def test_an_unknown_base_is_told(old: World) -> None:
    hidden = "\n".join(line for line in RANDOM_6_1.splitlines() if "/lib/" not in line) + "\n"
    assert mmap_base_of(lines(hidden)) == 0
    load(old, hidden)
    assert not old.space.mmap_base_known(old.mm)


@pytest.mark.parametrize(
    ("text", "program"),
    [(DYNAMIC, "/usr/bin/dash"), (STATIC, "/bin/static"), (RANDOM_6_1, "/bin/x")],
)
def test_which_file_is_the_program(text: str, program: str) -> None:
    assert program_of(lines(text)) == program


def test_flags_of_a_fresh_image(old: World) -> None:
    load(old, STATIC)
    flags = {
        view.get("vm_start"): view.get("vm_flags") for view in old.vmas() if view.get("vm_start")
    }
    may = c.VM_MAY_ALL
    assert flags[0x401000] == c.VM_READ | c.VM_EXEC | may | c.VM_SOFTDIRTY
    assert flags[0x4A0000] == c.VM_READ | c.VM_WRITE | may | c.VM_ACCOUNT | c.VM_SOFTDIRTY
    special = c.VM_IO | c.VM_PFNMAP | c.VM_DONTEXPAND | c.VM_DONTDUMP
    assert flags[0x7FFFF7FF9000] == c.VM_READ | c.VM_MAYREAD | special | c.VM_SOFTDIRTY
    assert flags[0x7FFFF7FFD000] == (c.VM_READ | c.VM_EXEC | may | c.VM_DONTEXPAND | c.VM_SOFTDIRTY)
    stack = flags[0x7FFFFFFDE000]
    assert stack == c.VM_READ | c.VM_WRITE | may | c.VM_GROWSDOWN | c.VM_ACCOUNT


def test_what_exec_has_written_to(old: World) -> None:
    load(old, STATIC)
    assert [bool(v.get("anon_vma")) for v in old.vmas()] == [False] * 3 + [True] * 2 + [
        False,
        False,
        True,
    ]


def test_marks_of_the_image(new: World) -> None:
    load(new, DYNAMIC, start_stack=0x7FFE2066C510)
    view = new.mm_view()
    assert view.start_code == 0x55DAA1E02000
    assert view.end_data == 0x55DAA1E20000
    assert view.start_stack == 0x7FFE2066C510
    assert view.map_count == 13
    assert view.stack_vm == 0x21


# The text.


def test_names_begin_at_column_73(world: World) -> None:
    world.map(0, 1, RW, c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED)
    line = world.space.proc_maps(world.mm).splitlines()[0]
    assert line.index("/dev/zero (deleted)") == 73
    assert line.startswith("100000000000-100000001000 rw-s 00000000 00:01 ")


def test_nameless_lines_end_in_a_blank(world: World) -> None:
    world.map(0, 1, R)
    assert world.space.proc_maps(world.mm) == ("100000000000-100000001000 r--p 00000000 00:00 0 \n")


def test_long_numbers_push_the_name(world: World) -> None:
    file = world.space.open_file("/x", 0x103, 0xFFFFF, 2**64 - 1, 2)
    world.space.sys_mmap(world.mm, 0, P, R, c.MAP_PRIVATE, file, 0xFFFFFFFFF000)
    line = world.space.proc_maps(world.mm)
    assert line.endswith(" ffffffff000 103:fffff 18446744073709551615 /x\n") or (
        " fffffffff000 103:fffff 18446744073709551615 " in line
    )


def test_newlines_in_paths_are_escaped(world: World) -> None:
    file = world.open("/tmp/a\nb")
    world.space.sys_mmap(world.mm, 0, P, R, c.MAP_PRIVATE, file, 0)
    assert "/tmp/a\\012b\n" in world.space.proc_maps(world.mm)


def test_low_addresses_have_eight_digits(world: World) -> None:
    world.space.sys_mmap(world.mm, 0x10000, P, R, ANON | c.MAP_FIXED, 0, 0)
    assert world.space.proc_maps(world.mm).startswith("00010000-00011000 ")


def test_the_gate_line_comes_last(world: World) -> None:
    world.sysctl(vsyscall=1)
    world.map(0, 1)
    text = world.space.proc_maps(world.mm).splitlines()
    assert text[-1] == (
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]"
    )

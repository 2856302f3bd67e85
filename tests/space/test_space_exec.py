"""exec: every mapping of a program, its interpreter, the kernel's pages, the stack and its move."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from pathlib import Path

import pytest
from world import RW, P, World

from mmtwin.space import flags as c
from mmtwin.space.binfmt_elf import (
    ET_DYN,
    ET_EXEC,
    PF_R,
    PF_W,
    PF_X,
    ElfImage,
    ExecFailed,
    NotElf,
    Placement,
    Segment,
)

STATIC = ElfImage(
    "/bin/static",
    (254, 0),
    100,
    ET_EXEC,
    (
        Segment(0x400000, 0x500, 0x500, 0, PF_R),
        Segment(0x401000, 0x7F000, 0x7F000, 0x1000, PF_R | PF_X),
        Segment(0x480000, 0x1F000, 0x1F000, 0x80000, PF_R),
        Segment(0x4A0DE0, 0x13220, 0xF220, 0x9FDE0, PF_R | PF_W),
    ),
)
LOADER = ElfImage(
    "/lib/ld.so",
    (254, 0),
    9,
    ET_DYN,
    (
        Segment(0, 0xC00, 0xC00, 0, PF_R),
        Segment(0x1000, 0x25000, 0x25000, 0x1000, PF_R | PF_X),
        Segment(0x27000, 0xA000, 0xA000, 0x27000, PF_R),
        Segment(0x31000, 0x3800, 0x2000, 0x31000, PF_R | PF_W),
    ),
)
PIE = ElfImage(
    "/init",
    (0, 2),
    11,
    ET_DYN,
    (
        Segment(0, 0x600, 0x600, 0, PF_R),
        Segment(0x1000, 0x1000, 0x1000, 0x1000, PF_R | PF_X),
        Segment(0x2DE0, 0x1400, 0x260, 0x1DE0, PF_R | PF_W),
    ),
    interpreter="/lib/ld.so",
)


def start(
    world: World, *images: ElfImage, personality: int = c.ADDR_NO_RANDOMIZE, **more: object
) -> list[str]:
    """exec; the lines of maps, shortened."""
    world.space.view("task_struct", world.task).personality = personality
    mm = world.space.load_elf_binary(world.task, *images, **more)
    world.space.mmput(world.mm)
    world.mm = mm
    world.adopt(world.task, mm)
    world.check()
    return [_short(line) for line in world.space.proc_maps(mm).splitlines()]


def _short(line: str) -> str:
    where, perms, _, _, _, *name = line.split()
    return " ".join([where, perms, *name])


def test_a_static_program(world: World) -> None:
    lines = start(world, STATIC)
    assert lines[:5] == [
        "00400000-00401000 r--p /bin/static",
        "00401000-00480000 r-xp /bin/static",
        "00480000-0049f000 r--p /bin/static",
        "004a0000-004b0000 rw-p /bin/static",
        "004b0000-004b4000 rw-p" + ("" if world.new else " [heap]"),
    ]
    special = lines[5:-1]
    if world.new:
        assert special == [
            "7ffff7ff7000-7ffff7ffb000 r--p [vvar]",
            "7ffff7ffb000-7ffff7ffd000 r--p [vvar_vclock]",
            "7ffff7ffd000-7ffff7fff000 r-xp [vdso]",
        ]
    else:
        assert special == [
            "7ffff7ff9000-7ffff7ffd000 r--p [vvar]",
            "7ffff7ffd000-7ffff7fff000 r-xp [vdso]",
        ]
    assert lines[-1] == "7ffffffde000-7ffffffff000 rw-p [stack]"
    view = world.mm_view()
    assert view.start_brk == view.brk == 0x4B4000
    assert (view.start_code, view.end_code) == (0x401000, 0x480000)
    assert view.end_data == 0x4B0000


def test_a_position_independent_program(world: World) -> None:
    lines = start(world, PIE, LOADER)
    assert lines[0] == "555555554000-555555555000 r--p /init"
    assert lines[2] == "555555556000-555555558000 rw-p /init"
    assert lines[3] == "555555558000-555555559000 rw-p" + ("" if world.new else " [heap]")
    assert "7ffff7fca000-7ffff7fcb000 r--p /lib/ld.so" in lines
    assert "7ffff7ffb000-7ffff7ffd000 rw-p /lib/ld.so" in lines
    assert "7ffff7ffd000-7ffff7fff000 rw-p" in lines
    assert lines[-1] == "7ffffffde000-7ffffffff000 rw-p [stack]"


def test_a_loader_as_the_program_has_its_heap_elsewhere(world: World) -> None:
    lines = start(world, LOADER)
    assert "7ffff7fca000-7ffff7fcb000 r--p /lib/ld.so" in lines
    assert world.mm_view().start_brk == c.ELF_ET_DYN_BASE


def test_flags_of_the_stack_and_what_was_written(world: World) -> None:
    start(world, STATIC)
    stack = world.vmas()[-1]
    want = c.VM_READ | c.VM_WRITE | c.VM_MAY_ALL | c.VM_GROWSDOWN | c.VM_ACCOUNT
    assert stack.get("vm_flags") == want
    faulted = [view.get("vm_start") for view in world.vmas() if view.get("anon_vma")]
    assert faulted == [0x4A0000, 0x7FFFFFFDE000] or faulted == [0x7FFFFFFDE000]


def test_an_executable_stack(world: World) -> None:
    image = ElfImage("/x", (254, 0), 1, ET_EXEC, STATIC.segments, stack_exec=True)
    assert start(world, image)[-1].endswith("rwxp [stack]")


def test_randomised_places(world: World) -> None:
    place = Placement(
        stack_top=0x7FFE2066E000, mmap_pages=0x1234, program_pages=0x77, vdso_page=5, brk_gap=P * 9
    )
    lines = start(world, PIE, LOADER, personality=0, place=place)
    assert lines[0].startswith("5555555cb000-")
    assert "7ffe2064d000-7ffe2066e000 rw-p [stack]" in lines
    assert lines[-1].endswith("[stack]" if world.new else "[vdso]")
    assert world.mm_view().brk == 0x5555555D0000 + 9 * P
    base = world.mm_view().mmap_base
    assert any(f"-{base:x} rw-p" in line for line in lines)
    stack = next(v for v in world.vmas() if v.get("vm_flags") & c.VM_GROWSDOWN)
    # The offset is that of the temporary place, and goes on from there.
    assert stack.get("vm_pgoff") == (c.STACK_TOP >> 12) - 33
    assert world.space.touch(world.mm, 0x7FFE2064D000 - 0x40000, 1, True) == 0
    world.check()


@pytest.mark.parametrize(("strings", "pages"), [(100, 33), (4096, 34), (100_000, 57)])
def test_arguments_grow_the_stack(world: World, strings: int, pages: int) -> None:
    start(world, STATIC, strings=strings)
    stack = world.vmas()[-1]
    assert (stack.get("vm_end") - stack.get("vm_start")) // P == pages
    assert world.mm_view().stack_vm == pages


def test_a_small_stack_limit_keeps_the_stack_small(world: World) -> None:
    world.limit(c.RLIMIT_STACK, 16 * P)
    start(world, STATIC)
    stack = world.vmas()[-1]
    assert (stack.get("vm_end") - stack.get("vm_start")) // P == 16


def test_page_zero_for_old_programs(world: World) -> None:
    task = world.space.view("task_struct", world.task)
    task.personality = c.MMAP_PAGE_ZERO | c.ADDR_NO_RANDOMIZE
    mm = world.space.load_elf_binary(world.task, STATIC)
    assert world.space.proc_maps(mm).startswith("00000000-00001000 r-xp ")


def test_a_failure_at_any_allocation(world: World) -> None:
    before = world.in_use()
    left = 0
    while True:
        with world.failing(left):
            try:
                mm = world.space.load_elf_binary(world.task, PIE, LOADER)
            except (ExecFailed, MemoryError):
                mm = 0
        if mm:
            break
        assert world.in_use() == before, left
        left += 1
    assert left > 40
    world.space.mmput(mm)
    assert world.in_use() == before


def test_nothing_is_charged_in_the_end(world: World) -> None:
    before = world.in_use()
    mm = world.space.load_elf_binary(world.task, PIE, LOADER)
    world.space.sys_mmap(mm, 0, P, RW, c.MAP_PRIVATE | c.MAP_ANONYMOUS, 0, 0)
    world.space.mmput(mm)
    assert world.in_use() == before


# Real files, and a real kernel.


def read(path: str) -> ElfImage:
    real = Path(path).resolve()
    stat = real.stat()
    device = (os.major(stat.st_dev), os.minor(stat.st_dev))
    with real.open("rb") as file:
        return ElfImage.parse(file.read(8192), str(real), device, stat.st_ino)


def test_what_is_no_program_is_refused() -> None:
    with pytest.raises(NotElf):
        ElfImage.parse(b"#!/bin/sh\n", "/x", (0, 0), 1)
    with pytest.raises(NotElf):
        ElfImage.parse(b"\x7fELF\x02\x01" + bytes(100), "/x", (0, 0), 1)


def stopped_after_exec(path: str) -> str | None:
    """The maps of a real process right after exec without randomisation; None if not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    pid = os.fork()
    if pid == 0:
        if libc.ptrace(0, 0, 0, 0) == 0 and libc.personality(c.ADDR_NO_RANDOMIZE) >= 0:
            os.execv(path, [path])
        os._exit(127)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        return None
    text = Path(f"/proc/{pid}/maps").read_text()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return text


def is_elf(path: str) -> bool:
    """Whether there is such a file, and no script."""
    file = Path(path)
    return file.is_file() and file.read_bytes()[:4] == b"\x7fELF"


RELEASE = tuple(int(part) for part in platform.release().split(".")[:2])
PROGRAMS = list(filter(is_elf, ("/bin/dash", "/bin/cat", "/usr/bin/python3", "/sbin/ldconfig")))


@pytest.mark.skipif(
    RELEASE < (6, 13) or platform.machine() != "x86_64", reason="no kernel with 6.18's rules"
)
@pytest.mark.parametrize("path", PROGRAMS)
def test_this_machines_kernel_maps_the_same(new: World, path: str) -> None:
    program = read(path)
    interpreter = [read(program.interpreter)] if program.interpreter else []
    text = stopped_after_exec(path)
    if text is None:
        pytest.skip("tracing is not allowed")
    start(new, program, *interpreter)
    maps = new.space.proc_maps(new.mm)
    real = "".join(line + "\n" for line in text.splitlines() if "[vsyscall]" not in line)
    assert maps.replace("[heap]", "") == real.replace("[heap]", "")

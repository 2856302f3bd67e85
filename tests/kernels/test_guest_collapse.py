"""MADV_COLLAPSE in a guest with Debian's 6.1 and in the twin: results, smaps, VmPTE, pagemap."""

from collections.abc import Iterator

import pytest
from test_guest_differential import ready

from mmtwin.kernels.abi import (
    HUGE,
    MADV_COLLAPSE,
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    TOP,
)
from mmtwin.kernels.calls import Call
from mmtwin.kernels.diff import Differ, on_qemu
from mmtwin.kernels.options import Start

pytestmark = [pytest.mark.oracle, pytest.mark.one_mode]

AT = 0x40000000
MAP_FIXED = 0x10
REMOVE, COLD, PAGEOUT, DONTNEED = 9, 20, 21, 4
HUGEPAGE, NOHUGEPAGE, POPULATE_READ = 14, 15, 22
MAYMOVE_FIXED = 3
FILE_PAGES = 1200
PRIVATE, SHARED, FILE, PRIVATE_FILE = "private", "shared", "memfd", "private memfd"
KINDS = (PRIVATE, SHARED, FILE, PRIVATE_FILE)


def opened() -> Iterator[Call]:
    """Descriptor 0: a file in memory."""
    yield Call(1, "memfd_create", (0,), b"x")
    yield Call(1, "ftruncate", (0, FILE_PAGES * PAGE))


def area(kind: str, at: int, pages: int = 512, slot: int = 1, offset: int = 0) -> Iterator[Call]:
    """Memory of small pages at ``at``: every third page written, some read; huge ones allowed."""
    flags = MAP_FIXED | (MAP_SHARED if kind in (SHARED, FILE) else MAP_PRIVATE)
    file = 0 if kind in (FILE, PRIVATE_FILE) else TOP
    flags |= MAP_ANONYMOUS if file else 0
    yield Call(slot, "mmap", (at, pages * PAGE, 3, flags, file, offset))
    yield Call(slot, "madvise", (at, pages * PAGE, NOHUGEPAGE))
    for page in range(1, pages, 3):
        if kind != PRIVATE_FILE:
            yield Call(slot, "touch", (at + page * PAGE, PAGE, 1))
    yield Call(slot, "touch", (at + 256 * PAGE, 100 * PAGE, 0))
    yield Call(slot, "madvise", (at, pages * PAGE, HUGEPAGE))


def collapse(at: int, pages: int = 512, slot: int = 1) -> Call:
    return Call(slot, "madvise", (at, pages * PAGE, MADV_COLLAPSE))


def afterwards(at: int, slot: int = 1) -> list[list[Call]]:
    """What is done with the huge page at ``at``, each way on its own."""
    to = at + 16 * HUGE

    def call(name: str, *args: int) -> Call:
        return Call(slot, name, args)

    def advise(page: int, pages: int, advice: int) -> Call:
        return call("madvise", at + page * PAGE, pages * PAGE, advice)

    write = call("touch", at + 7 * PAGE, 9 * PAGE, 1)
    read = call("touch", at, HUGE, 0)
    return [
        [collapse(at, slot=slot), write, read],
        [call("mprotect", at, HUGE, 1), read, call("mprotect", at, HUGE, 3), write],
        [call("mprotect", at, HUGE, 0), collapse(at, slot=slot), call("mprotect", at, HUGE, 3)],
        [call("mprotect", at + 9 * PAGE, PAGE, 1), read, write],
        [call("munmap", at + 100 * PAGE, 3 * PAGE), read, write],
        [call("mremap", at, HUGE, HUGE, MAYMOVE_FIXED, to), call("touch", to, HUGE, 1)],
        [call("mremap", at, HUGE, HUGE, MAYMOVE_FIXED, to + PAGE), call("touch", to, HUGE, 1)],
        [advise(50, 60, REMOVE), read, collapse(at, slot=slot)],
        [advise(0, 512, REMOVE), collapse(at, slot=slot), read],
        [advise(10, 1, DONTNEED), write, collapse(at, slot=slot)],
        [advise(0, 512, DONTNEED), collapse(at, slot=slot), read, write],
        [advise(0, 512, COLD), write],
        [advise(10, 20, COLD), write, read, collapse(at, slot=slot)],
        [advise(0, 512, PAGEOUT), read],
        [call("mlock", at, HUGE), write, call("munlock", at, HUGE)],
        [call("ftruncate", 0, 100 * PAGE + 5), read, write],
        [call("process_vm_writev", at + 5 * PAGE, 8), write],
    ]


@pytest.fixture(scope="module")
def differ() -> Iterator[Differ]:
    """One guest for all; what it runs begins in new processes each time."""
    ready("x86_64")
    with on_qemu() as made:
        yield made


def agree(differ: Differ, calls: list[Call]) -> None:
    found = differ.rerun(Start(), calls, details=True)
    assert found is None, found


@pytest.mark.parametrize("kind", KINDS)
def test_what_becomes_of_a_huge_page(differ: Differ, kind: str) -> None:
    """One after the other, each on a fresh area."""
    for last in afterwards(AT):
        agree(differ, [*opened(), *area(kind, AT), collapse(AT), *last])


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_child(differ: Differ, kind: str) -> None:
    """The child shares the small pages; either side collapses, the other goes on."""
    for slot in (1, 2):
        other = 3 - slot
        for last in afterwards(AT, other)[::2]:
            calls = [*opened(), *area(kind, AT), Call(1, "fork", (2,))]
            calls += [Call(slot, "touch", (AT + 4 * PAGE, 3 * PAGE, 1))]
            calls += [collapse(AT, slot=slot), Call(other, "touch", (AT, 40 * PAGE, 0)), *last]
            calls += [collapse(AT, slot=other), Call(slot, "touch", (AT, HUGE, 1))]
            agree(differ, calls)


def test_what_is_refused(differ: Differ) -> None:
    """Off the alignment, empty, read-only, cold, without memory of its own, past a file's end."""
    calls = list(opened())
    for nth, kind in enumerate(KINDS):
        at = AT + 8 * nth * HUGE
        calls += [*area(kind, at + PAGE, 1023), collapse(at, 1536), collapse(at + PAGE, 1023)]
        calls += [collapse(at + HUGE, 511), collapse(at + 3 * PAGE, 100)]
        calls += area(kind, at + 4 * HUGE, 1024)
        calls += [Call(1, "mprotect", (at + 4 * HUGE, HUGE, 1)), collapse(at + 4 * HUGE, 1024)]
        calls += [Call(1, "madvise", (at + 5 * HUGE, HUGE, COLD)), collapse(at + 5 * HUGE, 512)]
    calls += area(FILE, AT + 40 * HUGE, 1536)
    calls += [collapse(AT + 40 * HUGE, 1536), Call(1, "touch", (AT + 42 * HUGE, HUGE, 1))]
    agree(differ, calls)


def test_areas_of_the_same_file_elsewhere(differ: Differ) -> None:
    """Other areas that map the file: at another offset, private, never touched, a part only."""
    calls = [*opened(), *area(FILE, AT)]
    other = AT + 4 * HUGE
    for nth, (kind, pages, offset) in enumerate(
        [(FILE, 512, 0), (PRIVATE_FILE, 512, 0), (FILE, 512, PAGE), (FILE, 100, 0)]
    ):
        at = other + 2 * nth * HUGE
        calls += area(kind, at, pages, offset=offset)
    calls += [Call(1, "mmap", (AT + 2 * HUGE, HUGE, 3, MAP_SHARED | MAP_FIXED, 0, 0))]
    calls += [collapse(AT)]
    for nth in range(4):
        at = other + 2 * nth * HUGE
        calls += [
            Call(1, "touch", (at, 64 * PAGE, 0)),
            collapse(at),
            Call(1, "touch", (at, PAGE, 1)),
        ]
    calls += [collapse(AT + 2 * HUGE), collapse(AT + 2 * HUGE), Call(1, "munmap", (AT, HUGE))]
    agree(differ, calls)

"""The twin against Debian's 6.1 kernel in qemu, where both are here."""

from collections.abc import Iterator

import pytest

from mmtwin.kernels.abi import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_HUGETLB,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    TOP,
)
from mmtwin.kernels.calls import Call
from mmtwin.kernels.diff import compare, on_qemu
from mmtwin.kernels.host.build import NotHereError, agent_program
from mmtwin.kernels.options import Start
from mmtwin.kernels.qemu.guests import guest
from mmtwin.kernels.qemu.packages import find_kernel, find_qemu
from mmtwin.kernels.smaps import counters
from mmtwin.kernels.strace import show
from mmtwin.regressions import catalogue
from mmtwin.space.s390_tables import CRST_BYTES, PAGE_TABLE_BYTES

pytestmark = [pytest.mark.oracle, pytest.mark.one_mode]


GUESTS = {"x86_64": "6.1", "s390x": "6.1-s390x"}


def ready(arch: str) -> None:
    """Skip where a guest's kernel, its qemu or its compiler is not here."""
    try:
        find_qemu(guest(arch))
        find_kernel(guest(arch))
        agent_program(guest(arch).machine)
    except NotHereError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("arch", GUESTS)
@pytest.mark.parametrize(
    "calls", [400, pytest.param(20_000, marks=pytest.mark.deep)], ids=["short", "long"]
)
def test_random_calls_on_6_1(arch: str, calls: int) -> None:
    ready(arch)
    with on_qemu(arch=arch) as differ:
        assert differ.facts.profile == GUESTS[arch]
        total = compare(differ, seed=1, calls=calls)
        assert not total.found, show(differ.shrink(total.found[0]))


SIZES = range(2, 16)


def program_of_may_2022(areas: int) -> Iterator[Call]:
    """fork, and the child maps a page at 1 << 54 and writes to it (the thread's test program),
    in a process that has ``areas`` more areas than the agent; they fill a leaf of the tree."""
    private, shared = MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS
    for nth in range(areas):
        yield Call(1, "mmap", (0x10000000 + 2 * nth * PAGE, PAGE, 1 + nth % 2, private, 0, 0))
    yield Call(1, "fork", (2,))
    yield Call(2, "mmap", (1 << 54, PAGE, 3, shared, 0, 0))
    yield Call(2, "touch", (1 << 54, PAGE, 1))
    yield Call(2, "exit")
    yield Call(1, "munmap", (0x10000000, PAGE))


def test_the_s390_program_of_the_thread_in_the_guest() -> None:
    """The guest's kernel and the sound twin agree; with the bug put back the twin falls where the
    leaf was full."""
    ready("s390x")
    with on_qemu(arch="s390x") as differ:
        for areas in SIZES:
            calls = list(program_of_may_2022(areas))
            assert differ.rerun(Start(), calls, details=True) is None, areas
            mapped, touched = (differ.made.answers[areas + nth][0] for nth in (1, 2))
            assert (mapped.result, touched.result) == (1 << 54, 0)
            before, after = (counters(answer.status or "")["VmPTE"] for answer in (mapped, touched))
            # Three of region and segment entries, one of which is not counted, and one of ptes.
            assert after - before == (2 * CRST_BYTES + PAGE_TABLE_BYTES) // 1024
    with on_qemu([catalogue.get("metadata-as-entry")], arch="s390x") as broken:
        falls = [broken.rerun(Start(), list(program_of_may_2022(areas))) for areas in SIZES]
    found = [fall for fall in falls if fall is not None]
    assert found
    assert all("0xe00000000000000" in fall.twin for fall in found), found


def test_promises_of_huge_pages_are_lost_where_a_part_of_an_area_moves() -> None:
    """6.1.192 keeps two pages reserved for nobody; the twin foretells each count until then."""
    ready("x86_64")
    at, huge, flags = 0x30000000, 1 << 21, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB
    calls = [
        Call(1, "mmap", (at, 3 * huge, 3, flags, TOP, 0)),
        Call(1, "mremap", (at, huge, huge, 3, at + 8 * huge)),
        Call(1, "munmap", (at, 16 * huge)),
    ]
    with on_qemu() as differ:
        assert differ.rerun(Start(huge_pages=4), calls, details=True) is None
        differ.kernel.fresh()
        assert "HugePages_Rsvd:        2\n" in differ.kernel.read_text("/proc/meminfo")

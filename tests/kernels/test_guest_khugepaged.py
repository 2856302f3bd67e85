"""khugepaged of the twin against that of Debian's 6.1 in qemu: what of a program becomes huge."""

import time
from collections.abc import Iterator

import pytest
from test_guest_differential import ready

from mmtwin.kernels.abi import HUGE, MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PAGE, TOP
from mmtwin.kernels.calls import Call
from mmtwin.kernels.diff import KHUGEPAGED_SLEEP, SLEEP_MOST, Differ, on_qemu
from mmtwin.kernels.host.wire import Report
from mmtwin.kernels.maps import areas
from mmtwin.kernels.options import Start
from mmtwin.kernels.smaps import fields, records

pytestmark = [pytest.mark.oracle, pytest.mark.one_mode]

AT = 0x40000000
DAEMON = "/sys/kernel/mm/transparent_hugepage/khugepaged/"
SHMEM_ENABLED = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
MAP_FIXED = 0x10
COLD, HUGEPAGE, NOHUGEPAGE = 20, 14, 15
USUAL = {"max_ptes_none": 511, "max_ptes_shared": 256}
PATTERNS = (1, 2, 4, 32, 512)
"""Every so many pages of an area of 2 MiB are written to."""
PATIENCE_SECONDS = 60.0


def program(forks: bool) -> Iterator[Call]:
    """Areas of 2 MiB, 2 MiB apart, of small pages: written in patterns; only read; one page
    written among those that are read; read-only; cold; small for ever."""
    last = len(PATTERNS) + 5
    for nth in range(last):
        at = AT + 2 * nth * HUGE
        flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        yield Call(1, "mmap", (at, HUGE, 3, flags, TOP, 0))
        yield Call(1, "madvise", (at, HUGE, NOHUGEPAGE))
        if nth < len(PATTERNS):
            for page in range(0, 512, PATTERNS[nth]):
                yield Call(1, "touch", (at + page * PAGE, PAGE, 1))
            continue
        kind = nth - len(PATTERNS)
        yield Call(1, "touch", (at, HUGE, int(kind in (2, 3, 4))))
        if kind == 1:
            yield Call(1, "touch", (at + 5 * PAGE, PAGE, 1))
        elif kind == 2:
            yield Call(1, "mprotect", (at, HUGE, 1))
        elif kind == 3:
            yield Call(1, "madvise", (at, HUGE, COLD))
    if forks:
        yield Call(1, "fork", (2,))
        for nth in (0, 1, 2, 3):
            yield Call(1, "touch", (AT + 2 * nth * HUGE, PAGE, 1))
        yield Call(2, "touch", (AT + 4 * HUGE, PAGE, 1))
    # Last, as the first of them wakes the daemon.
    for slot in (1, 2) if forks else (1,):
        for nth in range(last - 1):
            yield Call(slot, "madvise", (AT + 2 * nth * HUGE, HUGE, HUGEPAGE))


def shared_program(forks: bool) -> Iterator[Call]:
    """The same of shared memory, but for what is read-only or cold: pages written in patterns,
    only read, at an offset that does not suit, never advised, written by the child."""
    yield Call(1, "memfd_create", (0,), b"x")
    yield Call(1, "ftruncate", (0, 4 * HUGE))
    last = len(PATTERNS) + 4
    for nth in range(last):
        at, kind = AT + 2 * nth * HUGE, nth - len(PATTERNS)
        anonymous = kind in (-1, -2, 0)
        flags = MAP_SHARED | MAP_FIXED | (MAP_ANONYMOUS if anonymous else 0)
        offset = PAGE if kind == 1 else 0
        yield Call(1, "mmap", (at, HUGE, 3, flags, TOP if anonymous else 0, offset))
        yield Call(1, "madvise", (at, HUGE, NOHUGEPAGE))
        step = PATTERNS[nth] if kind < 0 else 8
        for page in range(0, 512, step):
            yield Call(1, "touch", (at + page * PAGE, PAGE, int(kind != 0)))
    if forks:
        yield Call(1, "fork", (2,))
        for nth in range(last):
            yield Call(2, "touch", (AT + 2 * nth * HUGE + 3 * PAGE, PAGE, 1))
    for slot in (1, 2) if forks else (1,):
        for nth in range(last - 1):
            yield Call(slot, "madvise", (AT + 2 * nth * HUGE, HUGE, HUGEPAGE))
        # Shared memory alone does not bring the daemon: it asks for the flags of before.
        flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        yield Call(slot, "mmap", (AT + 40 * HUGE, HUGE, 3, flags, TOP, 0))
        yield Call(slot, "touch", (AT + 40 * HUGE, PAGE, 1))
        yield Call(slot, "madvise", (AT + 40 * HUGE, HUGE, HUGEPAGE))


@pytest.fixture(scope="module")
def differ() -> Iterator[Differ]:
    """One guest for all; what it runs begins in new processes each time."""
    ready("x86_64")
    with on_qemu() as made:
        yield made


def scanned_by_guest(differ: Differ) -> None:
    """Let the guest's daemon go round twice."""
    kernel = differ.kernel
    before = int(kernel.read_text(DAEMON + "full_scans"))
    kernel.write_text(DAEMON + "pages_to_scan", "4096")
    kernel.write_text(KHUGEPAGED_SLEEP, "0")
    end = time.monotonic() + PATIENCE_SECONDS
    while int(kernel.read_text(DAEMON + "full_scans")) < before + 3:
        assert time.monotonic() < end, "the guest's khugepaged does not scan"
        time.sleep(0.05)
    kernel.write_text(KHUGEPAGED_SLEEP, str(SLEEP_MOST))


def scanned_by_twin(differ: Differ, **limits: int) -> None:
    daemon = differ.machine.twin.khugepaged
    for name, value in limits.items():
        setattr(daemon.scan, name, value)
    for process in differ.machine.processes.values():
        daemon.enter(process.mm)
    while daemon.scan.full_scans < 2:
        daemon.step()


def told(smaps: str, maps: str) -> list[str]:
    """What smaps tells of pages in the program's areas."""
    names = ("Rss", "Pss", "Shared_Dirty", "Private_Dirty", "Anonymous", "AnonHugePages")
    names += ("ShmemPmdMapped", "THPeligible")
    return [
        f"{area.start:x} " + " ".join(f"{name} {fields(record)[name]}" for name in names)
        for record, area in zip(records(smaps), areas(maps), strict=False)
        if AT <= area.start < AT + (64 << 20)
    ]


def limit(differ: Differ, limits: dict[str, int]) -> None:
    """Set what the guest's daemon puts up with."""
    for name, value in {**USUAL, **limits}.items():
        differ.kernel.write_text(DAEMON + name, str(value))


@pytest.mark.parametrize("limits", [{}, {"max_ptes_none": 300, "max_ptes_shared": 255}])
@pytest.mark.parametrize("forks", [False, True], ids=["alone", "with a child"])
def test_the_same_memory_becomes_huge(differ: Differ, forks: bool, limits: dict[str, int]) -> None:
    limit(differ, limits)
    # Woken too early, it comes no further than one area, the one it would begin with.
    differ.kernel.write_text(DAEMON + "pages_to_scan", "1")
    assert differ.rerun(Start(), list(program(forks))) is None
    scanned_by_guest(differ)
    scanned_by_twin(differ, **limits)
    huge = 0
    for slot in sorted(differ.machine.processes):
        call = [Call(slot, "look")]
        (answer,) = differ.kernel.carry_out(call, Report.MAPS | Report.SMAPS)
        (ours,) = differ.machine.carry_out(call[0], details=True)
        theirs = told(answer.smaps or "", answer.maps or "")
        assert told(ours.smaps, ours.maps) == theirs
        huge += sum("AnonHugePages 2048 kB" in line for line in theirs)
    assert huge > 0


@pytest.mark.parametrize("limits", [{}, {"max_ptes_none": 300}], ids=["usual", "few holes"])
@pytest.mark.parametrize("forks", [False, True], ids=["alone", "with a child"])
def test_the_same_shared_memory_becomes_huge(
    differ: Differ, forks: bool, limits: dict[str, int]
) -> None:
    """What the daemons leave, and what touches find then."""
    limit(differ, limits)
    differ.kernel.write_text(SHMEM_ENABLED, "advise")
    differ.kernel.write_text(DAEMON + "pages_to_scan", "1")
    assert differ.rerun(Start(), list(shared_program(forks))) is None
    space = differ.machine.twin.space
    space.view("sysctl", space.sysctl).shmem_enabled = 3
    scanned_by_guest(differ)
    scanned_by_twin(differ, **limits)
    huge = 0
    for touch in (None, 0, 1):
        for slot in sorted(differ.machine.processes):
            calls = [Call(slot, "look")]
            if touch is not None:
                at = AT + 2 * HUGE * (touch + slot)
                calls = [Call(slot, "touch", (at, 8 * PAGE, touch)), *calls]
            answer = differ.kernel.carry_out(calls, Report.MAPS | Report.SMAPS)[-1]
            ours = [differ.machine.carry_out(call, details=True)[0] for call in calls][-1]
            theirs = told(answer.smaps or "", answer.maps or "")
            assert told(ours.smaps, ours.maps) == theirs
            huge += sum("ShmemPmdMapped 2048 kB" in line for line in theirs)
    assert huge > 0

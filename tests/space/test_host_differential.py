"""The twin against this machine's own kernel, where that is a 6.18 and lets us ask it."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_record import ALL, RECORDS, SEGMENTS, results

from mmtwin.cli.diff import finding
from mmtwin.kernels import abi
from mmtwin.kernels.abi import HUGE, PAGE, TOP
from mmtwin.kernels.calls import Call
from mmtwin.kernels.diff import Differ, compare, on_host
from mmtwin.kernels.host.agent import KernelDiedError
from mmtwin.kernels.host.build import NotHereError
from mmtwin.kernels.host.kernel import HostKernel
from mmtwin.kernels.host.wire import Report
from mmtwin.kernels.machine import Process
from mmtwin.kernels.options import Start
from mmtwin.kernels.strace import show


@pytest.fixture(scope="module")
def differ() -> Iterator[Differ]:
    try:
        with on_host() as made:
            if made.facts.profile != "6.18":
                pytest.skip("this machine's kernel is no 6.18, of which the record is")
            yield made
    except NotHereError as error:
        pytest.skip(str(error))


def test_random_calls(differ: Differ) -> None:
    total = compare(differ, seed=1, calls=2000)
    assert not total.found, show(differ.shrink(total.found[0]))
    assert total.calls == 2000


@pytest.mark.deep
def test_many_random_calls(differ: Differ) -> None:
    total = compare(differ, seed=100_000, calls=200_000)
    assert not total.found, show(differ.shrink(total.found[0]))


def test_the_same_seed_is_the_same_run(differ: Differ) -> None:
    assert differ.run(7).calls == differ.run(7).calls


def test_a_difference_is_found_and_shrunk(differ: Differ, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin that forgets half of what munmap is told."""
    honest = differ.machine._calls["munmap"]

    def forgetful(process: Process, call: Call) -> int:
        at, length = call.args
        return honest(process, Call(call.slot, call.name, (at, length // 2)))

    monkeypatch.setitem(differ.machine._calls, "munmap", forgetful)
    total = compare(differ, seed=1, calls=2000)
    assert total.found
    run = differ.shrink(total.found[0])
    assert run.found is not None
    assert len(run.calls) <= 2
    assert run.calls[-1].name == "munmap"
    assert "munmap" in show(run)


def test_a_difference_that_does_not_come_again_is_told_as_it_was(
    differ: Differ, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A twin that is wrong once."""
    honest = differ.machine._calls["munmap"]
    wrong = iter([True])

    def wrong_once(process: Process, call: Call) -> int:
        return -errno.EIO if next(wrong, False) else honest(process, call)

    monkeypatch.setitem(differ.machine._calls, "munmap", wrong_once)
    total = compare(differ, seed=1, calls=2000)
    (found,) = total.found
    run = differ.shrink(found)
    assert run is found
    document, text = finding(differ, run, tmp_path, "host")
    assert document["evidence"]["again"] is False
    assert "The same calls made again agree" in text


def test_a_pin_for_reading_meets_no_batch(differ: Differ) -> None:
    """Seed 8013312: munlocked pages wait in a processor's batch; a pin then would copy them."""
    start = 0x1001A000
    calls = [
        Call(1, "mmap", (start, 8 * PAGE, 3, 0x2022, 0, 0)),
        Call(1, "fork", (2,)),
        Call(1, "munmap", (start + 4 * PAGE, 2 * PAGE)),
        Call(2, "process_vm_readv", (start + 5 * PAGE, 512)),
    ]
    assert differ.rerun(Start(), calls, details=True) is None


def test_recorded_answers_still_hold(differ: Differ) -> None:
    """What the record says, this kernel says."""
    recorded = json.loads(RECORDS["6.18"].read_text())
    with HostKernel(segments=SEGMENTS) as kernel:
        for title, calls in ALL.items():
            kernel.fresh()
            kernel.spawn()
            got = kernel.carry_out(calls, Report.NONE)
            assert results(calls, got) == recorded["answers"][title]["results"], title


def test_a_process_that_dies_is_told_of(differ: Differ) -> None:
    kernel = differ.kernel
    kernel.fresh()
    image = kernel.spawn()
    whole = image.end - image.start
    fatal = Call(1, "munmap", (image.start, whole))
    with pytest.raises(KernelDiedError, match="ended by signal 11"):
        kernel.carry_out([Call(1, "look"), fatal, Call(1, "look")])
    assert kernel.spawn(2).maps == image.maps


def test_segments_of_huge_pages_where_there_are_none(differ: Differ) -> None:
    """Without promises such a segment can be had, but not touched; the other one is none."""
    first = differ.options.segments
    start = Start(huge_segments=((HUGE, 0), (HUGE, abi.SHM_NORESERVE)))
    calls = [
        Call(1, "shmat", (first, 16 * HUGE, 0)),
        Call(1, "shmat", (first + 1, 16 * HUGE, 0)),
        Call(1, "touch", (16 * HUGE, PAGE, 1)),
    ]
    assert differ.rerun(start, calls) is None
    assert differ.made.answers[0][0].result == -errno.EINVAL


@pytest.mark.parametrize("more", [0, abi.MAP_ABOVE4G])
def test_where_a_search_above_4_gib_finds_nothing(differ: Differ, more: int) -> None:
    """No gap above is as large: without MAP_ABOVE4G there is room further down."""
    flags, size = abi.MAP_PRIVATE | abi.MAP_ANONYMOUS | abi.MAP_NORESERVE, 1 << 29
    taken = (1 << 32, 0x7FFE_E000_0000, 0, flags | abi.MAP_FIXED, TOP, 0)
    wanted = [(1 << 32, size, 0, flags | more, TOP, 0), (1 << 31, PAGE, 0, flags | more, TOP, 0)]
    calls = [Call(1, "mmap", taken), *(Call(1, "mmap", args) for args in wanted)]
    assert differ.rerun(Start(), calls) is None
    found = differ.made.answers[1][0].result
    assert found == -errno.ENOMEM if more else 0 < found < 1 << 32
    assert differ.made.answers[2][0].result == 1 << 31


def test_wrong_calls_are_refused(differ: Differ) -> None:
    with pytest.raises(ValueError, match="no call is named 'frobnicate'"):
        differ.kernel.carry_out([Call(1, "frobnicate")])
    with pytest.raises(ValueError, match="payload"):
        differ.kernel.carry_out([Call(1, "open", (0,), b"x" * 5000)])

"""The twin against this machine's own kernel, where that is a 6.18 and lets us ask it."""

import json
from collections.abc import Iterator

import pytest
from host_record import RECORD, SEGMENTS, results
from host_sequences import SEQUENCES

from mmtwin.kernels.calls import Call
from mmtwin.kernels.diff import Differ, compare, on_host
from mmtwin.kernels.host.agent import KernelDiedError
from mmtwin.kernels.host.build import NotHereError
from mmtwin.kernels.host.kernel import HostKernel
from mmtwin.kernels.host.wire import Report
from mmtwin.kernels.machine import Process
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


def test_recorded_answers_still_hold(differ: Differ) -> None:
    """What the record says, this kernel says."""
    recorded = json.loads(RECORD.read_text())
    with HostKernel(segments=SEGMENTS) as kernel:
        for title, calls in SEQUENCES.items():
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


def test_wrong_calls_are_refused(differ: Differ) -> None:
    with pytest.raises(ValueError, match="no call is named 'frobnicate'"):
        differ.kernel.carry_out([Call(1, "frobnicate")])
    with pytest.raises(ValueError, match="payload"):
        differ.kernel.carry_out([Call(1, "open", (0,), b"x" * 5000)])

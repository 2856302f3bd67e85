"""A program that touches more than there is: it swaps, and is checked while it does."""

from itertools import product

import pytest
from against_traces import ANON, FIXED, RW, Trace

from mmtwin.check.run import Check, Run
from mmtwin.machine.profile import profile
from mmtwin.space import pte_bits as p
from mmtwin.trace.records import Touch
from modes import sample

BASE = 0x10000000
CHUNK = 1 << 18
CHUNKS = 40
MIB = 1 << 20


def program() -> Trace:
    """10 MiB written piece by piece, read from the beginning again, half of it unmapped."""
    trace = Trace()
    trace.mmap(BASE, CHUNK * CHUNKS, RW, ANON | FIXED, ret=BASE)
    for write in (True, False):
        for nth in range(CHUNKS):
            trace.records.append(
                Touch(
                    line=len(trace.records) + 1,
                    pid=7,
                    addr=BASE + nth * CHUNK,
                    len=CHUNK,
                    write=write,
                )
            )
    trace.unmap(BASE, CHUNK * CHUNKS // 2)
    return trace


@pytest.mark.parametrize(
    ("kernel", "check"), sample(list(product(["6.1", "6.18"], [Check.TOUCHED, Check.BISECT])), 3)
)
def test_a_program_larger_than_the_ram_swaps(
    kernel: str, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = program()
    run = Run(lambda: trace.records, profile(kernel), check=check, ram=6 * MIB, swap=32 * MIB)
    twin = run.twin(keep_journal=check is Check.BISECT)
    monkeypatch.setattr(run, "twin", lambda **_: twin)
    result = run.run()
    assert result.ok, result.findings[0].message
    pages = twin.pages
    assert pages.vm_event("pswpout") > 1500
    assert pages.vm_event("pswpin") > 1000
    (mm,) = twin.mms()
    held = [twin.space.rss(mm, member) for member in (p.MM_ANONPAGES, p.MM_SWAPENTS)]
    assert sum(held) >= CHUNK * CHUNKS // 2 // 4096


def test_without_swap_the_program_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = program()
    run = Run(lambda: trace.records[:30], profile("6.1"), ram=6 * MIB)
    twin = run.twin()
    monkeypatch.setattr(run, "twin", lambda **_: twin)
    run.run()
    report = twin.victims.report
    assert report[0].startswith("thread-7 invoked oom-killer: gfp_mask=0x")
    assert "Killed process 7 (thread-7)" in report[-1]

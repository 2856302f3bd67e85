"""The s390 program of May 2022: as the guest ran it, and as the broken kernel did."""

from dataclasses import replace

import pytest

from mmtwin.check.run import Check, Run
from mmtwin.data import recorded_upgrade
from mmtwin.machine.profile import PROFILES
from mmtwin.regressions import catalogue
from mmtwin.replay.against import Against
from mmtwin.replay.kernel import profile_of
from mmtwin.trace.reader import read_trace
from mmtwin.twin import Twin


def records():
    """The trace of the program, recorded on Debian's 6.1.176 for s390x."""
    return read_trace(recorded_upgrade())


def test_the_trace_tells_where_it_is_from():
    name, why = profile_of(next(iter(records())))
    assert (name, why) == ("6.1-s390x", "recorded on 6.1.0-50-s390x")


@pytest.mark.parametrize("name", ["6.1-s390x", "5.18-rc6"])
@pytest.mark.parametrize("check", [Check.TOUCHED, Check.EVERY])
def test_the_twin_agrees_with_the_guest(name, check):
    result = Run(records, PROFILES[name], check=check).run()
    assert result.ok
    assert (result.counts.disagreed, result.counts.maps_compared > 1) == (0, True)
    assert result.counts.reasons == {"exec's random mmap base, first seen here": 1}


def test_with_the_bug_the_kernel_faults_at_the_threads_address():
    bug = catalogue.get("metadata-as-entry")
    result = Run(records, PROFILES["5.18-rc6"], regressions=[bug]).run()
    (found,) = result.findings
    assert (found.kind, found.step, found.pid) == ("bug", 4, 76)
    assert found.call.startswith("mmap(0x40000000000000")
    assert found.evidence["address"] == "0xe00000000000000"


def test_a_little_endian_machine_reads_another_word():
    bug = catalogue.get("metadata-as-entry")
    little = replace(PROFILES["5.18-rc6"], big_endian=False)
    (found,) = Run(records, little, regressions=[bug]).run().findings
    assert found.evidence["address"] == "0xe"


def test_the_bug_is_seen_in_the_tree_before_it_strikes():
    found = catalogue.get("metadata-as-entry").find()
    assert found is not None
    assert (found.step, found.invariants) == (1, {"MT-25"})
    assert "0xe00000000000000" in str(found.violations[0])


def test_it_parts_the_broken_kernel_from_the_sound_one():
    bug = catalogue.get("metadata-as-entry")
    sides = [Twin(PROFILES["5.18-rc6"], bugs, ram=1 << 28) for bugs in ([bug], [])]
    found = Against(sides[0], sides[1], records).run()
    assert found is not None
    assert (found.part, found.step) == ("result", 4)
    assert "0xe00000000000000" in str(found.left.answer)
    assert str(found.right.answer) == "0x40000000000000"

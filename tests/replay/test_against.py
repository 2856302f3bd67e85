"""One trace under two kernels: followed where they only place things elsewhere, stopped else."""

import json
from itertools import islice

import pytest
from against_traces import ANON, FIXED, RW, Trace, trace_file
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mmtwin.cli import app, commands
from mmtwin.data import recorded_compiler
from mmtwin.machine.profile import PROFILES
from mmtwin.regressions import catalogue
from mmtwin.replay.against import PARTS, Against
from mmtwin.replay.moved import Moved
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Record
from mmtwin.twin import Twin
from modes import COMPILED

P = 0x1000
RAM = 1 << 28


def part(left: str, right: str, records: list[Record], parts=PARTS, bugs=()):
    """The run of both, and where they part."""
    run = Against(
        Twin(PROFILES[left], [catalogue.get(bug) for bug in bugs], ram=RAM),
        Twin(PROFILES[right], ram=RAM),
        lambda: records,
        parts=parts,
    )
    return run, run.run()


@pytest.mark.parametrize("name", ["6.1", "6.18", "6.1-s390x"])
def test_a_kernel_agrees_with_itself(name):
    trace = list(islice(read_trace(recorded_compiler()), None if COMPILED else 300))
    run, found = part(name, name, trace)
    assert found is None
    assert run.counts.steps == len(trace)
    assert run.counts.followed == run.counts.trees_by_shape == 0


def test_two_kernels_that_place_a_huge_mapping_apart_are_followed_up_to_a_merge():
    trace = list(read_trace(recorded_compiler()))
    run, found = part("6.18", "6.1", trace, ("result", "maps"))
    assert found is not None
    assert (found.part, found.step) == ("maps", 99)
    assert found.left.answer.result == 0x7F5254E00000  # aligned to 2 MiB since 6.7
    assert found.right.answer.result == 0x7F5254F6A000  # next to its neighbour, and merged
    assert run.counts.followed == 1
    assert run.counts.passed_over["trees"] > 0


def test_the_trees_part_where_the_stores_do():
    _, found = part("6.18", "6.1", list(read_trace(recorded_compiler())))
    assert found is not None
    assert (found.part, found.step, found.path) == ("trees", 52, ())


def test_calls_on_memory_that_lies_elsewhere_are_followed():
    trace = Trace()
    shared = trace.mmap(0, 4 * P, RW, 0x21, ret=0x7FFFF7F00000)
    trace.protect(shared + P, P, 1)
    trace.unmap(shared + 2 * P, P)
    trace.remap(shared, P, 3 * P, ret=0x7FFFF7E00000)
    trace.lock(0x7FFFF7E00000, 3 * P)
    run, found = part("6.1", "6.1-s390x", trace.records)  # which aligns shared memory to 512 KiB
    assert found is None
    assert run.counts.followed == 2


def test_a_child_remembers_where_things_lie():
    trace = Trace()
    shared = trace.mmap(0, 4 * P, RW, 0x21, ret=0x7FFFF7F00000)
    trace.fork(8)
    trace.unmap(shared + P, P, pid=8)
    trace.protect(shared, P, 1)
    _, found = part("6.1", "6.1-s390x", trace.records)
    assert found is None


def test_an_answer_of_another_kind_parts_them():
    trace = Trace()
    trace.mmap(1 << 50, P, RW, ANON | FIXED, ret=-12)
    _, found = part("6.1", "6.1-s390x", trace.records)
    assert found is not None
    assert found.part == "result"
    assert (str(found.left.answer), str(found.right.answer)) == ("-ENOMEM", "0x4000000000000")


def test_without_numa_there_is_no_mbind():
    trace = Trace()
    at = trace.mmap(0x10000000, P, RW, ANON | FIXED, ret=0x10000000)
    trace.bind(at, P)
    _, found = part("6.18", "6.18-up", trace.records)
    assert found is not None
    assert (found.part, str(found.right.answer)) == ("result", "-ENOSYS")
    assert part("6.18", "6.18", trace.records)[1] is None


def test_a_bug_put_back_parts_a_kernel_from_itself():
    trace = Trace()
    trace.brk(0, ret=0x490000)
    trace.brk(0x494000, ret=0x494000)
    trace.unmap(0x490000, 0x4000)
    trace.brk(0x492000, ret=0x492000)
    assert part("6.1", "6.1", trace.records)[1] is None
    _, found = part("6.1", "6.1", trace.records, bugs=["brk-no-area"])
    assert found is not None
    assert (found.part, found.step) == ("result", 5)
    assert "kernel BUG" in str(found.left.answer)


def test_the_command_tells_both_sides(tmp_path):
    runner = CliRunner()
    if not app.app.registered_commands:
        commands.register(app.app)
    trace = Trace()
    trace.mmap(1 << 50, P, RW, ANON | FIXED, ret=-12)
    path = trace_file(tmp_path, trace)
    base = ["replay", str(path), "--profile", "6.1", "--ram", "256M"]
    told = runner.invoke(app.app, [*base, "--against", "6.1-s390x", "--json"])
    assert told.exit_code == 1
    found = json.loads(told.stdout)["findings"][0]
    assert found["evidence"]["part"] == "result"
    assert found["evidence"]["right"]["answer"] == "0x4000000000000"
    shown = runner.invoke(app.app, [*base, "--against", "6.1-s390x"])
    assert "FIRST DIVERGENCE" in shown.stdout
    assert "-ENOMEM" in shown.stdout
    assert runner.invoke(app.app, [*base, "--against", "6.1"]).exit_code == 0
    assert runner.invoke(app.app, [*base, "--against", "2.6"]).exit_code == 2
    assert runner.invoke(app.app, [*base, "--part", "maps"]).exit_code == 2


# Where things lie.


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8), st.integers(-40, 40))))
def test_moved_says_of_every_byte_where_it_lies(told):
    moved, model = Moved(), dict.fromkeys(range(-1, 50), 0)
    for start, length, by in told:
        moved.add(start, start + length, by)
        model.update(dict.fromkeys(range(start, start + length), by))
    assert {at: moved.by(at) for at in model} == model
    where = sorted(at + model[at] for at in range(40))
    pieces = [at for low, high in moved.pieces(0, 40) for at in range(low, high)]
    assert sorted(pieces) == where or len(set(where)) < len(where)


def test_pieces_that_touch_are_one():
    moved = Moved()
    moved.add(10, 20, 100)
    moved.add(20, 30, 100)
    assert moved.pieces(10, 30) == ((110, 130),)
    moved.forget(15, 25)
    assert moved.pieces(10, 30) == ((15, 25), (110, 115), (125, 130))

"""One trace on pages of 4 and of 64 KiB: followed as long as sizes and places fit both."""

import random
from itertools import islice
from pathlib import Path

import pytest
from against_traces import ANON, FIXED, RW, Trace
from typer.testing import CliRunner

from mmtwin.cli import app, commands
from mmtwin.data import recorded_compiler
from mmtwin.machine.profile import PROFILES
from mmtwin.replay.against import PARTS, Against, Divergence
from mmtwin.trace.maps import parse_maps
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Record
from mmtwin.twin import Twin

P, P64 = 1 << 12, 1 << 16
SMALL, LARGE = "6.1", "6.1-arm64-64k"
BUNDLED = [recorded_compiler(), *sorted((Path(__file__).parents[1] / "data").glob("*.jsonl.xz"))]


def part(records: list[Record], left: str = SMALL, right: str = LARGE, parts=PARTS):
    """The run of both, and where they part."""
    twins = [Twin(PROFILES[name], ram=1 << 28) for name in (left, right)]
    run = Against(*twins, lambda: records, parts=parts)
    return run, run.run()


def mapped(found: Divergence) -> list[int]:
    """How long what the step mapped is on each side."""
    sizes = []
    for state in (found.left, found.right):
        lines = parse_maps("\n".join(state.lines) + "\n")
        at = state.answer.result
        sizes += [line.end - line.start for line in lines if line.start == at]
    return sizes


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.name.partition(".")[0])
def test_a_recorded_program_is_followed_to_the_first_length_that_does_not_fit(path: Path) -> None:
    """That is the loader's first memory, of two small pages: one large page holds them."""
    records = list(islice(read_trace(path), 40))
    run, found = part(records)
    assert found is not None
    assert found.part == "maps"
    assert found.call == "mmap(0x0, 0x2000, 0x3, 0x22, 0xffffffff, 0x0)"
    assert mapped(found) == [2 * P, P64]
    assert run.counts.maps == found.step <= 6


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.name.partition(".")[0])
def test_and_further_to_the_first_part_of_a_file_that_begins_between_large_pages(
    path: Path,
) -> None:
    _, found = part(list(islice(read_trace(path), 40)), parts=("result",))
    assert found is not None
    assert found.call.startswith("mmap(")
    assert int(found.call.rstrip(")").rpartition(" ")[2], 16) % P64
    assert found.right.answer.result == -22
    assert found.left.lines
    assert found.right.lines


def test_the_other_way_round_too() -> None:
    _, found = part(list(islice(read_trace(recorded_compiler()), 40)), LARGE, SMALL)
    assert found is not None
    assert (found.part, mapped(found)) == ("maps", [P64, 2 * P])


@pytest.mark.parametrize("seed", range(4))
def test_sizes_that_fit_both_agree_to_the_end(seed: int) -> None:
    """Where memory is put is followed; what becomes of it is the same, step by step."""
    chance = random.Random(seed)
    trace = Trace()
    blocks: list[int] = []
    low = 0x10000000
    for nth in range(120):
        size = chance.randrange(1, 9) * P64
        place = 0x7F0000000000 - (nth + 1) * 32 * P64
        kind = chance.randrange(6)
        if kind == 0 or not blocks:
            blocks.append(trace.mmap(place, size, RW, ANON | FIXED, ret=place))
        elif kind == 1:
            low += 16 * P64
            blocks.append(trace.mmap(low, size, chance.choice([0, 1, RW]), ANON | FIXED, ret=low))
        else:
            at = chance.choice(blocks) + chance.randrange(4) * P64
            if kind == 2:
                trace.unmap(at, size)
            elif kind == 3:
                trace.protect(at, size, chance.choice([0, 1, RW]))
            elif kind == 4:
                trace.lock(at, P64)
            else:
                trace.mmap(at, size, RW, ANON | FIXED, ret=at)
    trace.fork(8)
    run, found = part(trace.records)
    assert found is None
    assert run.counts.steps == 122
    assert run.counts.trees + run.counts.trees_apart == 123


def test_memory_without_a_place_is_followed() -> None:
    trace = Trace()
    at = trace.mmap(0, 4 * P64, RW, ANON, ret=0x7FFFF7F00000)
    trace.protect(at + P64, P64, 1)
    trace.unmap(at + 2 * P64, P64)
    trace.remap(at, P64, P64, ret=at)
    trace.fork(8)
    run, found = part(trace.records)
    assert found is None
    assert run.counts.followed >= 1


def test_a_place_between_large_pages_is_refused() -> None:
    trace = Trace()
    trace.mmap(0x10000000, 2 * P64, RW, ANON | FIXED, ret=0x10000000)
    trace.protect(0x10000000 + P, P64, 1)
    _, found = part(trace.records)
    assert found is not None
    assert (found.part, found.step) == ("result", 3)
    assert found.left.answer.result == 0
    assert found.right.answer.result == -22
    assert any(line.startswith("10000000-10020000 rw-p") for line in found.right.lines)


def test_a_fixed_mapping_too() -> None:
    trace = Trace()
    trace.mmap(0x10001000, P64, RW, ANON | FIXED, ret=0x10001000)
    _, found = part(trace.records)
    assert found is not None
    assert (found.part, found.right.answer.result) == ("result", -22)


def test_the_command_shows_both_states() -> None:
    arguments = ["replay", str(recorded_compiler()), "--profile", SMALL, "--against", LARGE]
    if not app.app.registered_commands:
        commands.register(app.app)
    told = CliRunner().invoke(app.app, arguments)
    assert told.exit_code == 1, told.output
    assert "FIRST DIVERGENCE" in told.output

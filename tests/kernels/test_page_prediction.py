"""The twin foretells which frames a recorded kernel hands out."""

import lzma
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmtwin.check.pages import PageCheck
from mmtwin.cli import commands
from mmtwin.cli.app import app
from mmtwin.kernels.host.build import NotHereError
from mmtwin.kernels.pages import recording as r
from mmtwin.kernels.pages.follow import Follow, Replayed
from mmtwin.kernels.pages.guest import record
from mmtwin.kernels.pages.predict import Predictor
from mmtwin.kernels.pages.recording import BadRecording, Recording, load
from mmtwin.pages.pages import Pages
from mmtwin.pages.state import machine

RECORDED = Path(__file__).parent.parent / "data" / "pages-6.1.json.xz"


@pytest.fixture(scope="module")
def recorded() -> Recording:
    return load(RECORDED)


def shortened(recorded: Recording, events: int) -> Recording:
    return Recording(recorded.kernel, recorded.start, recorded.events[:events], recorded.end)


def test_every_frame_and_every_list_comes_out_as_in_the_kernel(recorded: Recording) -> None:
    predictor = Predictor(recorded)
    result = predictor.run()
    assert result.asked.total() > 9000
    assert set(result.asked) >= {0, 1, 3}
    assert result.right == result.asked
    assert result.lists[0] == result.lists[1]
    assert result.texts == {"buddyinfo": True, "pagetypeinfo": True}
    for name in ("mm_page_alloc_zone_locked", "mm_page_pcpu_drain", "mm_page_alloc_extfrag"):
        assert result.foretold[name] == result.events[name]
    assert not result.kinds
    assert PageCheck(predictor.pages, lru=False).full() == []


@pytest.mark.parametrize("end", ["start", "end"])
def test_the_kernels_own_state_keeps_every_invariant(recorded: Recording, end: str) -> None:
    pages = machine(getattr(recorded, end), Pages)
    assert PageCheck(pages, lru=False).full() == []


def test_a_wrong_list_is_noticed_and_set_right(recorded: Recording) -> None:
    short = shortened(recorded, 12_000)
    predictor = Predictor(short)
    follow = predictor.follow
    # The first page of a list goes to its end.
    first, second = short.start.zones[1].pcps[0].lists[0][:2]
    follow._refill(first, 0, 0)
    result = predictor.run()
    assert result.asked.total() > result.right.total() > 0.99 * result.asked.total()
    assert set(result.kinds) == {"the per-cpu list is in another order"}
    assert result.misses[0].twin == second


def test_what_the_recording_does_not_tell_is_a_miss_of_its_kind(recorded: Recording) -> None:
    short = shortened(recorded, 6_000)
    allocations = [nth for nth, event in enumerate(short.events) if event[0] == r.ALLOC]
    # The kernel took a page that the record does not name.
    del short.events[allocations[10]]
    result = Predictor(short).run()
    assert 1 <= result.asked.total() - result.right.total() <= 2
    assert result.misses[0].number == allocations[11] - 1


def test_a_page_freed_past_locked_lists_goes_to_the_buddy_lists(recorded: Recording) -> None:
    pages = machine(recorded.start, Replayed)
    follow = Follow(pages)
    page = pages.alloc_pages(pages.era.gfp.value("GFP_KERNEL"), 0)
    pfn = pages.page_to_pfn(page)
    with follow.locked_lists(pfn):
        assert follow.free(pfn, 0)
    assert follow.on_pcp(pfn) is None
    assert follow.free_head(pfn) is not None


def test_chunks_are_seized_from_every_list_and_put_back(recorded: Recording) -> None:
    pages = machine(recorded.start, Replayed)
    follow = Follow(pages)
    zone = recorded.start.zones[1]
    inside = zone.free[10][1][3] + 17
    follow.seize(inside, 0)
    assert follow.free_head(inside) is None
    waiting = zone.pcps[0].lists[1][2]
    follow.seize(waiting, 0)
    assert PageCheck(pages, lru=False).full() == []
    follow.put_back(inside, 0, 1)
    assert follow.free_head(inside) == (zone.free[10][1][3], 10)
    follow.isolate(zone.free[10][1][4], 10)
    assert PageCheck(pages, lru=False).full() == []


def run(*arguments: str) -> tuple[int, str]:
    if not app.registered_commands:
        commands.register(app)
    result = CliRunner().invoke(app, ["diff", "--pages", *arguments])
    return result.exit_code, result.output


def test_the_command_replays_a_recording() -> None:
    code, output = run("--recording", str(RECORDED))
    assert code == 0
    assert "100.000%" in output
    assert all(len(line) <= 80 for line in output.splitlines())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        lzma.compress(b"{"),
        lzma.compress(b'{"schema": 1}'),
        lzma.compress(b"\xff\xfe"),
        RECORDED.read_bytes()[:2000],
    ],
)
def test_what_is_no_recording_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "recording.xz"
    path.write_bytes(content)
    with pytest.raises(BadRecording):
        load(path)
    code, _ = run("--recording", str(path))
    assert code == 2


def test_a_recording_of_impossible_events_is_refused(recorded: Recording, tmp_path: Path) -> None:
    for damage in ([99, 1], [r.ALLOC, 1], [r.FREE, -5, 0], [r.FREE, 1 << 40, 0], [r.FREE, 0, 77]):
        short = shortened(recorded, 10)
        short.events.append(damage)
        path = tmp_path / "recording.xz"
        r.save(short, path)
        code, _ = run("--recording", str(path))
        assert code == 2, damage


def test_this_machines_memory_is_not_recorded() -> None:
    code, _ = run()
    assert code == 2


@pytest.mark.oracle
@pytest.mark.deep
def test_a_guest_is_foretold() -> None:
    try:
        recorded = record(10_000, 1, 512)
    except NotHereError as error:
        pytest.skip(str(error))
    result = Predictor(recorded).run()
    assert result.asked.total() > 10_000
    assert result.share >= 0.95

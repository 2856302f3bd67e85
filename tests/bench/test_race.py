"""The race itself: rounds, what is too slow, ratios, targets, documents and pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mmtwin.bench import life, plots, race
from mmtwin.bench.document import contest_document, target_document
from mmtwin.bench.life import Reading, lives, paced
from mmtwin.bench.peer import Loop, Took, highest_gap, lowest_gap
from mmtwin.bench.peers.lists import Lists
from mmtwin.bench.peers.maple import Single
from mmtwin.bench.race import ChildDied, Race, forked, rotated, weighed
from mmtwin.bench.result import Cell, Contest, Standing, ratio
from mmtwin.bench.rows import TIMED, Row
from mmtwin.bench.state import StateError, load, save
from mmtwin.bench.tables import page
from mmtwin.bench.targets import targets
from mmtwin.bench.work import BLOCK, CELL, SPANNED, Stored, Work, range_of


def silent(_: str) -> None:
    return


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of few lives, memory of few ranges: figures are there, but not steady."""
    monkeypatch.setattr(life, "LIVES", 2)
    monkeypatch.setattr(race, "HELD", 2_000)


def test_the_work_is_what_it_says() -> None:
    work, again = Work(640), Work(640)
    assert (work.random, work.lookups, work.fill) == (again.random, again.lookups, again.fill)
    assert sorted(work.random) == work.ascending == [range_of(cell) for cell in range(640)]
    for cell, (start, stop, _) in enumerate(work.ascending):
        assert cell * CELL <= start < stop < (cell + 1) * CELL
    held = {i for start, stop, _ in work.ascending for i in range(start, stop)}
    assert held.issuperset(work.lookups)
    assert held.issuperset(work.erase)
    for start, stop, _ in work.split:
        (around,) = (r for r in work.ascending if r.start < start and stop < r.stop)
        assert around.stop - stop > 0
    for start, stop, _ in work.span:
        touched = [r for r in work.ascending if r.start < stop and start < r.stop]
        assert len(touched) == SPANNED
        assert touched[0].start < start
        assert stop < touched[-1].stop
    assert len(work.span) == 640 // BLOCK
    changed = [*work.split, *work.span]
    assert not held & {
        index for index in work.erase for start, stop, _ in changed if start <= index < stop
    }


def test_a_row_stops_when_its_time_is_up() -> None:
    def make(part: Sequence[int]) -> Loop:
        return lambda: Took(len(part) * 1000, len(part) * 2000)

    reading = paced(make, range(1_000_000), 1_000_000)
    assert not reading.complete
    assert 900 <= reading.done <= 1100
    assert reading.each == 1000
    assert paced(make, range(500), 1_000_000).complete


def test_what_warms_up_does_not_count() -> None:
    seen: list[int] = []

    def make(part: Sequence[int]) -> Loop:
        seen.extend(part)
        return lambda: Took(sum(part), 0)

    reading = paced(make, [1000] * 20 + [1] * 60, 1_000_000, 5, warm=20)
    assert (len(seen), reading.done, reading.asked, reading.each) == (80, 60, 60, 1)
    reading = paced(make, [1000] * 20 + [1] * 60, 10_000, 1, warm=20)
    assert (reading.asked, reading.complete) == (79, False)


@pytest.mark.usefixtures("brief")
def test_all_maps_hold_the_same_in_the_end() -> None:
    work = Work(256)
    found = {forked(lives, kind, work, digest=True).digest for kind in (Single, Lists)}
    assert len(found) == 1
    assert None not in found


@pytest.mark.one_mode
@pytest.mark.usefixtures("brief")
def test_a_race_measures_every_row() -> None:
    run = Race(["maple", "lists", "kernel"], [200], silent, rounds=2)
    (contest,) = run.run()
    assert contest.agree()
    for name in run.kinds:
        standing = contest.of(name)
        assert standing is not None
        for row in Row:
            figure = standing.figure(row)
            assert figure is not None
            assert figure > 0
        assert all(len(cell.each) == 2 for cell in standing.cells.values())


@pytest.mark.one_mode
@pytest.mark.usefixtures("brief")
def test_an_interrupted_race_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured is given, kept and not measured again; another command is refused."""
    path = tmp_path / "state.json"
    measured: list[tuple[str, int]] = []

    def begun(ends: int) -> Race:
        def told(text: str) -> None:
            if len(measured) == ends:
                raise KeyboardInterrupt
            measured.append((text, ends))

        made = Race(["maple", "lists"], [200, 300], told, rounds=2)
        made.state = load(path, made.settings)
        made.saved = lambda state: save(path, state)
        return made

    first = begun(7)
    contests = first.run()
    assert first.interrupted
    assert [contest.size for contest in contests] == [200]
    maple, lists = contests[0].standings
    assert (len(maple.cells[Row.SPLIT].each), len(lists.cells[Row.SPLIT].each)) == (1, 2)
    assert maple.bytes
    again = begun(1000)
    contests = again.run()
    assert not again.interrupted
    assert len(measured) == 4 + 2 * 2 * 2
    assert len({text for text, _ in measured}) == len(measured)
    for contest in contests:
        assert contest.agree()
        assert all(len(s.cells[Row.SPLIT].each) == 2 and s.bytes for s in contest.standings)
    assert contests[0].standings[0].cells[Row.SPLIT].each[0] == maple.cells[Row.SPLIT].each[0]
    with pytest.raises(StateError, match="it was begun with rounds 2, not 3"):
        load(path, Race(["maple", "lists"], [200, 300], silent, rounds=3).settings)
    path.write_text("{}", "utf-8")
    with pytest.raises(StateError):
        load(path, again.settings)


class Sluggish(Lists):
    """Too slow for more than a hundred ranges."""

    name = "sluggish"

    def store(self, start: int, stop: int, value: object) -> None:
        if len(self.starts) >= 100:
            time.sleep(0)
            for _ in range(20_000):
                pass
        super().store(start, stop, value)


@pytest.mark.one_mode
def test_whoever_is_too_slow_is_given_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "BUILD_LIMITS", {10_000: 20_000_000})
    monkeypatch.setattr(life, "FILL_LIMIT", 20_000_000)
    monkeypatch.setattr(race, "peer_class", lambda name: Sluggish)
    run = Race(["sluggish"], [1000], silent, rounds=1)
    (contest,) = run.run()
    large, small = contest.standings
    assert large.too_slow
    assert large.figure(Row.ASCENDING) is None
    assert (small.size, small.too_slow) == (100, False)
    assert small.figure(Row.LOOKUP)
    assert weighed(Sluggish, 1000) is None


def test_a_child_that_breaks_is_told_of() -> None:
    with pytest.raises(ChildDied, match="ZeroDivisionError"):
        forked(lambda: 1 // 0)
    assert forked(lambda: 3) == 3
    assert rotated(["a", "b", "c"], 4) == ["b", "c", "a"]


def standing(name: str, title: str, each: dict[Row, list[float]]) -> Standing:
    made = Standing(name, title, 1000)
    made.cells = {row: Cell(list(figures), list(figures), 10) for row, figures in each.items()}
    return made


def test_ratios_are_of_the_same_round() -> None:
    one = standing("maple", "one", {Row.LOOKUP: [10, 20, 30]})
    other = standing("lobtree", "other", {Row.LOOKUP: [30, 60, 60]})
    assert ratio(other, one, Row.LOOKUP) == 3
    assert ratio(other, one, Row.SPLIT) is None
    other.cells[Row.ERASE] = Cell([1.0], [1.0], 1, complete=False)
    other.cells[Row.FILL] = Cell([1.0], [1.0], 1, complete=False)
    assert other.figure(Row.ERASE) == 1
    assert other.figure(Row.FILL) is None


@pytest.mark.one_mode
def test_targets_and_documents(tmp_path: Path) -> None:
    contest = Contest(
        1000,
        [
            standing("kernel", "kernel's C tree", {row: [100, 100] for row in TIMED}),
            standing("words", "words", {row: [140, 160] for row in TIMED}),
            standing("maple", "MapleTree", {row: [90, 90] for row in TIMED}),
            standing("sorteddict", "SortedDict", {Row.LOOKUP: [600, 700], Row.ERASE: [80, 80]}),
        ],
    )
    found = {(t.row, t.text): t for t in targets([contest])}
    assert found[Row.SPLIT, "words, times the kernel's"].measured == 1.5
    assert found[Row.SPLIT, "words, times the kernel's"].reached
    assert found[Row.LOOKUP, "one call"].reached
    assert not found[Row.ERASE, "SortedDict, times ours"].reached
    eight = [t for t in targets([contest]) if t.limit == 8]
    assert [t.reached for t in eight] == [False]
    assert target_document(eight[0])["at_least"] is True
    maps = contest_document(contest)["maps"]
    assert isinstance(maps, list)
    assert maps[0]["rows"]["split"]["rounds"] == [100, 100]
    text = page([contest], targets([contest]), {"machine": "this"}, "mmtwin bench maple", 0.1)
    assert "| MapleTree | 90 |" in text
    assert "**missed**" in text
    files = plots.draw([contest, contest, contest], tmp_path)
    assert {file.name for file in files} == {"rivals-1000.png", "growth.png"}
    assert [plots.told(value) for value in (85, 1300, 44_000, 4.2e6)] == [
        "85 ns",
        "1.3 µs",
        "44 µs",
        "4.2 ms",
    ]


def test_scans_for_gaps() -> None:
    ranges = [(0, 4), (10, 12), (15, 20)]
    assert lowest_gap(ranges, 0, 3, 30) == 4
    assert lowest_gap(ranges[1:], 11, 3, 30) == 12
    assert lowest_gap(ranges[1:], 11, 4, 30) == 20
    assert lowest_gap(ranges, 0, 11, 30) is None
    assert highest_gap(reversed(ranges), 10, 30) == 20
    assert highest_gap(reversed(ranges), 6, 21) == 4
    with pytest.raises(ValueError, match="no gap of 12"):
        highest_gap(reversed(ranges), 12, 21)


def test_a_reading_adds_up() -> None:
    reading = Reading(10, 10, Took(100, 200))
    reading.add(Reading(10, 20, Took(300, 400)))
    assert (reading.each, reading.complete, reading.took.wall) == (20, False, 600)
    assert Stored(1, 2, 3).stop == 2

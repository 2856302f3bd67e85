"""Long storms: put aside and taken up they are the same; every bug put back is caught in one."""

from pathlib import Path

import pytest

from mmtwin.bench import pages as by_pages
from mmtwin.pages.storm_machine import put_aside, taken_up
from mmtwin.regressions.page_catalogue import PAGE_REGRESSIONS

EASY = 9_000
"""Events within which most bugs are caught."""


@pytest.mark.parametrize("profile", by_pages.STORMS)
def test_a_storm_put_aside_goes_on_as_if_it_had_not_been(profile: str, tmp_path: Path) -> None:
    kind = by_pages.STORMS[profile]
    whole, first, second = (kind.begin(3) for _ in range(3))
    whole.run(700)
    first.run(400)
    put_aside(first, tmp_path / "storm", {"events": 400})
    assert taken_up(second, tmp_path / "storm") == {"events": 400}
    second.run(300)
    assert second.counts == whole.counts
    assert second.pages.memory.physical[:] == whole.pages.memory.physical[:]


def test_what_is_no_storm_put_aside_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "storm"
    storm = by_pages.STORMS["6.1"].begin(3)
    place.write_bytes(b"no storm")
    with pytest.raises(ValueError, match="is no storm"):
        taken_up(storm, place)
    put_aside(by_pages.STORMS["6.18"].begin(3), place, {})
    with pytest.raises(ValueError, match="another kernel"):
        taken_up(storm, place)
    put_aside(storm, place, {})
    later = by_pages.STORMS["6.1"].begin(3)
    later.pages.memory.boot_alloc(8, 8)
    with pytest.raises(ValueError, match="laid out otherwise"):
        taken_up(later, place)


def test_a_storm_goes_on_from_its_state(tmp_path: Path) -> None:
    place = tmp_path / "storm"
    assert by_pages.storm("6.1", 1, 200, place).events == 200
    reports: list[int] = []
    run = by_pages.storm("6.1", 1, 500, place, lambda done: reports.append(done.events))
    assert (run.events, run.broken, reports) == (500, "", [500])
    assert sum(run.counts.values()) == 500


@pytest.mark.parametrize("name", ["page-isolated-counted", "page-double-free"])
def test_a_bug_is_caught_soon(name: str) -> None:
    assert by_pages.caught(PAGE_REGRESSIONS[name], 1, EASY) is not None


@pytest.mark.deep
@pytest.mark.parametrize("name", PAGE_REGRESSIONS)
def test_every_bug_is_caught_and_without_it_the_storm_is_clean(name: str) -> None:
    bug = PAGE_REGRESSIONS[name]
    found = by_pages.caught(bug, 1, 200_000)
    assert found is not None
    clean = by_pages.storm(by_pages.CATCHES[bug.kind], 1, found[0] + 10_000)
    assert clean.broken == ""

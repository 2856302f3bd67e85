"""The BUG of 30 April 2014 (a RESERVE page on the MOVABLE list): each explanation as a story.

Every story is told twice on 3.15 with the first patch of the series: without the second patch's
check, to name the step at which the page is misplaced, and with it, to name where the BUG fires.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from mmtwin.check.page_step import PageStepCheck
from mmtwin.pages.bitmap_race import interleavings
from mmtwin.pages.bug import PageBug
from mmtwin.pages.freepage_migratetype import CheckedPlacement, PreventMisplaced
from mmtwin.pages.pages import Pages, boot_memory
from mmtwin.pages.storm import Storm
from mmtwin.pages.zone import ZONE_DMA32, ZoneSpec
from mmtwin.regressions.page_bug import (
    FIRST,
    PageFinding,
    PageRegression,
    Story,
    free_chunk,
    put_free,
    scene,
    set_block,
)
from mmtwin.regressions.thread_story import ThreadStory, Told

HIGHUSER_MOVABLE = 0x200DA
STORM_EVENTS = (440, 430, 4, 20, 60, 0, 0, 4, 10)
STORM_STEPS_MAX = 20000


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a story ends: the step that misplaces a page, and the BUG that the check would raise.

    ``bug_step`` counts as ``misplaced.step`` does; -1 if the check never fires. ``bug`` is the
    check's message, ``steps`` are those up to it, in words.
    """

    misplaced: PageFinding | None
    bug_step: int
    bug_where: str
    bug_pfn: int
    bug: str = ""
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One explanation: its story, and what the thread's evidence says about it."""

    name: str
    title: str
    story: Story
    conclusion: str

    def run(self) -> Verdict:
        """Tell the story twice."""
        misplaced = self._tell(PreventMisplaced).run(put_back=False)
        machine = self._tell(CheckedPlacement).machine(put_back=False)
        steps: list[str] = []
        try:
            for step in self.story(machine, machine.populated_zones()[0]):
                steps.append(step)
        except PageBug as bug:
            return Verdict(misplaced, len(steps), bug.where, bug.pfn, str(bug), tuple(steps))
        return Verdict(misplaced, -1, "", 0)

    def _tell(self, kind: type[Pages]) -> PageRegression:
        return PageRegression(
            self.name,
            self.title,
            "linux-mm, April 2014",
            "-4.3",
            "",
            "",
            ("PG-06",),
            kind,
            object,
            self.story,
        )


def _merged_buddies(pages: Pages, zone: int) -> Iterator[str]:
    """The reserve is the first half of a window of the largest order."""
    set_block(pages, FIRST, pages.mt_reserve)
    put_free(pages, FIRST, 9, pages.mt_reserve)
    pages.zone_view(zone).nr_migrate_reserve_block = 1
    yield "the reserve is one free block"
    free_chunk(pages, FIRST + 512, 9)
    yield "the MOVABLE block behind it is freed and merges with it"
    pages.pcp_view(zone, 0).batch = 31
    page = pages.rmqueue(zone, 0, HIGHUSER_MOVABLE, 0, pages.mt_movable)
    yield f"a page fault gets frame {pages.page_to_pfn(page):#x}"


def _per_cpu_lists(pages: Pages, zone: int) -> Iterator[str]:
    """A block becomes RESERVE while its pages are on a per-cpu list."""
    pages.pcp_view(zone, 0).high = 186
    for nth in range(64):
        free_chunk(pages, FIRST + nth, 0)
    yield "pages of the first block are on a per-cpu list"
    pages.min_free_kbytes_sysctl(4)
    yield "min_free_kbytes is written: the block becomes RESERVE"
    pages.drain_all_pages(0)
    yield "the list is drained"


def _bitmap_race(pages: Pages, zone: int) -> Iterator[str]:
    """A type change and a skip bit, bit by bit, in the order that forges RESERVE."""
    put_free(pages, FIRST, 5, pages.mt_movable)
    yield "a MOVABLE block has free pages"
    race = interleavings(pages, FIRST, pages.mt_movable, pages.mt_reclaimable, FIRST)
    if any(final == pages.mt_reserve for final, _ in race):
        set_block(pages, FIRST, pages.mt_reserve)
        pages.zone_view(zone).nr_migrate_reserve_block = 1
    yield "it was to become RECLAIMABLE; the race with the skip bit makes it RESERVE"
    pages.pcp_view(zone, 0).batch = 31
    page = pages.rmqueue(zone, 0, HIGHUSER_MOVABLE, 0, pages.mt_movable)
    yield f"a page fault gets frame {pages.page_to_pfn(page):#x}"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "reserve-merged-buddies",
            "a free RESERVE block merges with a freed MOVABLE buddy",
            _merged_buddies,
            "fits: the BUG fires in rmqueue_bulk, on the first page of a window of the largest"
            " order (there pfn 0x3d000), with the types of the oops: RAX 3 is the block's, RDX 2"
            " the cached one",
        ),
        Scenario(
            "reserve-per-cpu-lists",
            "min_free_kbytes makes a block RESERVE while its pages are on per-cpu lists",
            _per_cpu_lists,
            "does not fit alone: the BUG would fire in free_pcppages_bulk, at the drain",
        ),
        Scenario(
            "reserve-bitmap-race",
            "a race on the pageblock bitmap forges the type RESERVE",
            _bitmap_race,
            "possible, but the word-wise bitmap was tried and the BUG stayed",
        ),
    )
}


def _tell(scenario: Scenario) -> Told | None:
    verdict = scenario.run()
    if verdict.misplaced is None:
        return None
    misplaced = verdict.misplaced
    fires = "the check of the second patch never fires"
    if verdict.bug_step >= 0:
        between = [f"then: {step}" for step in verdict.steps[misplaced.step + 1 : verdict.bug_step]]
        fires = "\n".join(
            (*between, f"step {verdict.bug_step + 1}, with the second patch: {verdict.bug}")
        )
    return Told(
        misplaced.step,
        misplaced.what,
        misplaced.violations,
        fires,
        misplaced.steps,
        misplaced.scene,
    )


def _tell_storm() -> Told:
    finding, storm = sysctl_storm(0)
    written = f"min_free_kbytes was written {storm.counts.get('sysctl', 0)} times until then"
    return Told(finding.step, finding.what, finding.violations, written, (), finding.scene)


def stories() -> list[ThreadStory]:
    """The explanations as entries of the catalogue, and the workload that leads to the BUG."""
    common = (
        'linux-mm, April 2014: "prevent MIGRATE_RESERVE pages from being misplaced"',
        "up to 4.3",
    )
    told = [
        ThreadStory(
            scenario.name,
            scenario.title,
            *common,
            scenario.title,
            "told step by step on 3.15 with the first patch of the series",
            ("PG-06",),
            scenario.conclusion,
            partial(_tell, scenario),
        )
        for scenario in SCENARIOS.values()
    ]
    return [
        *told,
        ThreadStory(
            "reserve-sysctl-storm",
            "random load with min_free_kbytes written now and then, as trinity does",
            *common,
            "Blocks become RESERVE while pages of theirs are in use, on per-cpu lists, or merged "
            "with their neighbours.",
            "allocations, frees and writes of vm.min_free_kbytes at random",
            ("PG-06",),
            "no patch of the series prevents it: pages are misplaced within some thousand steps",
            _tell_storm,
        ),
    ]


def sysctl_storm(seed: int, kind: type[Pages] = PreventMisplaced) -> tuple[PageFinding, Storm]:
    """Random load with min_free_kbytes written now and then, up to the first misplaced page.

    Raises :class:`RuntimeError` if nothing is misplaced in 20,000 steps.
    """
    pages = kind(boot_memory(96 << 20, journal=True), [ZoneSpec(ZONE_DMA32, 4096, 24576)])
    check = PageStepCheck(pages)
    storm = Storm(pages, seed, weights=STORM_EVENTS)
    journal = pages.memory.journal
    for step in range(STORM_STEPS_MAX):
        if journal is not None:
            journal.forget()
        mark = pages.memory.mark()
        storm.step()
        violations = check.touched(mark)
        if any(violation.invariant == "PG-06" for violation in violations):
            violations.sort(key=lambda violation: violation.invariant != "PG-06")
            what = f"event {step + 1} of the storm: {storm.event}"
            found = tuple(violations)
            return PageFinding(step, what, found, (), scene(pages, found[0])), storm
    raise RuntimeError(f"nothing was misplaced in {STORM_STEPS_MAX} steps with seed {seed}")

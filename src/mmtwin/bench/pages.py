"""The page allocator's speed: pairs, storms with and without checks, a tebibyte; bugs caught."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mmtwin.check.page_step import PageStepCheck
from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.pages.freepage_migratetype import PreventMisplaced
from mmtwin.pages.pages import Pages
from mmtwin.pages.storm import Storm
from mmtwin.pages.storm_machine import put_aside, storm_of, taken_up
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618
from mmtwin.regressions.page_bug import PageRegression
from mmtwin.regressions.page_catalogue import PAGE_REGRESSIONS

ENGINES: dict[str, type[Pages]] = {"3.15": Pages315, "6.1": Pages, "6.18": Pages618}
RAM = 256 << 20
BATCH = 1000
EVENTS_A_REPORT = 10_000
EVENTS_A_STATE = 500_000
TEBIBYTE = 1 << 40


@dataclass(frozen=True, slots=True)
class StormKind:
    """A kernel as it goes into a storm.

    ``reserve`` says that RESERVE pages are where they belong and checked for it: 3.15 misplaces
    them by its design, with the first patch of April 2014 it does not in these storms.
    """

    kind: type[Pages]
    pageblock_order: int = 9
    reserve: bool = False

    def begin(self, seed: int, bug: PageRegression | None = None) -> Storm:
        """The storm before its first event, on this kernel or on it with a bug put back."""
        kind = self.kind
        if bug is not None:
            kind = type(kind.__name__, (bug.override, kind), {})
        return storm_of(kind, seed, pageblock_order=self.pageblock_order)


STORMS: dict[str, StormKind] = {
    "3.15": StormKind(Pages315),
    "3.15+patch": StormKind(PreventMisplaced, reserve=True),
    "6.1": StormKind(Pages),
    "6.18": StormKind(Pages618),
    "6.18+small": StormKind(Pages618, pageblock_order=6),
}
"""``6.18+small`` has pageblocks of 64 pages (PAGE_BLOCK_MAX_ORDER): a chunk of the largest order
covers sixteen, and a zone of 32 MiB may set some apart for atomic requests."""

CATCHES = {PreventMisplaced: "3.15+patch", Pages: "6.1", Pages618: "6.18+small"}
"""In which storm a bug of a kernel is looked for."""


@dataclass(slots=True)
class StormRun:
    """A storm's seconds of processor time: of the work, and of the checks after each event.

    ``broken`` is the first event that broke something, and what, if one did; it ends the storm.
    """

    profile: str
    events: int = 0
    work: float = 0.0
    checks: float = 0.0
    broken: str = ""
    counts: dict[str, int] = field(default_factory=dict)


def pairs(profile: str, count: int) -> float:
    """Pairs of an allocation and a free, a second, in batches of single pages."""
    pages = ENGINES[profile].of_ram(RAM)
    gfp = pages.era.gfp.value("GFP_KERNEL")
    begin = time.process_time()
    for _ in range(count // BATCH):
        pages.free_pages_bulk(pages.alloc_pages_bulk(gfp, 0, BATCH), 0)
    return count // BATCH * BATCH / (time.process_time() - begin)


def _marked(pages: Pages) -> int:
    """A mark in the journal, before which nothing is remembered."""
    journal = pages.memory.journal
    assert journal is not None
    journal.forget()
    return int(pages.memory.mark())


def storm(
    profile: str,
    seed: int,
    events: int,
    state: Path | None = None,
    report: Callable[[StormRun], None] | None = None,
) -> StormRun:
    """A storm checked after each event by what that touched, and checked whole at its end.

    With a ``state`` file it goes on where it was left, and is put aside there now and then.
    ``report`` hears of it every 10,000 events.
    """
    kind = STORMS[profile]
    crowd = kind.begin(seed)
    run = StormRun(profile)
    if state is not None and state.exists():
        told = taken_up(crowd, state)
        run.events, run.work, run.checks = told["events"], told["work"], told["checks"]
    check = PageStepCheck(crowd.pages, reserve=kind.reserve)
    while run.events < events and not run.broken:
        _some_events(crowd, check, run, min(EVENTS_A_REPORT, events - run.events))
        if report is not None:
            report(run)
        done = run.events == events or run.events % EVENTS_A_STATE == 0
        if state is not None and done and not run.broken:
            told = {"events": run.events, "work": run.work, "checks": run.checks}
            put_aside(crowd, state, told)
    found = check.full()
    if found and not run.broken:
        run.broken = f"at the end: {found[0].invariant}"
    run.counts = crowd.counts
    return run


def _some_events(crowd: Storm, check: PageStepCheck, run: StormRun, count: int) -> None:
    """So many events with their checks, or up to the first that breaks something."""
    now = time.process_time
    pages = crowd.pages
    before = now()
    for _ in range(count):
        mark = _marked(pages)
        crowd.step()
        middle = now()
        found = check.touched(mark)
        after = now()
        run.work += middle - before
        run.checks += after - middle
        run.events += 1
        before = after
        if found:
            run.broken = f"event {run.events} ({crowd.event}): {found[0].invariant}"
            return


def caught(bug: PageRegression, seed: int, most: int) -> tuple[int, str] | None:
    """After how many events of a storm a bug that was put back is found, and as what; or None."""
    kind = STORMS[CATCHES[bug.kind]]
    crowd = kind.begin(seed, bug)
    check = PageStepCheck(crowd.pages, reserve=kind.reserve)
    for number in range(1, most + 1):
        mark = _marked(crowd.pages)
        try:
            crowd.step()
        except (KernelBug, KernelWarning) as stopped:
            return number, str(stopped)
        found = check.touched(mark)
        if found:
            return number, found[0].invariant
    return None


def bugs_caught(seed: int, most: int) -> dict[str, tuple[int, str] | None]:
    """Every bug of the page allocator, in the same storm."""
    return {name: caught(bug, seed, most) for name, bug in PAGE_REGRESSIONS.items()}


def tebibyte() -> tuple[float, float, float]:
    """Seconds to boot 1 TiB, seconds for a million pairs in it, and peak memory in MB."""
    begin = time.process_time()
    pages = Pages.of_ram(TEBIBYTE)
    booted = time.process_time()
    gfp = pages.era.gfp.value("GFP_HIGHUSER_MOVABLE")
    for _ in range(1_000_000 // BATCH):
        pages.free_pages_bulk(pages.alloc_pages_bulk(gfp, 0, BATCH), 0)
    done = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return booted - begin, done - booted, peak

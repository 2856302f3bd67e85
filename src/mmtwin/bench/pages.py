"""The page allocator's speed: pairs, storms with and without checks, a tebibyte; bugs caught."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

from mmtwin.check.page_step import PageStepCheck
from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.pages.pages import Pages
from mmtwin.pages.storm import WEIGHTS, Storm
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618
from mmtwin.regressions.page_bug import PageRegression
from mmtwin.regressions.page_catalogue import PAGE_REGRESSIONS

ENGINES: dict[str, type[Pages]] = {"3.15": Pages315, "6.1": Pages, "6.18": Pages618}
RAM = 256 << 20
SMALL_RAM = 40 << 20
BATCH = 1000
FILL = 0.6
"""Share of memory in use: beyond, the storm's time is that of compaction."""
STEPS_A_CHECK = 64
"""Events between two checks of what was touched."""
RANGES = (5, 6, 7)
"""The events of ranges and of vm.*: 3.15 miscounts isolated pages and moves reserves by design."""
TEBIBYTE = 1 << 40


@dataclass(frozen=True, slots=True)
class StormRun:
    """A storm's seconds of processor time: of the work, and of the checks of what it touched."""

    profile: str
    events: int
    work: float
    checks: float
    violations: int
    counts: dict[str, int]


def pairs(profile: str, count: int) -> float:
    """Pairs of an allocation and a free, a second, in batches of single pages."""
    pages = ENGINES[profile].of_ram(RAM)
    gfp = pages.era.gfp.value("GFP_KERNEL")
    begin = time.process_time()
    for _ in range(count // BATCH):
        pages.free_pages_bulk(pages.alloc_pages_bulk(gfp, 0, BATCH), 0)
    return count // BATCH * BATCH / (time.process_time() - begin)


def _weights(kind: type[Pages]) -> tuple[int, ...]:
    if not issubclass(kind, Pages315):
        return WEIGHTS
    return tuple(0 if nth in RANGES else weight for nth, weight in enumerate(WEIGHTS))


def _marked(pages: Pages) -> int:
    """A mark in the journal, before which nothing is remembered."""
    journal = pages.memory.journal
    assert journal is not None
    journal.forget()
    return int(pages.memory.mark())


def storm(profile: str, seed: int, events: int) -> StormRun:
    """A storm on a small machine, checked as it goes, and checked whole at its end."""
    kind = ENGINES[profile]
    pages = kind.of_ram(SMALL_RAM, cpus=2, journal=True)
    check = PageStepCheck(pages, reserve=False)
    crowd = Storm(pages, seed, weights=_weights(kind), fill=FILL)
    work = checks = 0.0
    violations = 0
    done = 0
    while done < events:
        mark = _marked(pages)
        count = min(STEPS_A_CHECK, events - done)
        begin = time.process_time()
        crowd.run(count)
        middle = time.process_time()
        violations += len(check.touched(mark))
        checks += time.process_time() - middle
        work += middle - begin
        done += count
    violations += len(check.full())
    return StormRun(profile, events, work, checks, violations, crowd.counts)


def caught(bug: PageRegression, seed: int, most: int) -> tuple[int, str] | None:
    """After how many events of a storm a bug that was put back is found, and as what; or None."""
    engine: type[Pages] = type(bug.kind.__name__, (bug.override, bug.kind), {})
    pages = engine.of_ram(SMALL_RAM, cpus=2, journal=True)
    check = PageStepCheck(pages, reserve=False)
    crowd = Storm(pages, seed, weights=_weights(bug.kind), fill=FILL)
    for number in range(1, most + 1):
        mark = _marked(pages)
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

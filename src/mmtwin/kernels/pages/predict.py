"""Replaying a recorded kernel's page events in the twin: which frames does it foretell?

The twin starts in the recorded state and is told, one after another, what was asked for and what
was given back; which frame an allocation gets, what a refill takes and what a per-cpu list gives
back it must find out by itself. Where it errs it is set right, so that one error counts once.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from mmtwin.kernels.pages import recording as r
from mmtwin.kernels.pages.follow import Follow, Replayed
from mmtwin.kernels.pages.recording import Recording
from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.pages import buddyinfo, pagetypeinfo
from mmtwin.pages.state import PageState, machine, take

TEXTS = {
    "buddyinfo": lambda pages: buddyinfo.text(buddyinfo.buddyinfo(pages)),
    "pagetypeinfo": lambda pages: pagetypeinfo.text(pagetypeinfo.pagetypeinfo(pages)),
}
MISSES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Miss:
    """An allocation that got another frame than the twin said; ``twin`` is -1 for none.

    ``number`` is the event's place in the recording, ``kind`` what went wrong, in a few words.
    """

    number: int
    order: int
    gfp: int
    twin: int
    kernel: int
    kind: str


@dataclass(slots=True)
class Prediction:
    """How it went, in numbers of events.

    ``asked`` and ``right`` count allocations by order; ``foretold`` the pages that moved without
    being asked for (refills, drains, steals) and that the twin moved alike, ``told`` those that it
    had to be told of, by kind; ``texts`` says which files of /proc came out alike.
    """

    events: Counter[str] = field(default_factory=Counter)
    asked: Counter[int] = field(default_factory=Counter)
    right: Counter[int] = field(default_factory=Counter)
    foretold: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    misses: list[Miss] = field(default_factory=list)
    texts: dict[str, bool] = field(default_factory=dict)
    lists: tuple[int, int] = (0, 0)

    @property
    def share(self) -> float:
        """Allocations foretold, of all; 1 if there were none."""
        asked = self.asked.total()
        return self.right.total() / asked if asked else 1.0


class Predictor:
    """One replay of one recording."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.pages = machine(recording.start, Replayed)
        self.follow = Follow(self.pages)
        self.result = Prediction()
        self.number = 0
        self.kernel: list[list[int]] = []
        self.refused = -1
        self.bulk: tuple[int, int] | None = None
        self.isolating: list[int] | None = None
        gfp = self.pages.era.gfp
        self.not_replayed = gfp.bit("COMP") | gfp.bit("ZERO") | gfp.bit("NOFAIL")
        self.movable = gfp.bit("MOVABLE")

    def run(self) -> Prediction:
        """Replay everything."""
        steps = {
            r.ALLOC: self._alloc,
            r.FREE: self._free,
            r.BATCHED: self._free,
            r.LOCKED: self._inner,
            r.EXTFRAG: self._inner,
            r.DRAIN: self._drain,
            r.BULK: self._bulk,
            r.BULK_RET: self._bulk_ret,
            r.ISOLATE: self._isolate,
            r.ISOLATE_RET: self._isolate_ret,
            r.PUTBACK: self._putback,
            r.DIRECT: self._direct,
        }
        later = freed_later(self.recording.events)
        marks = deque(sorted((number, name) for name, number in self.recording.marks.items()))
        for number, event in enumerate(self.recording.events):
            while marks and marks[0][0] <= number:
                self._compare_text(marks.popleft()[1])
            self.number = number
            self.result.events[r.NAMES[event[0]]] += 1
            if event[0] != r.DRAIN and self.follow.drained:
                self._drained_alone()
            if number not in later:
                steps[event[0]](event)
        for _, name in marks:
            self._compare_text(name)
        self.result.lists = same_lists(take(self.pages), self.recording.end)
        return self.result

    def _compare_text(self, name: str) -> None:
        self.result.texts[name] = TEXTS[name](self.pages) == self.recording.texts[name]

    # Allocations.

    def _inner(self, event: list[int]) -> None:
        """A step inside an allocation, which is recorded after it."""
        self.kernel.append(event)

    def _alloc(self, event: list[int]) -> None:
        pfn, order, gfp = event[1:4]
        if self.bulk is not None:
            self.bulk = self.bulk[0], self.bulk[1] + 1
        if pfn < 0:
            self.kernel.clear()
            self.result.told["failed allocations"] += 1
            return
        self.result.asked[order] += 1
        self.follow.heard.clear()
        page, stopped = 0, ""
        try:
            page = self.pages.alloc_pages(gfp & ~self.not_replayed, order)
        except (KernelBug, KernelWarning) as error:
            stopped = str(error)
        twin = self.pages.page_to_pfn(page) if page else -1
        alike = self._compare_inner()
        if twin == pfn:
            self.result.right[order] += 1
        else:
            kind = stopped or self.follow.kind(pfn, twin, alike)
            self.result.kinds[kind] += 1
            if len(self.result.misses) < MISSES_KEPT:
                self.result.misses.append(Miss(self.number, order, gfp, twin, pfn, kind))
            if twin >= 0 and twin != self.refused:
                self.follow.give_back(twin, order)
            elif twin >= 0:
                # The kernel passes it over for the second time: somebody has it.
                self.result.told["pages that nobody was seen to take"] += 1 << order
            self.refused = twin
            self.follow.seize(pfn, order)
        if gfp & self.movable:
            # What is movable goes to the LRU lists; a steal counts these pages.
            self.follow.mark_movable(pfn, order, True)

    def _compare_inner(self) -> bool:
        """Did refills and steals go alike? Counts them, and sets the twin right if not."""
        kernel, twin = self.kernel, self.follow.heard
        alike = kernel == twin
        if alike:
            for event in kernel:
                self.result.foretold[r.NAMES[event[0]]] += 1
        else:
            for event in kernel:
                self.result.told[r.NAMES[event[0]]] += 1
            self.follow.refill_as(kernel)
        kernel.clear()
        return alike

    # What comes back.

    def _free(self, event: list[int]) -> None:
        pfn = event[1]
        order = event[2] if event[0] == r.FREE else 0
        if not self.follow.free(pfn, order):
            self.result.told["frees of pages that the twin thought free"] += 1

    def _drain(self, event: list[int]) -> None:
        drained = self.follow.drained
        if drained and drained[0] == event:
            drained.popleft()
            self.result.foretold[r.NAMES[r.DRAIN]] += 1
            return
        self.result.told[r.NAMES[r.DRAIN]] += 1
        self.follow.drain(event[1], event[2], event[3])

    def _drained_alone(self) -> None:
        self.result.told["pages drained by the twin alone"] += len(self.follow.drained)
        self.follow.drained.clear()

    # What moves without a tracepoint of its own.

    def _bulk(self, event: list[int]) -> None:
        self.bulk = event[1], 0

    def _bulk_ret(self, event: list[int]) -> None:
        """The pages that a bulk allocation took beside those that were traced one by one."""
        if self.bulk is None:
            return
        (gfp, traced), self.bulk = self.bulk, None
        self.follow.heard.clear()
        for _ in range(event[1] - traced):
            self.pages.alloc_one_of_bulk(gfp & ~self.not_replayed)
        self._compare_inner()
        self.result.told["pages of bulk allocations"] += event[1] - traced

    def _isolate(self, event: list[int]) -> None:
        self.isolating = event

    def _isolate_ret(self, event: list[int]) -> None:
        if self.isolating is not None and event[1]:
            self.result.told["chunks taken by compaction"] += 1
            self.follow.isolate(self.isolating[1], self.isolating[2])
        self.isolating = None

    def _putback(self, event: list[int]) -> None:
        self.result.told["chunks put back"] += 1
        self.follow.put_back(event[1], event[2], event[3])

    def _direct(self, event: list[int]) -> None:
        """An interrupt freed a page while the task that it came upon held the lists' lock."""
        self.result.told["frees past locked per-cpu lists"] += 1
        with self.follow.locked_lists(event[1]):
            self.follow.free(event[1], event[2])


def freed_later(events: list[list[int]]) -> set[int]:
    """The mm_page_free events whose page goes back with a later event: batched, or directly."""
    later: set[int] = set()
    freed: dict[int, int] = {}
    for number, event in enumerate(events):
        if event[0] == r.FREE:
            freed[event[1]] = number
        elif event[0] in (r.BATCHED, r.DIRECT) and event[1] in freed:
            later.add(freed.pop(event[1]))
        elif event[0] == r.ALLOC:
            freed.pop(event[1], None)
    return later


def same_lists(twin: PageState, kernel: PageState) -> tuple[int, int]:
    """How many lists (free and per-cpu) hold the same frames in the same order, and of how many."""
    pairs: list[tuple[list[int], list[int]]] = []
    for ours, theirs in zip(twin.zones, kernel.zones, strict=True):
        for mine, other in zip(ours.free, theirs.free, strict=True):
            pairs += zip(mine, other, strict=True)
        for my_pcp, other_pcp in zip(ours.pcps, theirs.pcps, strict=True):
            pairs += zip(my_pcp.lists, other_pcp.lists, strict=True)
        pairs.append((ours.blocks, theirs.blocks))
    return sum(mine == other for mine, other in pairs), len(pairs)

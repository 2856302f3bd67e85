"""How memory falls to pieces: free pages by order, what is unusable, mixed pageblocks."""

from __future__ import annotations

from dataclasses import dataclass, field

from mmtwin.pages.pages import Pages
from mmtwin.pages.storm import Storm

FILL = 0.75
"""Share of memory that the storm keeps in use."""


@dataclass(frozen=True, slots=True)
class Sample:
    """All zones together after so many ``events`` of a storm.

    ``free`` are free pages by the order of their chunk. ``mixed`` are the pageblocks, by their own
    type's name, that hold pages asked for as another type (what pagetypeinfo calls mixed blocks),
    of ``blocks``.
    """

    events: int
    free: tuple[int, ...]
    mixed: dict[str, int]
    blocks: dict[str, int]

    def unusable(self, order: int) -> float:
        """The unusable free space index: the share of free memory that cannot serve an order."""
        total = sum(self.free)
        return sum(self.free[:order]) / total if total else 0.0


@dataclass(slots=True)
class Ownership:
    """Hears which chunks are handed out and given back: what page_owner would know."""

    pages: Pages
    owned: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pages.tracer = self.hear

    def hear(self, event: str, **fields: int) -> None:
        """Take note of one tracepoint."""
        if event == "mm_page_alloc" and fields["page"]:
            self.owned[fields["pfn"]] = fields["migratetype"]
        elif event == "mm_page_free":
            self.owned.pop(fields["pfn"], None)

    def sample(self, events: int) -> Sample:
        """What memory is like now."""
        pages = self.pages
        size = pages.pageblock_nr_pages
        asked: dict[int, set[int]] = {}
        for pfn, migratetype in self.owned.items():
            asked.setdefault(pfn // size, set()).add(migratetype)
        free = [0] * (pages.order_max + 1)
        mixed = dict.fromkeys(pages.types.names, 0)
        blocks = dict.fromkeys(pages.types.names, 0)
        for zone in pages.populated_zones():
            for order in range(pages.order_max + 1):
                free[order] += pages.nr_free(zone, order) << order
            first, end = pages.zone_start_pfn(zone) // size, -(-pages.zone_end_pfn(zone) // size)
            for block in range(first, end):
                migratetype = pages.get_pfnblock_migratetype(block * size)
                name = pages.types.name(migratetype)
                blocks[name] += 1
                mixed[name] += bool(asked.get(block, set()) - {migratetype})
        return Sample(events, tuple(free), mixed, blocks)


def over_time(pages: Pages, seed: int, events: int, samples: int) -> list[Sample]:
    """So many samples, evenly spread over a storm's events; the first is before it."""
    storm = Storm(pages, seed, fill=FILL)
    ownership = Ownership(pages)
    found = [ownership.sample(0)]
    done = 0
    for nth in range(1, samples + 1):
        until = events * nth // samples
        storm.run(until - done)
        done = until
        found.append(ownership.sample(done))
    pages.tracer = None
    return found

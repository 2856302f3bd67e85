"""Storms: random events on a page allocator, the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from mmtwin.pages.gfp_request import PF_MEMALLOC
from mmtwin.pages.owner import Owner
from mmtwin.pages.pages import Pages

EVENTS = (
    *("alloc", "free", "drain", "cpu", "lru", "isolate", "contig", "sysctl", "atomic"),
    *("touch", "forget", "daemons", "reclaim", "compact", "mlock", "flush"),
)
WEIGHTS = (440, 430, 4, 20, 60, 3, 2, 1, 10)
IN_USE_WEIGHTS = (300, 300, 4, 20, 60, 3, 2, 1, 10, 200, 60, 10, 4, 3, 10, 3)
"""With pages that processes have mapped, and reclaim and compaction of them."""
OWNER_SLOTS_MAX = 16384


@dataclass(slots=True)
class Storm:
    """What a crowd of programs does to the allocator, event by event.

    ``held`` are the chunks in use, (page, order); ``weights`` the odds of :data:`EVENTS`, 0 for
    those at the end that are left out. ``fill`` is the share of memory in use around which
    allocations and frees balance. ``owner`` has the pages that are mapped, if any are.
    """

    pages: Pages
    seed: int
    weights: tuple[int, ...] = WEIGHTS
    fill: float = 0.9
    held: list[tuple[int, int]] = field(default_factory=list)
    isolated: list[int] = field(default_factory=list)
    event: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    choices: random.Random = field(init=False)
    kernel: int = field(init=False)
    movable: int = field(init=False)
    reclaimable: int = field(init=False)
    atomic: int = field(init=False)
    free_least: int = field(init=False)
    owner: Owner = field(init=False)

    def __post_init__(self) -> None:
        gfp = self.pages.era.gfp
        self.choices = random.Random(self.seed)
        self.kernel = gfp.value("GFP_KERNEL") | gfp.bit("NOWARN")
        self.movable = gfp.value("GFP_HIGHUSER_MOVABLE") | gfp.bit("NOWARN")
        self.reclaimable = self.kernel | gfp.bit("RECLAIMABLE")
        self.atomic = gfp.value("GFP_ATOMIC") | gfp.bit("NOWARN")
        managed = sum(self.pages.managed_pages(zone) for zone in self.pages.populated_zones())
        self.free_least = int(managed * (1 - self.fill))
        self.weights += (0,) * (len(EVENTS) - len(self.weights))
        if self.weights[EVENTS.index("touch")]:
            self.owner = Owner(self.pages, min(managed // 2, OWNER_SLOTS_MAX))

    def step(self) -> None:
        """One event."""
        event = self.choices.choices(EVENTS, self.weights)[0]
        free = sum(self.pages.nr_free_pages(zone) for zone in self.pages.populated_zones())
        if event == "alloc" and free < self.free_least:
            event = "free"
        self.event = event
        self.counts[event] = self.counts.get(event, 0) + 1
        getattr(self, f"_{event}")()

    def run(self, events: int) -> None:
        """So many events."""
        for _ in range(events):
            self.step()

    def _order(self) -> int:
        return min(self.choices.choices(range(11), (60, 12, 8, 6, 4, 3, 2, 2, 1, 3, 1))[0], 10)

    def _take(self, gfp: int, order: int) -> None:
        # Of several blocks only as a compound page: up to 6.9 isolation takes the tails of another
        # chunk for free pages, and its blocks' types part while it is in use.
        if order > self.pages.pageblock_order or (order and self.choices.random() < 0.5):
            gfp |= self.pages.gfp_comp
        page = self.pages.alloc_pages(gfp, order)
        if page:
            self.held.append((page, order))

    def _alloc(self) -> None:
        gfp = self.choices.choices((self.movable, self.kernel, self.reclaimable), (6, 3, 1))[0]
        self._take(gfp, self._order())

    def _atomic(self) -> None:
        self._take(self.atomic, self.choices.randrange(4))

    def _free(self) -> None:
        if not self.held:
            return
        nth = self.choices.randrange(len(self.held))
        self.held[nth], self.held[-1] = self.held[-1], self.held[nth]
        page, order = self.held.pop()
        self.pages.page_cache_release(page)
        self.pages.free_pages(page, order)

    def _drain(self) -> None:
        self.pages.drain_all_pages(0)

    def _cpu(self) -> None:
        self.pages.cpu = self.choices.randrange(self.pages.cpus)

    def _lru(self) -> None:
        if self.held:
            page, _ = self.choices.choice(self.held)
            listed = self.pages.test_page_flag(page, self.pages.flag_lru)
            if self.choices.random() < 0.7:
                if not listed:
                    self.pages.folio_add_lru(page)
            elif listed:
                self.pages.page_cache_release(page)

    def _range(self) -> tuple[int, int]:
        """A random range of one to three pageblocks of one zone."""
        pages = self.pages
        zone = self.choices.choice(pages.populated_zones())
        size = pages.contig_alignment()
        first = -(-pages.zone_start_pfn(zone) // size)
        last = pages.zone_end_pfn(zone) // size
        start = self.choices.randrange(first, last)
        end = min(last, start + self.choices.randrange(1, 4))
        return start * size, end * size

    def _isolate(self) -> None:
        pages = self.pages
        if self.isolated and self.choices.random() < 0.6:
            start = self.isolated.pop()
            pages.undo_isolate_page_range(start, self.isolated.pop(), pages.mt_movable)
            return
        start, end = self._range()
        if any(
            pages.get_pfnblock_migratetype(pfn) not in (pages.mt_movable, pages.mt_unmovable)
            for pfn in range(start, end, pages.pageblock_nr_pages)
        ):
            return
        if pages.start_isolate_page_range(start, end, pages.mt_movable) == 0:
            self.isolated += [end, start]

    def _contig(self) -> None:
        pages = self.pages
        start, end = self._range()
        if any(
            pages.get_pfnblock_migratetype(pfn) != pages.mt_movable
            for pfn in range(start, end, pages.pageblock_nr_pages)
        ):
            return
        if pages.alloc_contig_range(start, end, pages.mt_movable) == 0:
            self.held += [(pages.pfn_to_page(pfn), 0) for pfn in range(start, end)]

    def _sysctl(self) -> None:
        self.pages.min_free_kbytes_sysctl(self.choices.choice((64, 1000, 4000, 16000)))

    def _slot(self) -> int:
        return self.choices.randrange(self.owner.slots)

    def _touch(self) -> None:
        slot = self._slot()
        self.owner.touch(slot, write=self.choices.random() < 0.4, file=slot % 2 == 1)

    def _forget(self) -> None:
        self.owner.forget(self._slot())

    def _daemons(self) -> None:
        self.pages.run_daemons()

    def _reclaim(self) -> None:
        """Direct reclaim for an order, as a task would do it."""
        pages = self.pages
        before = pages.current
        pages.current = before | PF_MEMALLOC
        pages.try_to_free_pages(pages.zonelist(0), self.choices.choice((0, 0, 2, 4)), self.movable)
        pages.current = before

    def _compact(self) -> None:
        """A waiting request compacts, in haste or with all effort; or the user wishes it."""
        pages = self.pages
        order, priority = self.choices.randrange(1, 10), self.choices.randrange(4)
        if priority == 3:
            pages.compact_memory()
            return
        highest = pages.gfp_zone(self.kernel)
        gfp = self.choices.choice((self.movable, self.kernel))
        pages.try_to_compact_pages(gfp, order, 0, highest, pages.zonelist(0), priority)
        if pages.captured:
            page, pages.captured = pages.captured, 0
            pages.take_captured(page, order, gfp)
            self.held.append((page, order))

    def _mlock(self) -> None:
        page = self.owner.page(self._slot())
        if page:
            locks = self.choices.random() < 0.5
            (self.pages.mlock_folio if locks else self.pages.munlock_folio)(page)

    def _flush(self) -> None:
        self.owner.flush()

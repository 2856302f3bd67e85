"""Storms: random events on a page allocator, the same for the same seed.

What a storm does is right on every kernel as long as the kernel is: each event is something that
programs, drivers, interrupts or the administrator may do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

from mmtwin.pages.bug import PageBug
from mmtwin.pages.gfp_request import PF_MEMALLOC
from mmtwin.pages.owner import Owner
from mmtwin.pages.pages import Pages
from mmtwin.pages.reserve import Reserve
from mmtwin.pages.v6_18 import Pages618
from mmtwin.pages.zone import ZONE_DMA

EVENTS = (
    *("alloc", "free", "drain", "cpu", "lru", "isolate", "contig", "sysctl", "atomic"),
    *("touch", "forget", "daemons", "reclaim", "compact", "mlock", "flush"),
    *("bulk", "exhaust", "release", "cma", "locked", "stray", "unreserve", "tide", "burst"),
)
WEIGHTS = (440, 430, 4, 20, 60, 3, 2, 1, 10)
IN_USE_WEIGHTS = (300, 300, 4, 20, 60, 3, 2, 1, 10, 200, 60, 10, 4, 3, 10, 3)
"""With pages that processes have mapped, and reclaim and compaction of them."""
ALL_WEIGHTS = (
    *(3000, 3000, 40, 200, 600, 30, 20, 10, 100),
    *(2000, 600, 100, 10, 10, 100, 2),
    *(40, 4, 10, 15, 200, 20, 10, 20, 30),
)
"""And with CMA areas, per-cpu lists whose lock is held, memory used up to the last page."""
OWNER_SLOTS_MAX = 16384
ORDER_WEIGHTS = tuple(accumulate((60, 12, 8, 6, 4, 3, 2, 2, 1, 3, 1)))
FILLS = (0.2, 0.3, 0.4, 0.4, 0.5, 0.5, 0.6, 0.97)
"""Shares of memory in use around which a storm with tides balances, one after the other."""
BULK_MAX = 256
BURST_MAX = 24
EXHAUST_LEFT_MAX = 600
CMA_PAGES_MAX = 1024


@dataclass(slots=True)
class Storm:
    """What a crowd of programs does to the allocator, event by event.

    ``held`` are the chunks in use, (page, order); ``weights`` the odds of :data:`EVENTS`, 0 for
    those at the end that are left out. ``fill`` is the share of memory in use around which
    allocations and frees balance. ``kbytes`` are the values written to vm.min_free_kbytes.
    ``cma`` is the area that is lent, as frames from first to last (exclusive). ``owner`` has the
    pages that are mapped, if any are.

    Two things spare kernels what they cannot do. ``settled``: up to 3.17 all cpus are drained
    before a block is isolated, for what waits on per-cpu lists would be counted wrongly.
    ``offline``: ranges that stay isolated begin and end at multiples of so many pages. Up to 6.9
    these are largest chunks, for two halves that are isolated apart merge, and come back as one.
    """

    pages: Pages
    seed: int
    weights: tuple[int, ...] = WEIGHTS
    fill: float = 0.9
    kbytes: tuple[int, ...] = (64, 1000, 4000, 16000)
    cma: tuple[int, int] = (0, 0)
    held: list[tuple[int, int]] = field(default_factory=list)
    isolated: list[int] = field(default_factory=list)
    lent: list[tuple[int, int]] = field(default_factory=list)
    hoard: list[int] = field(default_factory=list)
    freed: int = 0
    event: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    choices: random.Random = field(init=False)
    kernel: int = field(init=False)
    movable: int = field(init=False)
    reclaimable: int = field(init=False)
    atomic: int = field(init=False)
    memalloc: int = field(init=False)
    settled: bool = field(init=False)
    offline: int = field(init=False)
    managed: int = field(init=False)
    free_least: int = field(init=False)
    zones: list[int] = field(init=False)
    odds: tuple[int, ...] = field(init=False)
    doing: tuple[Callable[[], None], ...] = field(init=False)
    owner: Owner = field(init=False)

    def __post_init__(self) -> None:
        gfp = self.pages.era.gfp
        self.choices = random.Random(self.seed)
        self.kernel = gfp.value("GFP_KERNEL") | gfp.bit("NOWARN")
        self.movable = gfp.value("GFP_HIGHUSER_MOVABLE") | gfp.bit("NOWARN")
        self.reclaimable = self.kernel | gfp.bit("RECLAIMABLE")
        self.atomic = gfp.value("GFP_ATOMIC") | gfp.bit("NOWARN")
        self.memalloc = gfp.bit("MEMALLOC") | gfp.bit("NOWARN")
        self.settled = isinstance(self.pages, Reserve)
        self.offline = self.pages.contig_alignment()
        if not isinstance(self.pages, Pages618):
            self.offline = 1 << self.pages.order_max
        self.zones = self.pages.populated_zones()
        self.managed = sum(self.pages.managed_pages(zone) for zone in self.zones)
        self.free_least = int(self.managed * (1 - self.fill))
        self.weights += (0,) * (len(EVENTS) - len(self.weights))
        self.odds = tuple(accumulate(self.weights))
        self.doing = tuple(getattr(self, f"_{event}") for event in EVENTS)
        if self.weights[EVENTS.index("touch")]:
            self.owner = Owner(self.pages, min(self.managed // 2, OWNER_SLOTS_MAX))

    def step(self) -> None:
        """One event."""
        nth = self.choices.choices(range(len(EVENTS)), cum_weights=self.odds)[0]
        if nth == 0 and self.free_pages() < self.free_least:
            nth = 1
        self.event = EVENTS[nth]
        self.counts[self.event] = self.counts.get(self.event, 0) + 1
        self.doing[nth]()

    def run(self, events: int) -> None:
        """So many events."""
        for _ in range(events):
            self.step()

    def free_pages(self) -> int:
        """NR_FREE_PAGES of all zones."""
        return sum(map(self.pages.nr_free_pages, self.zones))

    # Pages for programs and drivers.

    def _order(self) -> int:
        return self.choices.choices(range(11), cum_weights=ORDER_WEIGHTS)[0]

    def _take(self, gfp: int, order: int) -> None:
        # Of several blocks only as a compound page: up to 6.9 isolation takes the tails of another
        # chunk for free pages, and its blocks' types part while it is in use.
        if order > self.pages.pageblock_order or (order and self.choices.random() < 0.5):
            gfp |= self.pages.gfp_comp
        page = self.pages.alloc_pages(gfp, order)
        if page:
            self.held.append((page, order))

    def _any_gfp(self) -> int:
        return self.choices.choices(
            (self.movable, self.kernel, self.reclaimable), cum_weights=(6, 9, 10)
        )[0]

    def _alloc(self) -> None:
        self._take(self._any_gfp(), self._order())

    def _atomic(self) -> None:
        self._take(self.atomic, self.choices.randrange(4))

    def _burst(self) -> None:
        """Packets come in; now and then one so large that several blocks are set apart at once."""
        pages = self.pages
        if self.choices.random() < 0.3:
            self._take(self.atomic, self.choices.randint(pages.pageblock_order, pages.order_max))
        for _ in range(self.choices.randrange(1, BURST_MAX)):
            self._take(self.atomic, self.choices.randrange(4))

    def _free(self) -> None:
        if not self.held:
            return
        nth = self.choices.randrange(len(self.held))
        self.held[nth], self.held[-1] = self.held[-1], self.held[nth]
        page, order = self.held.pop()
        self.pages.page_cache_release(page)
        self.pages.free_pages(page, order)
        if order == 0:
            self.freed = page

    def _bulk(self) -> None:
        """Many single pages at once, as vmalloc takes them; or many given back."""
        if self.choices.random() < 0.5 and self.free_pages() > self.free_least:
            count = self.choices.randrange(1, BULK_MAX)
            taken = self.pages.alloc_pages_bulk(self._any_gfp(), 0, count)
            self.held += [(page, 0) for page in taken]
            return
        for _ in range(self.choices.randrange(1, BULK_MAX)):
            self._free()

    def _exhaust(self) -> None:
        """Who may use the reserves (swapping over the network) takes a zone's last pages."""
        zone = self.choices.choice(self.zones)
        gfp = self.choices.choice((self.movable, self.kernel))
        if self.pages.zone_idx(zone) == ZONE_DMA:
            gfp = gfp & ~self.pages.era.gfp.bit("HIGHMEM") | self.pages.era.gfp.bit("DMA")
        left = self.choices.randrange(self.choices.choice((8, EXHAUST_LEFT_MAX)))
        count = max(0, self.pages.nr_free_pages(zone) - left)
        self.hoard += self.pages.alloc_pages_bulk(gfp | self.memalloc, 0, count)

    def _release(self) -> None:
        """And gives it back."""
        self.choices.shuffle(self.hoard)
        self.pages.free_pages_bulk(self.hoard, 0)
        self.hoard.clear()

    def _locked(self) -> None:
        """An interrupt frees or takes a page while what it interrupts is at the per-cpu lists."""
        pages = self.pages
        for zone in self.zones:
            pages.hold_pcp_lock(zone, pages.cpu, True)
        if self.choices.random() < 0.7:
            self._free()
        else:
            self._take(self.atomic, self.choices.randrange(2))
        for zone in self.zones:
            pages.hold_pcp_lock(zone, pages.cpu, False)

    def _stray(self) -> None:
        """A driver drops a reference that it does not have: the kernel stops it there."""
        page = self.freed
        if page and self.pages.page_ref_count(page) == 0:
            try:
                self.pages.free_pages(page, 0)
            except PageBug as bug:
                if bug.where != "put_page_testzero":
                    raise

    # Cpus and lists.

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

    # Ranges.

    def _range(self, size: int) -> tuple[int, int]:
        """A random range of one to three times ``size`` frames of one zone, aligned to it."""
        pages = self.pages
        zone = self.choices.choice(self.zones)
        first = -(-pages.zone_start_pfn(zone) // size)
        last = pages.zone_end_pfn(zone) // size
        start = self.choices.randrange(first, last)
        end = min(last, start + self.choices.randrange(1, 4))
        return start * size, end * size

    def _of_types(self, start: int, end: int, types: tuple[int, ...]) -> bool:
        """Are all blocks of a range of these types?"""
        step = self.pages.pageblock_nr_pages
        return all(
            self.pages.get_pfnblock_migratetype(pfn) in types for pfn in range(start, end, step)
        )

    def _settle(self) -> None:
        if self.settled:
            self.pages.drain_all_pages(0)

    def _isolate(self) -> None:
        """A range goes offline for a while, or comes back."""
        pages = self.pages
        if self.isolated and self.choices.random() < 0.6:
            start = self.isolated.pop()
            self._settle()
            pages.undo_isolate_page_range(start, self.isolated.pop(), pages.mt_movable)
            return
        start, end = self._range(self.offline)
        if not self._of_types(start, end, (pages.mt_movable, pages.mt_unmovable)):
            return
        self._settle()
        if pages.start_isolate_page_range(start, end, pages.mt_movable) == 0:
            self.isolated += [end, start]

    def _contig(self) -> None:
        pages = self.pages
        start, end = self._range(pages.contig_alignment())
        if not self._of_types(start, end, (pages.mt_movable,)):
            return
        self._settle()
        if pages.alloc_contig_range(start, end, pages.mt_movable) == 0:
            self.held += [(pages.pfn_to_page(pfn), 0) for pfn in range(start, end)]

    def _cma(self) -> None:
        """A driver takes pages of the CMA area, which must be moved away first, or gives some."""
        first, last = self.cma
        if self.lent and self.choices.random() < 0.6:
            start, end = self.lent.pop(self.choices.randrange(len(self.lent)))
            self.pages.free_contig_range(start, end - start)
            return
        if first == last:
            return
        start = self.choices.randrange(first, last)
        end = min(last, start + self.choices.randrange(1, CMA_PAGES_MAX))
        if any(start < till and begin < end for begin, till in self.lent):
            return
        self._settle()
        if self.pages.alloc_contig_range(start, end, self.pages.mt_cma) == 0:
            self.lent.append((start, end))

    # The administrator, and what the kernel does when memory is short.

    def _sysctl(self) -> None:
        self.pages.min_free_kbytes_sysctl(self.choices.choice(self.kbytes))

    def _unreserve(self) -> None:
        """A request is about to fail: what is set apart for atomic ones is given back."""
        pages = self.pages
        types = (pages.mt_movable, pages.mt_unmovable, pages.mt_reclaimable)
        pages.unreserve_highatomic_pageblock(pages.zonelist(0), self.choices.choice(types), True)

    def _tide(self) -> None:
        self.free_least = int(self.managed * (1 - self.choices.choice(FILLS)))

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

    # Pages that are mapped.

    def _slot(self) -> int:
        return self.choices.randrange(self.owner.slots)

    def _touch(self) -> None:
        slot = self._slot()
        self.owner.touch(slot, write=self.choices.random() < 0.4, file=slot % 2 == 1)

    def _forget(self) -> None:
        self.owner.forget(self._slot())

    def _mlock(self) -> None:
        page = self.owner.page(self._slot())
        if page:
            locks = self.choices.random() < 0.5
            (self.pages.mlock_folio if locks else self.pages.munlock_folio)(page)

    def _flush(self) -> None:
        self.owner.flush()

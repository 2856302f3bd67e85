"""Per-cpu lists: pages kept at hand by each cpu, refilled and drained in batches.

The lists of 6.1: orders 0 to 3 for each of three types, and two for huge pages. A list is reached
by trylock; if that fails the buddy lists serve directly.
"""

from __future__ import annotations

from collections.abc import Sequence

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.memory.memory import Memory
from mmtwin.memory.view import View
from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.era import PageEra
from mmtwin.pages.prep import Prep
from mmtwin.pages.zone import ZoneSpec

if not cython.compiled:
    from mmtwin.pages.words import add, load, store

FPI_NONE = declare(i32, 0)
COSTLY_ORDER = declare(i32, g.PAGE_ALLOC_COSTLY_ORDER)
PCP_SIZE = declare(u64, c.PCP_SIZE)
PCP_COUNT = declare(u64, c.PCP_COUNT)
PCP_HIGH = declare(u64, c.PCP_HIGH)
PCP_BATCH = declare(u64, c.PCP_BATCH)
PCP_FREE_FACTOR = declare(u64, c.PCP_FREE_FACTOR)
PCP_LOCK = declare(u64, c.PCP_LOCK)
PCP_LISTS = declare(u64, c.PCP_LISTS)
ZONE_PAGESETS = declare(u64, c.ZONE_PAGESETS)
ZONE_FLAGS = declare(u64, c.ZONE_FLAGS)
RECLAIM_ACTIVE = declare(u64, c.RECLAIM_ACTIVE)
ZONE_NR_FREE_PAGES = declare(u64, c.ZONE_NR_FREE_PAGES)
ZONE_NR_FREE_CMA = declare(u64, c.ZONE_NR_FREE_CMA)
THP_LISTS = declare(i32, 12)


class Pcplists(Prep):
    """The per-cpu lists of all zones, and the free paths that lead to them.

    ``cpu`` is the cpu on which the caller runs.
    """

    def __init__(
        self,
        memory: Memory,
        era: PageEra,
        memmap: u64,
        frames: u64,
        specs: Sequence[ZoneSpec],
        cpus: i32,
    ) -> None:
        super().__init__(memory, era, memmap, frames, specs)
        self.cpus = cpus
        self.cpu = 0
        self.pcp_lists = self.pcp_list_count()
        for zone in self.populated_zones():
            pagesets = memory.boot_alloc(cpus * c.PCP_SIZE, 64)
            store(memory, zone + c.ZONE_PAGESETS, pagesets)
            for cpu in range(cpus):
                for nth in range(c.PCP_LISTS_MAX):
                    self.list_init(pagesets + cpu * c.PCP_SIZE + c.PCP_LISTS + 16 * nth)

    def pcp_list_count(self) -> i32:
        """How many lists a cpu has in a zone."""
        return THP_LISTS + 2

    def per_cpu_pages(self, zone: u64, cpu: i32) -> u64:
        """A cpu's ``struct per_cpu_pages`` of a zone."""
        return load(self.memory, zone + ZONE_PAGESETS) + cpu * PCP_SIZE

    def pcp_view(self, zone: int, cpu: int) -> View:
        """The fields of a cpu's per-cpu pages."""
        return View(self.memory, c.PER_CPU_PAGES, self.per_cpu_pages(zone, cpu))

    def order_to_pindex(self, migratetype: i32, order: i32) -> i32:
        """The number of the list for that type and order."""
        if order > COSTLY_ORDER:
            if order != self.pageblock_order:
                raise KernelBug("order != pageblock_order", "order_to_pindex")
            return THP_LISTS + (1 if migratetype == self.mt_movable else 0)
        return self.mt_pcptypes * order + migratetype

    def pindex_to_order(self, pindex: i32) -> i32:
        """The order of the chunks on a list."""
        return self.pageblock_order if pindex >= THP_LISTS else pindex // self.mt_pcptypes

    def pcp_spin_trylock(self, pcp: u64) -> bint:
        """Can the lists be used? False while someone else holds their lock."""
        return load(self.memory, pcp + PCP_LOCK) == 0

    def hold_pcp_lock(self, zone: u64, cpu: i32, held: bint) -> i32:
        """Hold or release the lock of a cpu's lists from outside; returns 0."""
        store(self.memory, self.per_cpu_pages(zone, cpu) + PCP_LOCK, 1 if held else 0)
        return 0

    # Refilling.

    def rmqueue_bulk(
        self, zone: u64, order: i32, count: i64, head: u64, migratetype: i32, alloc_flags: i32
    ) -> i64:
        """Move up to ``count`` chunks from the buddy lists to the end of the list at ``head``.

        Returns how many were moved.
        """
        taken: i64 = 0
        page: u64
        size: i64 = 1 << order
        while taken < count:
            page = self._rmqueue(zone, order, migratetype, alloc_flags)
            if page == 0:
                break
            if not self.debug_vm:
                self.check_new_pages(page, order, zone)
            self.list_add_tail(page + self.o_lru, head)
            taken += 1
            if self.get_pcppage_migratetype(page) == self.mt_cma:
                add(self.memory, zone + ZONE_NR_FREE_CMA, -size)
        add(self.memory, zone + ZONE_NR_FREE_PAGES, -taken * size)
        return taken

    def _rmqueue_pcplist(
        self, zone: u64, order: i32, migratetype: i32, alloc_flags: i32, pcp: u64, head: u64
    ) -> u64:
        """The first chunk of a per-cpu list, refilled if it is empty; 0 without memory."""
        memory = self.memory
        batch: i64
        taken: i64
        size: i64 = 1 << order
        if self.list_empty(head):
            batch = load(memory, pcp + PCP_BATCH)
            if batch > 1:
                batch = batch >> order
                if batch < 2:
                    batch = 2
            taken = self.rmqueue_bulk(zone, order, batch, head, migratetype, alloc_flags)
            add(self.memory, pcp + PCP_COUNT, taken * size)
            if self.list_empty(head):
                return 0
        page: u64 = load(memory, head) - self.o_lru
        self.list_del(page + self.o_lru)
        add(self.memory, pcp + PCP_COUNT, -size)
        if self.debug_vm:
            self.check_new_pages(page, order, zone)
        return page

    def rmqueue_pcplist(self, zone: u64, order: i32, migratetype: i32, alloc_flags: i32) -> u64:
        """A chunk from this cpu's lists; 0 if there is none or the lists are locked."""
        pcp: u64 = self.per_cpu_pages(zone, self.cpu)
        if not self.pcp_spin_trylock(pcp):
            return 0
        factor: u64 = load(self.memory, pcp + PCP_FREE_FACTOR)
        store(self.memory, pcp + PCP_FREE_FACTOR, factor >> 1)
        head: u64 = pcp + PCP_LISTS + 16 * self.order_to_pindex(migratetype, order)
        return self._rmqueue_pcplist(zone, order, migratetype, alloc_flags, pcp, head)

    # Freeing.

    def nr_pcp_free(self, pcp: u64, high: i64, batch: i64, free_high: bint) -> i64:
        """How many pages go back to the buddy lists when ``high`` is reached."""
        if free_high:
            return load(self.memory, pcp + PCP_COUNT)
        if high < batch:
            return 1
        factor: i64 = load(self.memory, pcp + PCP_FREE_FACTOR)
        most: i64 = high - batch
        wanted: i64 = batch << factor
        if wanted < most and factor < self.era.pcp_batch_scale_max:
            store(self.memory, pcp + PCP_FREE_FACTOR, factor + 1)
        if wanted > most:
            wanted = most
        return wanted if wanted > batch else batch

    def nr_pcp_high(self, pcp: u64, zone: u64, free_high: bint) -> i64:
        """The count at which pages go back: less while reclaim is at work."""
        high: i64 = load(self.memory, pcp + PCP_HIGH)
        if high == 0 or free_high:
            return 0
        if load(self.memory, zone + ZONE_FLAGS) & RECLAIM_ACTIVE == 0:
            return high
        batch: i64 = load(self.memory, pcp + PCP_BATCH)
        return batch << 2 if batch << 2 < high else high

    def free_pcppages_bulk(self, zone: u64, count: i64, pcp: u64, pindex: i32) -> i32:
        """Free ``count`` pages of the per-cpu lists, beginning with the list ``pindex``; 0.

        Each list is emptied from its end, oldest pages first, before the next one is looked at.
        """
        memory = self.memory
        least: i32 = 0
        most: i32 = self.pcp_lists - 1
        head: u64
        page: u64
        order: i32
        size: i64
        migratetype: i32
        held: i64 = load(memory, pcp + PCP_COUNT)
        if held < count:
            count = held
        isolated: bint = self.has_isolate_pageblock(zone)
        pindex -= 1
        while count > 0:
            while True:
                pindex += 1
                if pindex > most:
                    pindex = least
                head = pcp + PCP_LISTS + 16 * pindex
                if not self.list_empty(head):
                    break
                if pindex == most:
                    most -= 1
                if pindex == least:
                    least += 1
                if least > most:
                    raise KernelBug("pcp->count exceeds what is listed", "free_pcppages_bulk")
            order = self.pindex_to_order(pindex)
            size = 1 << order
            while count > 0 and not self.list_empty(head):
                page = load(memory, head + 8) - self.o_lru
                migratetype = self.get_pcppage_migratetype(page)
                self.list_del(page + self.o_lru)
                count -= size
                add(self.memory, pcp + PCP_COUNT, -size)
                if not self.debug_vm:
                    self.free_page_is_bad(page)
                if migratetype == self.mt_isolate:
                    self.page_bug("is_migrate_isolate(mt)", "free_pcppages_bulk", page)
                migratetype = self.drained_type(page, migratetype, isolated)
                self._free_one_page(
                    page, self.page_to_pfn(page), zone, order, migratetype, FPI_NONE
                )
                if self.tracer is not None:
                    self.trace_drain(page, order, migratetype)
        return 0

    def drained_type(self, page: u64, cached: i32, isolated: bint) -> i32:
        """To which type's list a drained page goes: the cached one, unless blocks are isolated."""
        return self.get_pageblock_migratetype(page) if isolated else cached

    def trace_drain(self, page: u64, order: i32, migratetype: i32) -> i32:
        """Emit ``mm_page_pcpu_drain``; returns 0."""
        if self.tracer is not None:
            self.tracer(
                "mm_page_pcpu_drain",
                page=page,
                pfn=self.page_to_pfn(page),
                order=order,
                migratetype=migratetype,
            )
        return 0

    def free_unref_page_commit(
        self, zone: u64, pcp: u64, page: u64, migratetype: i32, order: i32
    ) -> i32:
        """Put a chunk on a per-cpu list, and give some back if that is too many; returns 0."""
        pindex: i32 = self.order_to_pindex(migratetype, order)
        self.list_add(page + self.o_lru, pcp + PCP_LISTS + 16 * pindex)
        add(self.memory, pcp + PCP_COUNT, 1 << order)
        free_high: bint = (
            order > 0 and order <= COSTLY_ORDER and load(self.memory, pcp + PCP_FREE_FACTOR) != 0
        )
        high: i64 = self.nr_pcp_high(pcp, zone, free_high)
        count: i64 = load(self.memory, pcp + PCP_COUNT)
        if count >= high:
            batch: i64 = load(self.memory, pcp + PCP_BATCH)
            self.free_pcppages_bulk(
                zone, self.nr_pcp_free(pcp, high, batch, free_high), pcp, pindex
            )
        return 0

    def free_unref_page(self, page: u64, order: i32) -> i32:
        """Free a chunk by way of the per-cpu lists; returns 0.

        An isolated block's page goes to the buddy lists at once. CMA and HIGHATOMIC pages are kept
        with the movable ones, and remember their own type.
        """
        if not self.free_pages_prepare(page, order):
            return 0
        pfn: u64 = self.page_to_pfn(page)
        migratetype: i32 = self.get_pfnblock_migratetype(pfn)
        self.set_pcppage_migratetype(page, migratetype)
        zone: u64 = self.page_zone(page)
        pcptype: i32 = migratetype
        if migratetype >= self.mt_pcptypes:
            if migratetype == self.mt_isolate:
                return self.free_one_page(zone, page, pfn, order, migratetype, FPI_NONE)
            pcptype = self.mt_movable
        pcp: u64 = self.per_cpu_pages(zone, self.cpu)
        if self.pcp_spin_trylock(pcp):
            return self.free_unref_page_commit(zone, pcp, page, pcptype, order)
        return self.free_one_page(
            zone, page, pfn, order, self.untracked_type(migratetype, pcptype), FPI_NONE
        )

    def untracked_type(self, migratetype: i32, pcptype: i32) -> i32:
        """Whose list gets a page when the per-cpu lists are locked: its own type's (7b086755fb8c).

        ``pcptype`` is the type of the per-cpu list that it would have gone to.
        """
        return migratetype

    def _free_pages_ok(self, page: u64, order: i32, fpi_flags: i32) -> i32:
        """Free a chunk to the buddy lists directly; returns 0."""
        if not self.free_pages_prepare(page, order):
            return 0
        pfn: u64 = self.page_to_pfn(page)
        migratetype: i32 = self.get_pfnblock_migratetype(pfn)
        return self.free_one_page(self.page_zone(page), page, pfn, order, migratetype, fpi_flags)

    # Draining.

    def drain_pages_zone(self, cpu: i32, zone: u64) -> i32:
        """Give everything on a cpu's lists of a zone back; returns 0."""
        pcp: u64 = self.per_cpu_pages(zone, cpu)
        count: i64 = load(self.memory, pcp + PCP_COUNT)
        if count > 0:
            self.free_pcppages_bulk(zone, count, pcp, 0)
        return 0

    def drain_all_pages(self, zone: u64) -> i32:
        """Empty the lists of all cpus, of one zone or, if ``zone`` is 0, of all; returns 0."""
        cpu: i32 = 0
        while cpu < self.cpus:
            if zone != 0:
                self.drain_pages_zone(cpu, zone)
            else:
                for other in self.populated_zones():
                    self.drain_pages_zone(cpu, other)
            cpu += 1
        return 0

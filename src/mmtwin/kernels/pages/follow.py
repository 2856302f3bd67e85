"""Setting the twin right where a recorded kernel did something else: one page at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from mmtwin.kernels.pages import recording as r
from mmtwin.pages import gfp as g
from mmtwin.pages import layouts as c
from mmtwin.pages.pages import Pages


class Replayed(Pages):
    """A page allocator that is told what happened: nobody reclaims but the recorded kernel."""

    def alloc_pages_slowpath(
        self, gfp: int, order: int, highest_zoneidx: int, zonelist: int
    ) -> int:
        """What the kernel reclaimed was replayed already: the page is there, whatever the marks."""
        flags = self.gfp_to_alloc_flags(gfp, order)
        page = self.get_page_from_freelist(gfp, order, flags, highest_zoneidx, zonelist)
        if not page:
            flags |= g.ALLOC_NO_WATERMARKS
            page = self.get_page_from_freelist(gfp, order, flags, highest_zoneidx, zonelist)
        return int(page)

    def alloc_one_of_bulk(self, gfp: int) -> int:
        """A page as ``__alloc_pages_bulk`` takes it: past the free factor of the per-cpu lists."""
        zonelist = self.zonelist(0)
        zone = self.memory.load(self.next_zone(zonelist, self.gfp_zone(gfp)))
        pcp = self.per_cpu_pages(zone, self.cpu)
        factor = self.memory.load(pcp + c.PCP_FREE_FACTOR)
        page = self.alloc_pages(gfp, 0)
        self.memory.store(pcp + c.PCP_FREE_FACTOR, factor)
        return int(page)


class Follow:
    """Hears what the twin does within a step, and does what the kernel did instead.

    ``heard`` are the twin's refills and steals, ``drained`` the pages that it gave back from
    per-cpu lists, as events of a recording.
    """

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        pages.tracer = self._hear
        pages.debug_vm = False
        self.heard: list[list[int]] = []
        self.drained: deque[list[int]] = deque()

    def _hear(self, event: str, **fields: int) -> None:
        kind = r.NAMES.index(event)
        if kind == r.DRAIN:
            self.drained.append([kind, *(fields[name] for name in r.KINDS[event])])
        elif kind in (r.LOCKED, r.EXTFRAG):
            self.heard.append([kind, *(fields[name] for name in r.KINDS[event])])

    # Where a page is.

    def on_pcp(self, pfn: int) -> tuple[int, int] | None:
        """The per-cpu pages (their address) and the list on which a chunk waits; None if none."""
        pages = self.pages
        zone = pages.zone_of_pfn(pfn)
        pcp = pages.per_cpu_pages(zone, pages.cpu)
        wanted = pages.pfn_to_page(pfn) + pages.o_lru
        for nth in range(pages.pcp_lists):
            head = pcp + c.PCP_LISTS + 16 * nth
            entry = pages.link_next(head)
            while entry != head:
                if entry == wanted:
                    return pcp, nth
                entry = pages.link_next(entry)
        return None

    def free_head(self, pfn: int) -> tuple[int, int] | None:
        """The free chunk (first frame, order) that holds a frame; None if it is not free."""
        pages = self.pages
        for order in range(pages.order_max + 1):
            head = pfn & -(1 << order)
            page = pages.pfn_to_page(head)
            if pages.page_buddy(page) and pages.page_private(page) >= order:
                return head, pages.page_private(page)
        return None

    def kind(self, pfn: int, twin: int, alike: bool) -> str:
        """What kind of error it is that the twin gave ``twin`` and the kernel ``pfn``."""
        if twin < 0:
            return "the twin had none to give"
        if not alike:
            return "the refill or the steal went otherwise"
        if self.pages.zone_of_pfn(pfn) != self.pages.zone_of_pfn(twin):
            return "from another zone"
        if self.on_pcp(pfn):
            return "the per-cpu list is in another order"
        if self.free_head(pfn):
            return "free in the twin, but not next"
        return "in use in the twin"

    # Setting right.

    def give_back(self, pfn: int, order: int) -> None:
        """Undo the twin's allocation of a chunk: it is the next again, or free again."""
        pages = self.pages
        page = pages.pfn_to_page(pfn)
        zone = pages.page_zone(page)
        pages.page_ref_add(page, -1)
        pages.add_to(zone + c.ZONE_USED, -(1 << order))
        migratetype = pages.get_pcppage_migratetype(page)
        if not pages.pcp_allowed_order(order) or migratetype >= pages.mt_pcptypes:
            pages.free_one_page(zone, page, pfn, order, pages.get_pfnblock_migratetype(pfn), 0)
            return
        pcp = pages.per_cpu_pages(zone, pages.cpu)
        pindex = pages.order_to_pindex(migratetype, order)
        pages.list_add(page + pages.o_lru, pcp + c.PCP_LISTS + 16 * pindex)
        pages.add_to(pcp + c.PCP_COUNT, 1 << order)

    def take_off(self, pfn: int, order: int) -> bool:
        """Take a chunk off whatever list holds it, and count it as nobody's; False if in use."""
        pages = self.pages
        page = pages.pfn_to_page(pfn)
        found = self.on_pcp(pfn)
        if found is not None:
            pcp, nth = found
            pages.list_del(page + pages.o_lru)
            held = pages.pindex_to_order(nth)
            pages.add_to(pcp + c.PCP_COUNT, -(1 << held))
            return True
        chunk = self.free_head(pfn)
        if chunk is None:
            return False
        self._carve(pfn, order, *chunk)
        return True

    def _carve(self, pfn: int, order: int, head: int, size: int) -> None:
        """Take 2^order pages out of a free chunk; the rest stays free, in the largest pieces."""
        pages = self.pages
        zone = pages.zone_of_pfn(pfn)
        order = min(order, size)
        migratetype = self._list_of(zone, head, size)
        pages.del_page_from_free_list(pages.pfn_to_page(head), zone, size, migratetype)
        pages.mod_zone_freepage_state(zone, -(1 << order), migratetype)
        while size > order:
            size -= 1
            upper = head + (1 << size)
            rest, head = (head, upper) if pfn >= upper else (upper, head)
            page = pages.pfn_to_page(rest)
            pages.add_to_free_list(page, zone, size, migratetype)
            pages.set_buddy_order(page, size)
        pages.set_pcppage_migratetype(pages.pfn_to_page(pfn), migratetype)

    def _list_of(self, zone: int, pfn: int, order: int) -> int:
        """The type of the list that holds a free chunk."""
        pages = self.pages
        heads = {pages.free_list(zone, order, nth): nth for nth in range(pages.mt_types)}
        entry = pages.pfn_to_page(pfn) + pages.o_lru
        while entry not in heads:
            entry = pages.link_next(entry)
        return heads[entry]

    def seize(self, pfn: int, order: int) -> None:
        """Make a chunk one that is in use, wherever it was."""
        pages = self.pages
        if self.take_off(pfn, order):
            page = pages.pfn_to_page(pfn)
            pages.page_ref_add(page, 1)
            pages.add_to(pages.page_zone(page) + c.ZONE_USED, 1 << order)

    def refill_as(self, kernel: list[list[int]]) -> None:
        """Undo the twin's refills, and do the kernel's; blocks change hands as they did there."""
        pages = self.pages
        told = {event[1] for event in kernel if event[0] == r.LOCKED}
        known = {event[1] for event in self.heard if event[0] == r.LOCKED}
        for event in self.heard:
            found = self.on_pcp(event[1]) if event[0] == r.LOCKED else None
            if found is not None and event[1] not in told:
                self.take_off(event[1], event[2])
                self._to_buddy(event[1], event[2], event[3])
        for event in kernel:
            if event[0] == r.EXTFRAG and event[6]:
                pages.set_pageblock_migratetype(pages.pfn_to_page(event[1]), event[4])
            elif event[0] == r.LOCKED and event[1] not in known:
                self._refill(event[1], event[2], event[3])

    def _refill(self, pfn: int, order: int, migratetype: int) -> None:
        """Put a chunk at the end of the per-cpu list that the kernel refilled with it."""
        pages = self.pages
        if not pages.pcp_allowed_order(order) or migratetype >= pages.mt_pcptypes:
            return
        if not self.take_off(pfn, order):
            return
        page = pages.pfn_to_page(pfn)
        pcp = pages.per_cpu_pages(pages.page_zone(page), pages.cpu)
        pages.set_pcppage_migratetype(page, migratetype)
        head = pcp + c.PCP_LISTS + 16 * pages.order_to_pindex(migratetype, order)
        pages.list_add_tail(page + pages.o_lru, head)
        pages.add_to(pcp + c.PCP_COUNT, 1 << order)

    def _to_buddy(self, pfn: int, order: int, migratetype: int) -> None:
        page = self.pages.pfn_to_page(pfn)
        self.pages._free_one_page(page, pfn, self.pages.page_zone(page), order, migratetype, 0)

    def drain(self, pfn: int, order: int, migratetype: int) -> None:
        """Give a chunk back to the buddy lists, as the kernel did without being asked."""
        if self.on_pcp(pfn):
            self.take_off(pfn, order)
            self._to_buddy(pfn, order, migratetype)

    def isolate(self, pfn: int, order: int) -> None:
        """Take a free chunk as compaction does; what it makes of the block included."""
        pages = self.pages
        page = pages.pfn_to_page(pfn)
        if self.free_head(pfn) != (pfn, order) or not pages._isolate_free_page(page, order):
            self.seize(pfn, order)
            return
        pages.page_ref_add(page, 1)

    def put_back(self, pfn: int, order: int, migratetype: int) -> None:
        """Free a chunk as compaction and isolation do that change their mind."""
        page = self.pages.pfn_to_page(pfn)
        if self.pages.page_ref_count(page) == 1:
            self.pages.page_ref_add(page, -1)
            self.pages.add_to(self.pages.page_zone(page) + c.ZONE_USED, -(1 << order))
            self._to_buddy(pfn, order, migratetype)

    def free(self, pfn: int, order: int) -> bool:
        """Free a chunk the usual way; False if the twin thought it free and had to take it first.

        A chunk may come back in other pieces than it was asked for: each piece has a reference.
        """
        pages = self.pages
        page = pages.pfn_to_page(pfn)
        known = True
        if pages.page_ref_count(page) == 0:
            known = not self.take_off(pfn, order)
            pages.page_ref_add(page, 1)
        for nth in range(1, 1 << order):
            tail = page + c.STRUCT_PAGE_SIZE * nth
            if pages.page_ref_count(tail):
                pages.page_ref_add(tail, -1)
        self.mark_movable(pfn, order, False)
        pages.free_pages(page, order)
        return known

    @contextmanager
    def locked_lists(self, pfn: int) -> Iterator[None]:
        """Within, somebody holds the lock of the per-cpu lists of the frame's zone."""
        pages = self.pages
        zone = pages.zone_of_pfn(pfn)
        pages.hold_pcp_lock(zone, pages.cpu, True)
        try:
            yield
        finally:
            pages.hold_pcp_lock(zone, pages.cpu, False)

    def mark_movable(self, pfn: int, order: int, on: bool) -> None:
        """Mark the pages of a chunk as being on the LRU lists, or not."""
        for nth in range(1 << order):
            self.pages.set_page_lru(self.pages.pfn_to_page(pfn + nth), on)

"""The state of a page allocator as plain numbers: taken from one, laid down in another.

Everything is there that decides which page comes out next: the order of each list, the per-cpu
lists, the blocks' types, marks and reserves. Frames that are on no list are in use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from mmtwin.memory.memory import PAGE
from mmtwin.pages import layouts as c
from mmtwin.pages.era import era
from mmtwin.pages.load import Load
from mmtwin.pages.pages import Pages, boot_memory
from mmtwin.pages.zone import ZoneSpec

Kind = TypeVar("Kind", bound=Pages)


@dataclass(slots=True)
class PcpState:
    """One cpu's lists of a zone: frames by list, first to last.

    ``count`` is what the kernel thinks they add up to, in pages; ``cached`` are the types in
    ``page->index`` of the frames whose list is another type's.
    """

    count: int
    high: int
    batch: int
    free_factor: int
    lists: list[list[int]]
    cached: dict[int, int] = field(default_factory=dict)

    @property
    def frames(self) -> set[int]:
        """The first frame of every chunk here."""
        return {pfn for listed in self.lists for pfn in listed}


@dataclass(slots=True)
class ZoneState:
    """One zone. ``free[order][type]`` are the heads of a list, first to last; sizes are pages.

    ``blocks`` are the types of the pageblocks from the one that holds ``start_pfn`` on.
    """

    node: int
    index: int
    start_pfn: int
    spanned: int
    present: int
    managed: int
    watermarks: list[int]
    boost: int
    lowmem_reserve: list[int]
    nr_reserved_highatomic: int
    free: list[list[list[int]]]
    blocks: list[int]
    pcps: list[PcpState]

    @property
    def end_pfn(self) -> int:
        """The first frame after the zone."""
        return self.start_pfn + self.spanned

    @property
    def nr_free(self) -> list[int]:
        """Chunks of each order, as /proc/buddyinfo counts them."""
        return [sum(map(len, lists)) for lists in self.free]

    @property
    def free_pages(self) -> int:
        """Pages on the free lists."""
        return sum(count << order for order, count in enumerate(self.nr_free))


@dataclass(slots=True)
class PageState:
    """All populated zones, and the settings that rule them.

    ``lru`` are runs [first, end) of frames in use that count as movable when a block is stolen.
    """

    era: str
    cma: bool
    isolate: bool
    pageblock_order: int
    min_free_kbytes: int
    watermark_boost_factor: int
    mobility_disabled: bool
    zones: list[ZoneState]
    lru: list[tuple[int, int]] = field(default_factory=list)


def take(pages: Pages) -> PageState:
    """The state of ``pages`` now."""
    return PageState(
        era=pages.era.name,
        cma=pages.mt_cma >= 0,
        isolate=pages.mt_isolate >= 0,
        pageblock_order=pages.pageblock_order,
        min_free_kbytes=pages.min_free_kbytes(),
        watermark_boost_factor=pages.memory.load(pages.sysctl + c.SYSCTL_WATERMARK_BOOST),
        mobility_disabled=pages.mobility_disabled(),
        zones=[_take_zone(pages, zone) for zone in pages.populated_zones()],
        lru=_take_lru(pages),
    )


def _take_zone(pages: Pages, zone: int) -> ZoneState:
    view = pages.zone_view(zone)
    start = pages.zone_start_pfn(zone)
    first = start & ~(pages.pageblock_nr_pages - 1)
    return ZoneState(
        node=pages.zone_to_nid(zone),
        index=pages.zone_idx(zone),
        start_pfn=start,
        spanned=view.get("spanned_pages"),
        present=view.get("present_pages"),
        managed=view.get("managed_pages"),
        watermarks=[view.get("_watermark", nth) for nth in range(4)],
        boost=view.get("watermark_boost"),
        lowmem_reserve=[view.get("lowmem_reserve", nth) for nth in range(5)],
        nr_reserved_highatomic=view.get("nr_reserved_highatomic"),
        free=[
            [
                [
                    pages.page_to_pfn(page)
                    for page in pages.free_area_pages(zone, order, migratetype)
                ]
                for migratetype in range(pages.mt_types)
            ]
            for order in range(pages.order_max + 1)
        ],
        blocks=[
            pages.get_pfnblock_migratetype(pfn)
            for pfn in range(first, pages.zone_end_pfn(zone), pages.pageblock_nr_pages)
        ],
        pcps=[_take_pcp(pages, zone, cpu) for cpu in range(pages.cpus)],
    )


def _take_pcp(pages: Pages, zone: int, cpu: int) -> PcpState:
    view = pages.pcp_view(zone, cpu)
    head = pages.per_cpu_pages(zone, cpu) + c.PCP_LISTS
    lists: list[list[int]] = []
    cached: dict[int, int] = {}
    for nth in range(pages.pcp_lists):
        lists.append([])
        entry = pages.link_next(head + 16 * nth)
        while entry != head + 16 * nth:
            page = entry - pages.o_lru
            lists[-1].append(pages.page_to_pfn(page))
            known = pages.get_pcppage_migratetype(page)
            if known != own_type(pages, nth, known):
                cached[lists[-1][-1]] = known
            entry = pages.link_next(entry)
    return PcpState(
        view.get("count"),
        view.get("high"),
        view.get("batch"),
        view.get("free_factor"),
        lists,
        cached,
    )


def own_type(pages: Pages, pindex: int, cached: int) -> int:
    """The type that the pages of a per-cpu list have by rule; ``cached`` where there is none."""
    if pages.pindex_to_order(pindex) == pages.pageblock_order:
        movable = pindex == pages.order_to_pindex(pages.mt_movable, pages.pageblock_order)
        return pages.mt_movable if movable else cached
    return pindex % pages.mt_pcptypes


def _take_lru(pages: Pages) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for zone in pages.populated_zones():
        for pfn in range(pages.zone_start_pfn(zone), pages.zone_end_pfn(zone)):
            if pages.page_flags(pages.pfn_to_page(pfn)) & pages.flag_lru:
                if runs and runs[-1][1] == pfn:
                    runs[-1] = (runs[-1][0], pfn + 1)
                else:
                    runs.append((pfn, pfn + 1))
    return runs


def machine(state: PageState, kind: type[Kind]) -> Kind:
    """A machine of that kind whose zones are in that state.

    Raises ValueError where the state contradicts itself: a frame that is free twice, a chunk out
    of its zone or at no place for its order.
    """
    frames = max(zone.end_pfn for zone in state.zones)
    specs = [ZoneSpec(zone.index, zone.start_pfn, zone.end_pfn, zone.node) for zone in state.zones]
    chosen = era(
        state.era, cma=state.cma, isolate=state.isolate, pageblock_order=state.pageblock_order
    )
    pages = kind(
        boot_memory(frames * PAGE),
        specs,
        era=chosen,
        cpus=max(len(zone.pcps) for zone in state.zones),
        mobility=not state.mobility_disabled,
    )
    lay(pages, state)
    return pages


def lay(pages: Pages, state: PageState) -> None:
    """Bring ``pages``, which has zones of the same places, into a state; ValueError as above."""
    load = Load(pages)
    pages.memory.store(pages.sysctl + c.SYSCTL_MIN_FREE_KBYTES, state.min_free_kbytes)
    pages.memory.store(pages.sysctl + c.SYSCTL_WATERMARK_BOOST, state.watermark_boost_factor)
    for zone in state.zones:
        at = pages.zone_at(zone.node, zone.index)
        if (pages.zone_start_pfn(at), pages.zone_end_pfn(at)) != (zone.start_pfn, zone.end_pfn):
            raise ValueError(f"zone {zone.index} of node {zone.node} is elsewhere here")
        load.take_all(at)
        _lay_zone(pages, load, at, zone)
    for first, end in state.lru:
        for pfn in range(first, end):
            pages.set_page_lru(pages.pfn_to_page(pfn), True)


def _lay_zone(pages: Pages, load: Load, at: int, zone: ZoneState) -> None:
    size = pages.pageblock_nr_pages
    first = zone.start_pfn & ~(size - 1)
    for nth, migratetype in enumerate(zone.blocks):
        pages.set_pfnblock_flags_mask(first + nth * size, migratetype, 7)
    for order, lists in enumerate(zone.free):
        for migratetype, listed in enumerate(lists):
            for pfn in listed:
                _in_zone(zone, pfn, order)
                load.put_free(pfn, order, migratetype)
    for cpu, pcp in enumerate(zone.pcps):
        fields = pages.pcp_view(at, cpu)
        fields.high, fields.batch, fields.free_factor = pcp.high, pcp.batch, pcp.free_factor
        for pindex, listed in enumerate(pcp.lists):
            order = pages.pindex_to_order(pindex)
            for pfn in listed:
                _in_zone(zone, pfn, order)
                block_type = pages.get_pfnblock_migratetype(pfn)
                known = pcp.cached.get(pfn, own_type(pages, pindex, block_type))
                load.put_pcp(pfn, order, known, pindex, cpu)
        fields.count = pcp.count
    view = pages.zone_view(at)
    view.present_pages, view.managed_pages = zone.present, zone.managed
    view.watermark_boost = zone.boost
    view.nr_reserved_highatomic = zone.nr_reserved_highatomic
    for nth, mark in enumerate(zone.watermarks):
        pages.memory.store(at + c.ZONE_WATERMARK + 8 * nth, mark)
    for nth, reserve in enumerate(zone.lowmem_reserve):
        pages.memory.store(at + c.ZONE_LOWMEM_RESERVE + 8 * nth, reserve)
    waiting = sum(
        len(listed) << pages.pindex_to_order(pindex)
        for pcp in zone.pcps
        for pindex, listed in enumerate(pcp.lists)
    )
    view.used = zone.managed - zone.free_pages - waiting


def _in_zone(zone: ZoneState, pfn: int, order: int) -> None:
    if not zone.start_pfn <= pfn or pfn + (1 << order) > zone.end_pfn:
        raise ValueError(f"frame {pfn:#x} of order {order} is not in its zone")

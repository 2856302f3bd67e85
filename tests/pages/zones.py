"""Small machines for the tests of the page allocator."""

from mmtwin.pages import gfp as g
from mmtwin.pages.era import era
from mmtwin.pages.load import Load
from mmtwin.pages.pages import Pages, boot_memory
from mmtwin.pages.zone import ZONE_NORMAL, ZoneSpec

UNMOVABLE, RECLAIMABLE, MOVABLE, RESERVE, CMA, ISOLATE = range(6)
"""The types of 3.15."""
BOTTOM = 0x40000
ALLOC_CMA = g.ALLOC_CMA


def one_zone(
    kind: type[Pages],
    first: int,
    end: int,
    *,
    pageblock_order: int = 9,
    cma: bool = True,
    cpus: int = 1,
    journal: bool = False,
) -> tuple[Pages, int]:
    """A machine with one zone, all of it in use, every block MOVABLE, no reserve; and the zone."""
    memory = boot_memory(1 << 30 if end <= 1 << 18 else end << 12, journal=journal)
    chosen = era(kind.era_name, cma=cma, pageblock_order=pageblock_order)
    spec = ZoneSpec(ZONE_NORMAL, first, end)
    pages = kind(memory, [spec], era=chosen, mobility=True, cpus=cpus)
    zone = pages.populated_zones()[0]
    pages.min_free_kbytes_sysctl(0)
    Load(pages).take_all(zone)
    return pages, zone


def put(pages: Pages, *chunks: tuple[int, int, int]) -> None:
    """Free the chunks (frame, order, type) as they are, each at the end of its list."""
    load = Load(pages)
    for pfn, order, migratetype in chunks:
        load.put_free(pfn, order, migratetype)


def free_chunk(pages: Pages, pfn: int, order: int) -> None:
    """Free 2^order used pages as one chunk, the usual way."""
    page = pages.pfn_to_page(pfn)
    for nth in range(1, 1 << order):
        pages.put_page_testzero(page + 64 * nth)
    pages.free_pages(page, order)


def block(pages: Pages, pfn: int, migratetype: int) -> None:
    """Make the block of a frame of that type, moving nothing."""
    pages.set_pageblock_migratetype(pages.pfn_to_page(pfn), migratetype)


def listed(pages: Pages, zone: int) -> list[tuple[int, int, int]]:
    """What is free: (frame, order, list's type), by frame."""
    return sorted(
        (pages.page_to_pfn(page), order, migratetype)
        for order in range(11)
        for migratetype in range(pages.mt_types)
        for page in pages.free_area_pages(zone, order, migratetype)
    )


def order_of(pages: Pages, zone: int, order: int, migratetype: int) -> list[int]:
    """The frames of one list, first to last."""
    return [pages.page_to_pfn(page) for page in pages.free_area_pages(zone, order, migratetype)]


class Trace(list[tuple[str, dict[str, int]]]):
    """The tracepoints heard."""

    def __call__(self, event: str, **fields: int) -> None:
        self.append((event, fields))

    def extfrag(self) -> list[tuple[int, int, int, int, int]]:
        """Order asked and found, type asked and found, whether the block changed hands."""
        return [
            (
                fields["alloc_order"],
                fields["fallback_order"],
                fields["alloc_migratetype"],
                fields["fallback_migratetype"],
                fields["change_ownership"],
            )
            for event, fields in self
            if event == "mm_page_alloc_extfrag"
        ]

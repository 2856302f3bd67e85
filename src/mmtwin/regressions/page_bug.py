"""Historical bugs of the page allocator: what one is, its story, and how it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmtwin.check.page_step import PageStepCheck
from mmtwin.check.violation import Violation
from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.pages.era import era
from mmtwin.pages.load import Load
from mmtwin.pages.pages import Pages, boot_memory
from mmtwin.pages.zone import ZONE_NORMAL, ZoneSpec

FIRST = 0x40000
"""The first frame of a story's zone, at 1 GiB."""

Story = Callable[[Pages, int], Iterator[str]]
"""Steps on a page allocator and its one zone; what the step was is told after it."""


@dataclass(frozen=True, slots=True)
class PageRegression:
    """One bug of the page allocator; the members are those of a ``Regression``.

    ``kind`` is the kernel it is put back into, ``override`` the class with the old method.
    ``story`` is the shortest way to it. ``pageblock_order`` and ``blocks`` shape the story's zone,
    all of whose pages are in use when it begins. ``asserted`` says that the sound kernel stops
    the story by an assertion of its own.
    """

    name: str
    title: str
    source: str
    versions: str
    mechanism: str
    trigger: str
    invariants: tuple[str, ...]
    kind: type[Pages]
    override: type
    story: Story
    pageblock_order: int = 9
    blocks: int = 8
    asserted: bool = False

    @property
    def layer(self) -> str:
        """Whose methods are replaced."""
        return "pages"

    def machine(self, *, put_back: bool) -> Pages:
        """A machine with one small zone, with the bug or without."""
        engine = self.kind
        if put_back:
            engine = type(engine.__name__, (self.override, engine), {})
        end = FIRST + (self.blocks << self.pageblock_order)
        pages = engine(
            boot_memory(end << 12, journal=True),
            [ZoneSpec(ZONE_NORMAL, FIRST, end)],
            era=era(self.kind.era_name, pageblock_order=self.pageblock_order),
            mobility=True,
        )
        pages.min_free_kbytes_sysctl(0)
        Load(pages).take_all(pages.populated_zones()[0])
        return pages

    def run(self, *, put_back: bool = True) -> PageFinding | None:
        """Tell the story, checking after each step what it touched; the first bad step, or None."""
        pages = self.machine(put_back=put_back)
        memory = pages.memory
        zone = pages.populated_zones()[0]
        check = PageStepCheck(pages)
        steps = self.story(pages, zone)
        told: list[str] = []
        while True:
            mark = memory.mark()
            try:
                step = next(steps, None)
            except (KernelBug, KernelWarning) as bug:
                what = f"the kernel itself stopped: {bug}"
                return PageFinding(len(told), what, (), tuple(told))
            if step is None:
                return None
            violations = check.touched(mark)
            if violations:
                place = scene(pages, violations[0])
                return PageFinding(len(told), step, tuple(violations), tuple(told), place)
            told.append(step)


@dataclass(frozen=True, slots=True)
class PageFinding:
    """The first bad step of a story: its number from 0, what it was, and what it broke.

    ``steps`` are those before, in words; ``scene`` is where the page concerned lies then.
    """

    step: int
    what: str
    violations: tuple[Violation, ...]
    steps: tuple[str, ...] = ()
    scene: str = ""


def scene(pages: Pages, violation: Violation) -> str:
    """The page that a violation names: its frame, state, cached type, chunk and pageblocks."""
    if violation.kind != "page":
        return ""
    page = violation.address
    pfn = pages.page_to_pfn(page)
    kept = pages.page_ref_count(page)
    lines = [f"page {page:#x}, pfn {pfn:#x}, {pages.era.refcount_name.strip('_')} {kept}"]
    if pages.era.name != "6.18":
        cached = pages.get_pcppage_migratetype(page)
        lines[0] += f", cached type {cached} ({pages.types.name(cached)})"
    head = pages.outer_start(pfn)
    size = 1
    if pages.page_buddy(pages.pfn_to_page(head)):
        order = pages.page_private(pages.pfn_to_page(head))
        size = 1 << order
        zone = pages.page_zone(page)
        listed = [
            pages.types.name(migratetype)
            for migratetype in range(pages.mt_types)
            if pages.pfn_to_page(head) in pages.free_area_pages(zone, order, migratetype)
        ]
        lines.append(f"in the free chunk {head:#x}, order {order}, on list {' and '.join(listed)}")
    first = head >> pages.pageblock_order << pages.pageblock_order
    blocks = [
        f"{block:#x} {pages.types.name(pages.get_pfnblock_migratetype(block))}"
        for block in range(first, head + size, pages.pageblock_nr_pages)
    ]
    lines.append(f"pageblocks: {', '.join(blocks)}")
    return "\n".join(lines)


def set_block(pages: Pages, pfn: int, migratetype: int) -> None:
    """Make a block that has no free pages of a type."""
    pages.set_pageblock_migratetype(pages.pfn_to_page(pfn), migratetype)


def put_free(pages: Pages, pfn: int, order: int, migratetype: int) -> None:
    """Make used pages a free chunk as it is, on a type's list."""
    Load(pages).put_free(pfn, order, migratetype)


def free_chunk(pages: Pages, pfn: int, order: int) -> None:
    """Free 2^order used pages as one chunk."""
    page = pages.pfn_to_page(pfn)
    for nth in range(1, 1 << order):
        pages.put_page_testzero(page + 64 * nth)
    pages.free_pages(page, order)

"""The page allocator as a whole: zones made of a machine's memory, booted and ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from mmtwin.memory.memory import BOOT_CURSOR, PAGE, Memory
from mmtwin.pages import era as eras
from mmtwin.pages import layouts as c
from mmtwin.pages.buddy import TO_TAIL
from mmtwin.pages.era import PageEra
from mmtwin.pages.sysctl import Sysctl
from mmtwin.pages.zone import ZoneSpec, x86_64_zones

BOOT_ROOM = 1 << 20
"""Bytes beside the memory map that the zones, lists and bitmaps of a machine may take."""


def boot_memory(
    ram: int, room: int = BOOT_ROOM, *, big_endian: bool = False, journal: bool = False
) -> Memory:
    """A memory of ``ram`` bytes, and behind them room for what boot keeps for itself.

    That is a memory map of all frames, and ``room`` bytes for what else there is.

    ``boot_alloc`` takes from that room alone, so that every frame of the ``ram`` bytes but the
    first can be given to zones.
    """
    frames = (ram + room) // PAGE
    # The map has struct pages for its own frames too: a 64th of a 64th more.
    room += frames * c.STRUCT_PAGE_SIZE * 65 // 64 + frames // 64 + PAGE
    size = ram + (room + PAGE - 1) // PAGE * PAGE
    memory = Memory(size, big_endian=big_endian, journal=journal)
    memory.store(memory.base + BOOT_CURSOR, ram)
    return memory


class Pages(Sysctl):
    """Linux 6.1.192's page allocator; subclasses are other kernels'.

    ``specs`` are the zones; what boot still allocates afterwards comes from behind them.
    ``memmap`` is the direct-map address of a memory map that exists already, with its vmemmap
    window. ``mobility`` turns the grouping of pages by mobility on or off; by default it is on if
    there is memory enough.
    """

    era_name = "6.1"

    def __init__(
        self,
        memory: Memory,
        specs: Sequence[ZoneSpec],
        *,
        era: PageEra | None = None,
        cpus: int = 1,
        memmap: int | None = None,
        mobility: bool | None = None,
    ) -> None:
        frames = max(spec.end_pfn for spec in specs)
        if frames * PAGE > memory.size:
            raise ValueError(f"frame {frames - 1:#x} lies beyond memory")
        if memmap is None:
            size = frames * c.STRUCT_PAGE_SIZE
            size = (size + PAGE - 1) & ~(PAGE - 1)
            memmap = memory.boot_alloc(size, PAGE)
            memory.add_window("vmemmap", c.VMEMMAP, size, memmap - memory.base)
        super().__init__(memory, era or eras.era(self.era_name), memmap, frames, specs, cpus)
        self._boot(mobility)

    @classmethod
    def of_ram(
        cls,
        ram: int,
        *,
        era: PageEra | None = None,
        cpus: int = 1,
        journal: bool = False,
        room: int = BOOT_ROOM,
    ) -> Self:
        """A machine of its own with ``ram`` bytes, of which only frame 0 is not for use.

        ``room`` is what boot may still allocate, a swap area for one.
        """
        memory = boot_memory(ram, room, journal=journal)
        return cls(memory, x86_64_zones(1, ram // PAGE), era=era, cpus=cpus)

    def _boot(self, mobility: bool | None) -> None:
        """Give all memory that is not reserved to the buddy lists, then set the marks."""
        self._check_boot_cursor()
        for spec in self.specs:
            self._init_pageblocks(spec)
        for spec in self.specs:
            self._free_zone(spec)
        managed = sum(self.managed_pages(zone) for zone in self.populated_zones())
        if mobility is None:
            mobility = managed >= self.pageblock_nr_pages * self.mt_types
        self._put(c.SYSCTL_MOBILITY_DISABLED, int(not mobility))
        self.init_per_zone_wmark_min()

    def _check_boot_cursor(self) -> None:
        """What boot allocates from now on must not lie in a zone."""
        cursor = self.memory.load(self.memory.base + BOOT_CURSOR)
        end = PAGE * max(spec.end_pfn for spec in self.specs)
        if cursor < end:
            first = PAGE * min(spec.start_pfn for spec in self.specs)
            if cursor > first:
                raise ValueError(
                    f"boot has taken memory up to {cursor:#x}, a zone begins at {first:#x}"
                )
            self.memory.store(self.memory.base + BOOT_CURSOR, end)

    def _init_pageblocks(self, spec: ZoneSpec) -> None:
        """Every block begins as MOVABLE."""
        per_word = 64 // self.block_bits
        word = sum(self.mt_movable << nth * self.block_bits for nth in range(per_word))
        block = spec.start_pfn >> self.pageblock_order
        end = (spec.end_pfn + self.pageblock_nr_pages - 1) >> self.pageblock_order
        while block < end:
            pfn = block << self.pageblock_order
            if block % per_word == 0 and block + per_word <= end:
                self.memory.store(self.pageblock_word(pfn), word)
                block += per_word
            else:
                self.set_pfnblock_flags_mask(pfn, self.mt_movable, 7)
                block += 1

    def _free_zone(self, spec: ZoneSpec) -> None:
        zone = self.zone_at(spec.node, spec.index)
        pfn = spec.start_pfn
        runs = []
        for first, end in sorted(spec.reserved):
            runs.append((pfn, first))
            self._reserve(zone, first, end)
            pfn = end
        runs.append((pfn, spec.end_pfn))
        longest = max(runs, key=lambda run: run[1] - run[0])
        for run in runs:
            self._free_run(zone, *run, pristine=run == longest)

    def _reserve(self, zone: int, first: int, end: int) -> None:
        """Mark frames as kept by boot: PageReserved, one reference."""
        flags = self.memory.load(zone + c.ZONE_PAGE_FLAGS)
        for pfn in range(first, end):
            page = self.pfn_to_page(pfn)
            self.init_single_page(page, flags | self.flag_reserved)
            self.page_ref_add(page, 1)

    def _free_run(self, zone: int, pfn: int, end: int, *, pristine: bool) -> None:
        """Free a run of frames in the largest aligned chunks, lowest first.

        Of the longest run in a zone only the first and the last chunk of the largest order are
        written.
        """
        self.add_to(zone + c.ZONE_MANAGED, max(0, end - pfn))
        top = 1 << self.order_max
        while pfn < end:
            order = min(self.order_max, (pfn & -pfn).bit_length() - 1 if pfn else self.order_max)
            while pfn + (1 << order) > end:
                order -= 1
            last = (end & ~(top - 1)) - top
            if pristine and order == self.order_max and last - pfn >= 2 * top:
                self._free_pristine(zone, pfn, last)
                pfn = last + top
                continue
            self._free_chunk(zone, pfn, order)
            pfn += 1 << order

    def _free_chunk(self, zone: int, pfn: int, order: int) -> None:
        page = self.pfn_to_page(pfn)
        self.init_if_pristine(page, zone)
        self.free_one_page(
            zone,
            page,
            pfn,
            order,
            self.get_pfnblock_migratetype(pfn),
            TO_TAIL if self.boot_to_tail else 0,
        )

    def _free_pristine(self, zone: int, first: int, last: int) -> None:
        """Free the chunks of the largest order from ``first`` to ``last`` (inclusive)."""
        self._free_chunk(zone, first, self.order_max)
        self._free_chunk(zone, last, self.order_max)
        top = 1 << self.order_max
        between = (last - first) // top - 1
        self.memory.store(zone + c.ZONE_PRISTINE_FIRST, first + top)
        self.memory.store(zone + c.ZONE_PRISTINE_END, last)
        low = self.pfn_to_page(first) + self.o_lru
        high = self.pfn_to_page(last) + self.o_lru
        if self.boot_to_tail:
            self.st(low, low + self.chunk_stride)
            self.st(high + 8, high - self.chunk_stride)
        else:
            self.st(high, high - self.chunk_stride)
            self.st(low + 8, low + self.chunk_stride)
        self.mod_zone_freepage_state(zone, between * top, self.mt_movable)
        self.add_to(
            zone + c.ZONE_FREE_AREA + self.order_max * c.FREE_AREA_SIZE + c.FREE_AREA_NR_FREE,
            between,
        )

    # Addresses.

    def page_address(self, page: int) -> int:
        """The direct-map address of a page's content."""
        return self.memory.base + self.page_to_pfn(page) * PAGE

    def virt_to_page(self, address: int) -> int:
        """The struct page of a direct-map address."""
        return self.pfn_to_page((address - self.memory.base) // PAGE)

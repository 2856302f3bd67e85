"""The state of a kernel's page allocator, read from a memory dump through drgn.

The dump is QEMU's, of a guest of 6.1 with one cpu; its debug information is the distribution's
``vmlinux``. drgn is an optional dependency (``mmtwin[kernels]``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtwin.kernels.host.build import AgentError, NotHereError
from mmtwin.pages.era import era
from mmtwin.pages.state import PageState, PcpState, ZoneState

if TYPE_CHECKING:
    import drgn

SECTION_PFNS = 1 << 15
SECTION_SIZE_AT_ROOT = 4096
"""Bytes of section descriptors in one root (SECTIONS_PER_ROOT of them)."""
BLOCK_BITS = 4
TYPE_MASK = 7
MAPPING_BITS = 3
MAPPING_MOVABLE = 2
"""PAGE_MAPPING_MOVABLE: a driver knows how to move the page."""
SUB_BUFFER = 4096
LINK_FLAGS = 3
MOVABLE = 1
PCPTYPES = 3
HUGE_LISTS = 12
HUGE_MOVABLE = 13


class Dump:
    """A dump of a stopped guest and its debug information."""

    def __init__(self, dump: Path, vmlinux: Path) -> None:
        try:
            import drgn
        except ImportError as error:
            raise NotHereError("drgn is not installed: pip install 'mmtwin[kernels]'") from error
        self.program: drgn.Program = drgn.Program()
        try:
            self.program.set_core_dump(dump)
            self.program.load_debug_info([vmlinux])
        except (ValueError, OSError, drgn.MissingDebugInfoError) as error:
            raise AgentError(f"{dump.name} cannot be read: {error}") from error
        self.object = drgn.Object
        page = self.program.type("struct page")
        self.page_size = drgn.sizeof(page)
        self.offset = {
            name: drgn.offsetof(page, name)
            for name in ("flags", "lru", "mapping", "index", "compound_head")
        }
        self.section_size = drgn.sizeof(self.program.type("struct mem_section"))
        self.vmemmap = self.program["vmemmap_base"].value_()
        self.types = {
            one.name: one.value for one in self.program.type("enum migratetype").enumerators or ()
        }
        self.era = era(
            "6.1", cma="MIGRATE_CMA" in self.types, isolate="MIGRATE_ISOLATE" in self.types
        )

    def events(self) -> int:
        """How many events cpu 0's trace buffer holds; AgentError if any were lost."""
        buffer = self.program["global_trace"].array_buffer.buffer.buffers[0]
        if buffer.overrun.a.counter.value_():
            raise AgentError("the trace buffer was too small: events were lost")
        return int(buffer.entries.a.counter.value_())

    def trace(self) -> list[bytes]:
        """The sub-buffers of cpu 0's trace buffer that hold events nobody has read, in order."""
        buffer = self.program["global_trace"].array_buffer.buffer.buffers[0]
        last = buffer.commit_page.value_()
        page = buffer.head_page
        found: list[bytes] = []
        while len(found) <= buffer.nr_pages.value_():
            found.append(self.program.read(page.page.value_(), SUB_BUFFER))
            if page.value_() == last:
                return found
            # The links' low bits are flags of the buffer's.
            following = page.list.next.value_() & ~LINK_FLAGS
            page = self.object(self.program, page.type_, following)
        raise AgentError("the trace buffer's pages do not lead to its last one")

    def pages(self) -> PageState:
        """The page allocator's state."""
        program = self.program
        node = program["node_data"][0]
        zones = [
            (index, zone)
            for index, zone in enumerate(node.node_zones)
            if zone.spanned_pages.value_()
        ]
        return PageState(
            era=self.era.name,
            cma="MIGRATE_CMA" in self.types,
            isolate="MIGRATE_ISOLATE" in self.types,
            pageblock_order=self.era.pageblock_order,
            min_free_kbytes=program["min_free_kbytes"].value_(),
            watermark_boost_factor=program["watermark_boost_factor"].value_(),
            mobility_disabled=bool(program["page_group_by_mobility_disabled"].value_()),
            zones=[self._zone(index, zone) for index, zone in zones],
            lru=[run for _, zone in zones for run in self._movable(zone)],
        )

    def _zone(self, index: int, zone: Any) -> ZoneState:
        types = len(zone.free_area[0].free_list)
        start, spanned = zone.zone_start_pfn.value_(), zone.spanned_pages.value_()
        size = 1 << self.era.pageblock_order
        return ZoneState(
            node=zone.node.value_(),
            index=index,
            start_pfn=start,
            spanned=spanned,
            present=zone.present_pages.value_(),
            managed=zone.managed_pages.counter.value_(),
            watermarks=[mark.value_() for mark in zone._watermark],
            boost=zone.watermark_boost.value_(),
            lowmem_reserve=[pages.value_() for pages in zone.lowmem_reserve],
            nr_reserved_highatomic=zone.nr_reserved_highatomic.value_(),
            free=[
                [self._frames(area.free_list[nth].address_of_()) for nth in range(types)]
                for area in zone.free_area
            ],
            blocks=[self._block_type(pfn) for pfn in range(start & -size, start + spanned, size)],
            pcps=[self._pcp(zone)],
        )

    def _frames(self, head: Any) -> list[int]:
        """The frames linked in a list of pages, first to last."""
        from drgn.helpers.linux.list import list_for_each

        offset = self.vmemmap + self.offset["lru"]
        return [(entry.value_() - offset) // self.page_size for entry in list_for_each(head)]

    def _pcp(self, zone: Any) -> PcpState:
        from drgn.helpers.linux.percpu import per_cpu_ptr

        pcp = per_cpu_ptr(zone.per_cpu_pageset, 0)
        lists = [self._frames(head.address_of_()) for head in pcp.lists]
        cached: dict[int, int] = {}
        for pindex, listed in enumerate(lists):
            own = pindex % PCPTYPES if pindex < HUGE_LISTS else MOVABLE
            for pfn in listed:
                known = self._word(pfn, "index")
                if known != own or HUGE_LISTS <= pindex < HUGE_MOVABLE:
                    cached[pfn] = known
        return PcpState(
            pcp.count.value_(),
            pcp.high.value_(),
            pcp.batch.value_(),
            pcp.free_factor.value_(),
            lists,
            cached,
        )

    def _word(self, pfn: int, field: str) -> int:
        address = self.vmemmap + pfn * self.page_size + self.offset[field]
        return int(self.program.read_u64(address))

    def _block_type(self, pfn: int) -> int:
        per_root = SECTION_SIZE_AT_ROOT // self.section_size
        section = pfn // SECTION_PFNS
        usage = self.program["mem_section"][section // per_root][section % per_root].usage
        bit = (pfn % SECTION_PFNS >> self.era.pageblock_order) * BLOCK_BITS
        return int(usage.pageblock_flags[bit // 64].value_() >> bit % 64) & TYPE_MASK

    def _movable(self, zone: Any) -> list[tuple[int, int]]:
        """Runs of frames that are on LRU lists, or that a driver can move."""
        start, spanned = zone.zone_start_pfn.value_(), zone.spanned_pages.value_()
        words = self.page_size // 8
        content = self.program.read(self.vmemmap + start * self.page_size, spanned * self.page_size)
        flat = memoryview(content).cast("Q")
        flags, mapping, head = (
            self.offset[name] // 8 for name in ("flags", "mapping", "compound_head")
        )
        lru = 1 << self.era.page_flags["lru"]
        runs: list[tuple[int, int]] = []
        for nth in range(spanned):
            at = nth * words
            if flat[at + head] & 1:
                # What a tail page is, its head says.
                at = (flat[at + head] - 1 - self.vmemmap) // 8 - start * words
            if not flat[at + flags] & lru and flat[at + mapping] & MAPPING_BITS != MAPPING_MOVABLE:
                continue
            pfn = start + nth
            if runs and runs[-1][1] == pfn:
                runs[-1] = (runs[-1][0], pfn + 1)
            else:
                runs.append((pfn, pfn + 1))
        return runs

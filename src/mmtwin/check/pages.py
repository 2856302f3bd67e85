"""The page allocator's invariants, held against memory as it is.

Of the allocator itself only the places and the era's numbers are asked; the rules stand in
:data:`~mmtwin.check.page_words.RULES`.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.page_lru import PageLru
from mmtwin.check.violation import Violation
from mmtwin.pages import layouts as c

if not cython.compiled:
    from mmtwin.check.words import of_page

VMEMMAP = declare(u64, c.VMEMMAP)
LOW32 = declare(u64, 0xFFFFFFFF)
ZONE_SHIFT = declare(u64, c.ZONE_SHIFT)
ZONE_START_PFN = declare(u64, c.ZONE_START_PFN)
ZONE_MANAGED = declare(u64, c.ZONE_MANAGED)
ZONE_WATERMARK = declare(u64, c.ZONE_WATERMARK)
ZONE_LOWMEM_RESERVE = declare(u64, c.ZONE_LOWMEM_RESERVE)
ZONE_NR_MIGRATE_RESERVE = declare(u64, c.ZONE_NR_MIGRATE_RESERVE)
ZONE_NR_RESERVED_HIGHATOMIC = declare(u64, c.ZONE_NR_RESERVED_HIGHATOMIC)
ZONE_NR_ISOLATE = declare(u64, c.ZONE_NR_ISOLATE)
ZONE_NR_FREE_PAGES = declare(u64, c.ZONE_NR_FREE_PAGES)
ZONE_NR_FREE_CMA = declare(u64, c.ZONE_NR_FREE_CMA)
ZONE_PAGESETS = declare(u64, c.ZONE_PAGESETS)
ZONE_PAGE_FLAGS = declare(u64, c.ZONE_PAGE_FLAGS)
ZONE_USED = declare(u64, c.ZONE_USED)
ZONE_FREE_AREA = declare(u64, c.ZONE_FREE_AREA)
FREE_AREA_SIZE = declare(u64, c.FREE_AREA_SIZE)
FREE_AREA_NR_FREE = declare(u64, c.FREE_AREA_NR_FREE)
PCP_SIZE = declare(u64, c.PCP_SIZE)
PCP_COUNT = declare(u64, c.PCP_COUNT)
PCP_LISTS = declare(u64, c.PCP_LISTS)


class PageCheck(PageLru):
    """Checks all zones of a page allocator."""

    def full(self) -> list[Violation]:
        """Check everything; what is broken, zone by zone."""
        self.found = []
        zone: u64
        self.in_use()
        for zone in self.pages.populated_zones():
            self.zone(zone)
        self.lru_counts()
        return self.found

    # A zone.

    def zone(self, zone: u64) -> None:
        """Check one zone."""
        self.listed.clear()
        self.listed_pages = 0
        isolated: u64 = 0
        cma: u64 = 0
        order: i32 = 0
        migratetype: i32
        heads: u64
        count: u64
        while order <= self.order_max:
            heads = 0
            migratetype = 0
            while migratetype < self.types:
                count = self.free_list(zone, order, migratetype)
                heads += count
                self.listed_pages += count << order
                if migratetype == self.pages.mt_isolate:
                    isolated += count << order
                if migratetype == self.pages.mt_cma:
                    cma += count << order
                migratetype += 1
            count = self.word(zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE + FREE_AREA_NR_FREE)
            if count != heads:
                self.fail("PG-01", "zone", zone, f"free_area[{order}].nr_free", count, heads)
            order += 1
        self.counters(zone, isolated, cma)
        self.conserved(zone, self.listed_pages, self.pcp_pages(zone))
        self.scan(zone)
        self.blocks(zone)
        self.marks(zone)

    def free_list(self, zone: u64, order: i32, migratetype: i32) -> u64:
        """Check one free list along its links; how many chunks it holds."""
        head: u64 = zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE + 16 * migratetype
        before: u64 = head
        entry: u64 = self.link(head, False)
        count: u64 = 0
        pfn: u64
        while entry != head:
            if not self.entry_ok(entry, before) or count > (self.frames >> order):
                return count
            pfn = (entry - VMEMMAP) >> 6
            if of_page(self, pfn, self.o_counts) == 0 and order == self.order_max:
                if not self.pristine_head(zone, pfn):
                    self.fail_page("PG-04", pfn, "_mapcount", 0, "PageBuddy")
            else:
                if not self.listed.add(entry):
                    self.fail_page("PG-05", pfn, "lru", "on a list for the second time", "once")
                    return count
                self.head(zone, pfn, order)
            self.placed(pfn, order, migratetype)
            count += 1
            before = entry
            entry = self.link(entry, False)
        if self.link(head, True) != before:
            self.fail(
                "PG-10", "list_head", head, "prev", f"{self.link(head, True):#x}", f"{before:#x}"
            )
        return count

    def entry_ok(self, entry: u64, before: u64) -> bint:
        """Is a list's next entry a page that names the one before? Reports if not."""
        if entry < VMEMMAP or (entry - VMEMMAP) >> 6 >= self.frames or (entry & 63) != self.o_lru:
            self.fail("PG-10", "list_head", before, "next", f"{entry:#x}", "a page of memory")
            return False
        if self.link(entry, True) != before:
            self.fail_page(
                "PG-10",
                (entry - VMEMMAP) >> 6,
                "lru.prev",
                f"{self.link(entry, True):#x}",
                f"{before:#x}",
            )
            return False
        return True

    def head(self, zone: u64, pfn: u64, order: i32) -> None:
        """The rules of one chunk of the free lists, its type aside."""
        ones: u64 = 1
        one: u64 = ones << order
        counts: u64 = of_page(self, pfn, self.o_counts)
        if (counts & self.buddy_mask) != self.buddy_value:
            self.fail_page("PG-04", pfn, "_mapcount", f"{counts:#x}", "PageBuddy")
            return
        if of_page(self, pfn, self.o_private) != order:
            self.fail_page("PG-04", pfn, "private", of_page(self, pfn, self.o_private), order)
        if (counts >> self.refcount_shift) & LOW32 != 0:
            self.fail_page("PG-04", pfn, "_refcount", (counts >> self.refcount_shift) & LOW32, 0)
        if pfn & (one - 1) != 0:
            self.fail_page("PG-04", pfn, "pfn", f"{pfn:#x}", f"a multiple of {one:#x}")
        if (
            pfn < self.word(zone + ZONE_START_PFN)
            or pfn + one > self.zone_end(zone)
            or of_page(self, pfn, 0) >> ZONE_SHIFT
            != self.word(zone + ZONE_PAGE_FLAGS) >> ZONE_SHIFT
        ):
            self.fail_page("PG-04", pfn, "flags", "of another zone", "of the list's zone")
            return
        self.unmerged(zone, pfn, order)

    def unmerged(self, zone: u64, pfn: u64, order: i32) -> None:
        """Report a chunk whose buddy is free as well."""
        ones: u64 = 1
        buddy: u64 = pfn ^ (ones << order)
        if order >= self.merge_orders or buddy >= self.frames:
            return
        if self.marked(buddy) == order and of_page(self, buddy, 0) >> ZONE_SHIFT == (
            of_page(self, pfn, 0) >> ZONE_SHIFT
        ):
            low: u64 = pfn if pfn < buddy else buddy
            if pfn == low:
                self.fail_page(
                    "PG-07", pfn, "order", order, f"merged with its free buddy {buddy:#x}"
                )

    def placed(self, pfn: u64, order: i32, migratetype: i32) -> None:
        """Do the types of a chunk's blocks agree with its list?"""
        ones: u64 = 1
        end: u64 = pfn + (ones << order)
        block_type: i32
        while pfn < end and pfn < self.frames:
            block_type = self.block_type(pfn)
            if block_type != migratetype:
                if self.strict_types and order > self.block_order:
                    self.fail_page(
                        "PG-13", pfn, "block", self._name(block_type), self._name(migratetype)
                    )
                elif (
                    self.strict_types
                    or (self.special >> block_type | self.special >> migratetype) & 1
                ):
                    self.fail_page(
                        "PG-06",
                        pfn,
                        "list",
                        self._name(migratetype),
                        f"{self._name(block_type)}, the type of its block",
                    )
                    return
            pfn += ones << self.block_order

    def _name(self, migratetype: int) -> str:
        return str(self.pages.types.name(migratetype))

    # Counters.

    def counters(self, zone: u64, isolated: u64, cma: u64) -> None:
        """The zone's sums of free pages."""
        free: u64 = self.word(zone + ZONE_NR_FREE_PAGES)
        if free != self.listed_pages - isolated:
            self.fail(
                "PG-02", "zone", zone, "NR_FREE_PAGES", i64_text(free), self.listed_pages - isolated
            )
        free = self.word(zone + ZONE_NR_FREE_CMA)
        if free != cma:
            self.fail("PG-03", "zone", zone, "NR_FREE_CMA_PAGES", i64_text(free), cma)

    def conserved(self, zone: u64, listed: u64, pcp: u64) -> None:
        """Every managed page is somewhere."""
        managed: u64 = self.word(zone + ZONE_MANAGED)
        used: u64 = self.word(zone + ZONE_USED)
        if managed != listed + pcp + used:
            self.fail(
                "PG-09",
                "zone",
                zone,
                "managed_pages",
                managed,
                f"{listed} free + {pcp} per cpu + {i64_text(used)} in use",
            )

    def pcp_pages(self, zone: u64) -> u64:
        """Check the per-cpu lists of a zone; how many pages they hold."""
        total: u64 = 0
        cpu: i32 = 0
        while cpu < self.pages.cpus:
            total += self.pcp(zone, cpu)
            cpu += 1
        return total

    def pcp(self, zone: u64, cpu: i32) -> u64:
        """Check one cpu's lists of a zone; how many pages they hold."""
        pcp: u64 = self.word(zone + ZONE_PAGESETS) + cpu * PCP_SIZE
        nth: i32 = 0
        held: u64 = 0
        order: i32
        entry: u64
        before: u64
        head: u64
        while nth < self.pcp_lists:
            head = pcp + PCP_LISTS + 16 * nth
            order = self.pages.pindex_to_order(nth)
            before = head
            entry = self.link(head, False)
            while entry != head:
                if not self.entry_ok(entry, before):
                    break
                if not self.listed.add(entry):
                    self.fail_page(
                        "PG-05",
                        (entry - VMEMMAP) >> 6,
                        "lru",
                        "on a list for the second time",
                        "once",
                    )
                    break
                self.pcp_page(zone, (entry - VMEMMAP) >> 6)
                held += 1 << order
                before = entry
                entry = self.link(entry, False)
            nth += 1
        if self.word(pcp + PCP_COUNT) != held:
            self.fail(
                "PG-08", "per_cpu_pages", pcp, "count", i64_text(self.word(pcp + PCP_COUNT)), held
            )
        return held

    def pcp_page(self, zone: u64, pfn: u64) -> None:
        """The rules of a page on a per-cpu list."""
        counts: u64 = of_page(self, pfn, self.o_counts)
        if counts != self.word_free:
            self.fail_page("PG-14", pfn, "_refcount", f"{counts:#x}", "free and unmarked")
        if of_page(self, pfn, 0) >> ZONE_SHIFT != self.word(zone + ZONE_PAGE_FLAGS) >> ZONE_SHIFT:
            self.fail_page("PG-14", pfn, "flags", "of another zone", "of the list's zone")
        if self.cover(zone, pfn, -1) < self.frames:
            self.fail_page("PG-05", pfn, "lru", "in a free chunk too", "on a per-cpu list")

    # Frames and blocks.

    def scan(self, zone: u64) -> None:
        """Look at every struct page that was ever written, 64 at a time."""
        pfn: u64 = self.word(zone + ZONE_START_PFN)
        end: u64 = self.zone_end(zone)
        next_row: u64
        while pfn < end and pfn < self.frames:
            next_row = (pfn | 63) + 1
            if self.d[(self.memmap + 64 * pfn) >> 12] == 0:
                pfn = next_row
                continue
            while pfn < next_row and pfn < end:
                self.frame(zone, pfn)
                pfn += 1

    def frame(self, zone: u64, pfn: u64) -> None:
        """A marked page is listed, and neither it nor a used page lies in a free chunk."""
        counts: u64 = of_page(self, pfn, self.o_counts)
        order: i32 = self.marked(pfn)
        head: u64
        self.lru_frame(pfn)
        if order < 0 and (counts >> self.refcount_shift) & LOW32 == 0:
            return
        if order >= 0 and not self.listed.has(VMEMMAP + 64 * pfn + self.o_lru):
            self.fail_page("PG-11", pfn, "_mapcount", "PageBuddy", "on a free list")
        head = self.cover(zone, pfn, order)
        if head < self.frames:
            what = "marked free" if order >= 0 else "in use"
            self.fail_page("PG-05", pfn, "page", what, f"inside the free chunk {head:#x}")

    def blocks(self, zone: u64) -> None:
        """Types and numbers of the zone's pageblocks."""
        pages = self.pages
        pfn: u64 = self.word(zone + ZONE_START_PFN) >> self.block_order << self.block_order
        end: u64 = self.zone_end(zone)
        isolated: u64 = 0
        reserve: u64 = 0
        highatomic: u64 = 0
        size: u64 = 1
        block_type: i32
        size = size << self.block_order
        while pfn < end and pfn < self.frames:
            block_type = self.block_type(pfn)
            if block_type >= self.types:
                self.fail_page("PG-12", pfn, "block", block_type, f"less than {self.types}")
            isolated += block_type == pages.mt_isolate
            reserve += block_type == pages.mt_reserve
            highatomic += block_type == pages.mt_highatomic
            pfn += size
        self.number(zone, "PG-15", "nr_isolate_pageblock", ZONE_NR_ISOLATE, isolated)
        if pages.mt_highatomic >= 0:
            self.set_apart(zone, highatomic * size)
        if self.reserve:
            self.number(zone, "PG-17", "nr_migrate_reserve_block", ZONE_NR_MIGRATE_RESERVE, reserve)

    def set_apart(self, zone: u64, typed: u64) -> None:
        """What is set apart for atomic requests: blocks of ``typed`` pages in all.

        Up to 6.9 also blocks that lost their type with a chunk of several that was stolen, and
        stay counted: the count is never less than the blocks, and a multiple of them.
        """
        counted: u64 = self.word(zone + ZONE_NR_RESERVED_HIGHATOMIC)
        size: u64 = 1
        size = size << self.block_order
        if not self.strict_types and counted >= typed and counted & (size - 1) == 0:
            return
        self.number(zone, "PG-16", "nr_reserved_highatomic", ZONE_NR_RESERVED_HIGHATOMIC, typed)

    def number(self, zone: u64, invariant: str, field: str, offset: u64, expected: u64) -> None:
        """A counter of the zone is what was counted."""
        found: u64 = self.word(zone + offset)
        if found != expected:
            self.fail(invariant, "zone", zone, field, i64_text(found), expected)

    def marks(self, zone: u64) -> None:
        """The watermarks and reserves of a zone are in order."""
        least: u64 = self.word(zone + ZONE_WATERMARK)
        low: u64 = self.word(zone + ZONE_WATERMARK + 8)
        high: u64 = self.word(zone + ZONE_WATERMARK + 16)
        if least > low or low > high:
            self.fail(
                "PG-18", "zone", zone, "_watermark", f"{least} {low} {high}", "min<=low<=high"
            )
        nth: u64 = 1
        while nth < self.zones_max:
            low = self.word(zone + ZONE_LOWMEM_RESERVE + 8 * (nth - 1))
            high = self.word(zone + ZONE_LOWMEM_RESERVE + 8 * nth)
            if high < low:
                self.fail("PG-18", "zone", zone, f"lowmem_reserve[{nth}]", high, f"at least {low}")
            nth += 1


def i64_text(value: int) -> str:
    """A counter as the kernel reads it: signed."""
    return str(value - (1 << 64) if value >> 63 else value)

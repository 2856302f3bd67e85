"""What one step can have broken in the page allocator, and nothing else.

At the mark all rules held. A rule reads few words, so a rule that is broken now reads one that the
journal names. The blocks of memory that were touched are looked at, as they were and as they are:

- chunks that begin in touched struct pages: mark, order, place, links, buddy, what covers them and,
  where a chunk is new, what it covers;
- the links of lists whose head or entries were touched, and of the neighbours they had;
- ``nr_free`` by the difference of marked heads; the sums from ``nr_free``, which then is known to
  be right; per-cpu counts by the difference of listed pages, or by walking where that is not told;
- the lists of the special types, whole, when such a type is in use: they are short.

What looks wrong makes the whole check run, and its answer is given: so both ways say the same.
"""

from __future__ import annotations

from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.page_lru_step import PageLruStep
from mmtwin.check.violation import Violation
from mmtwin.pages import layouts as c

VMEMMAP = declare(u64, c.VMEMMAP)
LIST_POISON1 = declare(u64, c.LIST_POISON1)
LIST_POISON2 = declare(u64, c.LIST_POISON2)
LOW32 = declare(u64, 0xFFFFFFFF)
ZONE_SIZE = declare(u64, c.ZONE_SIZE)
ZONE_SHIFT = declare(u64, c.ZONE_SHIFT)
NODE_SHIFT = declare(u64, c.NODE_SHIFT)
ZONES_MAX = declare(u64, c.ZONES_MAX)
ZONE_PAGESETS = declare(u64, c.ZONE_PAGESETS)
ZONE_FREE_AREA = declare(u64, c.ZONE_FREE_AREA)
FREE_AREA_SIZE = declare(u64, c.FREE_AREA_SIZE)
FREE_AREA_NR_FREE = declare(u64, c.FREE_AREA_NR_FREE)
PCP_SIZE = declare(u64, c.PCP_SIZE)
ZONE_PRISTINE_FIRST = declare(u64, c.ZONE_PRISTINE_FIRST)
ZONE_PRISTINE_END = declare(u64, c.ZONE_PRISTINE_END)
WALK_MAX = declare(u64, 4096)
DELTAS = declare(u64, 12)


class PageStepCheck(PageLruStep):
    """Checks what was touched since a mark; ``full`` checks everything."""

    def touched(self, mark: u64) -> list[Violation]:
        """What the steps since ``mark`` broke: that which ``full`` would say."""
        self.found = []
        if self.suspicious(mark):
            self.whole_runs += 1
            return self.full()
        return self.found

    def suspicious(self, mark: u64) -> bint:
        """Does anything that was touched look wrong, or is it too much to tell?"""
        nth: u64 = 0
        self.overlay.load(mark)
        while nth < self.zone_count * DELTAS:
            self.deltas[nth] = 0
            nth += 1
        nth = 0
        while nth < self.zone_count:
            self.touched_zones[nth] = 0
            nth += 1
        self.begin_lru()
        self.bitmap_touched = False
        first: u64 = self.memmap >> 8
        last: u64 = (self.memmap + 64 * self.frames + 255) >> 8
        block: u64
        nth = 0
        while nth < self.overlay.count:
            block = self.overlay.blocks[nth]
            if block >= first and block < last:
                if self._struct_pages(nth, block):
                    return True
            else:
                self._other_block(block)
            nth += 1
        if self.bitmap_touched and self._retyped():
            return True
        if self.lru_wrong():
            return True
        nth = 0
        while nth < self.zone_count:
            if (
                self.touched_zones[nth] != 0 or self.bitmap_touched or self._moved(nth)
            ) and self._zone_sums(nth):
                return True
            nth += 1
        return False

    def _other_block(self, block: u64) -> None:
        """Note which zone, per-cpu set or part of the bitmap a touched block belongs to."""
        at: u64 = block << 8
        nth: u64 = 0
        zone: u64
        pcp: u64
        if at + 256 > self.bitmap and at < self.bitmap + 8 * self.pages.pageblock_words:
            self.bitmap_touched = True
        while nth < self.zone_count:
            zone = self.zones_at + nth * ZONE_SIZE
            if at + 256 > zone and at < zone + ZONE_SIZE:
                self.touched_zones[nth] |= 1
            pcp = self.word(self.base + zone + ZONE_PAGESETS)
            if pcp != 0:
                pcp -= self.base
                if at + 256 > pcp and at < pcp + self.pages.cpus * PCP_SIZE:
                    self.touched_zones[nth] |= 2
            nth += 1

    # Struct pages.

    def _was(self, nth: u64, page: u64, offset: u64) -> u64:
        """A word that a touched struct page held at the mark; ``page`` is 0 to 3 in the block."""
        return self.overlay.images[32 * nth + 8 * page + (offset >> 3)]

    def _zone_number(self, pfn: u64) -> u64:
        """The number of the zone that a page's flags name."""
        flags: u64 = self.of_page(pfn, 0)
        return (flags >> NODE_SHIFT) * ZONES_MAX + ((flags >> ZONE_SHIFT) & 7)

    def _struct_pages(self, nth: u64, block: u64) -> bint:
        """Look at the four struct pages of a touched block; True if one looks wrong."""
        page: u64 = 0
        pfn: u64
        zone: u64
        before: i32
        order: i32
        counts: u64
        was: u64
        while page < 4:
            pfn = ((block << 8) - self.memmap) // 64 + page
            if pfn >= self.frames:
                return False
            counts = self.of_page(pfn, self.o_counts)
            was = self._was(nth, page, self.o_counts)
            if counts != 0:
                zone = self._zone_number(pfn)
                if zone >= self.zone_count:
                    return True
                order = self.marked(pfn)
                before = -1
                if (was & self.buddy_mask) == self.buddy_value:
                    before = self._was(nth, page, self.o_private) & 15
                elif was == 0 and self._was_pristine(zone, pfn):
                    before = self.order_max
                if before >= 0:
                    self.deltas[zone * DELTAS + before] -= 1
                if order >= 0:
                    self.deltas[zone * DELTAS + order] += 1
                if self._on_pcp(counts, self.of_page(pfn, self.o_lru)):
                    self.deltas[zone * DELTAS + 11] += 1
                    if not self._linked(pfn):
                        return True
                if self._on_pcp(was, self._was(nth, page, self.o_lru)):
                    self.deltas[zone * DELTAS + 11] -= 1
                if self._left_behind(nth, page, pfn):
                    return True
                if self._page_wrong(
                    self.base + self.zones_at + zone * ZONE_SIZE, pfn, order, before
                ):
                    return True
                if self.lru_page_wrong(nth, page, pfn):
                    return True
            elif (
                was != 0
                or self.of_page(pfn, self.o_lru) != 0
                or self.of_page(pfn, self.o_lru + 8) != 0
            ):
                return True
            page += 1
        return False

    def _was_pristine(self, zone: u64, pfn: u64) -> bint:
        """Was a page that was not written yet the head of a pristine chunk?"""
        at: u64 = self.base + self.zones_at + zone * ZONE_SIZE
        ones: u64 = 1
        if pfn & ((ones << self.order_max) - 1) != 0:
            return False
        return pfn >= self.word(at + ZONE_PRISTINE_FIRST) and pfn < self.word(
            at + ZONE_PRISTINE_END
        )

    def _on_pcp(self, counts: u64, link: u64) -> bint:
        """Is a page free, unmarked, and linked in some list?"""
        return (
            counts == self.word_free
            and link >= self.base
            and link != LIST_POISON1
            and link & 1 == 0
        )

    def _left_behind(self, nth: u64, page: u64, pfn: u64) -> bint:
        """Does a neighbour that the page had at the mark still name it, though it left?"""
        entry: u64 = VMEMMAP + 64 * pfn + self.o_lru
        after: u64 = self._was(nth, page, self.o_lru)
        before: u64 = self._was(nth, page, self.o_lru + 8)
        if (
            after >= self.base
            and after != LIST_POISON1
            and self.link(after, True) == entry
            and self.link(entry, False) != after
        ):
            return True
        return (
            before >= self.base
            and before != LIST_POISON2
            and self.link(before, False) == entry
            and self.link(entry, True) != before
        )

    def _page_wrong(self, zone: u64, pfn: u64, order: i32, before: i32) -> bint:
        """Does a touched page break a rule of its own?"""
        counts: u64 = self.of_page(pfn, self.o_counts)
        ones: u64 = 1
        inside: u64
        end: u64
        if order < 0:
            if (counts >> self.refcount_shift) & LOW32 == 0 and not self._on_pcp(
                counts, self.of_page(pfn, self.o_lru)
            ):
                return False
            return self.cover(zone, pfn, -1) < self.frames
        self.head(zone, pfn, order)
        if (
            len(self.found) > 0
            or not self._linked(pfn)
            or self.cover(zone, pfn, order) < self.frames
        ):
            return True
        inside = pfn ^ (ones << order)
        # The lower buddy reports it, but only the higher one may have been touched.
        if (
            self.merge_orders > order
            and inside < self.frames
            and self.marked(inside) == order
            and self.of_page(inside, 0) >> ZONE_SHIFT == self.of_page(pfn, 0) >> ZONE_SHIFT
        ):
            return True
        if (self.strict_types or self.special != 0) and self._misplaced(zone, pfn, order):
            return True
        if order != before:
            inside = pfn + 1
            end = pfn + (ones << order)
            while inside < end and inside < self.frames:
                counts = self.of_page(inside, self.o_counts)
                if counts != 0 and counts != self.word_free:
                    return True
                inside += 1
        return False

    def _misplaced(self, zone: u64, pfn: u64, order: i32) -> bint:
        """Is a chunk on another list than its block's, where that matters?

        Walks to the list's head, if the zone has special blocks or chunks at all.
        """
        if not self.strict_types and not self._special_in_use(zone, pfn, order):
            return False
        up: u64 = VMEMMAP + 64 * pfn + self.o_lru
        down: u64 = up
        steps: u64 = 0
        while steps < WALK_MAX:
            up = self.link(up, True)
            down = self.link(down, False)
            if up < VMEMMAP or down < VMEMMAP:
                return self._list_wrong(zone, up if up < VMEMMAP else down, pfn, order)
            steps += 1
        return True

    def _list_wrong(self, zone: u64, head: u64, pfn: u64, order: i32) -> bint:
        """Is the list with this head wrong for a chunk?"""
        first: u64 = zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE
        if head < first or head >= first + FREE_AREA_NR_FREE:
            return True
        self.placed(pfn, order, (head - first) >> 4)
        return len(self.found) > 0

    def _special_in_use(self, zone: u64, pfn: u64, order: i32) -> bint:
        """Is a block under the chunk of a special type, or are any pages listed as such?"""
        ones: u64 = 1
        end: u64 = pfn + (ones << order)
        migratetype: i32 = 0
        head: u64
        while pfn < end and pfn < self.frames:
            if (self.special >> self.block_type(pfn)) & 1 != 0:
                return True
            pfn += ones << self.block_order
        while migratetype < self.types:
            if (self.special >> migratetype) & 1 != 0:
                head = zone + ZONE_FREE_AREA + order * FREE_AREA_SIZE + 16 * migratetype
                if self.link(head, False) != head:
                    return True
            migratetype += 1
        return False

    def _retyped(self) -> bint:
        """Look at the chunks of blocks whose bits changed; True if one is misplaced."""
        nth: u64 = 0
        address: u64
        word: u64
        last: u64
        block: u64
        per_word: u64 = 64 // self.block_bits
        bits: u64
        while nth < self.overlay.count:
            address = self.overlay.blocks[nth] << 8
            last = address + 256
            if address < self.bitmap:
                address = self.bitmap
            if last > self.bitmap + 8 * self.pages.pageblock_words:
                last = self.bitmap + 8 * self.pages.pageblock_words
            while address < last:
                word = self.w[address >> 3]
                bits = word ^ self.overlay.was(address >> 3)
                if bits != 0:
                    block = ((address - self.bitmap) >> 3) * per_word
                    while bits != 0:
                        ones: u64 = 1
                        if bits & ((ones << self.block_bits) - 1) != 0 and self._block_wrong(block):
                            return True
                        bits = bits >> self.block_bits
                        block += 1
                address += 8
            nth += 1
        return False

    def _block_wrong(self, block: u64) -> bint:
        """Is a chunk that covers or begins in a retyped block misplaced?"""
        pfn: u64 = block << self.block_order
        zone: u64 = self.pages.zone_of_pfn(pfn)
        ones: u64 = 1
        end: u64 = pfn + (ones << self.block_order)
        order: i32
        if zone != self.pages.zone_of_pfn(end - 1):
            return True
        if zone == 0:
            return False
        if self.block_type(pfn) >= self.types:
            return True
        top: u64 = (pfn >> self.order_max) << self.order_max
        if top < pfn:
            order = self.marked(top)
            if order > 0 and top + (ones << order) > pfn and self._misplaced(zone, top, order):
                return True
        if self.pristine_head(zone, top) and self._pristine_wrong(top):
            return True
        while pfn < end and pfn < self.frames:
            order = self.marked(pfn)
            if order >= 0 and self._misplaced(zone, pfn, order):
                return True
            pfn += 1
        return False

    def _pristine_wrong(self, pfn: u64) -> bint:
        """Is a pristine chunk, which is on the MOVABLE list, in blocks of another kind?"""
        self.placed(pfn, self.order_max, self.pages.mt_movable)
        return len(self.found) > 0

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

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.check.page_lru_step import PageLruStep
from mmtwin.check.violation import Violation
from mmtwin.pages import layouts as c

if not cython.compiled:
    from mmtwin.check.words import of_page, was_word

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
OF_ZONE = declare(u64, 1)
OF_PCP = declare(u64, 2)
PCP_SHUFFLED = declare(u64, 4)


class PageStepCheck(PageLruStep):
    """Checks what was touched since a mark; ``full`` checks everything."""

    def touched(self, mark: u64) -> list[Violation]:
        """What the steps since ``mark`` broke: that which ``full`` would say."""
        self.overlay.load(mark)
        return self.touched_now()

    def touched_now(self) -> list[Violation]:
        """As :meth:`touched`, of the steps that the overlay has been loaded with."""
        self.found = []
        if self.suspicious():
            self.whole_runs += 1
            return self.full()
        return self.found

    def suspicious(self) -> bint:
        """Does anything that was touched look wrong, or is it too much to tell?"""
        nth: u64 = 0
        first: u64 = self.memmap >> 8
        last: u64 = (self.memmap + 64 * self.frames + 255) >> 8
        block: u64
        self.quiet = True
        while nth < self.overlay.count:
            block = self.overlay.blocks[nth]
            if block >= first and block < last:
                if self.quiet:
                    self.begin_sums()
                if self._struct_pages(nth, block):
                    return True
            elif block >= self.first_block and block < self.last_block:
                if self.quiet:
                    self.begin_sums()
                self._other_block(block)
            nth += 1
        if not self.quiet:
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
        return self.slots_wrong()

    def _other_block(self, block: u64) -> None:
        """Note which zone, per-cpu set, node or part of the bitmap a touched block belongs to."""
        at: u64 = block << 8
        nth: u64 = 0
        zone: u64
        pcp: u64
        if at + 256 > self.bitmap and at < self.bitmap + 8 * self.pages.pageblock_words:
            self.bitmap_touched = True
            return
        if at + 256 > self.nodes_at - self.base and at < self.nodes_end:
            self.nodes_touched = True
        while nth < self.zone_count:
            zone = self.zones_at + nth * ZONE_SIZE
            if at + 256 > zone and at < zone + ZONE_SIZE:
                self.touched_zones[nth] |= OF_ZONE
            pcp = self.word(self.base + zone + ZONE_PAGESETS)
            if pcp != 0:
                pcp -= self.base
                if at + 256 > pcp and at < pcp + self.pages.cpus * PCP_SIZE:
                    self.touched_zones[nth] |= OF_PCP
            nth += 1

    # Struct pages.

    def _was(self, nth: u64, page: u64, offset: u64) -> u64:
        """A word that a touched struct page held at the mark; ``page`` is 0 to 3 in the block."""
        return self.overlay.images[32 * nth + 8 * page + (offset >> 3)]

    def _zone_number(self, pfn: u64) -> u64:
        """The number of the zone that a page's flags name."""
        flags: u64 = of_page(self, pfn, 0)
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
            if self._as_it_was(nth, pfn, page):
                page += 1
                continue
            counts = of_page(self, pfn, self.o_counts)
            was = self._was(nth, page, self.o_counts)
            if counts != 0 or self.tail(pfn):
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
                if self._on_pcp(counts, of_page(self, pfn, self.o_lru), of_page(self, pfn, 0)):
                    self.deltas[zone * DELTAS + 11] += 1
                    if not self._linked(pfn):
                        return True
                    if self._was_on_pcp(nth, page, was):
                        self.deltas[zone * DELTAS + 11] -= 1
                        if self._shuffled(nth, page, pfn):
                            self.touched_zones[zone] |= PCP_SHUFFLED
                elif self._was_on_pcp(nth, page, was):
                    self.deltas[zone * DELTAS + 11] -= 1
                if self._left_behind(nth, page, pfn):
                    return True
                used: bint = (was >> self.refcount_shift) & LOW32 != 0
                if self._page_wrong(
                    self.base + self.zones_at + zone * ZONE_SIZE, pfn, order, before, used
                ):
                    return True
                if self.lru_page_wrong(nth, page, pfn):
                    return True
            elif (
                was != 0
                or of_page(self, pfn, self.o_lru) != 0
                or of_page(self, pfn, self.o_lru + 8) != 0
            ):
                return True
            page += 1
        return False

    def _as_it_was(self, nth: u64, pfn: u64, page: u64) -> bint:
        """Are all words of a struct page in a touched block what they were at the mark?"""
        word: u64 = 0
        while word < 8:
            if of_page(self, pfn, 8 * word) != self.overlay.images[32 * nth + 8 * page + word]:
                return False
            word += 1
        return True

    def _shuffled(self, nth: u64, page: u64, pfn: u64) -> bint:
        """Has a page that was and is on a per-cpu list another page beside it than it had?

        Then the list need not show it at its head. (Where a head was or is beside the page, the
        head's own words changed.)
        """
        side: u64 = 0
        now: u64
        was: u64
        while side < 16:
            now = of_page(self, pfn, self.o_lru + side)
            was = self._was(nth, page, self.o_lru + side)
            if now != was and now >= VMEMMAP and was >= VMEMMAP:
                return True
            side += 8
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

    def _was_on_pcp(self, nth: u64, page: u64, counts: u64) -> bint:
        """Was the page on a per-cpu list at the mark?"""
        return self._on_pcp(counts, self._was(nth, page, self.o_lru), self._was(nth, page, 0))

    def _on_pcp(self, counts: u64, link: u64, flags: u64) -> bint:
        """Is a page free, unmarked, and linked in some list, but that of the pool of huge pages?"""
        return (
            counts == self.word_free
            and flags & self.flag_head == 0
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

    def _page_wrong(self, zone: u64, pfn: u64, order: i32, before: i32, used: bint) -> bint:
        """Does a touched page break a rule of its own? ``used``: it was in use at the mark."""
        counts: u64 = of_page(self, pfn, self.o_counts)
        ones: u64 = 1
        inside: u64
        if order < 0:
            if (counts >> self.refcount_shift) & LOW32 == 0:
                if not self._on_pcp(counts, of_page(self, pfn, self.o_lru), of_page(self, pfn, 0)):
                    return False
            elif used:
                # A chunk that covers it now is new, and looks at all that it covers.
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
            and of_page(self, inside, 0) >> ZONE_SHIFT == of_page(self, pfn, 0) >> ZONE_SHIFT
        ):
            return True
        if (self.strict_types or self.special != 0) and self._misplaced(zone, pfn, order):
            return True
        return order != before and self._covers_used(zone, pfn, order)

    def _covers_used(self, zone: u64, pfn: u64, order: i32) -> bint:
        """Does a new chunk cover pages in use? What lay in a free chunk at the mark did not.

        (A page that has come into use since was touched, and looks for what covers it.)
        """
        ones: u64 = 1
        head: u64 = pfn
        end: u64 = pfn + (ones << order)
        above: i32 = order + 1
        old: i32
        counts: u64
        while above <= self.order_max:
            old = self._old_order(zone, pfn & ~((ones << above) - 1))
            if old >= above:
                return False
            above += 1
        while pfn < end and pfn < self.frames:
            counts = of_page(self, pfn, self.o_counts)
            if pfn != head and counts != 0 and counts != self.word_free:
                return True
            old = self._old_order(zone, pfn)
            pfn += ones << old if old > 0 else 1
        return False

    def _old_order(self, zone: u64, pfn: u64) -> i32:
        """The order of the free chunk that began at a frame at the mark; -1 if none did."""
        ones: u64 = 1
        first: u64 = (self.memmap + 64 * pfn) >> 3
        counts: u64
        order: u64
        if pfn >= self.frames:
            return -1
        counts = was_word(self.overlay, first + (self.o_counts >> 3))
        if counts & self.buddy_mask == self.buddy_value:
            order = was_word(self.overlay, first + (self.o_private >> 3))
            return order if order <= self.order_max else -1
        if (
            counts == 0
            and pfn & ((ones << self.order_max) - 1) == 0
            and pfn >= self.word(zone + ZONE_PRISTINE_FIRST)
            and pfn < self.word(zone + ZONE_PRISTINE_END)
        ):
            return self.order_max
        return -1

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
                bits = word ^ was_word(self.overlay, address >> 3)
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

"""Compaction's two scanners: pages to move from the low end of a zone, free ones from its high end.

Rules of 6.1's mm/compaction.c without its short cuts through the free lists
(``fast_isolate_freepages``, ``fast_find_migrateblock``).
"""

from __future__ import annotations

from dataclasses import dataclass

import cython

from mmtwin.pages import layouts as c
from mmtwin.pages.migrate import Migrate

if not cython.compiled:
    from mmtwin.pages.words import load, store

MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC = range(3)
COMPACT_CLUSTER_MAX = 32


@dataclass(slots=True)
class CompactControl:
    """``struct compact_control``: one run over one zone. ``order`` -1 is a wish of the user."""

    zone: int
    node: int
    order: int
    gfp: int
    mode: int
    alloc_flags: int = 0
    highest_zoneidx: int = 2
    migratetype: int = 0
    direct_compaction: bool = False
    whole_zone: bool = False
    ignore_skip_hint: bool = False
    ignore_block_suitable: bool = False
    rescan: bool = False
    migrate_pfn: int = 0
    free_pfn: int = 0
    nr_migratepages: int = 0
    nr_freepages: int = 0
    total_migrate_scanned: int = 0
    total_free_scanned: int = 0


class CompactScan(Migrate):
    """The scanners, and what they remember of a zone."""

    # Blocks.

    def block_start(self, pfn: int) -> int:
        """The first frame of a pageblock."""
        return pfn & ~(self.pageblock_nr_pages - 1)

    def block_in_zone(self, start: int, zone: int) -> bool:
        """Does a block lie in the zone as a whole (``pageblock_pfn_to_page``)?"""
        return start >= self.zone_start_pfn(zone) and start + self.pageblock_nr_pages <= (
            self.zone_end_pfn(zone)
        )

    def free_chunk_order(self, pfn: int) -> int:
        """The order of the free chunk that begins at a frame, pristine ones too; -1 if none."""
        page = self.pfn_to_page(pfn)
        if self.page_buddy(page):
            return self.page_private(page)
        if self.pristine(page) and pfn & ((1 << self.order_max) - 1) == 0:
            zone = self.zone_of_pfn(pfn)
            first = load(self.memory, zone + c.ZONE_PRISTINE_FIRST)
            if first <= pfn < load(self.memory, zone + c.ZONE_PRISTINE_END):
                return self.order_max
        return -1

    def isolation_suitable(self, cc: CompactControl, page: int) -> bool:
        """Is the block worth a look: did the last one find something?"""
        return cc.ignore_skip_hint or not self.get_pageblock_skip(page)

    def suitable_migration_source(self, cc: CompactControl, page: int) -> bool:
        """May pages be moved out of the block? In haste only out of those of the wanted type."""
        if self.page_head(page) and self.compound_order(page) >= self.pageblock_order:
            return False
        if cc.mode != MIGRATE_ASYNC or not cc.direct_compaction:
            return True
        block_type = self.get_pageblock_migratetype(page)
        if cc.migratetype == self.mt_movable:
            return block_type in (self.mt_movable, self.mt_cma)
        return block_type == cc.migratetype

    def suitable_migration_target(self, cc: CompactControl, pfn: int) -> bool:
        """May pages be moved into the block?"""
        if self.free_chunk_order(pfn) >= self.pageblock_order:
            return False
        if cc.ignore_block_suitable:
            return True
        return self.get_pfnblock_migratetype(pfn) in (self.mt_movable, self.mt_cma)

    # The migrate scanner.

    def isolate_migratepages(self, cc: CompactControl) -> bool:
        """Isolate pages of the next block that has any, upwards; False if none has."""
        block = self.pageblock_nr_pages
        low_pfn = cc.migrate_pfn
        start = max(self.block_start(low_pfn), self.zone_start_pfn(cc.zone))
        end = self.block_start(low_pfn) + block
        while end <= cc.free_pfn:
            page = self.pfn_to_page(start)
            if self.block_in_zone(self.block_start(start), cc.zone):
                aligned = low_pfn & (block - 1) == 0
                if aligned and not self.isolation_suitable(cc, page):
                    pass
                elif not self.suitable_migration_source(cc, page):
                    self.update_cached_migrate(cc, end)
                else:
                    self.isolate_migratepages_block(cc, low_pfn, end)
                    break
            cc.migrate_pfn = low_pfn = start = end
            end += block
        return cc.nr_migratepages > 0

    def isolate_migratepages_block(self, cc: CompactControl, low_pfn: int, end_pfn: int) -> None:
        """Isolate the movable pages of a block, up to a cluster of them.

        In haste (asynchronous, for a waiting caller) a run of the wanted order counts only as a
        whole: one page that cannot move gives up what was isolated of it.
        """
        head = self.private_list(cc.node, "migratepages")
        strict = cc.direct_compaction and cc.mode == MIGRATE_ASYNC
        run = 1 << max(cc.order, 0)
        next_skip = (low_pfn & -run) + run
        scanned = isolated = 0
        skip_updated = False
        valid_page = 0
        while low_pfn < end_pfn:
            if strict and low_pfn >= next_skip:
                if isolated:
                    break
                next_skip = (low_pfn & -run) + run
            scanned += 1
            page = self.pfn_to_page(low_pfn)
            if not valid_page and low_pfn & (self.pageblock_nr_pages - 1) == 0:
                if not self.isolation_suitable(cc, page):
                    low_pfn = end_pfn
                    break
                valid_page = page
            order = self.free_chunk_order(low_pfn)
            if order >= 0:
                low_pfn += 1 << order
                continue
            if self.page_head(page) or self.page_tail(page):
                low_pfn += (1 << self.compound_order(page)) - 1
            elif self.may_isolate(cc, page):
                if not skip_updated:
                    skip_updated = True
                    if low_pfn & (self.pageblock_nr_pages - 1) == 0 and not cc.ignore_skip_hint:
                        self.set_pageblock_skip(page)
                self.isolate_for_migration(page, head)
                cc.nr_migratepages += 1
                isolated += 1
                if cc.nr_migratepages >= COMPACT_CLUSTER_MAX and not cc.rescan:
                    low_pfn += 1
                    break
                low_pfn += 1
                continue
            if strict:
                if isolated:
                    self.putback_movable_pages(head)
                    cc.nr_migratepages = isolated = 0
                if low_pfn < next_skip:
                    low_pfn = next_skip - 1
                    next_skip += run
            low_pfn += 1
        low_pfn = min(low_pfn, end_pfn)
        if low_pfn == end_pfn and (not isolated or cc.rescan):
            if valid_page and not skip_updated:
                self.set_pageblock_skip(valid_page)
            self.update_cached_migrate(cc, low_pfn)
        cc.total_migrate_scanned += scanned
        if isolated:
            self.count_vm_event("compact_isolated", isolated)
        cc.migrate_pfn = low_pfn

    def may_isolate(self, cc: CompactControl, page: int) -> bool:
        """Is a page on the LRU lists, and is nobody but its mappings known to refer to it?"""
        if not self.test_page_flag(page, self.flag_lru):
            return False
        file_cache = self.page_mapping(page) != 0 and not self.page_anon(page)
        cached = file_cache or self.folio_test_swapcache(page)
        if not cached and self.page_ref_count(page) > (self.page_mapcount(page) + 1) & 0xFFFFFFFF:
            return False
        if cached and not cc.gfp & self.gfp_fs:
            return False
        return cc.mode == MIGRATE_SYNC or not self.test_page_flag(page, self.pg_writeback)

    def update_cached_migrate(self, cc: CompactControl, pfn: int) -> None:
        """The next runs begin behind the block of ``pfn``; callers name the end of one already."""
        pfn = self.block_start(pfn) + self.pageblock_nr_pages
        at = cc.zone + c.ZONE_COMPACT_MIGRATE
        if pfn > load(self.memory, at):
            store(self.memory, at, pfn)
        if cc.mode != MIGRATE_ASYNC and pfn > load(self.memory, at + 8):
            store(self.memory, at + 8, pfn)

    # The free scanner.

    def isolate_freepages(self, cc: CompactControl) -> None:
        """Take free pages until there are as many as pages to move, downwards block by block."""
        block = self.pageblock_nr_pages
        zone_end = self.zone_end_pfn(cc.zone)
        at = cc.free_pfn
        start = self.block_start(at)
        low = self.block_start(cc.migrate_pfn) + block
        stride = COMPACT_CLUSTER_MAX if cc.mode == MIGRATE_ASYNC else 1
        while start >= low:
            end = min(start + block, zone_end)
            page = self.pfn_to_page(start)
            if (
                self.block_in_zone(start, cc.zone)
                and self.suitable_migration_target(cc, start)
                and self.isolation_suitable(cc, page)
            ):
                taken, at = self.isolate_freepages_block(cc, at, end, stride)
                if at == end:
                    self.update_pageblock_skip(cc, page, start)
                if cc.nr_freepages >= cc.nr_migratepages:
                    if at >= end:
                        at = start - block
                    break
                if at < end:
                    break
                stride = 1 if taken else min(COMPACT_CLUSTER_MAX, stride << 1)
            start -= block
            at = start
        cc.free_pfn = at

    def isolate_freepages_block(
        self, cc: CompactControl, pfn: int, end_pfn: int, stride: int
    ) -> tuple[int, int]:
        """Take the free chunks of a block, looking at every ``stride``-th page.

        How many pages were taken, and the frame to go on at: ``end_pfn`` if all were looked at.
        """
        head = self.private_list(cc.node, "freepages")
        taken = scanned = 0
        while pfn < end_pfn:
            page = self.pfn_to_page(pfn)
            scanned += 1
            if self.page_head(page):
                pfn += (1 << self.compound_order(page)) - 1
            elif self.page_buddy(page):
                order = self.page_private(page)
                pages = self._isolate_free_page(page, order)
                if not pages:
                    break
                self.map_free_pages(page, order, cc.zone, head)
                scanned += pages - 1
                taken += pages
                cc.nr_freepages += pages
                pfn += pages - 1
                if cc.nr_migratepages <= cc.nr_freepages:
                    pfn += 1
                    break
            pfn += stride
        cc.total_free_scanned += scanned
        if taken:
            self.count_vm_event("compact_isolated", taken)
        return taken, min(pfn, end_pfn)

    def map_free_pages(self, page: int, order: int, zone: int, head: int) -> None:
        """Make single pages in use of a chunk that was taken; they are listed last."""
        self.check_new_pages(page, order, zone)
        for nth in range(1 << order):
            one = page + 64 * nth
            self.st(one + self.o_private, 0)
            self.set_page_refcounted(one)
            self.list_add(one + self.o_lru, head)

    def update_pageblock_skip(self, cc: CompactControl, page: int, pfn: int) -> None:
        """Nothing more is free in the block: later runs pass it over and begin below it."""
        self.set_pageblock_skip(page)
        if pfn < load(self.memory, cc.zone + c.ZONE_COMPACT_FREE):
            store(self.memory, cc.zone + c.ZONE_COMPACT_FREE, pfn)

    def compaction_alloc(self, cc: CompactControl) -> int:
        """A page to move to, from those taken; 0 if the scanners have met."""
        head = self.private_list(cc.node, "freepages")
        if self.list_empty(head):
            self.isolate_freepages(cc)
            if self.list_empty(head):
                return 0
        page: int = load(self.memory, head) - self.o_lru
        self.list_del(page + self.o_lru)
        cc.nr_freepages -= 1
        return page

    def compaction_free(self, cc: CompactControl, page: int) -> None:
        """A page that was not needed goes back to those taken."""
        self.list_add(page + self.o_lru, self.private_list(cc.node, "freepages"))
        cc.nr_freepages += 1

    def release_freepages(self, cc: CompactControl) -> int:
        """Free the pages that were taken and not used; the highest frame among them."""
        head = self.private_list(cc.node, "freepages")
        highest = 0
        while not self.list_empty(head):
            page = load(self.memory, head) - self.o_lru
            self.list_del(page + self.o_lru)
            highest = max(highest, self.page_to_pfn(page))
            self.put_page(page)
        cc.nr_freepages = 0
        return highest

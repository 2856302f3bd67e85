"""Reclaim of lists of pages: what of the inactive list can go, what of the active one has cooled.

Rules of 6.1's mm/vmscan.c for single pages without cgroups, demotion and multi-generational LRU.
Writing takes no time, so no page is ever seen under writeback.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmtwin.pages import node_layouts as n
from mmtwin.pages.compaction import Compaction
from mmtwin.pages.gfp_request import PF_KSWAPD
from mmtwin.pages.rmap_hook import VM_EXEC, VM_LOCKED

SWAP_CLUSTER_MAX = 32
DEF_PRIORITY = 12
DEACTIVATE_ANON = 1
DEACTIVATE_FILE = 2
RECLAIM, RECLAIM_CLEAN, KEEP, ACTIVATE = range(4)


@dataclass(slots=True)
class ScanControl:
    """``struct scan_control``: one attempt to free pages. ``priority`` scans 1 in 2^priority."""

    gfp: int
    order: int
    reclaim_idx: int
    nr_to_reclaim: int = SWAP_CLUSTER_MAX
    priority: int = DEF_PRIORITY
    may_writepage: bool = True
    may_unmap: bool = True
    may_swap: bool = True
    may_deactivate: int = 0
    force_deactivate: bool = False
    skipped_deactivate: bool = False
    cache_trim_mode: bool = False
    file_is_tiny: bool = False
    compaction_ready: bool = False
    anon_cost: int = 0
    file_cost: int = 0
    nr_scanned: int = 0
    nr_reclaimed: int = 0
    nr_unqueued_dirty: int = 0
    nr_file_taken: int = 0
    nr_pageout: int = 0


class Shrink(Compaction):
    """``shrink_folio_list``, ``shrink_inactive_list``, ``shrink_active_list``."""

    def isolate_lru_folios(
        self, nr_to_scan: int, node: int, head: int, sc: ScanControl, lru: int
    ) -> tuple[int, int]:
        """Take the oldest pages of a list: how many pages were taken, and how many looked at.

        Pages of zones that would not help are passed over, and become the youngest.
        """
        source = self.lru_list(node, lru)
        skipped = self.private_list(node, "folios_skipped")
        taken = scanned = 0
        while scanned < nr_to_scan and not self.list_empty(source):
            page = self.memory.load(source + 8) - self.o_lru
            size = self.folio_nr_pages(page)
            if self.zone_idx(self.page_zone(page)) > sc.reclaim_idx:
                self.list_del(page + self.o_lru)
                self.list_add(page + self.o_lru, skipped)
                continue
            scanned += size
            if not sc.may_unmap and self.page_mapped(page):
                self.list_del(page + self.o_lru)
                self.list_add(page + self.o_lru, source)
                continue
            self.folio_isolate_lru(page)
            self.list_add(page + self.o_lru, head)
            taken += size
        self.list_splice(skipped, source)
        name = "isolated_file" if lru & n.LRU_FILE else "isolated_anon"
        self.mod_node_page_state(node, name, taken)
        return taken, scanned

    def move_folios_to_lru(self, node: int, head: int) -> int:
        """Put isolated pages back, oldest first, and drop their references; how many pages stay.

        What nobody else refers to any more is freed.
        """
        moved = 0
        while not self.list_empty(head):
            page = self.memory.load(head + 8) - self.o_lru
            size = self.folio_nr_pages(page)
            self.list_del(page + self.o_lru)
            self.folio_putback_lru(page)
            moved += size
        return moved

    def current_is_kswapd(self) -> bool:
        """Is the running task kswapd?"""
        return bool(self.current & PF_KSWAPD)

    # The inactive lists.

    def folio_check_references(self, page: int) -> int:
        """Was the page used of late? What that means for it.

        A page that one table referenced stays once more; twice, by two, or if it is a program's
        text it becomes active. File pages that were only read may go if they are clean.
        """
        count, vm_flags = self.rmap.folio_referenced(page) if self.rmap is not None else (0, 0)
        if vm_flags & VM_LOCKED:
            return ACTIVATE
        referenced = self.test_page_flag(page, self.pg_referenced)
        if referenced:
            self.clear_page_flag(page, self.pg_referenced)
        if count:
            self.set_page_flag(page, self.pg_referenced)
            if referenced or count > 1:
                return ACTIVATE
            if vm_flags & VM_EXEC and self.folio_is_file_lru(page):
                return ACTIVATE
            return KEEP
        if referenced and self.folio_is_file_lru(page):
            return RECLAIM_CLEAN
        return RECLAIM

    def shrink_folio_list(
        self, head: int, node: int, sc: ScanControl, *, ignore_references: bool = False
    ) -> int:
        """Free what can be freed of isolated pages; those that stay are left in the list.

        How many pages were freed.
        """
        kept = self.private_list(node, "ret_folios")
        free = self.private_list(node, "free_folios")
        reclaimed = 0
        while not self.list_empty(head):
            page = self.memory.load(head + 8) - self.o_lru
            self.list_del(page + self.o_lru)
            if not self.trylock_page(page):
                self.list_add(page + self.o_lru, kept)
                continue
            size = self.folio_nr_pages(page)
            sc.nr_scanned += size
            verdict = self._try_to_reclaim(page, head, node, sc, ignore_references)
            if size > 1 and not self.page_head(page):
                sc.nr_scanned -= size - 1
                size = 1
            if verdict == RECLAIM:
                self.clear_page_flag(page, self.pg_locked)
                self.list_add(page + self.o_lru, free)
                reclaimed += size
                continue
            if verdict == ACTIVATE:
                if self.folio_test_swapcache(page) and (
                    self.vm_swap_full() or self.test_page_flag(page, self.pg_mlocked)
                ):
                    self.folio_free_swap(page)
                if not self.test_page_flag(page, self.pg_mlocked):
                    self.set_page_flag(page, self.pg_active)
                    self.count_vm_event("pgactivate", size)
            self.unlock_page(page)
            self.list_add(page + self.o_lru, kept)
        self.free_unref_page_list(free)
        self.list_splice(kept, head)
        return reclaimed

    def _try_to_reclaim(
        self, page: int, rest: int, node: int, sc: ScanControl, ignore_references: bool
    ) -> int:
        """RECLAIM if a locked page is nobody's any more, its last reference gone; else why not.

        A huge page is split first, the other pages of it are added to the list ``rest``.
        """
        if not self.folio_evictable(page):
            return ACTIVATE
        if not sc.may_unmap and self.page_mapped(page):
            return KEEP
        file = self.folio_is_file_lru(page) and not self.page_anon(page)
        if file and self.test_page_flag(page, self.pg_dirty):
            sc.nr_unqueued_dirty += 1
        references = RECLAIM if ignore_references else self.folio_check_references(page)
        if references in (ACTIVATE, KEEP):
            return references
        if self.page_anon(page) and not self.folio_test_swapcache(page):
            verdict = self._make_way(page, rest, sc)
            if verdict != RECLAIM:
                return verdict
        elif (
            self.page_head(page)
            and self.test_page_flag(page, self.pg_swapbacked)
            and (self.rmap is None or not self.rmap.split_for_swap(page, rest))
        ):
            return KEEP
        if self.page_mapped(page):
            if self.rmap is not None:
                self.rmap.try_to_unmap(page)
            if self.page_mapped(page):
                return ACTIVATE
        if self.test_page_flag(page, self.pg_dirty):
            verdict = self._pageout(page, node, sc, references)
            if verdict != RECLAIM:
                return verdict
        return RECLAIM if self._remove_mapping(page) else KEEP

    def _make_way(self, page: int, rest: int, sc: ScanControl) -> int:
        """Make single pages of an anonymous page, and find a slot for it; RECLAIM if it can go.

        What may be dropped (MADV_FREE) needs no slot.
        """
        swapbacked = self.test_page_flag(page, self.pg_swapbacked)
        if swapbacked and not sc.gfp & self.gfp_io:
            return KEEP
        if self.page_head(page):
            if self.rmap is None or not self.rmap.split_folio(page, rest):
                return ACTIVATE
        elif swapbacked and self._pinned(page):
            return KEEP
        if swapbacked and not self.add_to_swap(page):
            return ACTIVATE
        return RECLAIM

    def _pinned(self, page: int) -> bool:
        """Do others than its mappings and this reclaim refer to the page?"""
        return self.page_ref_count(page) != self.expected_refs(page)

    def _pageout(self, page: int, node: int, sc: ScanControl, references: int) -> int:
        """Write a dirty page that nothing maps; RECLAIM if it is clean then."""
        if self.folio_is_file_lru(page) and not (
            self.current_is_kswapd()
            and self.test_page_flag(page, self.pg_reclaim)
            and self.node_word(node, "flags") & n.PGDAT_DIRTY
        ):
            # Writing files is the flushers' business; the page is freed first once it is clean.
            self.set_page_flag(page, self.pg_reclaim)
            return ACTIVATE
        enter_fs = sc.gfp & self.gfp_fs or (
            self.folio_test_swapcache(page) and sc.gfp & self.gfp_io
        )
        if references == RECLAIM_CLEAN or not enter_fs or not sc.may_writepage:
            return KEEP
        if self._pinned(page):
            return KEEP
        if self.folio_test_swapcache(page):
            written = self.swap_writepage(page)
        else:
            written = self.rmap is not None and self.rmap.writepage(page)
        if not written:
            return KEEP
        sc.nr_pageout += 1
        return KEEP if self.test_page_flag(page, self.pg_dirty) else RECLAIM

    def _remove_mapping(self, page: int) -> bool:
        """Take a clean page away from its cache; True if the reference left was the last one."""
        if self._pinned(page):
            return False
        if self.page_anon(page) and not self.test_page_flag(page, self.pg_swapbacked):
            self.page_ref_add(page, -1)
            self.count_vm_event("pglazyfreed")
            return True
        if self.folio_test_swapcache(page):
            self.put_swap_folio(self._delete_from_swap_cache(page))
        else:
            file = self.page_mapping(page) != 0 and not self.page_anon(page)
            if not file or self.rmap is None or not self.rmap.remove_mapping(page):
                return False
        self.page_ref_add(page, -2)
        return True

    def shrink_inactive_list(self, nr_to_scan: int, node: int, sc: ScanControl, lru: int) -> int:
        """Reclaim from the old end of an inactive list; how many pages were freed."""
        head = self.private_list(node, "folio_list")
        file = bool(lru & n.LRU_FILE)
        taken, scanned = self.isolate_lru_folios(nr_to_scan, node, head, sc, lru)
        who = "kswapd" if self.current_is_kswapd() else "direct"
        self.count_vm_event(f"pgscan_{who}", scanned)
        if not taken:
            return 0
        sc.nr_pageout = 0
        reclaimed = self.shrink_folio_list(head, node, sc)
        self.move_folios_to_lru(node, head)
        self.mod_node_page_state(node, "isolated_file" if file else "isolated_anon", -taken)
        self.count_vm_event(f"pgsteal_{who}", reclaimed)
        self.lru_note_cost(node, file, sc.nr_pageout)
        if file:
            sc.nr_file_taken += taken
        return reclaimed

    def lru_note_cost(self, node: int, file: bool, nr_pages: int) -> None:
        """Remember what a kind of pages cost in writes; the past counts less and less."""
        name = "file_cost" if file else "anon_cost"
        self.put_node_word(node, name, self.node_word(node, name) + nr_pages)
        size = sum(self.node_page_state(node, kind) for kind in n.LRU_NAMES[:4])
        anon, cache = self.node_word(node, "anon_cost"), self.node_word(node, "file_cost")
        if anon + cache > size // 4:
            self.put_node_word(node, "anon_cost", anon // 2)
            self.put_node_word(node, "file_cost", cache // 2)

    def reclaim_clean_pages_from_list(self, head: int, node: int) -> int:
        """Free the clean pages of files in a list of isolated pages; how many there were."""
        clean = self.private_list(node, "folio_list")
        entry = self.memory.load(head)
        while entry != head:
            page, entry = entry - self.o_lru, self.ld(entry)
            kept = self.pg_dirty | self.pg_unevictable
            if self.folio_is_file_lru(page) and not self.test_page_flag(page, kept):
                self.clear_page_flag(page, self.pg_active)
                self.list_del(page + self.o_lru)
                self.list_add(page + self.o_lru, clean)
        sc = ScanControl(self.era.gfp.value("GFP_KERNEL"), 0, 4, may_writepage=False)
        sc.may_swap = False
        freed = self.shrink_folio_list(clean, node, sc, ignore_references=True)
        self.list_splice(clean, head)
        self.mod_node_page_state(node, "isolated_file", -freed)
        return freed

    # The active lists.

    def shrink_active_list(self, nr_to_scan: int, node: int, sc: ScanControl, lru: int) -> None:
        """Move pages from the old end of an active list to the inactive one.

        Referenced text of programs stays active.
        """
        head = self.private_list(node, "folio_list")
        active = self.private_list(node, "l_active")
        inactive = self.private_list(node, "l_inactive")
        taken, scanned = self.isolate_lru_folios(nr_to_scan, node, head, sc, lru)
        self.count_vm_event("pgrefill", scanned)
        while not self.list_empty(head):
            page = self.memory.load(head + 8) - self.o_lru
            self.list_del(page + self.o_lru)
            if not self.folio_evictable(page):
                self.folio_putback_lru(page)
                continue
            count, vm_flags = self.rmap.folio_referenced(page) if self.rmap is not None else (0, 0)
            if count and vm_flags & VM_EXEC and self.folio_is_file_lru(page):
                self.list_add(page + self.o_lru, active)
                continue
            self.clear_page_flag(page, self.pg_active)
            self.set_page_flag(page, self.pg_workingset)
            self.list_add(page + self.o_lru, inactive)
        self.move_folios_to_lru(node, active)
        self.count_vm_event("pgdeactivate", self.move_folios_to_lru(node, inactive))
        name = "isolated_file" if lru & n.LRU_FILE else "isolated_anon"
        self.mod_node_page_state(node, name, -taken)

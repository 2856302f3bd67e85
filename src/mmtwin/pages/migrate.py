"""Migration: a page in use becomes another one, and nobody who refers to it notices.

Rules of ``migrate_folio`` and ``unmap_and_move``, mm/migrate.c, for single pages.
"""

from __future__ import annotations

from collections.abc import Callable

from mmtwin.pages.swap import Swap


class Migrate(Swap):
    """Moving single isolated pages; compound ones stay where they are."""

    def expected_refs(self, page: int) -> int:
        """References that mappings, a cache and the one who isolated the page account for."""
        cached = self.folio_test_swapcache(page) or (
            self.page_mapping(page) != 0 and not self.page_anon(page)
        )
        return 1 + self._mappings(page) + cached

    def _mappings(self, page: int) -> int:
        return (self.page_mapcount(page) + 1) & 0xFFFFFFFF

    def unmap_and_move(self, page: int, new: int) -> bool:
        """Let ``new``, fresh from the allocator, take an isolated page's place.

        True if it did: the old page is free, the new one on the lists. False if the page is locked,
        under writeback, pinned, compound, or whoever maps it refuses; nothing has changed then.
        """
        if self.page_head(page) or not self.trylock_page(page):
            return False
        if self.test_page_flag(page, self.pg_writeback) or not self._move(page, new):
            self.unlock_page(page)
            return False
        self.put_page(page)
        self.folio_putback_lru(new)
        return True

    def _move(self, page: int, new: int) -> bool:
        if self.page_ref_count(page) != self.expected_refs(page):
            return False
        file_cache = self.page_mapping(page) != 0 and not self.page_anon(page)
        if (self.page_mapped(page) or file_cache) and (
            self.rmap is None or not self.rmap.migrate_page(page, new)
        ):
            return False
        self.copy_frame(self._content(new), self._content(page))
        self._carry_over(page, new)
        return True

    def _carry_over(self, page: int, new: int) -> None:
        """Flags, mapping, swap slot and counts go to the new page."""
        # What the parts of a split page inherit, and what migration carries besides.
        carried = self.ld(page) & (self.mask_of_split | self.pg_mlocked | self.pg_swapcache)
        self.st(new, self.ld(new) | carried)
        for offset in (self.o_mapping, self.o_index, self.o_private):
            self.st(new + offset, self.ld(page + offset))
        if self.folio_test_swapcache(page):
            self.replace_in_swap_cache(page, new)
        self._move_stats(page, new)
        mapped, refs = self._mappings(page), self.page_ref_count(page)
        self.page_mapcount_add(new, mapped)
        self.page_mapcount_add(page, -mapped)
        self.page_ref_add(new, refs - 1)
        self.page_ref_add(page, 1 - refs)
        gone = carried | self.pg_locked
        self.clear_page_flag(page, gone)
        self.st(page + self.o_mapping, 0)
        self.st(page + self.o_private, 0)

    def _move_stats(self, page: int, new: int) -> None:
        """Counters of nodes follow a page that changes its node."""
        old_node, new_node = self.page_to_nid(page), self.page_to_nid(new)
        if old_node == new_node:
            return
        for name, counted in (
            ("file_pages", self.folio_test_swapcache(page) or not self.page_anon(page)),
            ("swapcached", self.folio_test_swapcache(page)),
            ("mlock", self.test_page_flag(page, self.pg_mlocked)),
        ):
            if counted:
                self.mod_node_page_state(old_node, name, -1)
                self.mod_node_page_state(new_node, name, 1)

    def migrate_pages(
        self, head: int, get_new: Callable[[int], int], put_new: Callable[[int], None]
    ) -> tuple[int, bool]:
        """Move the isolated pages of a list, oldest first; those that stay are left in the list.

        How many were moved, and whether ``get_new`` ran out of pages (it gives 0 then).
        """
        moved = 0
        failed = self.private_list(0, "failed")
        short = False
        while not self.list_empty(head):
            page = self.memory.load(head) - self.o_lru
            self.list_del(page + self.o_lru)
            new = 0 if short else get_new(page)
            if new == 0:
                short = True
            node, lru = self.page_to_nid(page), self.folio_is_file_lru(page)
            if new and self.unmap_and_move(page, new):
                self.mod_node_page_state(node, "isolated_file" if lru else "isolated_anon", -1)
                moved += 1
                continue
            if new:
                put_new(new)
            self.list_add_tail(page + self.o_lru, failed)
        self.count_vm_event("pgmigrate_success", moved)
        self.list_splice(failed, head)
        return moved, short

    def putback_movable_pages(self, head: int) -> int:
        """Put the isolated pages of a list back on the LRU lists; how many there were."""
        count = 0
        while not self.list_empty(head):
            page = self.memory.load(head) - self.o_lru
            self.list_del(page + self.o_lru)
            name = "isolated_file" if self.folio_is_file_lru(page) else "isolated_anon"
            self.mod_node_page_state(self.page_to_nid(page), name, -self.folio_nr_pages(page))
            self.folio_putback_lru(page)
            count += 1
        self.count_vm_event("pgmigrate_fail", count)
        return count

    def isolate_for_migration(self, page: int, head: int) -> bool:
        """Take a page off the LRU lists and put it first in a list of pages to move."""
        if not self.folio_isolate_lru(page):
            return False
        name = "isolated_file" if self.folio_is_file_lru(page) else "isolated_anon"
        self.mod_node_page_state(self.page_to_nid(page), name, self.folio_nr_pages(page))
        self.list_add(page + self.o_lru, head)
        return True

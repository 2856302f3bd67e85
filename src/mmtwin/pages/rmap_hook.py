"""What reclaim and migration ask of whoever maps pages; floor 4 answers, or an owner in a test."""

from __future__ import annotations

from typing import Protocol

VM_LOCKED = 0x2000
VM_EXEC = 0x4


class RmapHook(Protocol):
    """The reverse mapping and the page cache, as this floor sees them.

    ``page`` is always a struct page that is locked and off the LRU lists, or isolated from them.
    """

    def folio_referenced(self, page: int) -> tuple[int, int]:
        """Clear the accessed bits of all mappings; how many were set, and the areas' flags or-ed.

        Only VM_LOCKED and VM_EXEC of the flags matter.
        """

    def try_to_unmap(self, page: int) -> None:
        """Take every mapping of the page away; what cannot be unmapped stays counted in _mapcount.

        An anonymous page that is backed by swap is in the swap cache; its entry, ``page_private``,
        goes into the page tables, each with a ``swap_duplicate``. The others are lazily freed: a
        dirty one gets PG_swapbacked again and stays. A dirty bit of the tables becomes PG_dirty.
        """

    def migrate_page(self, old: int, new: int) -> bool:
        """Make every table entry and cache slot that leads to ``old`` lead to ``new``.

        Counts of mappings and references are moved by the caller. False if it cannot be done;
        nothing has changed then.
        """

    def split_folio(self, head: int, rest: int) -> bool:
        """Make single pages of a huge one: the first, and in the list ``rest`` the others.

        All are isolated as it was; those that nothing maps are free. False leaves it whole.
        """

    def split_for_swap(self, head: int, rest: int) -> bool:
        """The same of a huge page of shared memory that is to be written to swap, by single pages.
        False keeps it, though it may have been unmapped."""

    def remove_mapping(self, page: int) -> bool:
        """Take a clean page of a file out of the page cache; False keeps it.

        Its cache and the caller alone refer to it; the caller drops the cache's reference.
        """

    def writepage(self, page: int) -> bool:
        """Write a dirty page of a file to its backing store; it is clean then. False keeps it.

        A page of shared memory is in the swap cache then, instead of in its file's.
        """

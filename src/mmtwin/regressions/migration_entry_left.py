"""``migration-entry-left``: a walk of the reverse mapping misses the end of the heap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import BASE, PAGE, SpaceBench
from mmtwin.space.pte_bits import SWP_MIGRATION_WRITE
from mmtwin.space.space import Space

# struct anon_vma, struct anon_vma_chain
TREE_FIRST = 80
AVC_VMA, TREE_NEXT, CACHED_START, CACHED_LAST = 0, 32, 48, 56


@dataclass(slots=True)
class Migration:
    """Another task that migrates one anonymous page: locked, unmapped, and mapped again."""

    space: Space
    mm: int
    page: int
    anon_vma: int
    index: int
    entry: int

    @classmethod
    def begin(cls, space: Space, mm: int, address: int) -> Migration:
        """Lock the page at ``address`` and put a migration entry in its place."""
        memory = space.memory
        at = space.pte_at(mm, address)
        entry = space.ptep_get(at)
        page = space.page_of(entry)
        vma = space.vma_lookup(mm, address)
        anon_vma = memory.load(vma + space.layouts.vm_area_struct.offset("anon_vma"))
        migration = cls(space, mm, page, anon_vma, space.page_index(page), entry)
        space.set_page_flag(page, space.pg_locked)
        space.set_pte(at, migration.in_place())
        space.page_remove_rmap(page)
        return migration

    def in_place(self) -> int:
        """The entry that stands for the page meanwhile."""
        pages = self.space.pages
        assert pages is not None
        return self.space.swp_pte(SWP_MIGRATION_WRITE, pages.page_to_pfn(self.page))

    def end(self) -> None:
        """Walk the anon_vma's areas, map the page again wherever it was, and unlock it."""
        space, memory = self.space, self.space.memory
        found = False
        avc = memory.load(self.anon_vma + TREE_FIRST)
        while avc:
            area = space.view("vm_area_struct", memory.load(avc + AVC_VMA))
            first, last = memory.load(avc + CACHED_START), memory.load(avc + CACHED_LAST)
            if first <= self.index <= last:
                address = area.get("vm_start") + (self.index - area.get("vm_pgoff")) * PAGE
                at = space.pte_at(self.mm, address)
                if at and space.ptep_get(at) == self.in_place():
                    space.set_pte(at, self.entry)
                    space.mapcount_add(self.page, 1)
                    found = True
            avc = memory.load(avc + TREE_NEXT)
        space.clear_page_flag(self.page, space.pg_locked)
        if not found:
            space.put_user_page(self.page)


class MigrationEntryLeft(Space):
    """``do_brk_munmap`` that shortens the heap first and unmaps its pages afterwards."""

    meanwhile: Callable[[], None] | None = None
    """What another task does between the two."""

    def do_brk_munmap(self, mas: MaState, mm: int, newbrk: int, oldbrk: int) -> int:
        """Trim the area, in the tree and for the reverse mapping; then take its pages."""
        vma = self.vma_lookup(mm, newbrk)
        area = self.view("vm_area_struct", vma)
        if not vma or area.get("vm_start") == newbrk or area.get("vm_end") != oldbrk:
            return super().do_brk_munmap(mas, mm, newbrk, oldbrk)
        mas.set_range(newbrk, oldbrk - 1)
        if self.maple.mas_preallocate(mas, 0, GFP_KERNEL):
            return -12
        self.anon_vma_interval_tree_pre_update_vma(vma)
        area.vm_end = newbrk
        self.anon_vma_interval_tree_post_update_vma(vma)
        self.vma_mas_szero(mas, newbrk, oldbrk)
        if self.meanwhile is not None:
            self.meanwhile()
        self.zap_page_range(vma, newbrk, oldbrk)
        pages = (oldbrk - newbrk) // PAGE
        view = self.view("mm_struct", mm)
        view.total_vm -= pages
        view.data_vm -= pages
        sysctl = self.view("sysctl", self.sysctl)
        sysctl.vm_committed_as -= pages
        return 0


def story(bench: SpaceBench) -> Iterator[str]:
    """A page of the heap is under migration while the heap is cut off below it."""
    space = bench.space
    view = space.view("mm_struct", bench.mm)
    view.start_brk = view.brk = BASE
    yield bench.brk(BASE + 8 * PAGE)
    yield bench.write(0, 8)
    migration = Migration.begin(space, bench.mm, BASE + 6 * PAGE)
    yield "another task begins to migrate page 6"
    if isinstance(space, MigrationEntryLeft):
        space.meanwhile = migration.end
        yield bench.brk(BASE + 4 * PAGE)
    else:
        yield bench.brk(BASE + 4 * PAGE)
        migration.end()
    yield "the migration is over"


REGRESSION = Regression(
    name="migration-entry-left",
    title="swapops.h BUG on !PageLocked migration entry, as brk is unmapped",
    source="Hugh Dickins, July 2022, item 1",
    versions="linux-next, July 2022 (do_brk_munmap of the maple tree series)",
    layer="space",
    mechanism=(
        "A page that migrates is locked, and entries that name it stand in its place; a walk over "
        "the areas of its anon_vma puts them there, another one takes them out before the page is "
        "unlocked. munmap leaves areas where such walks find them until their pages are gone. The "
        "brk of the maple tree series shortened the heap first, for reverse mapping as well, and "
        "unmapped the pages of the lost part after that: a migration that ended in between did "
        "not find the area, left its entry, and unlocked the page; unmapping then met the entry. "
        "The thread says only that it happens when brk is unmapped, and that its cause is some "
        "time before; that the cause is this order is a reconstruction from the function's later "
        "form, which is munmap's own."
    ),
    trigger="lower the break over a page that another task migrates, which finishes in between",
    invariants=("BUG",),
    overrides=lambda profile: MigrationEntryLeft,
    story=story,
)

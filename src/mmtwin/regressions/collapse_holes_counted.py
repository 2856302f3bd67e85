"""``collapse-holes-counted``: a collapse that fails leaves the holes it filled in ``nrpages``."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.memory.view import View
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import BASE, PAGE, SpaceBench
from mmtwin.space import flags
from mmtwin.space.collapse import Collapse
from mmtwin.space.collapse_file import CollapseFile
from mmtwin.space.scan_result import FAIL
from mmtwin.space.space import Space

HUGE = 512


class NoNodes:
    """Refuses memory for the page cache's own nodes."""

    def should_fail(self, name: str, gfp: int) -> bool:
        """Is it such a node?"""
        return name == "radix_tree_node"


class RollbackForgetsHoles(CollapseFile):
    """``collapse_shmem`` that counts each hole as it fills it."""

    def collapse_file(self, mm: int, address: int, inode: int, start: int) -> str:
        """Put it together; where that fails late, the holes stay counted."""
        space = self.space
        result = super().collapse_file(mm, address, inode, start)
        if result == FAIL:
            pages = range(start, start + space.hpage_nr)
            holes = sum(not space.find_get_page(inode, index) for index in pages)
            view = space.view("inode", inode)
            view.nrpages += holes
        return result


class CollapseHolesCounted(Space):
    """An engine that collapses so."""

    def collapse_control(self, limits: View | None) -> Collapse:
        """As ever, but for files."""
        control = super().collapse_control(limits)
        control.file = RollbackForgetsHoles(self, limits)
        return control


def story(bench: SpaceBench) -> Iterator[str]:
    """Shared memory of one page is to become huge while there is no memory for nodes."""
    bench.space.sys_mmap(
        bench.mm,
        BASE,
        HUGE * PAGE,
        3,
        flags.MAP_SHARED | flags.MAP_ANONYMOUS | flags.MAP_FIXED,
        0,
        0,
    )
    yield "mmap 512 shared pages"
    yield bench.write(0, 1)
    bench.fail(NoNodes())
    got = bench.space.sys_madvise(bench.mm, BASE, HUGE * PAGE, flags.MADV_COLLAPSE)
    bench.fail(None)
    yield f"MADV_COLLAPSE of them without memory for the cache's nodes: {got}"


REGRESSION = Regression(
    name="collapse-holes-counted",
    title="nrpages counts holes that a failed collapse filled",
    source="aaa52e340073, Hugh Dickins, November 2018",
    versions="4.8 to 4.19",
    layer="space",
    mechanism=(
        "To put shared memory together the kernel fills what the file does not have, and counts "
        "each such page in the inode's nrpages as it goes. Where the collapse cannot be finished, "
        "it takes the pages out again; until this commit it forgot to take them out of nrpages. "
        "Nothing is wrong with the memory until the file goes: eviction takes out every page there "
        "is, and finds that some should be left (BUG_ON in clear_inode)."
    ),
    trigger="collapse shared memory with holes, and let it fail after some have been filled",
    invariants=("VM-47",),
    overrides=lambda profile: CollapseHolesCounted,
    story=story,
)

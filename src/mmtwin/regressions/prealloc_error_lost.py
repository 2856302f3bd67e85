"""``prealloc-error-lost``: a failed preallocation reported as success."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.machine.failslab import FailSlab
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import TreeBench


class PreallocErrorLost(Maple):
    """``mas_preallocate`` that returns 0 whatever came of it."""

    def mas_preallocate(self, mas: MaState, entry: int, gfp: int) -> int:
        """Get the nodes that a store may need; without memory it looks the same."""
        super().mas_preallocate(mas, entry, gfp)
        return 0


def story(bench: TreeBench) -> Iterator[str]:
    """The preallocation fails, the store that it was for is made."""
    for first in range(0, 150, 10):
        yield bench.store(first, first + 9, first + 1)
    mas = MaState(bench.tree, 52, 54)
    bench.fail(FailSlab("maple_node", times=1))
    error = bench.maple.mas_preallocate(mas, 0x90, GFP_KERNEL)
    bench.fail(None)
    if error == 0:
        bench.maple.mas_store_prealloc(mas, 0x90)
        bench.reference.store(52, 54, 0x90)
    yield f"preallocate without memory: {error}"


REGRESSION = Regression(
    name="prealloc-error-lost",
    title="mas_preallocate returns success without nodes",
    source="folded into the maple tree before its merge, 2022",
    versions="maple tree before v10 (2022)",
    layer="maple",
    mechanism=(
        "mas_preallocate exists so that memory runs out before anything is changed. Its error was "
        "lost on the way: the caller went on, took the locks under which nothing may sleep, and "
        "the store had to ask for nodes there."
    ),
    trigger="let the allocation of nodes fail once in a preallocation",
    invariants=("MT-27",),
    overrides=lambda profile: PreallocErrorLost,
    story=story,
    tree_flags=3,
    at_random=18,
)

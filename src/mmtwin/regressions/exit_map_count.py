"""``exit-map-count``: a process has more areas in its tree than it ever counted."""

from __future__ import annotations

from collections.abc import Iterator

from mmtwin.data import recorded_compiler
from mmtwin.regressions.program import ProgramBench
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.stale_node_copy import StaleNodeCopy


def story(bench: ProgramBench) -> Iterator[str]:
    """A compiler starts, as in the load test of the thread."""
    yield from bench.play(80)


REGRESSION = Regression(
    name="exit-map-count",
    title="BUG_ON(count != mm->map_count) in exit_mmap, as cc1 ends",
    source="Hugh Dickins, July 2022, item 6; folded into 54a611b60590 (v11)",
    versions="maple tree v10 (linux-next, July 2022)",
    layer="maple",
    mechanism=(
        "exit_mmap frees the VMAs that it meets in the tree and BUGs if they are not as many as "
        "were counted. The count was right: calls add and subtract what they do. The tree was not: "
        "a store had left stale slots behind the data end of a leaf (stale-node-copy), a later one "
        "made them data, and from then on one VMA stood in the tree twice. Nothing else looked at "
        "both numbers, so the first to notice was the end of the process, hundreds of calls after "
        "the cause; in the thread it was cc1 with about sixty areas, and it is a recorded cc1 that "
        "tells the story here."
    ),
    trigger=(
        "replay of the bundled gcc-cc1 trace, profile 6.18: without checks and comparison it ends "
        "in the BUG at step 820; a leaf is wrong long before"
    ),
    invariants=("MT-09",),
    overrides=lambda profile: StaleNodeCopy,
    story=story,
    kernel="6.18",
    program=recorded_compiler(),
    at_random=3,
)

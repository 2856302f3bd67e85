"""The BUG_ON in mas_store_prealloc of July 2023: mprotect merges two areas while memory is out.

Memory is really out: pages of files fill the machine down to the watermark, so that GFP_KERNEL has
something to reclaim and GFP_NOWAIT gets nothing; and while the merge holds its locks another cpu
takes whatever reclaim has freed meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmtwin.machine.gfp import GFP_KERNEL, GFP_NOWAIT, NOWARN, allows_blocking
from mmtwin.machine.profile import Profile
from mmtwin.machine.profile import profile as profile_named
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.memory.allocator import Injector
from mmtwin.pages.owner import Owner
from mmtwin.regressions import prealloc_spent
from mmtwin.regressions.regression import Regression
from mmtwin.regressions.story import READ, SpaceBench, tell
from mmtwin.regressions.thread_story import ThreadStory, Told
from mmtwin.twin import Override, Twin

RAM = 16 << 20
SOURCE = 'linux-mm, July 2023: "trigger BUG_ON in mas_store_prealloc when low memory"'
LINUX_5_15 = replace(profile_named("6.1"), name="5.15", release=(5, 15, 186))
"""As far as allocation contexts go: the tree's nodes lie in the VMAs and cost no memory."""


class OtherCpu:
    """Takes all memory that may be had without waiting, whenever a node is asked for that way."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.nodes = twin.caches.get("maple_node")
        self.taken: list[int] = []
        self.busy = False

    def should_fail(self, name: str, gfp: int) -> bool:
        """Never itself: it only leaves nothing for the allocation that is about to be made."""
        if not self.busy and name == self.nodes.name and not allows_blocking(gfp):
            self.take_all()
        return False

    def take_all(self) -> None:
        """Use up what the watermarks leave to GFP_NOWAIT: pages, and free nodes of slabs."""
        self.busy = True
        pages = self.twin.pages
        while pages.alloc_pages(GFP_NOWAIT | NOWARN, 0):
            pass
        while self.nodes.pages is not None and (node := self.nodes.alloc(GFP_NOWAIT | NOWARN)):
            self.taken.append(node)
        self.busy = False

    def give_nodes_back(self) -> None:
        """Between the steps it holds no nodes: they would look lost."""
        while self.taken:
            self.nodes.free(self.taken.pop())


def merge_under_pressure(bench: SpaceBench) -> Iterator[str]:
    """Two areas side by side; the tail of the lower one becomes like the upper one."""
    yield bench.map(0, 12)
    yield bench.write(0, 12)
    yield bench.protect(8, 12, READ)
    twin = bench.twin
    owner = Owner(twin.pages, twin.pages.totalram_pages())
    for slot in range(owner.slots // 4):
        owner.touch(slot, write=False, file=True)
        owner.folio_referenced(owner.page(slot))
    other = OtherCpu(twin)
    other.take_all()
    other.give_nodes_back()
    injector: Injector = other
    bench.fail(injector)
    yield "memory is used up; a quarter of it are pages of files, which reclaim could take"
    other.take_all()
    what = bench.protect(6, 8, READ)
    other.give_nodes_back()
    yield what


class SleepingNodes(Maple):
    """What the reporter asked for: nodes that a store misses come with GFP_KERNEL."""

    def mas_node_count(self, mas: MaState, count: int) -> int:
        """Wait for memory in the middle of a store."""
        return self.mas_node_count_gfp(mas, count, GFP_KERNEL)


def _sleeping(profile: Profile) -> type:
    return SleepingNodes


def _told(kernel: str | Profile, bugs: list[Override]) -> Told | None:
    bench = SpaceBench(kernel, bugs, ram=RAM)
    found = tell(bench, merge_under_pressure(bench))
    if found is None:
        return None
    return Told(found.step, found.what, found.violations, steps=found.steps)


SLEEPING: Regression = replace(
    prealloc_spent.REGRESSION,
    name="nodes-that-sleep",
    layer="maple",
    overrides=_sleeping,
)

_MECHANISM = (
    "mas_preallocate takes nodes with GFP_KERNEL before any lock that reclaim needs is held. "
    "Under the anon_vma's and the file's rmap locks only GFP_NOWAIT is allowed, and that fails "
    "as soon as free pages are at the MIN mark."
)
_TRIGGER = "mprotect of the tail of an area to the protection of the next, with memory used up"

STORIES = (
    ThreadStory(
        "low-memory-spent",
        "the merge stores twice on one preallocation, and the second store finds no memory",
        SOURCE,
        "6.1.0 to 6.1.38",
        _MECHANISM,
        _TRIGGER,
        ("BUG",),
        "the thread's BUG: not the lack of memory is at fault but the first of the two stores",
        lambda: _told("6.1", [prealloc_spent.REGRESSION]),
    ),
    ThreadStory(
        "low-memory-sound",
        "the merge with one store, under the same pressure",
        SOURCE,
        "6.1.39 and later",
        _MECHANISM,
        _TRIGGER,
        (),
        "a preallocation that is spent once suffices: no allocation is made under the locks",
        lambda: _told("6.1", []),
    ),
    ThreadStory(
        "low-memory-sleeping-nodes",
        "the same, if nodes that are missing came with GFP_KERNEL",
        SOURCE,
        "proposed, not merged",
        "The reporter proposes to let mas_node_count wait for memory. Reclaim, which it would wait "
        "for, takes the anon_vma's lock to unmap pages; the merge holds it.",
        _TRIGGER,
        ("BUG",),
        "GFP_KERNEL must not be used there: the context check names the lock that reclaim needs",
        lambda: _told("6.1", [prealloc_spent.REGRESSION, SLEEPING]),
    ),
    ThreadStory(
        "low-memory-rbtree",
        "the same merge in 5.15, whose red-black tree asks for no memory",
        SOURCE,
        "up to 5.15",
        "The node of 5.15's tree lies in the VMA, which was allocated with GFP_KERNEL under "
        "mmap_lock alone: a lock that reclaim does not take. __vma_adjust allocates links of "
        "anon_vmas before it takes the rmap locks, and nothing after.",
        _TRIGGER,
        (),
        "nothing can run out: the reporter's comparison with 5.15 holds, and for the reason given "
        "in the thread",
        lambda: _told(LINUX_5_15, []),
    ),
)

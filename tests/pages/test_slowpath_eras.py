"""The slow path by kernel: who is refused, who makes the OOM killer work, who retries forever."""

from collections.abc import Sequence

import pytest
from zones import one_zone, put

from mmtwin.machine.bug import KernelWarning
from mmtwin.pages import slowpath
from mmtwin.pages.compaction import (
    COMPACT_COMPLETE,
    COMPACT_NO_SUITABLE_PAGE,
    COMPACT_PRIO_ASYNC,
    COMPACT_PRIO_SYNC_FULL,
    COMPACT_PRIO_SYNC_LIGHT,
    COMPACT_SUCCESS,
)
from mmtwin.pages.oom import OomEvent, OomTask
from mmtwin.pages.owner import Owner
from mmtwin.pages.pages import Pages
from mmtwin.pages.slowpath import Attempt
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618
from modes import sample

MIB = 256
KINDS = pytest.mark.parametrize("kind", [Pages315, Pages, Pages618])
NEWER = pytest.mark.parametrize("kind", [Pages, Pages618])


class Crowd:
    """Two processes that own nothing of the machine's memory: killing them helps nobody."""

    def __init__(self) -> None:
        self.killed: list[int] = []

    def oom_tasks(self) -> Sequence[OomTask]:
        return [OomTask(pid, "idle", 10, anon_rss=pid) for pid in (2, 3) if pid not in self.killed]

    def oom_kill(self, victim: OomTask) -> None:
        self.killed.append(victim.pid)

    def oom_report(self, event: OomEvent) -> None:
        """Nobody reads it."""


class Log:
    """Writes down with how much effort compaction was asked for; it never helps."""

    efforts: list[int]

    def try_to_compact_pages(
        self, gfp: int, order: int, flags: int, highest: int, zonelist: int, priority: int
    ) -> int:
        self.efforts.append(priority)
        return COMPACT_COMPLETE


class Logging315(Log, Pages315):
    pass


class Logging61(Log, Pages):
    pass


class Logging618(Log, Pages618):
    pass


def machine(kind: type[Pages], *, file: bool) -> tuple[Pages, Crowd]:
    """16 MiB full of anonymous pages, without swap, or of clean pages of files that may go."""
    pages = kind.of_ram(16 << 20, room=4 << 20)
    owner = Owner(pages, 16 * MIB)
    fast = pages.era.gfp.value("GFP_NOWAIT") | pages.gfp_nowarn
    for slot in range(owner.slots):
        page = pages.alloc_pages(fast, 0)
        if not page:
            break
        pages.free_pages(page, 0)
        owner.touch(slot, write=not file, file=file)
    if isinstance(pages, Log):
        pages.efforts = []
    crowd = Crowd()
    pages.oom_hook = crowd
    return pages, crowd


def drink(pages: Pages, text: str) -> int:
    """Single pages with that mask until there is none; how many are left free."""
    gfp = pages.era.gfp.value(text) | pages.gfp_nowarn
    while pages.alloc_pages(gfp, 0):
        pass
    zones = pages.populated_zones()
    pages.drain_all_pages(0)
    return sum(pages.nr_free_pages(zone) for zone in zones)


@pytest.mark.parametrize(
    ("mask", "share_315", "share"),
    [
        ("GFP_NOWAIT", 0.75, 1),
        ("GFP_ATOMIC", 0.375, 0.375),
        ("GFP_KERNEL|__GFP_NORETRY", 1, 1),
        ("__GFP_MEMALLOC", 0, 0),
        ("__GFP_HIGH|__GFP_NOMEMALLOC", 0.5, 0.5),
    ],
)
@KINDS
def test_how_far_below_min_a_mask_reaches(
    kind: type[Pages], mask: str, share_315: float, share: float
) -> None:
    pages, zone = one_zone(kind, 0x40000, 0x42000)
    put(pages, *((0x40000 + (nth << 9), 9, pages.mt_movable) for nth in range(16)))
    pages.min_free_kbytes_sysctl(4 * 1024)
    mark = pages.wmark_pages(zone, 0)
    assert mark == 1024
    if kind is Pages315:
        # Not this era's to have: its RESERVE blocks would serve last.
        share = share_315
    left = drink(pages, mask)
    batch = 2 * pages.zone_batchsize(zone)
    assert mark * share - batch <= left <= mark * share + batch


def test_small_requests_of_3_15_go_on_forever_if_nobody_may_be_killed_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slowpath, "ROUNDS_MAX", 5)
    pages, crowd = machine(Pages315, file=False)
    with pytest.raises(KernelWarning, match="order 0 retries forever"):
        drink(pages, "GFP_NOFS")
    assert not crowd.killed


@NEWER
def test_so_do_those_of_newer_kernels_unless_they_may_fail(
    kind: type[Pages], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slowpath, "ROUNDS_MAX", 40)
    pages, crowd = machine(kind, file=False)
    drink(pages, "GFP_NOFS|__GFP_RETRY_MAYFAIL")
    drink(pages, "GFP_NOFS|__GFP_NORETRY")
    with pytest.raises(KernelWarning, match="order 0 retries forever"):
        drink(pages, "GFP_NOFS")
    assert not crowd.killed


@KINDS
def test_noretry_kills_nobody_and_fails(kind: type[Pages]) -> None:
    pages, crowd = machine(kind, file=False)
    drink(pages, "GFP_KERNEL|__GFP_NORETRY")
    assert not crowd.killed
    assert pages.vm_event("allocstall") > 0


def test_repeat_of_3_15_kills_for_a_small_request_and_retry_mayfail_does_not() -> None:
    pages, crowd = machine(Pages315, file=False)
    with pytest.raises(Exception, match="deadlocked on memory"):
        drink(pages, "GFP_KERNEL|__GFP_REPEAT")
    assert crowd.killed == [3, 2]
    pages, crowd = machine(Pages, file=False)
    drink(pages, "GFP_KERNEL|__GFP_RETRY_MAYFAIL")
    assert not crowd.killed


@KINDS
def test_costly_requests_kill_nobody(kind: type[Pages]) -> None:
    pages, crowd = machine(kind, file=False)
    while pages.alloc_pages(pages.era.gfp.value("GFP_KERNEL") | pages.gfp_nowarn, 6):
        pass
    assert not crowd.killed


def test_gfp_thisnode_of_3_15_does_not_reclaim() -> None:
    this_node = "GFP_KERNEL|__GFP_THISNODE|__GFP_NORETRY|__GFP_NOWARN"
    pages, _ = machine(Pages315, file=True)
    pages.run_daemons()
    stalls = pages.vm_event("allocstall")
    gfp = pages.era.gfp.value(this_node)
    while pages.alloc_pages(gfp, 0):
        pass
    assert pages.vm_event("allocstall") == stalls
    assert not pages.node_word(0, "kswapd_woken")
    assert pages.alloc_pages(gfp & ~pages.gfp_thisnode, 0)
    newer, _ = machine(Pages, file=True)
    stalls = newer.vm_event("allocstall")
    while newer.vm_event("allocstall") == stalls:
        assert newer.alloc_pages(newer.era.gfp.value(this_node), 0)


class Reclaiming(Pages315):
    """Reclaim frees 32 pages a time, and a chunk is there only the twentieth time."""

    rounds: int

    def alloc_pages_direct_reclaim(self, at: Attempt) -> tuple[int, int]:
        self.rounds += 1
        return (0, 32) if self.rounds < 20 else (1, 0)


@pytest.mark.parametrize(
    ("mask", "order", "rounds"),
    [
        ("GFP_KERNEL", 3, 20),
        ("GFP_NOIO", 0, 20),
        ("GFP_KERNEL|__GFP_NORETRY", 3, 1),
        ("GFP_KERNEL", 8, 1),
        ("GFP_KERNEL|__GFP_REPEAT", 8, 8),
        ("GFP_KERNEL|__GFP_REPEAT", 9, 16),
    ],
)
def test_how_long_3_15_goes_on_reclaiming(mask: str, order: int, rounds: int) -> None:
    pages, _ = one_zone(Reclaiming, 0x40000, 0x42000)
    assert isinstance(pages, Reclaiming)
    pages.rounds = 0
    page = pages.alloc_pages_slowpath(pages.era.gfp.value(mask), order, 2, pages.zonelist(0))
    assert pages.rounds == rounds
    assert bool(page) == (rounds == 20)


EFFORTS: list[tuple[type[Pages], str, int, list[int]]] = [
    # 3.15 begins in passing with everything, goes on in earnest, but not for huge pages.
    (Logging315, "GFP_KERNEL|__GFP_NORETRY", 2, [COMPACT_PRIO_ASYNC, COMPACT_PRIO_SYNC_LIGHT]),
    (Logging315, "GFP_HIGHUSER_MOVABLE|__GFP_NORETRY", 2, [2, COMPACT_PRIO_SYNC_LIGHT]),
    (Logging315, "GFP_TRANSHUGE", 9, [COMPACT_PRIO_ASYNC, COMPACT_PRIO_ASYNC]),
    (Logging315, "GFP_NOFS|__GFP_NORETRY", 0, []),
    # Later kernels reclaim first for what is small and movable.
    (Logging61, "GFP_HIGHUSER_MOVABLE|__GFP_NORETRY", 2, [COMPACT_PRIO_SYNC_LIGHT]),
    (Logging61, "GFP_KERNEL|__GFP_NORETRY", 2, [COMPACT_PRIO_ASYNC, COMPACT_PRIO_SYNC_LIGHT]),
    (Logging61, "GFP_TRANSHUGE|__GFP_NORETRY", 9, [COMPACT_PRIO_ASYNC, COMPACT_PRIO_ASYNC]),
    (Logging61, "GFP_KERNEL|__GFP_NORETRY|__GFP_THISNODE", 9, [COMPACT_PRIO_ASYNC]),
    (Logging618, "GFP_HIGHUSER_MOVABLE|__GFP_NORETRY", 2, [COMPACT_PRIO_SYNC_LIGHT]),
    (Logging618, "GFP_KERNEL|__GFP_NORETRY", 9, [COMPACT_PRIO_ASYNC, COMPACT_PRIO_ASYNC]),
]


@pytest.mark.parametrize(("kind", "mask", "order", "efforts"), sample(EFFORTS, 2))
def test_how_hard_compaction_tries_and_when(
    kind: type[Pages], mask: str, order: int, efforts: list[int]
) -> None:
    pages, _ = machine(kind, file=False)
    assert isinstance(pages, Log)
    gfp = pages.era.gfp.value(mask) | pages.gfp_nowarn
    while pages.alloc_pages(gfp, order):
        pages.efforts.clear()
    assert pages.efforts == efforts


@pytest.mark.parametrize(
    ("result", "again", "priority"),
    [
        (COMPACT_SUCCESS, (True, True), (COMPACT_PRIO_SYNC_LIGHT, COMPACT_PRIO_SYNC_LIGHT)),
        (COMPACT_COMPLETE, (True, True), (COMPACT_PRIO_SYNC_FULL, COMPACT_PRIO_SYNC_FULL)),
        # 6.1 tries again as it did, 6.18 harder.
        (
            COMPACT_NO_SUITABLE_PAGE,
            (True, True),
            (COMPACT_PRIO_SYNC_LIGHT, COMPACT_PRIO_SYNC_FULL),
        ),
    ],
)
def test_when_compaction_is_tried_again(
    result: int, again: tuple[bool, bool], priority: tuple[int, int]
) -> None:
    for nth, kind in enumerate((Pages, Pages618)):
        pages, _ = one_zone(kind, 0x40000, 0x42000)
        at = Attempt(pages.era.gfp.value("GFP_KERNEL"), 2, 2, pages.zonelist(0), 0)
        at.compact_result = result
        assert pages.should_compact_retry(at) == again[nth]
        assert at.compact_priority == priority[nth]
        at.compaction_retries = 100
        at.compact_priority = COMPACT_PRIO_SYNC_FULL
        assert not pages.should_compact_retry(at) or result == COMPACT_NO_SUITABLE_PAGE


def test_6_18_warns_of_a_request_that_may_neither_wait_nor_fail_before_it_tries() -> None:
    for kind, warned in ((Pages, False), (Pages618, True)):
        pages, zone = one_zone(kind, 0x40000, 0x42000)
        put(pages, *((0x40000 + (nth << 9), 9, pages.mt_movable) for nth in range(16)))
        pages.min_free_kbytes_sysctl(4 * 1024)
        while pages.nr_free_pages(zone) > pages.wmark_pages(zone, 0) + 40:
            pages.alloc_pages(pages.era.gfp.value("GFP_KERNEL|__GFP_NORETRY"), 0)
        gfp = pages.era.gfp.value("__GFP_NOFAIL")
        if warned:
            with pytest.raises(KernelWarning, match="who may not wait"):
                pages.alloc_pages(gfp, 0)
        else:
            assert pages.alloc_pages(gfp, 0)

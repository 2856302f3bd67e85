"""Reclaim: what goes, in which order, and when kswapd, swap and the OOM killer have their turn."""

from collections.abc import Sequence

import pytest

from mmtwin.check.page_step import PageStepCheck
from mmtwin.machine.bug import KernelBug
from mmtwin.pages import meminfo
from mmtwin.pages.oom import OomEvent, OomTask, oom_badness, select_bad_process
from mmtwin.pages.oom_report import report, text
from mmtwin.pages.owner import Owner
from mmtwin.pages.pages import Pages
from mmtwin.pages.swaps import swaps
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618

KINDS = (Pages315, Pages, Pages618)
MIB = 256


def machine(
    kind: type[Pages] = Pages, ram: int = 16, swap: int = 0, slots: int = 16 * MIB
) -> tuple[Pages, Owner]:
    """A machine of ``ram`` MiB with an owner, and ``swap`` pages of swap."""
    pages = kind.of_ram(ram << 20, room=(swap << 12) + (4 << 20))
    if swap:
        pages.swapon(swap)
    return pages, Owner(pages, slots)


def free(pages: Pages) -> int:
    return sum(pages.nr_free_pages(zone) for zone in pages.populated_zones())


def state(pages: Pages) -> dict[str, int]:
    names = ("inactive_anon", "active_anon", "inactive_file", "active_file", "isolated_anon")
    return {name: pages.node_page_state(0, name) for name in names}


@pytest.mark.parametrize("kind", KINDS)
def test_clean_pages_of_files_make_room_for_a_request_that_may_sleep(kind: type[Pages]) -> None:
    pages, owner = machine(kind)
    for slot in range(owner.slots):
        assert owner.touch(slot, write=False, file=True)
    assert pages.vm_event("pgsteal_direct") + pages.vm_event("pgsteal_kswapd") > 0
    assert not any(PageStepCheck(pages, reserve=False).full())


@pytest.mark.parametrize("kind", KINDS)
def test_without_swap_anonymous_pages_stay_and_the_request_fails(kind: type[Pages]) -> None:
    pages, owner = machine(kind)
    taken = 0
    while owner.touch(taken):
        taken += 1
    assert all(owner.page(slot) for slot in range(taken))
    assert sum(state(pages).values()) == taken


@pytest.mark.parametrize("kind", KINDS)
def test_anonymous_pages_go_to_swap_and_come_back_with_their_content(kind: type[Pages]) -> None:
    pages, owner = machine(kind, swap=8 * MIB)
    for slot in range(owner.slots):
        assert owner.touch(slot)
        pages.memory.store(pages.page_address(owner.page(slot)), slot + 1)
    swapped = [slot for slot in range(owner.slots) if not owner.page(slot)]
    assert swapped
    assert pages.vm_event("pswpout") == len(swapped)
    for slot in swapped[:100]:
        assert owner.touch(slot, write=False)
        assert pages.memory.load(pages.page_address(owner.page(slot))) == slot + 1
    assert not any(PageStepCheck(pages, reserve=False).full())


def test_kswapd_is_woken_below_low_and_works_until_high() -> None:
    pages, owner = machine(ram=32, slots=16 * MIB)
    for slot in range(14 * MIB):
        owner.touch(slot, write=False, file=True)
        owner.folio_referenced(owner.page(slot))
    nowait = pages.era.gfp.value("GFP_NOWAIT") | pages.gfp_nowarn
    while pages.alloc_pages(nowait, 0):
        pass
    assert pages.node_word(0, "kswapd_woken")
    assert not pages.pgdat_balanced(0, 0, 2)
    assert pages.run_daemons()
    assert pages.pgdat_balanced(0, 0, 2)
    assert pages.vm_event("pgsteal_kswapd") > 0
    assert not pages.node_word(0, "kswapd_woken")


def test_what_was_touched_again_stays_and_the_rest_goes() -> None:
    pages, owner = machine()
    for slot in range(1000):
        owner.touch(slot, write=False, file=True)
    for slot in range(1000):
        owner.folio_referenced(owner.page(slot))
    for slot in range(0, 1000, 2):
        owner.touch(slot, write=False)
    pages.try_to_free_pages(pages.zonelist(0), 0, pages.era.gfp.value("GFP_KERNEL"))
    gone = [slot for slot in range(1000) if not owner.page(slot)]
    assert gone
    assert all(slot % 2 for slot in gone)


def test_dirty_pages_of_files_wait_for_the_flusher() -> None:
    pages, owner = machine()
    kernel = pages.era.gfp.value("GFP_KERNEL")
    for slot in range(200):
        owner.touch(slot, write=True, file=True)
        owner.folio_referenced(owner.page(slot))
    assert pages.try_to_free_pages(pages.zonelist(0), 0, kernel) == 0
    assert owner.flush() == 200
    assert pages.try_to_free_pages(pages.zonelist(0), 0, kernel) > 0


def test_swaps_and_mem_info_tell_of_what_is_in_use() -> None:
    pages, owner = machine(swap=4 * MIB)
    assert swaps(Pages.of_ram(32 << 20)).count("\n") == 1
    page = 0
    while pages.get_nr_swap_pages() == pages.total_swap_pages():
        owner.touch(page)
        page += 1
    used = 4 * (pages.total_swap_pages() - pages.get_nr_swap_pages())
    assert swaps(pages).splitlines()[1].split() == ["/swapfile", "file", "4092", str(used), "-2"]
    info = meminfo.meminfo(pages)
    assert info.tail["Free swap"] == 4092 - used
    assert info.totals["inactive_anon"] == pages.node_page_state(0, "inactive_anon") > 0
    assert meminfo.parse(meminfo.text(info)) == info


def test_locked_pages_are_not_looked_at() -> None:
    pages, owner = machine(swap=4 * MIB)
    owner.touch(0)
    page = owner.page(0)
    pages.mlock_folio(page)
    assert pages.node_page_state(0, "unevictable") == 1
    pages.try_to_free_pages(pages.zonelist(0), 0, pages.era.gfp.value("GFP_KERNEL"))
    assert owner.page(0) == page
    pages.munlock_folio(page)
    assert pages.node_page_state(0, "inactive_anon") == 1


def test_a_pinned_page_is_not_taken() -> None:
    pages, owner = machine(swap=4 * MIB)
    owner.touch(0)
    page = owner.page(0)
    owner.folio_referenced(page)
    pages.get_page(page)
    pages.try_to_free_pages(pages.zonelist(0), 0, pages.era.gfp.value("GFP_KERNEL"))
    assert owner.page(0) == page


@pytest.mark.parametrize(("swappiness", "anon"), [(0, False), (200, True)])
def test_swappiness_says_which_kind_goes(swappiness: int, anon: bool) -> None:
    pages, owner = machine(swap=8 * MIB)
    pages.swappiness_sysctl(swappiness)
    for slot in range(2000):
        owner.touch(slot, write=slot % 2 == 0, file=slot % 2 == 1)
    for slot in range(2000):
        owner.folio_referenced(owner.page(slot))
        if slot % 2 and slot % 20 != 1:
            # With many inactive pages of files these go first, whatever swappiness says.
            pages.folio_activate(owner.page(slot))
    pages.try_to_free_pages(pages.zonelist(0), 0, pages.era.gfp.value("GFP_KERNEL"))
    gone = {slot % 2 for slot in range(2000) if not owner.page(slot)}
    assert gone == ({0} if anon else {1})
    with pytest.raises(ValueError, match=r"0\.\.200"):
        pages.swappiness_sysctl(201)


class Killer:
    """Two processes, of which the larger owns the slots of an owner."""

    def __init__(self, owner: Owner, *, unkillable: bool = False) -> None:
        self.owner = owner
        self.unkillable = unkillable
        self.events: list[OomEvent] = []

    def oom_tasks(self) -> Sequence[OomTask]:
        rss = sum(1 for slot in range(self.owner.slots) if self.owner.page(slot))
        return [
            OomTask(1, "init", 100, anon_rss=10, oom_score_adj=-1000),
            OomTask(7, "hog", 9000, anon_rss=rss, current=True, unkillable=self.unkillable),
        ]

    def oom_kill(self, victim: OomTask) -> None:
        assert victim.pid == 7
        for slot in range(self.owner.slots):
            self.owner.forget(slot)

    def oom_report(self, event: OomEvent) -> None:
        self.events.append(event)


def test_the_oom_killer_kills_the_largest_and_tells_of_it() -> None:
    pages, owner = machine()
    killer = Killer(owner)
    pages.oom_hook = killer
    slot = 0
    while not killer.events:
        assert owner.touch(slot)
        slot += 1
    lines = text(report(pages, killer.events[0])).splitlines()
    assert lines[0] == (
        "hog invoked oom-killer: gfp_mask=0x102cca(GFP_HIGHUSER_MOVABLE|__GFP_NOWARN), order=0,"
        " oom_score_adj=0"
    )
    assert lines[-2].startswith("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),")
    assert lines[-1].startswith("Out of memory: Killed process 7 (hog) total-vm:36000kB,")
    assert pages.vm_event("oom_kill") == 1


def test_with_nobody_to_kill_the_machine_panics() -> None:
    pages, owner = machine()
    pages.oom_hook = Killer(owner, unkillable=True)
    with pytest.raises(KernelBug, match="deadlocked on memory"):
        all(owner.touch(slot) for slot in range(owner.slots))


def test_costly_and_modest_requests_do_not_kill() -> None:
    pages, owner = machine()
    slot = 0
    while owner.touch(slot):
        slot += 1
    pages.oom_hook = Killer(owner)
    kernel = pages.era.gfp.value("GFP_KERNEL") | pages.gfp_nowarn
    assert not pages.alloc_pages(kernel, 4)
    assert not pages.alloc_pages(kernel | pages.gfp_noretry, 0)
    assert not pages.alloc_pages(kernel | pages.gfp_retry_mayfail, 0)
    assert not pages.vm_event("oom_kill")


def test_badness_counts_what_a_kill_would_free() -> None:
    small = OomTask(2, "a", anon_rss=100, swapents=50, pgtables_bytes=8192)
    assert oom_badness(small, 1_000_000) == 152
    saved = OomTask(3, "b", anon_rss=100_000, oom_score_adj=-200)
    assert oom_badness(saved, 1_000_000) == 100_000 - 200 * 1000
    never = OomTask(4, "c", anon_rss=10**6, oom_score_adj=-1000)
    assert oom_badness(never, 1_000_000) is None
    alike = OomTask(5, "d", anon_rss=152)
    assert select_bad_process([small, alike, saved, never], 1_000_000) is alike
    assert select_bad_process([never], 1_000_000) is None

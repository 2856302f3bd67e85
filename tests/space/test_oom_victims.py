"""The OOM killer in a twin: the largest process goes, and the one that asked gets its page."""

import pytest

from mmtwin.machine.profile import profile
from mmtwin.pages import oom_report
from mmtwin.space import flags
from mmtwin.space.oom_victims import MMF_OOM_SKIP
from mmtwin.twin import Twin

BASE = 0x10000000
RW = flags.PROT_READ | flags.PROT_WRITE
ANON = flags.MAP_PRIVATE | flags.MAP_ANONYMOUS | flags.MAP_FIXED | flags.MAP_NORESERVE


def process(twin: Twin, pid: int) -> int:
    _, mm = twin.new_process(pid)
    assert twin.space.sys_mmap(mm, BASE, 64 << 20, RW, ANON, 0, 0) == BASE
    return mm


def test_the_larger_process_is_reaped_and_the_other_goes_on() -> None:
    twin = Twin(profile("6.1"), ram=16 << 20)
    twin.space.view("sysctl", twin.space.sysctl).thp_enabled = 0
    hog, small = process(twin, 20), process(twin, 30)
    assert twin.space.touch(small, BASE, 100 << 12, True) == 0
    page = 0
    while not twin.victims.report:
        twin.victims.running = 30
        assert twin.space.touch(hog if page < 3000 else small, BASE + (page << 12), 4096, True) == 0
        page += 1
        assert page < 5000
    assert twin.victims.report[0].startswith("thread-30 invoked oom-killer: ")
    assert "Killed process 20 (thread-20)" in twin.victims.report[-1]
    said = oom_report.parse("\n".join(twin.victims.report))
    assert said.victim == 20
    assert {task.pid for task in said.tasks} == {20, 30}
    assert said.memory.totals["inactive_anon"] + said.memory.totals["active_anon"] > 3000
    assert twin.space.view("mm_struct", hog).get("flags") & MMF_OOM_SKIP
    assert twin.space.view("mm_struct", hog).get("rss_stat_1") == 0
    assert twin.space.view("mm_struct", small).get("rss_stat_1") > 100


def test_a_victim_that_runs_is_reaped_when_its_call_returns() -> None:
    twin = Twin(profile("6.1"), ram=16 << 20)
    twin.space.view("sysctl", twin.space.sysctl).thp_enabled = 0
    hog = process(twin, 20)
    twin.victims.running = 20
    page = 0
    while not twin.victims.report:
        twin.space.touch(hog, BASE + (page << 12), 4096, True)
        page += 1
        assert page < 5000
    assert twin.space.view("mm_struct", hog).get("rss_stat_1") > 1000
    twin.begin_step()
    assert twin.space.view("mm_struct", hog).get("rss_stat_1") == 0


@pytest.mark.parametrize("name", ["6.1", "6.18"])
def test_a_request_that_fails_is_reported_unless_it_says_not_to(name: str) -> None:
    twin = Twin(profile(name), ram=16 << 20)
    twin.victims.running = 7
    gfp = twin.pages.era.gfp
    while twin.pages.alloc_pages(gfp.value("GFP_ATOMIC|__GFP_NOWARN"), 4):
        pass
    assert not twin.victims.failure
    assert not twin.pages.alloc_pages(gfp.value("GFP_ATOMIC"), 4)
    said = oom_report.parse_failure("\n".join(twin.victims.failure))
    assert (said.failure.comm, said.failure.order) == ("thread-7", 4)
    assert said.failure.names == "GFP_ATOMIC"
    assert said.memory.totals["free"] == sum(zone.values["free"] for zone in said.memory.zones) // 4

"""OOM and allocation-failure reports: a real one, those of the twin, and damaged ones."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from zones import block, one_zone, put

from mmtwin.pages import meminfo, zoneinfo
from mmtwin.pages.buddyinfo import BadText
from mmtwin.pages.oom import OomEvent, OomTask
from mmtwin.pages.oom_report import (
    NOBODY,
    TASKS_HEAD,
    TASKS_HEAD_68,
    TASKS_HEAD_315,
    FailureReport,
    OomReport,
    TaskLine,
    failure_report,
    failure_text,
    parse,
    parse_failure,
    report,
    text,
)
from mmtwin.pages.pages import Pages
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618

DATA = Path(__file__).parent.parent / "data"
RECORDED = DATA / "oom-6.1.txt"
STAMP = re.compile(r"^\[ *\d+\.\d+\] ?", re.MULTILINE)
KILLED = "Out of memory: Killed process 7 (make (x)) total-vm:3600kB, anon-rss:3200kB"
KINDS = pytest.mark.parametrize("kind", [Pages315, Pages, Pages618])


def test_a_real_report_is_read_and_written_as_it_was() -> None:
    content = RECORDED.read_text()
    read = parse(content)
    assert text(read) == STAMP.sub("", content)
    assert (read.comm, read.order, read.victim) == ("exe", 0, 78)
    assert read.names == "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO"
    assert read.memory.totals["free"] == 436
    assert read.memory.nodes[0].unreclaimable
    assert read.memory.zones[1].letters[1] == "M"
    assert read.tasks[0].rss == 24355
    assert read.summary["task"] == "exe"


def short_of_memory(kind: type[Pages]) -> Pages:
    pages, _ = one_zone(kind, 0x40000, 0x42000)
    block(pages, 0x40200, pages.mt_unmovable)
    put(pages, (0x40000, 3, pages.mt_movable), (0x40200, 0, pages.mt_unmovable))
    return pages


@KINDS
def test_the_twins_oom_report_comes_back(kind: type[Pages]) -> None:
    pages = short_of_memory(kind)
    old, new = kind is Pages315, kind is Pages618
    gfp = pages.era.gfp.value("GFP_HIGHUSER_MOVABLE")
    names = "" if old else pages.era.gfp.text(gfp)
    pgtables = 40 if old else 163840
    made = OomReport(
        "make (x)",
        gfp,
        names,
        0,
        -17,
        meminfo.meminfo(pages, {"active_anon": 77, "pages in swap cache": 3, "Free swap": 12}),
        context=["CPU: 0 PID: 7 Comm: make", "Call Trace:", " <TASK>"],
        tasks=[
            TaskLine(7, 0, 7, 900, 800, pgtables, 0, -17, "7 8 9 (x)", (1, 2, 3) if new else None)
        ],
        summary={} if old else {"constraint": "CONSTRAINT_NONE", "global_oom": "", "pid": "7"},
        chosen="Out of memory: Kill process 7 (make (x)) score 9 or sacrifice child" if old else "",
        killed="Killed process 7 (make (x)) total-vm:3600kB" if old else KILLED,
        tasks_head=TASKS_HEAD_315 if old else TASKS_HEAD_68 if new else TASKS_HEAD,
    )
    assert made.victim == 7
    assert parse(text(made)) == made
    assert ("boost:" in text(made)) == (not old)
    assert ("free_highatomic:" in text(made)) == (kind is Pages618)
    stamped = "".join(f"[  12.34] {line}\n" for line in text(made).splitlines())
    assert parse(f"[  12.33] something else\n{stamped}[  12.4] more\n") == made


TASK = OomTask(7, "hog", 900, 800, 20, 3, 5, 163840, 1000, oom_score_adj=-17)
WRITTEN = {
    Pages315: """
[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name
[    7]  1000     7      900      823      40        5           -17 hog
Out of memory: Kill process 7 (hog) score 69 or sacrifice child
Killed process 7 (hog) total-vm:3600kB, anon-rss:3200kB, file-rss:92kB
""",
    Pages: """
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[      7]  1000     7      900      823   163840        5           -17 hog
oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
task_memcg=/,task=hog,pid=7,uid=1000
Out of memory: Killed process 7 (hog) total-vm:3600kB, anon-rss:3200kB, file-rss:80kB,\
 shmem-rss:12kB, UID:1000 pgtables:160kB oom_score_adj:-17
""",
    Pages618: """
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents\
 oom_score_adj name
[      7]  1000     7      900      823      800       20         3   163840        5\
           -17 hog
oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
task_memcg=/,task=hog,pid=7,uid=1000
Out of memory: Killed process 7 (hog) total-vm:3600kB, anon-rss:3200kB, file-rss:80kB,\
 shmem-rss:12kB, UID:1000 pgtables:160kB oom_score_adj:-17
""",
}


@KINDS
def test_what_each_kernel_says_of_a_kill(kind: type[Pages]) -> None:
    pages = short_of_memory(kind)
    gfp = pages.era.gfp.value("GFP_KERNEL")
    event = OomEvent(gfp, 0, "cat", 0, [TASK], TASK, "Out of memory", 10_000)
    said = text(report(pages, event))
    assert said.endswith(WRITTEN[kind].replace("\\\n", ""))
    assert parse(said) == report(pages, event)
    nobody = report(pages, replace(event, victim=None))
    assert (nobody.victim, text(nobody).splitlines()[-1]) == (None, NOBODY)
    assert parse(text(nobody)) == nobody


def test_a_zone_and_a_node_as_6_18_shows_them() -> None:
    lines = meminfo.text(meminfo.meminfo(short_of_memory(Pages618), {"dirty": 3})).splitlines()
    assert lines[9] == (
        "Node 0 active_anon:0kB inactive_anon:0kB active_file:0kB inactive_file:0kB"
        " unevictable:0kB isolated(anon):0kB isolated(file):0kB mapped:0kB dirty:12kB"
        " writeback:0kB shmem:0kB shmem_thp:0kB shmem_pmdmapped:0kB anon_thp:0kB kernel_stack:0kB"
        " pagetables:0kB sec_pagetables:0kB all_unreclaimable? no Balloon:0kB"
    )
    assert lines[10].startswith("Node 0 Normal free:36kB boost:0kB min:0kB low:")
    assert " writepending:0kB zspages:0kB present:32768kB managed:32768kB mlocked:" in lines[10]


@KINDS
def test_a_node_that_kswapd_has_given_up_says_so(kind: type[Pages]) -> None:
    pages = short_of_memory(kind)
    pages.put_node_word(0, "kswapd_failures", 16)
    info = meminfo.meminfo(pages)
    assert all(node.unreclaimable for node in info.nodes)
    assert meminfo.parse(meminfo.text(info)) == info


@KINDS
def test_the_twins_failure_report_comes_back(kind: type[Pages]) -> None:
    pages = short_of_memory(kind)
    said: list[FailureReport] = []

    def hear(gfp: int, order: int) -> None:
        said.append(
            replace(failure_report(pages, gfp, order, "cat"), context=[" dump_stack+0x1/0x2"])
        )

    pages.on_failure = hear
    assert pages.alloc_pages(pages.era.gfp.value("GFP_ATOMIC"), 5) == 0
    (failed,) = said
    assert parse_failure(failure_text(failed)) == failed
    assert parse_failure(f"[1.5] before\n{failure_text(failed)}after\n") == failed


def test_a_report_that_is_cut_off_is_one_error_at_every_line() -> None:
    lines = RECORDED.read_text().splitlines(keepends=True)
    for count in range(len(lines)):
        with pytest.raises(BadText) as caught:
            parse("".join(lines[:count]))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1*16kB (M)", "1*16kB (UMEHMUMEH)"),
        ("= 568kB", "= 569kB"),
        ("lowmem_reserve[]: 0 98", "lowmem_reserve[]: x 98"),
        ("lowmem_reserve[]: 0 98", f"lowmem_reserve[]: {'9' * 5000} 98"),
        ("free:436", f"free:{'9' * 5000}"),
        ("[     78]     0", "[     ??]     0"),
    ],
)
def test_damage_is_one_error(old: str, new: str) -> None:
    content = RECORDED.read_text()
    assert old in content
    with pytest.raises(BadText) as caught:
        parse(content.replace(old, new, 1))
    assert len(str(caught.value)) < 200


def test_logs_without_a_report_say_so() -> None:
    with pytest.raises(BadText, match="oom-killer"):
        parse("nothing\n")
    with pytest.raises(BadText, match="page allocation failure"):
        parse_failure("")
    with pytest.raises(BadText, match="Mem-Info"):
        parse_failure("cat: page allocation failure: order:0, mode:0x20\n")


def test_a_guests_zoneinfo_is_read() -> None:
    zones = zoneinfo.parse((DATA / "zoneinfo-6.1.txt").read_text())
    assert [zone.zone for zone in zones] == ["DMA", "DMA32", "Normal", "Movable", "Device"]
    dma, dma32 = zones[:2]
    assert dma.values["managed"] == 3840
    assert dma.protection == (0, 98, 98, 98, 98)
    assert dma.values["min"] < dma.values["low"] < dma.values["high"]
    assert dma32.values["start_pfn"] == 4096
    assert set(dma32.cpus[0]) >= {"count", "high", "batch"}

"""OOM and allocation-failure reports: a real one, those of the twin, and damaged ones."""

import re
from pathlib import Path

import pytest
from zones import block, one_zone, put

from mmtwin.pages import meminfo, zoneinfo
from mmtwin.pages.buddyinfo import BadText
from mmtwin.pages.oom_report import (
    FailureReport,
    OomReport,
    TaskLine,
    failure_text,
    parse,
    parse_failure,
    text,
)
from mmtwin.pages.pages import Pages
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618

DATA = Path(__file__).parent.parent / "data"
RECORDED = DATA / "oom-6.1.txt"
STAMP = re.compile(r"^\[ *\d+\.\d+\] ?", re.MULTILINE)
KINDS = pytest.mark.parametrize("kind", [Pages315, Pages, Pages618])


def test_a_real_report_is_read_and_written_as_it_was() -> None:
    content = RECORDED.read_text()
    report = parse(content)
    assert text(report) == STAMP.sub("", content)
    assert (report.comm, report.order, report.victim) == ("exe", 0, 78)
    assert report.names == "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO"
    assert report.memory.totals["free"] == 436
    assert report.memory.nodes[0].unreclaimable
    assert report.memory.zones[1].letters[1] == "M"
    assert report.tasks[0].rss == 24355
    assert report.summary["task"] == "exe"


def short_of_memory(kind: type[Pages]) -> Pages:
    pages, _ = one_zone(kind, 0x40000, 0x42000)
    block(pages, 0x40200, pages.mt_unmovable)
    put(pages, (0x40000, 3, pages.mt_movable), (0x40200, 0, pages.mt_unmovable))
    return pages


@KINDS
def test_the_twins_oom_report_comes_back(kind: type[Pages]) -> None:
    pages = short_of_memory(kind)
    old = kind is Pages315
    gfp = pages.era.gfp.value("GFP_HIGHUSER_MOVABLE")
    names = "" if old else pages.era.gfp.text(gfp)
    pgtables = 40 if old else 163840
    report = OomReport(
        "make (x)",
        gfp,
        names,
        0,
        -17,
        meminfo.meminfo(pages, {"active_anon": 77, "pages in swap cache": 3, "Free swap": 12}),
        context=["CPU: 0 PID: 7 Comm: make", "Call Trace:", " <TASK>"],
        tasks=[TaskLine(7, 0, 7, 900, 800, pgtables, 0, -17, "make (x)")],
        summary={} if old else {"constraint": "CONSTRAINT_NONE", "global_oom": "", "pid": "7"},
        killed="Out of memory: Killed process 7 (make (x)) total-vm:3600kB, anon-rss:3200kB",
        old=old,
    )
    assert parse(text(report)) == report
    assert ("boost:" in text(report)) == (not old)
    assert ("free_highatomic:" in text(report)) == (kind is Pages618)
    stamped = "".join(f"[  12.34] {line}\n" for line in text(report).splitlines())
    assert parse(f"[  12.33] something else\n{stamped}[  12.4] more\n") == report


@KINDS
def test_the_twins_failure_report_comes_back(kind: type[Pages]) -> None:
    pages = short_of_memory(kind)
    said: list[FailureReport] = []

    def hear(gfp: int, order: int) -> None:
        said.append(
            FailureReport(
                meminfo.failure(pages, gfp, order, "cat"),
                meminfo.meminfo(pages),
                [" dump_stack+0x1/0x2"],
            )
        )

    pages.on_failure = hear
    assert pages.alloc_pages(pages.era.gfp.value("GFP_ATOMIC"), 5) == 0
    (report,) = said
    assert parse_failure(failure_text(report)) == report
    assert parse_failure(f"[1.5] before\n{failure_text(report)}after\n") == report


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

"""The page allocator's tracepoints as text: written as kernels write them, and read."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import one_zone, put

from mmtwin.pages.buddyinfo import BadText
from mmtwin.pages.era import PageEra, era
from mmtwin.pages.pages import Pages
from mmtwin.pages.tracepoints import PAYLOADS, Event, Line, parse, parse_line, payload, text
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618

RECORDED = Path(__file__).parent.parent / "data" / "trace-6.1.txt"
ERAS = pytest.mark.parametrize("name", ["3.15", "6.1", "6.18"])


def test_a_real_trace_is_read_and_written_as_it_was() -> None:
    content = RECORDED.read_text()
    lines = parse(content, era("6.1"))
    assert len(lines) == 30
    assert {line.event.name for line in lines} == set(list(PAYLOADS)[:3])
    hidden = re.compile(r"page=\S+")
    written = [hidden.sub("", text(line, era("6.1"))) for line in lines]
    assert written == [
        hidden.sub("", line) for line in content.splitlines() if not line.startswith("#")
    ]


@ERAS
@given(data=st.data())
def test_every_event_comes_back(name: str, data: st.DataObject) -> None:
    kernel = era(name)
    event = data.draw(st.sampled_from(list(PAYLOADS)))
    fields = {one: data.draw(st.integers(0, 5)) for one in PAYLOADS[event]}
    fields["pfn"] = data.draw(st.integers(1, 1 << 36))
    if "gfp_flags" in fields:
        known = sum(set(kernel.gfp.bits.values()) & {1 << n for n in range(25)})
        fields["gfp_flags"] = data.draw(st.integers(0, (1 << 25) - 1)) & known
    if name == "3.15" and event == "mm_page_free_batched":
        fields["cold"] = data.draw(st.integers(0, 1))
    line = Line(Event(event, fields), "cc1 [x]", 77, 3, "d..1.", 12.000345)
    assert parse_line(text(line, kernel), kernel) == line


def test_the_frame_is_decimal_up_to_3_15() -> None:
    event = Event("mm_page_free", {"pfn": 249856, "order": 0})
    assert payload(event, era("3.15")) == "page=ffffea0000f40000 pfn=249856 order=0"
    assert payload(event, era("6.1")) == "page=ffffea0000f40000 pfn=0x3d000 order=0"


@pytest.mark.parametrize(
    "line",
    [
        "            cc1-77    [003] .....    12.000345: mm_page_free: page=x pfn=0x40 order=2",
        "             cc1-77    [003]    12.000345: mm_page_free:        page=x pfn=0x40 order=2",
        "cc1    77 [003]    12.000345:             kmem:mm_page_free: page=x pfn=0x40 order=2",
        "cc1-77 (  70) [003] d..2.. 12.000345: kmem:mm_page_free: page=x pfn=0x40 order=2",
    ],
    ids=["ftrace", "trace-cmd", "perf script", "with tgid"],
)
def test_the_tools_forms_are_read(line: str) -> None:
    read = parse_line(line, era("6.1"))
    assert read is not None
    assert (read.comm, read.pid, read.cpu, read.seconds) == ("cc1", 77, 3, 12.000345)
    assert read.event == Event("mm_page_free", {"pfn": 0x40, "order": 2})


def test_a_failed_allocation_has_no_frame() -> None:
    for name in ("3.15", "6.1"):
        kernel = era(name)
        failed = Event("mm_page_alloc", {"pfn": -1, "order": 4, "migratetype": 0, "gfp_flags": 64})
        line = Line(failed)
        assert parse_line(text(line, kernel), kernel) == line


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("mm_page_free", "no line of a trace"),
        ("x-1 [000] ..... 1.000000: mm_page_free: page=0 order=1", "no pfn"),
        ("x-1 [000] ..... 1.000000: mm_page_free: page=0 pfn=zz order=1", "pfn=zz"),
        ("x-1 [000] ..... 1.000000: mm_page_free: page=1 pfn=0x1 order=99", "order"),
        ("x-1 [000] ..... 1.000000: mm_page_free: page=1 pfn=0x1 ord", "no order"),
        (
            "x-1 [000] ..... 1.0: mm_page_alloc: pfn=0x1 order=1 migratetype=0 gfp_flags=GFP_ODD",
            "GFP_ODD",
        ),
        ("y" * 5000, "characters"),
    ],
)
def test_what_makes_no_sense_is_one_error(line: str, reason: str) -> None:
    with pytest.raises(BadText, match=reason) as caught:
        parse("# tracer: nop\n\n" + line, era("6.1"))
    assert "line 3" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_events_are_passed_over() -> None:
    content = "x-1 [000] ..... 1.000000: sched_switch: prev_comm=a\n"
    assert parse(content, era("6.1")) == []


@pytest.mark.parametrize("kind", [Pages315, Pages, Pages618])
def test_what_the_twin_emits_is_text_that_comes_back(kind: type[Pages]) -> None:
    pages, _ = one_zone(kind, 0x40000, 0x41000)
    put(pages, (0x40000, 10, pages.mt_movable))
    kernel: PageEra = pages.era
    heard: list[Event] = []

    def hear(event: str, **fields: int) -> None:
        heard.append(Event(event, {name: fields[name] for name in fields if name != "page"}))

    pages.tracer = hear
    taken = [pages.alloc_pages(kernel.gfp.value("GFP_KERNEL"), order) for order in (0, 1, 4, 0)]
    for page, order in zip(taken, (0, 1, 4, 0), strict=True):
        pages.free_pages(page, order)
    pages.drain_all_pages(0)
    names = {event.name for event in heard}
    assert names >= {"mm_page_alloc", "mm_page_free", "mm_page_alloc_extfrag"}
    for event in heard:
        read = parse_line(text(Line(event), kernel), kernel)
        assert read is not None
        assert read.event == event

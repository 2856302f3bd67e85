"""What kernels print about pages: written as they do, read back, and loaded."""

from pathlib import Path

import pytest

from mmtwin.pages import buddyinfo, meminfo, pagetypeinfo, zoneinfo
from mmtwin.pages.buddyinfo import BadText, BuddyLine
from mmtwin.pages.era import era
from mmtwin.pages.pages import Pages, boot_memory
from mmtwin.pages.storm import Storm
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618
from mmtwin.pages.zone import ZONE_DMA32, ZoneSpec

SAMPLE = (
    "Node 0, zone    DMA32      1      0      1      0      0      0      0      0      0"
    "      1      1 \n"
)


def test_a_line_of_buddyinfo() -> None:
    line = BuddyLine(0, "DMA32", (1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1))
    assert buddyinfo.text([line]) == SAMPLE
    assert buddyinfo.parse(SAMPLE) == [line]
    assert line.pages * 4 == 6164


@pytest.mark.parametrize("kind", [Pages315, Pages, Pages618])
def test_both_files_tell_the_same_and_survive_reading(kind: type[Pages]) -> None:
    pages = kind.of_ram(48 << 20)
    Storm(pages, 1, weights=(500, 400, 5, 0, 50, 0, 0, 0, 5)).run(300)
    info = pagetypeinfo.pagetypeinfo(pages)
    lines = buddyinfo.buddyinfo(pages)
    assert pagetypeinfo.parse(pagetypeinfo.text(info)) == info
    assert buddyinfo.parse(buddyinfo.text(lines)) == lines
    for zone, line in zip(info.zones, lines, strict=True):
        assert tuple(map(sum, zip(*zone.free.values(), strict=True))) == line.counts


def test_types_have_the_names_and_order_of_their_era() -> None:
    text = pagetypeinfo.text(pagetypeinfo.pagetypeinfo(Pages315.of_ram(16 << 20)))
    assert "Unmovable  Reclaimable      Movable      Reserve          CMA      Isolate" in text


def test_a_state_is_loaded_from_what_the_file_says() -> None:
    pages = Pages(boot_memory(64 << 20), [ZoneSpec(ZONE_DMA32, 4096, 12288)])
    Storm(pages, 2, weights=(500, 400, 5, 0, 50, 0, 0, 0, 0)).run(200)
    info = pagetypeinfo.pagetypeinfo(pages)
    other = Pages(boot_memory(128 << 20), [ZoneSpec(ZONE_DMA32, 4096, 32768)])
    assert pagetypeinfo.load(other, info) == {"DMA32": 0}
    loaded = pagetypeinfo.pagetypeinfo(other)
    assert [zone.free for zone in loaded.zones] == [zone.free for zone in info.zones]


@pytest.mark.skipif(not Path("/proc/buddyinfo").exists(), reason="no /proc")
def test_this_machines_files_survive() -> None:
    content = Path("/proc/buddyinfo").read_text("ascii")
    assert buddyinfo.text(buddyinfo.parse(content)) == content
    try:
        types = Path("/proc/pagetypeinfo").read_text("ascii")
    except PermissionError:
        pytest.skip("pagetypeinfo is not for us to read")
    info = pagetypeinfo.parse(types)
    assert pagetypeinfo.text(info) == types
    largest = max(len(zone.free) for zone in info.zones)
    assert largest >= 4
    small = [zone for zone in info.zones if zone.zone == "DMA"]
    if small:
        pages = Pages618.of_ram(16 << 20, era=era("6.18", cma="CMA" in small[0].free))
        only = pagetypeinfo.PageTypeInfo(info.pageblock_order, small)
        assert pagetypeinfo.load(pages, only) == {"DMA": 0}


@pytest.mark.parametrize(
    "content", ["Node 0, zone DMA one two", "Node 0", "Node 0, zone      DMA      1 x"]
)
def test_bad_buddyinfo_is_refused_by_its_line(content: str) -> None:
    with pytest.raises(BadText, match="line 2"):
        buddyinfo.parse(SAMPLE + content)


def test_a_capped_count_is_marked() -> None:
    info = pagetypeinfo.pagetypeinfo(Pages.of_ram(16 << 20))
    info.zones[0].free["Movable"] = (200000, *info.zones[0].free["Movable"][1:])
    text = pagetypeinfo.text(info)
    assert ">100000" in text
    assert pagetypeinfo.parse(text).capped


@pytest.mark.parametrize("kind", [Pages315, Pages, Pages618])
def test_mem_info_adds_up_and_survives_reading(kind: type[Pages]) -> None:
    pages = kind.of_ram(48 << 20, cpus=2)
    Storm(pages, 3, weights=(500, 400, 5, 20, 50, 0, 0, 0, 5)).run(300)
    info = meminfo.meminfo(pages, {"mapped": 12})
    report = meminfo.text(info)
    assert meminfo.parse(report) == info
    assert meminfo.text(meminfo.parse(report)) == report
    for zone in info.zones:
        assert zone.chunks_kb == zone.values["free"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [("1*4kB (U)", "1*4kB (UM)", "types UM"), ("= 6164kB", "= 6160kB", "add up to 6164kB")],
)
def test_chunks_that_cannot_be_are_refused(old: str, new: str, reason: str) -> None:
    line = (
        "Node 0 DMA32: 1*4kB (U) 0*8kB 1*16kB (M) 0*32kB 0*64kB 0*128kB 0*256kB 0*512kB 0*1024kB"
        " 1*2048kB (R) 1*4096kB (M) = 6164kB"
    )
    assert meminfo.parse(line).zones[0].letters[9] == "R"
    with pytest.raises(BadText, match=reason):
        meminfo.parse(line.replace(old, new))


@pytest.mark.parametrize(
    "line",
    [
        "trinity-c42: page allocation failure: order:0, mode:0x200da",
        (
            "cat: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO),"
            " nodemask=(null),cpuset=/,mems_allowed=0"
        ),
    ],
)
def test_a_failure_is_read_and_written_as_it_was(line: str) -> None:
    assert str(meminfo.parse_failure(line)) == line


def test_a_request_that_fails_is_reported_in_the_words_of_its_kernel() -> None:
    pages = Pages.of_ram(16 << 20)
    heard: list[str] = []
    pages.on_failure = lambda gfp, order: heard.append(
        str(meminfo.failure(pages, gfp, order, "cat"))
    )
    while pages.alloc_pages(0x40DC0, 4):
        pass
    assert heard == [
        (
            "cat: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO),"
            " nodemask=(null),cpuset=/,mems_allowed=0"
        )
    ]


@pytest.mark.parametrize("kind", [Pages, Pages315, Pages618])
def test_zoneinfo_survives_reading(kind: type[Pages]) -> None:
    pages = kind.of_ram(48 << 20, cpus=2)
    Storm(pages, 3, weights=(500, 400, 5, 20, 50, 0, 0, 0, 5)).run(300)
    zones = zoneinfo.zoneinfo(pages)
    text = zoneinfo.text(zones)
    assert zoneinfo.parse(text) == zones
    assert ("        scanned  0" in text) == (kind is Pages315)
    assert ("              high_min: " in text) == (kind is Pages618)
    assert ("  per-node stats\n      nr_inactive_anon " in text) == (kind is not Pages315)
    assert text.endswith("  inactive_ratio:    1\n") == (kind is Pages315)


def test_zoneinfo_of_a_guest_is_written_as_it_was_read() -> None:
    content = Path(__file__, "../../data/zoneinfo-6.1.txt").resolve().read_text("ascii")
    assert zoneinfo.text(zoneinfo.parse(content)) == content


@pytest.mark.skipif(not Path("/proc/zoneinfo").exists(), reason="no /proc")
def test_this_machines_zoneinfo_is_read() -> None:
    content = Path("/proc/zoneinfo").read_text("ascii")
    zones = zoneinfo.parse(content)
    assert zoneinfo.text(zones) == content
    for zone in zones:
        assert zone.values["min"] <= zone.values["low"] <= zone.values["high"]
        assert zone.values["managed"] <= zone.values["present"] <= zone.values["spanned"]
    assert any(zone.cpus and "batch" in zone.cpus[0] for zone in zones)
    with pytest.raises(BadText):
        zoneinfo.parse("nonsense")

"""What kernels print about pages: written as they do, read back, and loaded."""

from pathlib import Path

import pytest

from mmtwin.pages import buddyinfo, pagetypeinfo
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

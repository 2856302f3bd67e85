"""GFP flags: exact values by era, names as kernels print them, zones and types they ask for."""

import pytest
from zones import one_zone, put

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.pages import layouts as c
from mmtwin.pages.gfp import GFP_61, GFP_315, GFP_618, GfpFlags
from mmtwin.pages.pages import Pages
from mmtwin.pages.v3_15 import Pages315


@pytest.mark.parametrize(
    ("flags", "text", "mask"),
    [
        (GFP_315, "GFP_NOWAIT", 0),
        (GFP_315, "GFP_HIGHUSER_MOVABLE", 0x200DA),
        (GFP_315, "GFP_KERNEL|GFP_ZERO", 0x80D0),
        (GFP_61, "GFP_HIGHUSER_MOVABLE", 0x100CCA),
        (GFP_61, "GFP_ATOMIC", 0xA20),
        (GFP_61, "GFP_NOWAIT|__GFP_NOWARN", 0x2800),
        (GFP_61, "GFP_KERNEL|__GFP_COMP|__GFP_ZERO", 0x40DC0),
        (GFP_61, "none", 0),
        (GFP_618, "GFP_NOWAIT", 0x2800),
        (GFP_618, "GFP_ATOMIC", 0x820),
    ],
)
def test_masks_have_the_names_of_their_era(flags: GfpFlags, text: str, mask: int) -> None:
    assert flags.text(mask) == text
    assert flags.value(text) == mask


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(ValueError, match="__GFP_NONSENSE"):
        GFP_61.value("GFP_KERNEL|__GFP_NONSENSE")


@pytest.mark.parametrize(
    ("bits", "zone"),
    [(0, 2), (1, 0), (2, 2), (4, 1), (8, 2), (9, 0), (0xA, 3), (0xC, 1)],
)
def test_the_low_bits_choose_the_zone(bits: int, zone: int) -> None:
    pages, _ = one_zone(Pages, 0x40000, 0x40400)
    assert pages.gfp_zone(0xCC0 | bits) == zone


def test_impossible_flags_are_bugs() -> None:
    pages, _ = one_zone(Pages, 0x40000, 0x40400)
    with pytest.raises(KernelBug, match="GFP_ZONE_BAD"):
        pages.gfp_zone(3)
    with pytest.raises(KernelWarning):
        pages.gfp_migratetype(0x18)
    with pytest.raises(KernelWarning, match="MAX_ORDER"):
        pages.alloc_pages(0xCC0, 11)
    assert pages.alloc_pages(0x2CC0, 11) == 0


def test_types_asked_for() -> None:
    new, _ = one_zone(Pages, 0x40000, 0x40400)
    old, _ = one_zone(Pages315, 0x40000, 0x40400)
    assert [new.gfp_migratetype(mask) for mask in (0xCC0, 0x100CCA, 0xCD0)] == [0, 1, 2]
    assert [old.gfp_migratetype(mask) for mask in (0xD0, 0x200DA, 0x800D0)] == [0, 2, 1]


def test_the_watermark_of_order_two_halves_in_3_15_and_wants_one_chunk_in_6_1() -> None:
    old, zone = one_zone(Pages315, 0x40000, 0x40800)
    area = zone + c.ZONE_FREE_AREA + c.FREE_AREA_NR_FREE
    old.memory.store(area, 600)
    old.memory.store(area + c.FREE_AREA_SIZE, 100)
    assert old._zone_watermark_ok(zone, 1, 1000, 2, 0, 1010) is False
    assert old._zone_watermark_ok(zone, 0, 1000, 2, 0, 1010) is True
    assert old._zone_watermark_ok(zone, 2, 1000, 2, 0, 1010) is False
    new, zone = one_zone(Pages, 0x40000, 0x40800)
    assert not new._zone_watermark_ok(zone, 2, 1000, 2, 0, 1010)
    put(new, (0x40000, 2, new.mt_movable))
    assert new._zone_watermark_ok(zone, 2, 1000, 2, 0, 1010)
    assert not new._zone_watermark_ok(zone, 2, 1007, 2, 0, 1010)


@pytest.mark.parametrize(("flags", "least"), [(0, 1000), (0x20, 500), (0x30, 375), (0x10, 1000)])
def test_how_far_below_the_min_mark_a_caller_may_go(flags: int, least: int) -> None:
    pages, zone = one_zone(Pages, 0x40000, 0x40800)
    assert not pages._zone_watermark_ok(zone, 0, 1000, 2, flags, least)
    assert pages._zone_watermark_ok(zone, 0, 1000, 2, flags, least + 1)

"""A state taken from one machine and laid down in another: nothing that matters is left out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtwin.check.pages import PageCheck
from mmtwin.pages.era import era
from mmtwin.pages.pages import Pages, boot_memory
from mmtwin.pages.state import PageState, machine, take
from mmtwin.pages.storm import Storm
from mmtwin.pages.zone import ZONE_DMA32, ZONE_NORMAL, ZoneSpec


def stormed(seed: int, events: int, cpus: int = 1) -> Pages:
    memory = boot_memory(80 << 20)
    specs = [ZoneSpec(ZONE_DMA32, 0x400, 0x2400), ZoneSpec(ZONE_NORMAL, 0x2400, 0x4F80)]
    pages = Pages(memory, specs, era=era("6.1"), cpus=cpus)
    storm = Storm(pages, seed)
    storm.run(events)
    while storm.isolated:
        pages.undo_isolate_page_range(storm.isolated.pop(), storm.isolated.pop(), pages.mt_movable)
    return pages


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1 << 30), events=st.integers(0, 3000), cpus=st.integers(1, 3))
def test_a_state_laid_down_is_the_state_taken(seed: int, events: int, cpus: int) -> None:
    state = take(stormed(seed, events, cpus))
    other = machine(state, Pages)
    assert take(other) == state
    assert PageCheck(other, lru=False).full() == []


def test_the_copy_goes_on_as_the_original_would() -> None:
    one = stormed(5, 4000)
    two = machine(take(one), Pages)
    # Who reclaims is not part of the state.
    gfps = [one.era.gfp.value(name) for name in ("GFP_KERNEL", "GFP_HIGHUSER_MOVABLE")]
    kernel, movable = (gfp & ~one.era.gfp.bit("RECLAIM") for gfp in gfps)
    for nth in range(600):
        gfp, order = (kernel, movable)[nth % 2], (0, 0, 1, 3, 0, 9)[nth % 6]
        assert one.alloc_pages(gfp, order) == two.alloc_pages(gfp, order)


def doubled(state: PageState) -> None:
    state.zones[0].free[0][0] += [0x401, 0x401]


def outside(state: PageState) -> None:
    state.zones[0].free[3][1].append(0x2800)


def crooked(state: PageState) -> None:
    state.zones[0].free[4][1].append(0x1008)


def elsewhere(state: PageState) -> None:
    state.zones[1].pcps[0].lists[0].append(0x3FFFFFFF)


@pytest.mark.parametrize("damage", [doubled, outside, crooked, elsewhere])
def test_a_state_that_contradicts_itself_is_refused(damage: object) -> None:
    pages = Pages(
        boot_memory(80 << 20),
        [ZoneSpec(ZONE_DMA32, 0x400, 0x2400), ZoneSpec(ZONE_NORMAL, 0x2400, 0x4F80)],
    )
    state = take(pages)
    for zone in state.zones:
        zone.free = [[[] for _ in lists] for lists in zone.free]
    assert callable(damage)
    damage(state)
    with pytest.raises(ValueError, match="frame"):
        machine(state, Pages)

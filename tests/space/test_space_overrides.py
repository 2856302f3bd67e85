"""Single steps can be replaced by a subclass in Python, compiled or not, as regressions do."""

import pytest
from world import RW, B, P, World

from mmtwin.machine.bug import KernelBug
from mmtwin.machine.profile import Profile
from mmtwin.maple.state import MaState
from mmtwin.space import flags as c
from mmtwin.twin import Twin


class Regression:
    """Wraps a class of methods for the twin."""

    layer = "space"

    def __init__(self, methods: type) -> None:
        self.name = methods.__name__
        self.methods = methods

    def override(self, profile: Profile) -> type:
        return self.methods


def with_methods(methods: type, profile: str = "6.1") -> World:
    """A world whose engine has these methods in front of its own."""
    import world as module

    plain = module.Twin

    def twin(chosen: Profile, **more: object) -> Twin:
        return plain(chosen, [Regression(methods)], **more)  # type: ignore[arg-type, list-item]

    module.Twin = twin  # type: ignore[misc, assignment]
    try:
        return World(profile)
    finally:
        module.Twin = plain  # type: ignore[misc]


class SearchUpToStart:
    """munmap's look-up takes the start for its limit: areas that begin later are missed."""

    def munmap_first(self, mas: MaState, start: int, end: int) -> int:
        return self.maple.mas_find(mas, start)  # type: ignore[attr-defined, no-any-return]


def test_a_look_up_with_the_wrong_limit_unmaps_nothing() -> None:
    world = with_methods(SearchUpToStart)
    world.map(2, 4)
    assert world.unmap(0, 4) == 0
    assert world.ranges() == [(2, 4)]


class FlagsOnly:
    """brk extends whatever ends at the break and has the flags."""

    def can_brk_extend(self, vma: int, vm_flags: int, addr: int) -> bool:
        view = self.view("vm_area_struct", vma)  # type: ignore[attr-defined]
        differ = (view.get("vm_flags") ^ vm_flags) & ~c.VM_SOFTDIRTY
        return bool(view.get("vm_end") == addr and not differ)


def test_brk_over_a_file_mapping_is_found() -> None:
    world = with_methods(FlagsOnly)
    view = world.mm_view()
    view.start_brk = view.brk = B
    world.space.sys_brk(world.mm, B + 2 * P)
    world.map(1, 2, RW, c.MAP_PRIVATE | c.MAP_FIXED, world.open("/f"), 1)
    world.space.sys_brk(world.mm, B + 4 * P)
    assert world.ranges() == [(0, 1), (1, 4)]


class CountsWrong:
    """A split that forgets to count."""

    def vma_link(self, mm: int, vma: int) -> int:
        error = super().vma_link(mm, vma)  # type: ignore[misc]
        view = self.view("mm_struct", mm)  # type: ignore[attr-defined]
        view.map_count = view.get("map_count") - 1
        return error  # type: ignore[no-any-return]


def test_exit_counts_the_areas() -> None:
    world = with_methods(CountsWrong)
    world.map(0, 2)
    world.space.sys_mremap(world.mm, B, 2 * P, 2 * P, 3, B + 9 * P)
    with pytest.raises(KernelBug, match="count != mm->map_count"):
        world.space.exit_mmap(world.mm)

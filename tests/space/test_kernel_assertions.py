"""What the kernel asserts of its own work: each assertion stops a caller that breaks it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest
from world import FIXED, RW, B, P, R, World

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.machine.profile import Profile, profile
from mmtwin.space import flags as c
from mmtwin.space.space import Space
from mmtwin.space.v6_18.merge import merge_attempt
from mmtwin.twin import Twin

KEEP = c.MREMAP_MAYMOVE | c.MREMAP_FIXED | c.MREMAP_DONTUNMAP


def prepared(name: str) -> World:
    """[0, 4) and [4, 8) written and unlike, [8, 12) of a file, [12, 16) read-only, a hole."""
    world = World(name)
    world.map(0, 4)
    world.write(0, 4)
    world.map(4, 8, R)
    world.advise(4, 8, c.MADV_DONTDUMP)
    world.protect(4, 8, RW)
    world.write(4, 8)
    world.map(8, 12, RW, c.MAP_PRIVATE | c.MAP_FIXED, world.open())
    world.map(12, 16, R)
    world.map(20, 24)
    world.check()
    return world


def vma(world: World, page: int) -> int:
    return world.vma(page).address


def merge(world: World, prev: int, start: int, end: int) -> int:
    """vma_merge of [start, end) as if it were to be like ``prev``."""
    below = vma(world, prev)
    flags = world.flags(prev)
    pgoff = (B >> 12) + start
    return world.space.vma_merge(
        world.mm, below, B + start * P, B + end * P, flags, 0, 0, pgoff, 0, 0, 0
    )


def adjust(world: World, page: int, end: int, expand: int) -> int:
    """__vma_adjust of the area at ``page`` so that it ends at ``end``; ``expand`` grows."""
    area = world.vma(page)
    grows = vma(world, expand) if expand >= 0 else 0
    return world.space.vma_adjust(
        area.address, area.get("vm_start"), B + end * P, area.get("vm_pgoff"), 0, grows
    )


def modify(world: World, prev: int, page: int, start: int, end: int) -> int:
    """vma_modify of [start, end), said to lie in the area at ``page``, behind that at ``prev``."""
    flags = world.flags(page) | c.VM_RAND_READ
    return world.space.vma_modify(
        world.mm, vma(world, prev), vma(world, page), B + start * P, B + end * P, flags, 0, 0, 0
    )


def expand_over_segment(world: World) -> None:
    """An area is to grow over an attachment, which must hear of its end."""
    world.space.shm_create(world.mm, 1, 0, P)
    world.space.sys_shmat(world.mm, 1, B + 24 * P, 0)
    vmg = merge_attempt(world.mm, B + 20 * P, B + 25 * P, 0, (B >> 12) + 20)
    vmg.target, vmg.next = vma(world, 20), vma(world, 24)
    world.space.vmg_expand(vmg)


def exit_with(field: str) -> Callable[[World], None]:
    def ends(world: World) -> None:
        world.mm_view().put(field, world.mm_view().get(field) + 1)
        world.exit()

    return ends


def forget_data(world: World) -> None:
    world.mm_view().data_vm = 1
    world.unmap(0, 4)


Case = tuple[Callable[[World], object], str]
OF_6_1: dict[str, Case] = {
    "begins with prev": (lambda w: merge(w, 0, 0, 4), "prev && addr <= prev->vm_start"),
    "reaches past what it is cut from": (lambda w: merge(w, 0, 4, 9), "mid && end > mid->vm_end"),
    "empty": (lambda w: merge(w, 12, 18, 18), "addr >= end"),
    "case 8, past the end of next": (lambda w: adjust(w, 0, 9, 4), "end != next->vm_end"),
    "case 8, another file": (lambda w: adjust(w, 4, 12, 8), "file != next->vm_file"),
    "case 7, nobody grows": (lambda w: adjust(w, 0, 8, -1), "expand != vma"),
    "case 6, not to an end": (lambda w: adjust(w, 0, 11, 0), "end != next_next->vm_end"),
    "case 5, next grows": (lambda w: adjust(w, 0, 5, 4), "expand != importer"),
    "case 4, vma grows": (lambda w: adjust(w, 0, 3, 0), "expand != importer"),
    "case 5, of two families": (lambda w: adjust(w, 0, 5, 0), "anon_vma != next->anon_vma"),
}
OF_6_18: dict[str, Case] = {
    "begins with prev": (
        lambda w: modify(w, 0, 0, 0, 2),
        "prev && start <= prev->vm_start",
    ),
    "empty": (lambda w: modify(w, 0, 4, 6, 6), "start >= end"),
    "begins inside, prev is another": (
        lambda w: modify(w, 0, 4, 5, 6),
        "vmg->start != middle->vm_start",
    ),
    "reaches past middle": (lambda w: modify(w, 0, 4, 4, 9), "vmg->start != middle->vm_start"),
    "over a segment": (expand_over_segment, "remove_next && !can_merge_remove_vma(next)"),
    "more data goes than there was": (forget_data, "vms->data_vm > mm->data_vm"),
}
OF_BOTH: dict[str, Case] = {
    "populate half pages": (
        lambda w: w.space.populate_vma_page_range(vma(w, 0), B + 1, B + P),
        "!PAGE_ALIGNED(start) || !PAGE_ALIGNED(end)",
    ),
    "populate beyond the area": (
        lambda w: w.space.populate_vma_page_range(vma(w, 0), B, B + 5 * P),
        "start < vma->vm_start || end > vma->vm_end",
    ),
    "zap nothing": (
        lambda w: w.space.unmap_page_range(vma(w, 0), B + P, B + P, True),
        "addr >= end",
    ),
    "exit with pages": (exit_with("rss_stat_1"), "Bad rss-counter state"),
    "exit with tables": (
        exit_with("pgtables_bytes"),
        "non-zero pgtables_bytes on freeing mm",
    ),
}
CASES = [
    *(pytest.param("6.1", *case, id=f"6.1: {name}") for name, case in OF_6_1.items()),
    *(pytest.param("6.18", *case, id=f"6.18: {name}") for name, case in OF_6_18.items()),
    *(
        pytest.param(kernel, *case, id=f"{kernel}: {name}")
        for kernel in ("6.1", "6.18")
        for name, case in OF_BOTH.items()
    ),
]


@pytest.mark.parametrize(("kernel", "wrong", "condition"), CASES)
def test_a_wrong_caller_is_stopped(
    kernel: str, wrong: Callable[[World], object], condition: str
) -> None:
    world = prepared(kernel)
    with pytest.raises((KernelBug, KernelWarning)) as stopped:
        wrong(world)
    assert stopped.value.condition == condition


# Assertions that no caller can break from outside: one method is wrong.


@dataclass
class Wrong:
    """One method replaced."""

    name: str
    kind: type
    layer: Literal["maple", "space"] = "space"

    def override(self, profile: Profile) -> type:
        return self.kind


class SplitsNothing(Space):
    """Says that it split."""

    def split_vma_nocheck(self, mm: int, vma: int, addr: int, new_below: bool) -> int:
        return 0


class CopiesOntoItself(Space):
    """Says that a copy became one with its source."""

    def vma_merge_copy(self, vma: int, prev: int, addr: int, length: int, pgoff: int) -> int:
        return vma


class MergesTheUnlike(Space):
    """Says that what changed became one with the area below."""

    def vma_merge(self, mm: int, prev: int, *rest: int) -> int:
        return prev


class MergesWhatStays(Space):
    """Lets a source that is to be kept become one with its copy."""

    def copy_may_merge(self, move: object, clean: bool) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "wrong", "condition"),
    [
        (SplitsNothing, lambda w: w.unmap(2, 8), "next->vm_start < start"),
        (
            CopiesOntoItself,
            lambda w: w.space.sys_mremap(w.mm, B, P, P, 3, B + 40 * P),
            "faulted_in_anon_vma",
        ),
        (
            MergesTheUnlike,
            lambda w: w.protect(4, 8, R),
            "(vma->vm_flags ^ newflags) & ~VM_SOFTDIRTY",
        ),
        (
            MergesWhatStays,
            lambda w: w.space.sys_mremap(w.mm, B + 22 * P, 2 * P, 2 * P, KEEP, B + 24 * P),
            "new_vma == vma",
        ),
    ],
)
def test_a_wrong_method_is_found(
    kind: type, wrong: Callable[[World], object], condition: str
) -> None:
    world = World("6.1")
    world.twin = Twin(profile("6.1"), [Wrong("wrong", kind)])
    world.space = world.twin.space
    world.task, world.mm = world.twin.new_process(1)
    for start in (0, 4, 20):
        world.map(start, start + 4, RW, FIXED)
        if start < 20:
            world.write(start, start + 4)
    with pytest.raises((KernelBug, KernelWarning)) as stopped:
        wrong(world)
    assert stopped.value.condition == condition

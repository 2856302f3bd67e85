"""Random calls against a model that knows pages only: what is mapped, and how.

The model says nothing of where areas end, so every right way of merging passes; that the areas
tell the same as the pages, that counters are sums and that all invariants hold is asked after
every call.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import FIXED, RW, B, P, World

from mmtwin.space import flags as c

PAGES = 24


@dataclass(frozen=True)
class Page:
    """How one page is mapped. ``file`` is 0 for anonymous memory, ``offset`` in file pages."""

    prot: int
    file: int = 0
    offset: int = 0
    advice: int = 0
    locked: bool = False


class Model:
    """Pages by number, and what each call makes of them."""

    def __init__(self) -> None:
        self.pages: dict[int, Page] = {}

    def map(self, start: int, end: int, prot: int, file: int, offset: int) -> int:
        for page in range(start, end):
            self.pages[page] = Page(prot, file, offset + page - start if file else 0)
        return B + start * P

    def unmap(self, start: int, end: int) -> int:
        for page in range(start, end):
            self.pages.pop(page, None)
        return 0

    def change(self, start: int, end: int, hole: int, stops: bool, **values: int) -> int:
        """Attributes of mapped pages; ``hole`` is the answer to a hole, which may stop it."""
        result = 0
        for page in range(start, end):
            if page in self.pages:
                self.pages[page] = replace(self.pages[page], **values)  # type: ignore[arg-type]
            else:
                result = hole
                if stops:
                    break
        return result

    def move(self, start: int, end: int, target: int) -> None:
        """Holes stay holes, and what lies at their new place stays as well (6.17)."""
        moved = {page: self.pages.pop(page) for page in range(start, end) if page in self.pages}
        for page, what in moved.items():
            self.pages[target + page - start] = what


def seen(world: World) -> dict[int, Page]:
    """The pages that the areas tell of."""
    pages = {}
    for view in world.vmas():
        start, end = view.get("vm_start"), view.get("vm_end")
        flags, file, pgoff = view.get("vm_flags"), view.get("vm_file"), view.get("vm_pgoff")
        for i in range((end - start) // P):
            pages[(start - B) // P + i] = Page(
                flags & 7,
                file,
                pgoff + i if file else 0,
                flags & (c.VM_SEQ_READ | c.VM_RAND_READ),
                bool(flags & c.VM_LOCKED),
            )
    return pages


RANGES = st.tuples(st.integers(0, PAGES - 1), st.integers(1, 8)).map(
    lambda pair: (pair[0], min(PAGES, pair[0] + pair[1]))
)
PROTS = st.sampled_from([0, 1, 3, 3, 5, 7])
CALLS = st.one_of(
    st.tuples(st.just("map"), RANGES, PROTS, st.integers(0, 2), st.integers(0, 3)),
    st.tuples(st.just("unmap"), RANGES),
    st.tuples(st.just("protect"), RANGES, PROTS),
    st.tuples(st.just("advise"), RANGES, st.sampled_from([0, 1, 2])),
    st.tuples(st.just("lock"), RANGES, st.booleans()),
    st.tuples(st.just("write"), RANGES),
    st.tuples(st.just("move"), RANGES, st.integers(0, PAGES - 1)),
    st.tuples(st.just("fork"), st.booleans()),
)


class Pair:
    """The twin and the model side by side."""

    def __init__(self, name: str) -> None:
        self.world = World(name)
        self.model = Model()
        self.files = [0, self.world.open("/a"), self.world.open("/b")]

    def step(self, call: tuple) -> None:  # type: ignore[type-arg]
        getattr(self, call[0])(*call[1:])
        assert seen(self.world) == self.model.pages
        self.world.check()

    def map(self, area: tuple[int, int], prot: int, which: int, offset: int) -> None:
        file = self.files[which]
        flags = c.MAP_PRIVATE | c.MAP_FIXED if file else FIXED
        got = self.world.map(*area, prot, flags, file, offset)
        assert got == self.model.map(*area, prot, file, offset)

    def unmap(self, area: tuple[int, int]) -> None:
        assert self.world.unmap(*area) == self.model.unmap(*area)

    def protect(self, area: tuple[int, int], prot: int) -> None:
        want = self.model.change(*area, -errno.ENOMEM, True, prot=prot)
        assert self.world.protect(*area, prot) == want

    def advise(self, area: tuple[int, int], advice: int) -> None:
        flag = (0, c.VM_RAND_READ, c.VM_SEQ_READ)[advice]
        want = self.model.change(*area, -errno.ENOMEM, False, advice=flag)
        assert self.world.advise(*area, advice) == want

    def lock(self, area: tuple[int, int], lock: bool) -> None:
        want = self.model.change(*area, -errno.ENOMEM, True, locked=lock)
        space, start = self.world.space, B + area[0] * P
        call = space.sys_mlock if lock else space.sys_munlock
        got = call(self.world.mm, start, (area[1] - area[0]) * P)
        reads = [self.model.pages[p].prot for p in range(*area) if p in self.model.pages]
        assert got == want or (lock and 0 in reads and got == -errno.ENOMEM)

    def write(self, area: tuple[int, int]) -> None:
        pages = [self.model.pages.get(page) for page in range(*area)]
        fine = all(page is not None and page.prot & 2 for page in pages)
        assert self.world.write(*area) == (0 if fine else -errno.EFAULT)

    def move(self, area: tuple[int, int], target: int) -> None:
        start, end = area
        size = end - start
        overlap = start < target + size and target < end
        got = self.world.space.sys_mremap(
            self.world.mm, B + start * P, size * P, size * P, 3, B + target * P
        )
        if got >= 0:
            assert not overlap
            self.model.move(start, end, target)
        elif not overlap:
            # Holes, several areas: the target is unmapped all the same where 6.1 got so far.
            self.model.pages = seen(self.world)

    def fork(self, follow: bool) -> None:
        child = self.world.fork()
        for page, kept in self.model.pages.items() if follow else ():
            self.model.pages[page] = replace(kept, locked=False)
        other = self.world if follow else child
        self.world = child if follow else self.world
        other.exit()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["6.1", "6.18"]), st.lists(CALLS, max_size=30))
def test_areas_tell_what_was_asked_for(name: str, calls: list[tuple]) -> None:  # type: ignore[type-arg]
    pair = Pair(name)
    for call in calls:
        pair.step(call)


def test_the_model_sees_a_wrong_page() -> None:
    """A canary: the comparison is not blind."""
    pair = Pair("6.1")
    pair.world.map(0, 4, RW)
    pair.model.map(0, 4, RW, 0, 0)
    assert seen(pair.world) == pair.model.pages
    pair.world.protect(1, 2, 1)
    assert seen(pair.world) != pair.model.pages

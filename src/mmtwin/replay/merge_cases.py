"""The eight cases of vma_merge, and splits, as 6.1 and 6.18 carry them out.

``python -m mmtwin.replay.merge_cases [--json]`` shows both side by side: what is stored into the
tree, in which order, under which locks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

from mmtwin.machine.profile import PROFILES
from mmtwin.replay.call_order import CallOrder, Event
from mmtwin.space import flags as c

BASE = 0x1000_0000
PAGE = 4096
NONE, R, RW = 0, 1, 3
KERNELS = ("6.1", "6.18")


class Pages:
    """A process with one written private file mapping over pages 0 to 6, and calls in pages."""

    def __init__(self, kernel: str) -> None:
        self.order = CallOrder(PROFILES[kernel])
        self.space = self.order.twin.space
        self.mm = self.space.mm_alloc(self.space.task_alloc(0))
        self.space.arch_pick_mmap_layout(self.mm)
        self.file = self.space.open_file("/f", 8, 1, 7, 2, None, 1 << 30)
        self.map(0, 6)
        self.space.touch(self.mm, BASE, 6 * PAGE, True)

    def map(self, start: int, end: int) -> None:
        """Map the file's pages at their place."""
        size, how = (end - start) * PAGE, c.MAP_PRIVATE | c.MAP_FIXED
        at = BASE + start * PAGE
        self._done(self.space.sys_mmap(self.mm, at, size, RW, how, self.file, start * PAGE))

    def protect(self, start: int, end: int, prot: int) -> None:
        """mprotect."""
        at, size = BASE + start * PAGE, (end - start) * PAGE
        self._done(self.space.sys_mprotect(self.mm, at, size, prot))

    def move(self, start: int, end: int, to: int) -> None:
        """mremap to another place."""
        size, how = (end - start) * PAGE, c.MREMAP_MAYMOVE | c.MREMAP_FIXED
        at, there = BASE + start * PAGE, BASE + to * PAGE
        self._done(self.space.sys_mremap(self.mm, at, size, size, how, there))

    def areas(self) -> list[tuple[int, int]]:
        """[start, end) of every VMA, in pages."""
        found = []
        for vma in self.space.vmas(self.mm):
            area = self.space.view("vm_area_struct", vma)
            found.append((_page(area.get("vm_start")), _page(area.get("vm_end"))))
        return found

    def _done(self, result: int) -> None:
        if -PAGE < result < 0:
            raise OSError(-result, "a call of the set-up failed")


def _page(address: int) -> int:
    return (address - BASE) // PAGE


@dataclass(frozen=True, slots=True)
class Case:
    """``before`` prepares, ``call`` is what is listened to; pages 2 to 4 are the area."""

    name: str
    before: Callable[[Pages], None]
    call: Callable[[Pages], None]


def _cut(left: int, middle: int, right: int) -> Callable[[Pages], None]:
    def prepare(pages: Pages) -> None:
        for start, prot in ((0, left), (2, middle), (4, right)):
            pages.protect(start, start + 2, prot)

    return prepare


def _away(left: int, right: int) -> Callable[[Pages], None]:
    def prepare(pages: Pages) -> None:
        pages.move(2, 4, 20)
        _cut_ends(pages, left, right)

    return prepare


def _cut_ends(pages: Pages, left: int, right: int) -> None:
    pages.protect(0, 2, left)
    pages.protect(4, 6, right)


def _back(pages: Pages) -> None:
    pages.move(20, 22, 2)


def _read(pages: Pages) -> None:
    pages.protect(2, 4, R)


CASES = (
    Case("1 [p]aaaa[n] -> [p         ]", _away(RW, RW), _back),
    Case("2 [p]aaaa[x] -> [p     ][x]", _away(RW, R), _back),
    Case("3 [x]aaaa[n] -> [x][     n]", _away(R, RW), _back),
    Case("4 [p aaaa][n] -> [p][n    ]", _cut(RW, RW, R), _read),
    Case("5 [p][aaaa m] -> [p    ][m]", _cut(R, RW, RW), _read),
    Case("6 [p][aaaa][n] -> [p      ]", _cut(R, RW, R), _read),
    Case("7 [p][aaaa][x] -> [p   ][x]", _cut(R, RW, NONE), _read),
    Case("8 [x][aaaa][n] -> [x][   n]", _cut(NONE, RW, R), _read),
    Case("split, the new VMA below", _cut(RW, RW, NONE), _read),
    Case("split, the new VMA above", _cut(NONE, RW, RW), _read),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What one kernel did: the first change of the tree under locks, and the areas after it all."""

    events: tuple[Event, ...]
    areas: tuple[tuple[int, int], ...]

    def lines(self) -> list[str]:
        """The events, ranges in pages [start, end)."""
        return [_shown(event) for event in self.events]


def _shown(event: Event) -> str:
    if event.what == "store":
        span = f"{_page(event.first)}..{_page(event.last + 1)}"
        return f"store {span}" if event.entry else f"store NULL {span}"
    return f"{event.what} {event.name}".strip()


def tell(case: Case, kernel: str) -> Told:
    """Carry a case out on a kernel: from the last preallocation before the locks to the last unlock
    that belongs to them."""
    pages = Pages(kernel)
    case.before(pages)
    pages.order.begin()
    case.call(pages)
    return Told(first_change(pages.order.end()), tuple(pages.areas()))


def first_change(events: list[Event]) -> tuple[Event, ...]:
    """The first group of events under locks that stores, and the preallocation it lives on."""
    held = 0
    group: list[Event] = []
    for event in events:
        if event.what == "preallocate" and not held:
            group = [event]
            continue
        group.append(event)
        held += {"lock": 1, "unlock": -1}.get(event.what, 0)
        if not held and any(one.what == "store" for one in group):
            return tuple(group)
    return tuple(group)


def main(arguments: list[str]) -> None:
    """Print the table, or one JSON document with ``--json``."""
    told = {case.name: {kernel: tell(case, kernel) for kernel in KERNELS} for case in CASES}
    if "--json" in arguments:
        plain = {
            name: {
                kernel: {"events": one.lines(), "areas": one.areas} for kernel, one in by.items()
            }
            for name, by in told.items()
        }
        print(json.dumps(plain, indent=2))
        return
    for name, by in told.items():
        print(f"\n{name}")
        columns = [[kernel, *one.lines()] for kernel, one in by.items()]
        for at in range(max(map(len, columns))):
            cells = [column[at] if at < len(column) else "" for column in columns]
            print("    " + "".join(f"{cell:<28}" for cell in cells).rstrip())


if __name__ == "__main__":
    main(sys.argv[1:])

"""Which pages are there: Rss, Anonymous and AnonHugePages of each area, on both sides.

Of the agent's own image the pages come and go as it works, of [vvar] and [vdso] as time goes by:
these areas are left out. Of files only the anonymous pages are compared: a fault maps what else is
cached around it, and what is cached, other processes decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from mmtwin.kernels.maps import AREA_HEAD, GATE, areas
from mmtwin.memory.memory import Memory
from mmtwin.space.space import Space

PMD_SIZE: Final = 1 << 21
PAGE: Final = 1 << 12
FIELD: Final = re.compile(r"(Rss|Anonymous|AnonHugePages): +(\d+) kB")


class Residents(NamedTuple):
    """Pages of one area: all (None for a file), anonymous ones, those of them in huge pages."""

    start: int
    rss: int | None
    anonymous: int
    huge: int

    def __str__(self) -> str:
        """One line of the details."""
        rss = "-" if self.rss is None else self.rss
        return f"{self.start:x} Rss {rss} Anonymous {self.anonymous} AnonHugePages {self.huge}"


def residents_of_smaps(smaps: str, keep: tuple[int, int]) -> Iterator[Residents]:
    """What the kernel says, area by area, but for those that start in ``keep`` and special ones."""
    start, left_out, cached = 0, True, False
    found: dict[str, int] = {}
    for line in smaps.splitlines():
        head = AREA_HEAD.match(line)
        if head:
            start = int(head.group(1), 16)
            left_out = keep[0] <= start < keep[1] or "[v" in line or start == GATE
            cached = not left_out and of_cached_file(line)
            found = {}
            continue
        field = None if left_out else FIELD.match(line)
        if field:
            found[field.group(1)] = int(field.group(2)) // 4
            if field.group(1) == "AnonHugePages":
                rss = None if cached else found["Rss"]
                yield Residents(start, rss, found["Anonymous"], found["AnonHugePages"])


def of_cached_file(line: str) -> bool:
    """Whether a line of maps is of a file that others may read too."""
    (area,) = areas(line)
    return area.inode != 0 and area.device != "00:01"


def residents(space: Space, mm: int, maps: str, keep: tuple[int, int]) -> Iterator[Residents]:
    """What the twin's page tables hold; ``maps`` is the space's own text."""
    memory = space.memory
    lines = dict(zip((area.start for area in areas(maps)), maps.splitlines(), strict=False))
    for vma in space.vmas(mm):
        view = space.view("vm_area_struct", vma)
        start = view.vm_start
        if keep[0] <= start < keep[1] or view.vm_ops == space.special_mapping_vmops:
            continue
        pages = list(_pages(space, memory, mm, start, view.vm_end))
        yield Residents(
            start,
            None if of_cached_file(lines[start]) else sum(count for count, _ in pages),
            sum(count for count, anonymous in pages if anonymous),
            sum(count for count, anonymous in pages if anonymous and count > 1),
        )


def _pages(space: Space, memory: Memory, mm: int, at: int, end: int) -> Iterable[tuple[int, bool]]:
    """(pages, whether anonymous) for every entry of [at, end) that maps a counted page."""
    while at < end:
        past = min((at | (PMD_SIZE - 1)) + 1, end)
        pmd = space.walk(mm, at, 1)
        entry = memory.load(pmd) if pmd else 0
        if entry and space.pmd_is_leaf(entry):
            if space.pmd_trans_huge(entry) and not space.is_huge_zero_pmd(entry):
                page = space.page_of(entry)
                yield (past - at) // PAGE, bool(space.page_anon(page))
        elif entry:
            first = space.pte_offset(entry, at)
            for number in range((past - at) // PAGE):
                pte = memory.load(first + 8 * number)
                if pte and space.pte_present(pte):
                    page = space.vm_normal_page(pte)
                    if page:
                        yield 1, bool(space.page_anon(page))
        at = past

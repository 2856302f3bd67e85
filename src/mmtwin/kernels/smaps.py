"""What /proc tells beside maps, on both sides: smaps, counters of status, pagemap, mincore.

Three kinds of areas hold pages that are not the calls' doing, and are compared in part: the agent's
own image and the kernel's [vvar] and [vdso] (whose pages come and go as it works) by what is no
page; files on a disk (of which other processes decide what is cached) by what is anonymous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Final, TypeAlias

from mmtwin.kernels.maps import Area, areas

COUNTERS: Final = (
    *("VmPeak", "VmSize", "VmLck", "VmPin", "VmData", "VmStk", "VmExe+VmLib"),
    *("HugetlbPages", "VmSwap", "VmPTE"),
)
"""VmExe and VmLib are all that can be executed; how it is split hangs on the program's headers."""
STATUS_LINE: Final = re.compile(r"^(Vm\w+|HugetlbPages):\s+(\d+) kB", re.MULTILINE)
SHAPE: Final = frozenset(
    ("Size", "KernelPageSize", "MMUPageSize", "THPeligible", "ProtectionKey", "VmFlags")
)
"""Fields of smaps that tell nothing of pages."""
NEVER: Final = frozenset(("Referenced", "LazyFree"))
"""Fields that hang on batches in which each CPU collects pages before their lists or marks change
(mm/swap.c): a page that waits in another CPU's batch keeps its mark."""
ANONYMOUS: Final = SHAPE | {"Anonymous", "AnonHugePages", "Swap"}
"""Fields that pages of the cache do not change."""
HEAD_PAGES: Final = 16
"""So many pages of each area are looked up in pagemap."""
FRAME_BITS: Final = 55
"""Below them a word of pagemap holds the frame, which is the kernel's own affair."""
Words: TypeAlias = list[tuple[int, list[int]]]
"""By area: its start and the flags of its first pages, as pagemap has them from bit 55 on."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What can be compared: ``keep`` is [start, end) of the agent's image."""

    keep: tuple[int, int]

    def fields(self, area: Area) -> frozenset[str] | None:
        """The fields of an area's record that are compared; None for all."""
        if self.is_apart(area):
            return SHAPE
        return ANONYMOUS if is_cached_file(area) else None

    def is_apart(self, area: Area) -> bool:
        """Whether the area's pages are the agent's or the kernel's own."""
        return self.keep[0] <= area.start < self.keep[1] or area.name.startswith("[v")

    def is_whole(self, area: Area) -> bool:
        """Whether all that the area has in memory is the calls' doing."""
        return self.fields(area) is None


def is_cached_file(area: Area) -> bool:
    """Whether others may read the same file too."""
    return area.inode != 0 and not area.name.endswith(" (deleted)")


def records(smaps: str) -> Iterator[str]:
    """What stands behind the first line of each area, in order; of the gate's too.

    Raises ValueError for text that is not of this form.
    """
    at = 0
    while at < len(smaps):
        head = smaps.index("\n", at) + 1
        at = smaps.index("\n", smaps.index("\nVmFlags:", head) + 1) + 1
        yield smaps[head:at]


@lru_cache(maxsize=4096)
def fields(record: str) -> dict[str, str]:
    """A record's values by name."""
    pairs = (line.partition(":") for line in record.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def smaps_difference(twin: str, kernel: str, maps: str, scope: Scope) -> tuple[str, str] | None:
    """The first field in which two texts of smaps part, as (twin's, kernel's), or None.

    ``maps`` is the text of maps, on which both agree.
    """
    pairs = zip_longest(records(twin), records(kernel), fillvalue="")
    # The gate has no line among the areas and is the last.
    for (ours, theirs), area in zip_longest(pairs, areas(maps)):
        if ours == theirs:
            continue
        seen = scope.fields(area) if area is not None else None
        left, right = fields(ours), fields(theirs)
        for name in {**left, **right}:
            told = left.get(name, "-"), right.get(name, "-")
            if told[0] == told[1] or name in NEVER:
                continue
            if seen is None or name in seen:
                place = f"{area.start:x}" if area is not None else "the gate"
                return f"{place} {name}: {told[0]}", f"{place} {name}: {told[1]}"
    return None


def counters(status: str) -> dict[str, int]:
    """The counters of /proc/PID/status in kB, by name."""
    found = {name: int(size) for name, size in STATUS_LINE.findall(status)}
    found["VmExe+VmLib"] = found.get("VmExe", 0) + found.get("VmLib", 0)
    return {name: found.get(name, 0) for name in COUNTERS}


def status_difference(twin: str, kernel: str) -> tuple[str, str] | None:
    """The first counter in which two texts of status part, or None."""
    ours, theirs = counters(twin), counters(kernel)
    for name in COUNTERS:
        if ours[name] != theirs[name]:
            return f"{name} {ours[name]} kB", f"{name} {theirs[name]} kB"
    return None


def pagemap_difference(
    twin: Words, kernel: Words, maps: str, scope: Scope
) -> tuple[str, str] | None:
    """The first page whose flags in pagemap part, or None."""
    for (start, ours), (_, theirs), area in zip(twin, kernel, areas(maps), strict=True):
        if ours == theirs or not scope.is_whole(area):
            continue
        for page, (left, right) in enumerate(zip(ours, theirs, strict=True)):
            if left != right:
                place = f"{start + (page << 12):x} pagemap bits"
                return f"{place} {bits(left)}", f"{place} {bits(right)}"
    return None


def bits(flags: int) -> str:
    """The flags of a word of pagemap, as bit numbers of the whole word."""
    return " ".join(str(FRAME_BITS + bit) for bit in range(9) if flags >> bit & 1) or "none"


def core_difference(
    twin: bytes, kernel: bytes, address: int, maps: str, scope: Scope
) -> tuple[str, str] | None:
    """The first page on which two vectors of mincore from ``address`` on part, or None."""
    if twin == kernel:
        return None
    spaces = list(areas(maps))
    for page, (left, right) in enumerate(zip(twin, kernel, strict=True)):
        at = (address & ~0xFFF) + (page << 12)
        area = next(area for area in spaces if area.start <= at < area.end)
        if left != right and scope.is_whole(area):
            return f"{at:x} in core: {left}", f"{at:x} in core: {right}"
    return None


def pool_lines(memory: str) -> str:
    """The lines of /proc/meminfo that count huge pages."""
    return "".join(line for line in memory.splitlines(True) if line.startswith("HugePages_"))


def committed(memory: str) -> int:
    """Pages promised, by the text of /proc/meminfo."""
    line = re.search(r"^Committed_AS:\s+(\d+) kB", memory, re.MULTILINE)
    return int(line.group(1)) // 4 if line else 0

"""Is what two kernels said of a call the same? Numbers that only one machine can know apart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from mmtwin.kernels import abi
from mmtwin.kernels.calls import Call
from mmtwin.kernels.smaps import (
    Scope,
    Words,
    core_difference,
    pagemap_difference,
    smaps_difference,
    status_difference,
)

INTERNAL_DEVICE = " 00:01 "
"""shmem objects without a name in any file system: their inode numbers are the kernel's own."""
UNNAMED = " (deleted)"
"""So end the names of other such objects, of huge pages: their device's number, too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one process saw after a call: result, maps, and the details if they were asked for.

    ``smaps`` and ``status`` are texts of /proc, ``pagemap`` flags by area; ``core`` is what mincore
    stored. ``charged`` are the pages charged on the machine since the run began, None where
    unknown; ``pool`` the lines of /proc/meminfo that count huge pages, empty where not asked for.
    """

    slot: int
    result: int
    maps: str
    smaps: str = ""
    status: str = ""
    pagemap: Words | None = None
    core: bytes | None = None
    charged: int | None = None
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The first call of a run on which the twin and the kernel differ, and how."""

    step: int
    call: Call
    twin: str
    kernel: str
    what: str

    def kind(self) -> tuple[str, ...]:
        """What stays the same while a run is shrunk: the call, what differs, which errors."""
        errors = (side if side.startswith("-") else "" for side in (self.twin, self.kernel))
        return (
            (self.call.name, self.what, *errors)
            if self.what == "result"
            else (
                self.call.name,
                self.what,
            )
        )

    def __str__(self) -> str:
        """One line for people."""
        return f"step {self.step}: {self.call}: {self.what}: twin {self.twin}, kernel {self.kernel}"


@dataclass(slots=True)
class Inodes:
    """Replaces inode numbers of unnamed objects by the order in which they were first seen."""

    seen: dict[str, int] = field(default_factory=dict)

    def plain(self, maps: str) -> str:
        """``maps`` with such numbers replaced and every run of spaces made one."""
        if INTERNAL_DEVICE not in maps and UNNAMED not in maps:
            return maps
        lines = []
        for line in maps.splitlines():
            if INTERNAL_DEVICE in line:
                head, _, tail = line.partition(INTERNAL_DEVICE)
                inode, _, name = tail.partition(" ")
                number = self.seen.setdefault(inode, len(self.seen) + 1)
                line = f"{head}{INTERNAL_DEVICE}#{number} {name.strip()}"
            elif line.endswith(UNNAMED):
                span, letters, offset, device, inode, name = line.split(maxsplit=5)
                number = self.seen.setdefault(f"{device} {inode}", len(self.seen) + 1)
                line = f"{span} {letters} {offset} #{number} {name}"
            lines.append(line)
        return "\n".join(lines) + "\n"


def shown(result: int) -> str:
    """A result as people write it: an error's name, else a hexadecimal number."""
    if -4096 < result < 0:
        return f"-{os.strerror(-result)} ({result})"
    return hex(result & abi.TOP)


def same_result(call: Call, twin: int, kernel: int) -> bool:
    """Whether the results agree; of a fork only whether it succeeded (pids are the kernel's)."""
    if call.name == "fork":
        return (twin < 0 and twin == kernel) or (twin >= 0 and kernel >= 0)
    return (twin - kernel) & abi.TOP == 0  # addresses from 2^63 on are negative in one of them


def first_difference(twin: str, kernel: str) -> tuple[str, str]:
    """The first line of each text where they part (an empty string past the end)."""
    twin_lines, kernel_lines = twin.splitlines(), kernel.splitlines()
    for ours, theirs in zip(twin_lines, kernel_lines, strict=False):
        if ours != theirs:
            return ours, theirs
    shorter = min(len(twin_lines), len(kernel_lines))
    return "".join(twin_lines[shorter : shorter + 1]), "".join(kernel_lines[shorter : shorter + 1])


class Comparison:
    """Holds a run's outcomes on both sides against each other, call by call."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._twin = Inodes()
        self._kernel = Inodes()

    def check(
        self, step: int, call: Call, twin: list[Outcome], kernel: list[Outcome]
    ) -> Disagreement | None:
        """The disagreement on this call, None if there is none."""
        if not same_result(call, twin[0].result, kernel[0].result):
            return Disagreement(
                step, call, shown(twin[0].result), shown(kernel[0].result), "result"
            )
        for ours, theirs in zip(twin, kernel, strict=False):
            if ours.maps != theirs.maps:
                ours_plain = self._twin.plain(ours.maps)
                theirs_plain = self._kernel.plain(theirs.maps)
                if ours_plain != theirs_plain:
                    left, right = first_difference(ours_plain, theirs_plain)
                    return Disagreement(step, call, left, right, f"maps of process {ours.slot}")
            for name, parted in self._details(call, ours, theirs):
                if parted is not None:
                    return Disagreement(step, call, *parted, f"{name} of process {ours.slot}")
        ours_charged, theirs_charged = twin[-1].charged, kernel[-1].charged
        if None not in (ours_charged, theirs_charged) and ours_charged != theirs_charged:
            return Disagreement(
                step, call, f"{ours_charged} pages", f"{theirs_charged} pages", "charge"
            )
        if twin[-1].pool and kernel[-1].pool and twin[-1].pool != kernel[-1].pool:
            left, right = first_difference(twin[-1].pool, kernel[-1].pool)
            return Disagreement(step, call, left, right, "pool")
        if len(twin) != len(kernel):
            return Disagreement(step, call, str(len(twin)), str(len(kernel)), "processes")
        return None

    def _details(
        self, call: Call, ours: Outcome, theirs: Outcome
    ) -> Iterator[tuple[str, tuple[str, str] | None]]:
        """What of the details was asked for, by name, and where it parts."""
        if ours.core is not None and theirs.core is not None:
            address = call.args[0]
            yield (
                "mincore",
                core_difference(ours.core, theirs.core, address, ours.maps, self.scope),
            )
        if theirs.smaps:
            yield "smaps", smaps_difference(ours.smaps, theirs.smaps, ours.maps, self.scope)
        if theirs.status:
            yield "status", status_difference(ours.status, theirs.status)
        if ours.pagemap is not None and theirs.pagemap is not None:
            yield (
                "pagemap",
                pagemap_difference(ours.pagemap, theirs.pagemap, ours.maps, self.scope),
            )

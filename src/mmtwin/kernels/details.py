"""What /proc tells beside maps: each area's VmFlags, and the counters of the whole space."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from mmtwin.kernels.maps import AREA_HEAD, GATE
from mmtwin.kernels.residents import Residents
from mmtwin.space.vm_flag_letters import LETTERS, LETTERS_6_1

COUNTERS: Final = ("VmPeak", "VmSize", "VmLck", "VmData", "VmStk", "VmExe+VmLib")
"""The last is all that can be executed; how it is split hangs on the program's headers."""


def letters(vm_flags: int, profile: str) -> str:
    """The line VmFlags of smaps, without its name: ``rd wr mr``."""
    codes = LETTERS_6_1 if profile.startswith("6.1-") or profile == "6.1" else LETTERS
    return " ".join(code for bit, code in codes.items() if vm_flags >> bit & 1)


def flags_of_smaps(smaps: str) -> Iterable[tuple[int, str]]:
    """(start, letters) of every area but the gate's, in order."""
    start = 0
    for line in smaps.splitlines():
        head = AREA_HEAD.match(line)
        if head:
            start = int(head.group(1), 16)
        elif line.startswith("VmFlags:") and start != GATE:
            yield start, line[8:].strip()


def counters_of_status(status: str) -> dict[str, int]:
    """The counters in pages, by name."""
    found = {}
    for name in (*COUNTERS[:-1], "VmExe", "VmLib"):
        line = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        if line:
            found[name] = int(line.group(1)) // 4
    found["VmExe+VmLib"] = found.pop("VmExe", 0) + found.pop("VmLib", 0)
    return found


def details_text(
    flags: Iterable[tuple[int, str]],
    counters: dict[str, int],
    residents: Iterable[Residents] = (),
) -> str:
    """All of it as one text, a line each, to be compared as it is."""
    lines = [f"{start:x} VmFlags {codes}" for start, codes in flags]
    lines += [f"{name} {counters[name]} pages" for name in COUNTERS]
    lines += map(str, residents)
    return "\n".join(lines) + "\n"


def committed(memory: str) -> int:
    """Pages promised, by the text of /proc/meminfo."""
    line = re.search(r"^Committed_AS:\s+(\d+) kB", memory, re.MULTILINE)
    return int(line.group(1)) // 4 if line else 0

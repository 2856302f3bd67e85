"""Two /proc/PID/maps texts side by side: only the lines that differ."""

from __future__ import annotations

from collections import Counter


def differing_lines(twin: str, record: str) -> list[dict[str, str]]:
    """The lines that only one side has, or has more often, in address order.

    Each is ``{"side": "twin" | "record", "line": ...}``, the twin's first where both have one. If
    both have the same lines in another order, the twin's are all told.
    """
    mine, theirs = Counter(twin.splitlines()), Counter(record.splitlines())
    rows = [("twin", line) for line in (mine - theirs).elements()]
    rows += [("record", line) for line in (theirs - mine).elements()]
    if not rows and twin != record:
        return [{"side": "twin", "line": line} for line in twin.splitlines()]
    rows.sort(key=lambda row: (_start(row[1]), row[0] == "record"))
    return [{"side": side, "line": line} for side, line in rows]


def _start(line: str) -> int:
    start = line.partition("-")[0]
    try:
        return int(start, 16)
    except ValueError:
        return 0

"""Two /proc/PID/maps texts side by side: only the lines that differ."""

from __future__ import annotations


def differing_lines(twin: str, record: str) -> list[dict[str, str]]:
    """The lines that only one side has, in address order.

    Each is ``{"side": "twin" | "record", "line": ...}``, the twin's first where both have one.
    """
    mine, theirs = twin.splitlines(), record.splitlines()
    only_mine = set(mine) - set(theirs)
    only_theirs = set(theirs) - set(mine)
    rows = [("twin", line) for line in mine if line in only_mine]
    rows += [("record", line) for line in theirs if line in only_theirs]
    rows.sort(key=lambda row: (_start(row[1]), row[0] == "record"))
    return [{"side": side, "line": line} for side, line in rows]


def _start(line: str) -> int:
    start = line.partition("-")[0]
    try:
        return int(start, 16)
    except ValueError:
        return 0

"""The measurements as JSON."""

from __future__ import annotations

from mmtwin.bench.result import Contest, Standing
from mmtwin.bench.rows import TIMED
from mmtwin.bench.targets import Target


def contest_document(contest: Contest) -> dict[str, object]:
    """All range maps at one size."""
    return {
        "ranges": contest.size,
        "agree": contest.agree(),
        "maps": [standing_document(standing) for standing in contest.standings],
    }


def standing_document(standing: Standing) -> dict[str, object]:
    """One range map: every round of every row, in nanoseconds an operation."""
    rows = {}
    for row in TIMED:
        cell = standing.cells.get(row)
        if cell is not None:
            rows[row.value] = {
                "median": standing.figure(row),
                "rounds": [round(each, 1) for each in cell.each],
                "wall": [round(each, 1) for each in cell.wall],
                "operations": cell.operations,
                "complete": cell.complete,
            }
    return {
        "name": standing.name,
        "title": standing.title,
        "ranges": standing.size,
        "bytes_a_range": None if standing.bytes is None else round(standing.bytes, 1),
        "rows": rows,
        "trouble": standing.trouble,
    }


def target_document(target: Target) -> dict[str, object]:
    """One target."""
    return {
        "ranges": target.size,
        "row": target.row.value,
        "what": target.text,
        "limit": target.limit,
        "at_least": target.at_least,
        "unit": target.unit,
        "measured": round(target.measured, 2),
        "reached": target.reached,
    }

"""Calls a second: replays from memory, by way of checking."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from mmtwin.check.run import Check, Run
from mmtwin.data import recorded_compiler
from mmtwin.machine.profile import PROFILES
from mmtwin.replay.kernel import profile_of
from mmtwin.trace.generate import workload
from mmtwin.trace.programs import PROGRAMS
from mmtwin.trace.reader import read_trace
from mmtwin.trace.records import Call, Record

Row: TypeAlias = dict[str, Any]

MILLION = 1_000_000
STEPS_ENOUGH = 20_000
"""Steps after which a time is steady."""
ROUNDS_MAX = 10


def sources(traces: Sequence[Path], calls: int) -> Iterator[tuple[str, list[Record]]]:
    """The workloads by name: generated ones of ``calls`` calls, the bundled trace, and files."""
    for kind in PROGRAMS:
        yield kind, list(workload(kind, calls, seed=1))
    for path in [recorded_compiler(), *traces]:
        yield path.name, list(read_trace(path))


def measure(records: list[Record], profile: str, check: Check) -> float:
    """Processor seconds for a replay of records already read, without comparing recorded maps.

    Making the twin is not part of it. Short traces are replayed often; the best time counts.
    """
    run = Run(lambda: records, PROFILES[profile], check=check, compare=False)
    rounds = min(ROUNDS_MAX, 1 + STEPS_ENOUGH // len(records))
    return min(run.run().cpu_seconds for _ in range(rounds))


def rows(found: Iterator[tuple[str, list[Record]]], checks: Sequence[Check]) -> Iterator[Row]:
    """For each workload its steps, how many of them are calls (others touch memory, execute, fork
    and end), and the steps a second by way of checking."""
    for name, records in found:
        profile = profile_of(records[0])[0]
        seconds = {check: measure(records, profile, check) for check in checks}
        yield {
            "workload": name,
            "steps": len(records),
            "calls": sum(isinstance(record, Call) for record in records),
            **{
                check.value: {
                    "seconds": seconds[check],
                    "steps_a_second": round(len(records) / seconds[check]),
                    "cost": round(seconds[check] / seconds[Check.OFF], 2),
                }
                for check in checks
            },
        }


def together(rows: Sequence[Row], checks: Sequence[Check]) -> Row:
    """The generated workloads as one; ``calls_a_second`` has the other steps as its cost."""
    made = [row for row in rows if row["workload"] in PROGRAMS]
    steps, calls = (sum(row[what] for row in made) for what in ("steps", "calls"))
    seconds = {check: sum(row[check.value]["seconds"] for row in made) for check in checks}
    return {
        "steps": steps,
        "calls": calls,
        **{
            check.value: {
                "steps_a_second": round(steps / seconds[check]),
                "calls_a_second": round(calls / seconds[check]),
            }
            for check in checks
        },
    }


def million() -> float:
    """Peak memory in MB after a streamed replay of a million calls with touched checks."""
    kind = next(iter(PROGRAMS))
    run = Run(lambda: workload(kind, MILLION, seed=2), PROFILES["6.18"], compare=False)
    run.run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

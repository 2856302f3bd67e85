"""Records what real kernels say to ``host_sequences`` and ``rare_sequences``; run it by hand.

python tests/space/host_record.py host      # on a 6.18 kernel
python tests/space/host_record.py qemu      # in the guest with Debian's 6.1
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from host_sequences import SEQUENCES, P
from rare_sequences import RARE

from mmtwin.kernels.calls import Call
from mmtwin.kernels.host.facts import read_facts, why_not
from mmtwin.kernels.host.kernel import HostKernel
from mmtwin.kernels.host.wire import Answer, Report
from mmtwin.kernels.maps import areas
from mmtwin.kernels.qemu.guests import guest
from mmtwin.kernels.qemu.kernel import QemuKernel
from mmtwin.kernels.smaps import Scope, counters, fields, records

HERE = Path(__file__).parent
RECORDS = {"6.18": HERE / "host_facts.json", "6.1": HERE / "guest_facts.json"}
"""By profile."""
SEGMENTS = (P, 3 * P)
ALL = {**SEQUENCES, **RARE}

AGENT = re.compile(r"\S*/agent-\w+")


def without_numbers(maps: str) -> str:
    """Maps without device, inode and the agent's path, which another machine has otherwise."""
    return AGENT.sub("/agent", re.sub(r" [0-9a-f]+:[0-9a-f]+ \d+ +", " ", maps))


def results(calls: list[Call], answers: list[Answer]) -> list[int]:
    """The results in order; of a fork that succeeds 1 and the child's 0, whatever the pid."""
    found = []
    waiting = iter(answers)
    for call in calls:
        answer = next(waiting)
        if call.name == "fork" and answer.result > 0:
            found += [1, next(waiting).result]
        else:
            found.append(answer.result)
    return found


def seen(maps: str, smaps: str, status: str, scope: Scope) -> str:
    """What is recorded of a process: each area's line, flags and pages; the counters in kB."""
    lines = without_numbers(maps).splitlines()
    for area, record in zip(areas(maps), records(smaps), strict=False):
        told = fields(record)
        shown = ["VmFlags"]
        if scope.is_whole(area):
            shown += ["Rss", "Pss", "Pss_Dirty", "Private_Dirty", "Anonymous"]
        lines.append(f"{area.start:x} " + ", ".join(f"{name} {told[name]}" for name in shown))
    lines += [f"{name} {size} kB" for name, size in counters(status).items()]
    return "\n".join(lines) + "\n"


def main(which: str) -> int:
    answers = {}
    made = HostKernel(segments=SEGMENTS) if which == "host" else None
    with made or QemuKernel(guest("x86_64"), segments=SEGMENTS) as kernel:
        facts = read_facts(kernel)
        reason = why_not(facts)
        if reason is not None or facts.profile not in RECORDS:
            print(reason or "no record of such a kernel is kept", file=sys.stderr)
            return 2
        files = {path: asdict(kernel.file_facts(path)) for path in ("/", "/dev/zero")}
        for title, calls in ALL.items():
            kernel.fresh()
            image = kernel.spawn()
            got = kernel.carry_out(calls, Report.MAPS | Report.SMAPS | Report.STATUS)
            scope = Scope((image.start, image.end))
            last = {
                answer.slot: seen(answer.maps or "", answer.smaps or "", answer.status or "", scope)
                for answer in got
            }
            answers[title] = {"results": results(calls, got), "last": last}
    record = {
        "facts": asdict(facts),
        "files": files,
        "image": AGENT.sub("/agent", image.maps),
        "heap": image.end,
        "answers": answers,
    }
    RECORDS[facts.profile].write_text(compact(record))
    return 0


def compact(record: dict[str, Any]) -> str:
    """The record as JSON, a line for each answer."""
    head = {key: value for key, value in record.items() if key != "answers"}
    lines = (
        f"{json.dumps(title)}: {json.dumps(said)}" for title, said in record["answers"].items()
    )
    return json.dumps(head, indent=1)[:-2] + ',\n "answers": {\n' + ",\n".join(lines) + "}}\n"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

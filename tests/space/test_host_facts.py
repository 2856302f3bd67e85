"""The twin answers as real kernels did (recorded by ``host_record``; no kernel is asked)."""

import json
from typing import Any

import pytest
from host_record import ALL, RECORDS, SEGMENTS, seen

from mmtwin.kernels.host.agent import FileFacts
from mmtwin.kernels.host.facts import Facts
from mmtwin.kernels.machine import TwinMachine
from mmtwin.kernels.options import Start
from mmtwin.kernels.smaps import Scope
from mmtwin.machine.profile import profile

RECORDED: dict[str, Any] = {name: json.loads(path.read_text()) for name, path in RECORDS.items()}


def recorded_facts(name: str) -> Facts:
    values = dict(RECORDED[name]["facts"])
    values["release"] = tuple(values["release"])
    values["huge_sizes"] = tuple(values["huge_sizes"])
    values["limits"] = {int(which): tuple(pair) for which, pair in values["limits"].items()}
    return Facts(**values)


@pytest.fixture(scope="module", params=RECORDS)
def machine(request: pytest.FixtureRequest) -> TwinMachine:
    recorded = RECORDED[request.param]
    return TwinMachine(
        profile(request.param),
        recorded_facts(request.param),
        heap=recorded["heap"],
        file_facts=lambda path: FileFacts(**recorded["files"][path]),
        segments=SEGMENTS,
    )


def test_every_sequence_is_recorded() -> None:
    for recorded in RECORDED.values():
        assert set(recorded["answers"]) == set(ALL)


def test_the_image(machine: TwinMachine) -> None:
    image = RECORDED[machine.twin.profile.name]["image"]
    assert machine.start(Start(), image) == image


@pytest.mark.parametrize("title", ALL)
def test_fact(machine: TwinMachine, title: str) -> None:
    recorded = RECORDED[machine.twin.profile.name]
    machine.start(Start(), recorded["image"])
    results, last = [], {}
    scope = Scope((0x400000, recorded["heap"]))
    for call in ALL[title]:
        for outcome in machine.carry_out(call, details=True):
            results.append(outcome.result)
            last[str(outcome.slot)] = seen(outcome.maps, outcome.smaps, outcome.status, scope)
    answer = recorded["answers"][title]
    assert results == answer["results"]
    for slot, text in answer["last"].items():
        assert last[slot] == text

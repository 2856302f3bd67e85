"""The twin answers as a real 6.18 kernel did (recorded by ``host_record``; no kernel is asked)."""

import json
from typing import Any

import pytest
from host_record import RECORD, SEGMENTS, seen
from host_sequences import SEQUENCES

from mmtwin.kernels.generate import Start
from mmtwin.kernels.host.agent import FileFacts
from mmtwin.kernels.host.facts import Facts
from mmtwin.kernels.machine import TwinMachine
from mmtwin.kernels.smaps import Scope
from mmtwin.machine.profile import profile

RECORDED: dict[str, Any] = json.loads(RECORD.read_text())


def recorded_facts() -> Facts:
    values = dict(RECORDED["facts"])
    values["release"] = tuple(values["release"])
    values["limits"] = {int(which): tuple(pair) for which, pair in values["limits"].items()}
    return Facts(**values)


@pytest.fixture(scope="module")
def machine() -> TwinMachine:
    return TwinMachine(
        profile("6.18"),
        recorded_facts(),
        heap=RECORDED["heap"],
        file_facts=lambda path: FileFacts(**RECORDED["files"][path]),
        segments=SEGMENTS,
    )


def test_every_sequence_is_recorded() -> None:
    assert set(RECORDED["answers"]) == set(SEQUENCES)


def test_the_image(machine: TwinMachine) -> None:
    assert machine.start(Start(), RECORDED["image"]) == RECORDED["image"]


@pytest.mark.parametrize("title", SEQUENCES)
def test_fact(machine: TwinMachine, title: str) -> None:
    machine.start(Start(), RECORDED["image"])
    results, last = [], {}
    scope = Scope((0x400000, RECORDED["heap"]))
    for call in SEQUENCES[title]:
        for outcome in machine.carry_out(call, details=True):
            results.append(outcome.result)
            last[str(outcome.slot)] = seen(outcome.maps, outcome.smaps, outcome.status, scope)
    answer = RECORDED["answers"][title]
    assert results == answer["results"]
    for slot, text in answer["last"].items():
        assert last[slot] == text

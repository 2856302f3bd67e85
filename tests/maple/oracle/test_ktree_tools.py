"""The comparison's own parts: the source finder, the notation, the generator, the reports."""

from __future__ import annotations

import io
from array import array
from contextlib import nullcontext
from pathlib import Path

import pytest
from players import stores

from mmtwin.kernels.ktree import NoKernelSourceError
from mmtwin.kernels.ktree.compare import Player, Run
from mmtwin.kernels.ktree.dump import Dump, fnv1a
from mmtwin.kernels.ktree.generate import FAMILIES
from mmtwin.kernels.ktree.protocol import (
    RESULT_WORDS,
    Gfp,
    Op,
    Operation,
    encode,
    operation_at,
    result_at,
)
from mmtwin.kernels.ktree.source import VARIABLE, kernel_source
from mmtwin.kernels.ktree.twin import TwinPlayer


def test_digest_of_an_empty_tree() -> None:
    assert f"{fnv1a(b'empty'):016x}" == "904fefb3d01cb2ae"


def test_no_source_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    with pytest.raises(NoKernelSourceError, match=r"linux-source-6\.1") as caught:
        kernel_source()
    assert "\n" not in str(caught.value)


def test_operations_survive_their_encoding() -> None:
    operation = Operation(Op.MAS_FILL, 1, 2, 3, 4, tree=5, state=6, gfp=Gfp.ATOMIC)
    assert operation_at(encode([Operation(Op.NOP), operation]), 1) == operation


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_seed_is_its_script(family) -> None:  # type: ignore[no-untyped-def]
    script = family.script(3, 50)
    assert script == family.script(3, 50)
    assert script != family.script(4, 50)


class Wrong(TwinPlayer):
    """A twin that answers one load wrongly."""

    def run(self, words: array[int]) -> array[int]:
        results = super().run(words)
        for number in range(len(words) // 5):
            if operation_at(words, number).op == Op.LOAD:
                results[number * RESULT_WORDS] += 1
        return results


def test_a_difference_is_found_and_told() -> None:
    script = stores(0, [(i, i, i + 1) for i in range(100)])
    script.extend(Operation(Op.LOAD, 7).words())
    log = io.StringIO()
    run = Run(Wrong, lambda: nullcontext(TwinPlayer()), log)
    assert not run.seed(0, FAMILIES[0], script)
    assert run.failed == [0]
    assert "result of LOAD 0x7" in log.getvalue()
    assert "value: 0x12 against 0x11" in log.getvalue()


def test_an_unlike_tree_is_told_by_its_words() -> None:
    first, second = (dump_of(TwinPlayer(), value) for value in (1, 2))
    assert first != second
    assert first.differences(second) == ["node 1 word 17: 0x3 against 0x5"]


def dump_of(player: Player, value: int) -> Dump:
    player.run(stores(0, [(10, 19, value)]))
    return player.dump()


def test_results_read_signed(player: Player) -> None:
    words = encode([Operation(Op.INIT), Operation(Op.STORE_RANGE, 5, 4, 3)])
    assert result_at(player.run(words), 1).signed == -22

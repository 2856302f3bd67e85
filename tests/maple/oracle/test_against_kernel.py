"""The twin and the kernel's own tree, operation by operation and word by word."""

from __future__ import annotations

import io

import pytest
from players import kernel_tree

from mmtwin.kernels.ktree.compare import Run, main
from mmtwin.kernels.ktree.generate import FAMILIES, family_of
from mmtwin.kernels.ktree.target import NATIVE, TARGETS, Target
from mmtwin.kernels.ktree.twin import TwinPlayer
from modes import COMPILED, sample

pytestmark = pytest.mark.oracle

OPERATIONS = 400 if COMPILED else 60
"""Least operations of a seed outside the deep run; few where the rooms are not compiled."""

FOREIGN = [target for target in TARGETS.values() if target is not NATIVE]


def same(target: Target, seed: int) -> None:
    log = io.StringIO()
    family = family_of(seed)
    run = Run(lambda: TwinPlayer(target), lambda: kernel_tree(target), log)
    assert run.seed(seed, family, family.script(seed, OPERATIONS, target.bits)), log.getvalue()


@pytest.mark.parametrize("seed", range((3 if COMPILED else 1) * len(FAMILIES)))
def test_twin_and_kernel_are_the_same(seed: int) -> None:
    same(NATIVE, seed)


@pytest.mark.parametrize("seed", sample(range(100, 100 + len(FAMILIES)), 2))
@pytest.mark.parametrize("target", FOREIGN, ids=lambda target: target.name)
def test_they_are_the_same_on_other_machines(target: Target, seed: int) -> None:
    same(target, seed)


@pytest.mark.deep
@pytest.mark.parametrize("target", TARGETS)
def test_a_million_operations_over_a_thousand_seeds(target: str) -> None:
    kernel_tree(TARGETS[target]).close()
    assert main(["--ops", "1000000", "--seeds", "1000", "--target", target]) == 0

"""The twin and the kernel's own tree, operation by operation and word by word."""

from __future__ import annotations

import io

import pytest
from players import kernel_tree

from mmtwin.kernels.ktree.compare import Run, main
from mmtwin.kernels.ktree.generate import FAMILIES, family_of
from mmtwin.kernels.ktree.twin import TwinPlayer

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("seed", range(3 * len(FAMILIES)))
def test_twin_and_kernel_are_the_same(seed: int) -> None:
    log = io.StringIO()
    family = family_of(seed)
    run = Run(TwinPlayer, kernel_tree, log)
    assert run.seed(seed, family, family.script(seed, 400)), log.getvalue()


@pytest.mark.deep
def test_a_million_operations_over_a_thousand_seeds() -> None:
    kernel_tree().close()
    assert main(["--ops", "1000000", "--seeds", "1000"]) == 0

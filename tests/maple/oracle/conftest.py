"""The two players as a fixture."""

from collections.abc import Iterator

import pytest
from players import kernel_tree

from mmtwin.kernels.ktree.compare import Player
from mmtwin.kernels.ktree.twin import TwinPlayer


@pytest.fixture(params=["twin", pytest.param("kernel", marks=pytest.mark.oracle)])
def player(request: pytest.FixtureRequest) -> Iterator[Player]:
    if request.param == "twin":
        yield TwinPlayer()
    else:
        with kernel_tree() as tree:
            yield tree

"""The two profiles."""

import pytest
from world import World


@pytest.fixture(params=["6.1", "6.18"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.fixture
def old() -> World:
    return World("6.1")


@pytest.fixture
def new() -> World:
    return World("6.18")

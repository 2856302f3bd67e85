"""Fixtures of the tree's tests."""

import pytest
from maple_trees import Tree


@pytest.fixture
def tree() -> Tree:
    return Tree()

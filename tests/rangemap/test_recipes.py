"""Every example of the range map's page runs and gives what it says."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "range-map.md"


def test_the_page_is_true() -> None:
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 50
    assert results.failed == 0

"""Options and markers of the test suite."""

import gc
import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--deep", action="store_true", help="run the long tests as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --deep the long tests are left out, and uncompiled what one mode proves for both."""
    if config.getoption("--deep"):
        return
    left_out = {"deep", "one_mode"} if os.environ.get("MMTWIN_PURE") else {"deep"}
    deselected = [item for item in items if not left_out.isdisjoint(item.keywords)]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if left_out.isdisjoint(item.keywords)]


def pytest_collection_finish() -> None:
    """What was collected stays to the end: collections of garbage need not go through it again."""
    gc.collect()
    gc.freeze()

"""The catalogue: every historical bug that can be put back, by name."""

from __future__ import annotations

from mmtwin.regressions import prealloc_spent, stale_node_copy
from mmtwin.regressions.regression import Regression

_MODULES = (stale_node_copy, prealloc_spent)

_CATALOGUE: dict[str, Regression] = {
    module.REGRESSION.name: module.REGRESSION for module in _MODULES
}


def every() -> list[Regression]:
    """All regressions, in the order of the catalogue."""
    return list(_CATALOGUE.values())


def get(name: str) -> Regression:
    """The regression of that name; :class:`KeyError` if there is none."""
    return _CATALOGUE[name]

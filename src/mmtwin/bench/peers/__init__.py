"""The rivals, one adapter a file."""

from __future__ import annotations

from importlib import import_module

from mmtwin.bench.peer import Peer

MODULES = {
    "kernel": "kernel",
    "words": "words",
    "batch": "batch",
    "maple": "maple",
    "lobtree": "lobtree",
    "qqbtree": "qqbtree",
    "lists": "lists",
    "sorteddict": "sorteddict",
    "rangemap": "extended",
    "intervaltree": "interval_tree",
    "rangedict": "range_dict",
    "portion": "interval_dict",
}
"""Names on the command line, and the modules that hold the adapters."""

COMPILED = ("kernel", "words", "batch")
"""Those that do many operations in one call, and the kernel's own tree."""
OWN = ("words", "batch", "maple")
RIVALS = tuple(name for name in MODULES if name not in (*OWN, "kernel"))
"""Those that Python programmers would use instead."""


def peer_class(name: str) -> type[Peer]:
    """The adapter of a name. ImportError if its package is not installed."""
    module = import_module(f"{__name__}.{MODULES[name]}")
    found: type[Peer] = module.PEER
    return found

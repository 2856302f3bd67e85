"""An executable twin of Linux memory management.

The floors, from the ground up (a module imports only from its own floor and those below):
``memory``, ``machine``, ``pages``, ``maple``, ``space``, ``trace`` and ``twin``, ``check`` and
``regressions``, ``cli``.

The hot rooms are compiled when the package is built. With ``MMTWIN_PURE=1`` in the environment
the same files run as plain Python, for a debugger or a Python without a C compiler.
"""

from typing import TYPE_CHECKING

from mmtwin._pure import run_uncompiled_if_asked

if TYPE_CHECKING:
    from mmtwin.rangemap import MapleTree as MapleTree

run_uncompiled_if_asked()

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``MapleTree``, imported at its first use: it brings the tree's compiled rooms with it."""
    if name == "MapleTree":
        from mmtwin.rangemap import MapleTree

        return MapleTree
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The module's names, ``MapleTree`` among them."""
    return sorted([*globals(), "MapleTree"])

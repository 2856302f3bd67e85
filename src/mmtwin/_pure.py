"""``MMTWIN_PURE=1``: import this package's ``.py`` files, not the modules compiled from them."""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType


class SourceFinder:
    """A meta-path finder that sees only source files below ``mmtwin``."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The source file's spec for a module of this package; None for any other module."""
        if not name.startswith("mmtwin.") or path is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or spec.origin.endswith(".py"):
            return spec
        source = Path(spec.origin).parent / (name.rpartition(".")[2] + ".py")
        return spec_from_file_location(name, source, loader=SourceFileLoader(name, str(source)))


def run_uncompiled_if_asked() -> None:
    """Put the finder first if ``MMTWIN_PURE`` is set to anything but an empty string."""
    if os.environ.get("MMTWIN_PURE"):
        sys.meta_path.insert(0, SourceFinder)

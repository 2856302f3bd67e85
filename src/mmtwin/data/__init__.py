"""Data that comes with the package: ``gcc-cc1.jsonl.xz``, a recorded run of a C compiler.

913 records of gcc, cc1, as and collect2 on Linux 6.18, with /proc/PID/maps after each call.
"""

from importlib.resources import files
from pathlib import Path


def recorded_compiler() -> Path:
    """The trace of the compiler run."""
    return Path(str(files(__package__) / "gcc-cc1.jsonl.xz"))

"""Data that comes with the package: recorded runs, with /proc/PID/maps after each call.

``gcc-cc1.jsonl.xz``: 913 records of gcc, cc1, as and collect2 on Linux 6.18. ``pt-upgrade.jsonl``:
the s390 program of May 2022 that maps memory at 1 << 54, statically linked, on Debian's 6.1.176 for
s390x in qemu; before its fork it maps a file, so that the last leaf of its tree holds 15 slots.
"""

from importlib.resources import files
from pathlib import Path


def recorded_upgrade() -> Path:
    """The trace of the s390 program."""
    return Path(str(files(__package__) / "pt-upgrade.jsonl"))


def recorded_compiler() -> Path:
    """The trace of the compiler run."""
    return Path(str(files(__package__) / "gcc-cc1.jsonl.xz"))

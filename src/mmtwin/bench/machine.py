"""Where a benchmark ran."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmtwin.memory import memory


def compiled() -> bool:
    """Whether the rooms are compiled."""
    return not memory.__file__.endswith(".py")


def processor() -> str:
    """The processor's model name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def load() -> float:
    """How many processes wanted a processor, on average over the last minute."""
    return round(os.getloadavg()[0], 2)


def facts_of_machine() -> dict[str, str]:
    """Processor, kernel, Python."""
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores seen",
        "system": f"Linux {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}",
        "python": f"{platform.python_version()} ({platform.python_compiler()})",
        "rooms": "compiled" if compiled() else "uncompiled",
    }


def release(package: str) -> str:
    """The installed version of a distribution; empty if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""

"""Compiles the kernel's maple tree behind our driver."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from mmtwin.kernels.ktree.source import (
    NoKernelSourceError,
    cache_folder,
    fingerprint,
    kernel_source,
)

NATIVE = Path(__file__).parent / "native"

FLAGS = (
    "-O2",
    "-std=gnu11",
    "-w",
    "-DCONFIG_64BIT=1",
    # The harness's headers do not declare it.
    "-Dfallthrough=__attribute__((__fallthrough__))",
)


def compiler() -> str:
    """The C compiler: the environment's ``CC``, or ``cc``."""
    return os.environ.get("CC") or "cc"


def command(source: Path, output: Path) -> list[str]:
    """The command that builds the driver from the tree at ``source``."""
    headers = (
        NATIVE / "shim",
        source / "tools/testing/radix-tree",
        source / "tools/include",
        source,
    )
    includes = [word for folder in headers for word in ("-I", str(folder))]
    return [compiler(), *FLAGS, *includes, "-o", str(output), str(NATIVE / "driver.c")]


def driver() -> Path:
    """The built driver; compiled when its text, the source or the compiler changed.

    Raises `NoKernelSourceError` when the source or a compiler is missing, and when the compiler
    refuses.
    """
    source = kernel_source()
    texts = [path.read_text() for path in sorted(NATIVE.rglob("*.[ch]"))]
    name = fingerprint(source.resolve(), *texts, *command(source, Path("driver")))
    target = cache_folder() / f"ktree-{name}"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        built = Path(folder) / "driver"
        try:
            done = subprocess.run(
                command(source, built), capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise NoKernelSourceError(f"the C compiler {compiler()} is not installed") from error
        if done.returncode:
            raise NoKernelSourceError(f"the kernel's tree does not compile: {done.stderr[:2000]}")
        built.replace(target)
    return target

"""Compiles the kernel's maple tree behind our driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from mmtwin.kernels.ktree.source import (
    KernelTreeError,
    NoKernelSourceError,
    cache_folder,
    fingerprint,
    kernel_source,
)
from mmtwin.kernels.ktree.target import NATIVE, Target

NATIVE_CODE = Path(__file__).parent / "native"

FLAGS = (
    "-O2",
    "-std=gnu11",
    "-w",
    # The harness's headers do not declare it.
    "-Dfallthrough=__attribute__((__fallthrough__))",
)


def command(source: Path, output: Path, target: Target) -> list[str]:
    """The command that builds the driver from the tree at ``source``."""
    headers = (NATIVE_CODE / "shim", source / "tools/testing/radix-tree", source / "tools/include")
    includes = [word for folder in (*headers, source) for word in ("-I", str(folder))]
    compiler = target.compiler or os.environ.get("CC") or "cc"
    flags = [*FLAGS, *(["-static"] if target.compiler else [])]
    if target.bits == 64:
        flags.append("-DCONFIG_64BIT=1")
    return [compiler, *flags, *includes, "-o", str(output), str(NATIVE_CODE / "driver.c")]


def driver(target: Target = NATIVE) -> list[str]:
    """The command that runs the driver; built when its text, the source or the compiler changed.

    Raises `NoKernelSourceError` when the source, the compiler or the runner is missing,
    `KernelTreeError` when the compiler refuses.
    """
    source = kernel_source()
    for runner in target.runner:
        if shutil.which(runner) is None:
            raise NoKernelSourceError(missing(runner, target))
    texts = [path.read_text() for path in sorted(NATIVE_CODE.rglob("*.[ch]"))]
    name = fingerprint(source.resolve(), *texts, *command(source, Path("driver"), target))
    program = cache_folder() / f"ktree-{target.name}-{name}"
    if not program.is_file():
        _build(source, program, target)
    return [*target.runner, str(program)]


def missing(program: str, target: Target) -> str:
    """One line about a program that is not installed."""
    return f"{program} is not installed; install: {target.packages}"


def _build(source: Path, program: Path, target: Target) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        built = Path(folder) / "driver"
        words = command(source, built, target)
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise NoKernelSourceError(missing(words[0], target)) from error
        if done.returncode:
            raise KernelTreeError(f"the kernel's tree does not compile: {done.stderr[:2000]}")
        built.replace(program)

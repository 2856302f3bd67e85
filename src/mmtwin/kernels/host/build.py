"""Compiles the agent once and keeps the program in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mmtwin.kernels.host.machines import X86_64, Machine

SOURCE = Path(__file__).parent / "native" / "agent.c"

#: No C library and a fixed address: the process holds nothing but the agent and the kernel's own.
FLAGS = [
    "-O2",
    "-Wall",
    "-Wextra",
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-tree-loop-distribute-patterns",
    "-fno-stack-protector",
    "-fno-pie",
    "-no-pie",
    "-Wl,-z,noseparate-code",
    "-Wl,--build-id=none",
]


class AgentError(Exception):
    """The agent cannot be built or does not run here; the message says why."""


class NotHereError(AgentError):
    """What a comparison takes is not on this machine: a program, a package, a kernel that the twin
    knows. The message says which, and what to install."""


def cache_directory() -> Path:
    """``$XDG_CACHE_HOME/mmtwin`` or ``~/.cache/mmtwin``; created if absent."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    directory = Path(base) / "mmtwin"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def agent_program(machine: Machine = X86_64) -> Path:
    """The compiled agent (see :func:`compiled`)."""
    return compiled(SOURCE, FLAGS, machine)


def compiled(source_file: Path, flags: Sequence[str], machine: Machine = X86_64) -> Path:
    """The program of a C source; built if it was not yet compiled by this compiler.

    Raises NotHereError where there is no compiler, AgentError where it refuses the source.
    """
    compiler = next(filter(shutil.which, machine.compilers), None)
    if compiler is None:
        raise NotHereError(
            f"no C compiler for {machine.name} ({', '.join(machine.compilers)}): "
            f"install {machine.compiler_package}"
        )
    source = source_file.read_bytes()
    key = hashlib.sha256(source + "\0".join([compiler, *flags]).encode()).hexdigest()[:16]
    program = cache_directory() / f"{source_file.stem}-{machine.name}_{key}"
    if program.exists():
        return program
    # Built beside its place and moved there, so that two builders cannot see half a program.
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        fresh = Path(scratch) / source_file.stem
        command = [compiler, *flags, "-o", str(fresh), str(source_file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AgentError(f"{compiler} refused {source_file.name}: {done.stderr.strip()}")
        fresh.replace(program)
    return program

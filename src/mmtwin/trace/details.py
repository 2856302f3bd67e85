"""Memory calls: which are written, what their arguments point to, what they take away."""

from __future__ import annotations

import struct
from typing import Final

from mmtwin.trace import proc
from mmtwin.trace.calls import (
    BRK,
    CLONE,
    CLONE3,
    FORK,
    IO_DESTROY,
    IO_SETUP,
    MMAP,
    MREMAP,
    MSYNC,
    MUNMAP,
    PERSONALITY,
    PKEY_ALLOC,
    PKEY_FREE,
    PRCTL,
    REMAP_FILE_PAGES,
    SHMAT,
    VFORK,
)
from mmtwin.trace.records import Args
from mmtwin.trace.tasks import Space

CLONE_VM: Final = 0x100
CLONE_FILES: Final = 0x400
CLONE_VFORK: Final = 0x4000
CLONE_THREAD: Final = 0x10000
SIGCHLD: Final = 17
CLONE_ARGS_SIZE: Final = 40
"""The first five fields of struct clone_args, in bytes."""

PR_SET_VMA: Final = 0x53564D41
PRCTL_OPTIONS: Final = frozenset(
    {
        PR_SET_VMA,
        35,  # PR_SET_MM
        65,  # PR_SET_MDWE
        67,  # PR_SET_MEMORY_MERGE
    }
)
"""prctl options that are written to the trace."""
ANON_NAME_MAX: Final = 80

RESTARTED: Final = frozenset({-512, -513, -514, -516})
"""Results of the kernel's own (ERESTARTSYS ...): the call starts again, nothing was done."""

FREE: Final = frozenset({MSYNC, PKEY_ALLOC, PKEY_FREE, PERSONALITY})
"""Calls that leave the mappings as they are."""

STARTERS: Final = frozenset({FORK, VFORK, CLONE, CLONE3})


def is_written(op: int, args: Args) -> bool:
    """Whether the call belongs into a trace: all do, but most of prctl's options do not."""
    return op != PRCTL or args[0] & 0xFFFFFFFF in PRCTL_OPTIONS


def area_name(tid: int, args: Args) -> str | None:
    """The name that prctl(PR_SET_VMA) gives, empty where it takes one away; None for others."""
    if args[0] & 0xFFFFFFFF != PR_SET_VMA:
        return None
    name = proc.memory(tid, args[4], ANON_NAME_MAX) if args[4] else b""
    return name.partition(b"\0")[0].decode("utf-8", proc.OCTAL)


def clone_flags(tid: int, op: int, args: Args) -> int | None:
    """Clone flags with the exit signal in the low byte; None if they cannot be read."""
    if op == FORK:
        return SIGCHLD
    if op == VFORK:
        return CLONE_VM | CLONE_VFORK | SIGCHLD
    if op == CLONE:
        return args[0] & 0xFFFFFFFF
    arguments = proc.memory(tid, args[0], CLONE_ARGS_SIZE)
    if len(arguments) < CLONE_ARGS_SIZE:
        return None
    flags, _, _, _, exit_signal = struct.unpack("=5Q", arguments)
    return int(flags | exit_signal)


def forget(space: Space, op: int, args: Args, result: int) -> None:
    """Tell the space's touches which ranges a successful call took away or replaced."""
    touches = space.touches
    if op == MMAP:
        touches.forget(result, result + args[1])
    elif op == BRK:
        if result < space.brk:
            touches.forget(result, space.brk)
        space.brk = result
    elif op == MUNMAP:
        touches.forget(args[0], args[0] + args[1])
    elif op == MREMAP:
        touches.forget(args[0], args[0] + args[1])
        touches.forget(result, result + args[2])
    elif op in (SHMAT, REMAP_FILE_PAGES, IO_SETUP, IO_DESTROY):
        touches.forget(0, 1 << 64)

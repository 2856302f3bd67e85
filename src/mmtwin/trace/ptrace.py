"""ptrace(2) and kcmp(2) by ctypes: just what a recorder needs, on Linux for x86-64.

Source: ``man 2 ptrace``, ``man 2 kcmp``, include/uapi/linux/ptrace.h.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

SYSCALL: Final = 24
GETEVENTMSG: Final = 0x4201
SEIZE: Final = 0x4206
LISTEN: Final = 0x4208
GET_SYSCALL_INFO: Final = 0x420E

EVENT_FORK: Final = 1
EVENT_VFORK: Final = 2
EVENT_CLONE: Final = 3
EVENT_EXEC: Final = 4
EVENT_STOP: Final = 128

OPTIONS: Final = (
    0x00000001  # TRACESYSGOOD: stops at calls differ from SIGTRAP
    | 1 << EVENT_FORK
    | 1 << EVENT_VFORK
    | 1 << EVENT_CLONE
    | 1 << EVENT_EXEC
    | 0x00100000  # EXITKILL: no tracee outlives its tracer
)
WALL: Final = 0x40000000
"""waitpid: children of every kind."""

AT_ENTRY: Final = 1
AT_EXIT: Final = 2
AUDIT_ARCH_X86_64: Final = 0xC000003E

SYS_KCMP: Final = 312
KCMP_FILE: Final = 0

_libc = ctypes.CDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


class SyscallInfo(ctypes.Structure):
    """struct ptrace_syscall_info; at an exit ``nr`` holds the result and ``args`` nothing."""

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("arch", ctypes.c_uint32),
        ("instruction_pointer", ctypes.c_uint64),
        ("stack_pointer", ctypes.c_uint64),
        ("nr", ctypes.c_int64),
        ("args", ctypes.c_uint64 * 6),
        ("reserved", ctypes.c_uint64 * 2),
    )


def _check(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def seize(tid: int) -> None:
    """Become the tracer of a thread, without stopping it, and of all that it will start."""
    _check(_ptrace(SEIZE, tid, None, OPTIONS))


def resume(tid: int, signal: int = 0) -> None:
    """Let a stopped thread run to its next call's entry or exit, delivering ``signal`` first."""
    _check(_ptrace(SYSCALL, tid, None, signal))


def listen(tid: int) -> None:
    """Leave a thread in its group-stop, but hear when it is over."""
    _check(_ptrace(LISTEN, tid, None, None))


def event_message(tid: int) -> int:
    """What the last event tells: the new thread's id, or the id before exec."""
    message = ctypes.c_ulong()
    _check(_ptrace(GETEVENTMSG, tid, None, ctypes.addressof(message)))
    return message.value


def syscall_info(tid: int, info: SyscallInfo) -> None:
    """Fill ``info`` for a thread that is stopped at a call (Linux 5.3)."""
    _check(_ptrace(GET_SYSCALL_INFO, tid, ctypes.sizeof(info), ctypes.addressof(info)))


def same_file(tid_a: int, fd_a: int, tid_b: int, fd_b: int) -> bool:
    """Whether two descriptors share one open file description; False if it cannot be told."""
    result: int = _syscall(
        ctypes.c_long(SYS_KCMP),
        ctypes.c_long(tid_a),
        ctypes.c_long(tid_b),
        ctypes.c_long(KCMP_FILE),
        ctypes.c_ulong(fd_a),
        ctypes.c_ulong(fd_b),
    )
    return result == 0


def fix_addresses() -> None:
    """Turn address randomisation off for this process and what it will exec."""
    current = _check(_libc.personality(ctypes.c_ulong(0xFFFFFFFF)))
    _check(_libc.personality(ctypes.c_ulong(current | 0x0040000)))

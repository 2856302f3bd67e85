"""Steps as a person reads them: ``munmap(0x7f12a000, 0x2000) = 0``."""

from __future__ import annotations

import errno

from mmtwin.trace import calls
from mmtwin.trace.records import Call, Child, Exec, Gone, Record, Touch

_ARGUMENTS = {
    calls.MMAP: 6,
    calls.MUNMAP: 2,
    calls.MPROTECT: 3,
    calls.BRK: 1,
    calls.MREMAP: 5,
    calls.MADVISE: 3,
    calls.MLOCK: 2,
    calls.MLOCK2: 3,
    calls.MUNLOCK: 2,
    calls.MLOCKALL: 1,
    calls.MUNLOCKALL: 0,
    calls.MSYNC: 3,
    calls.PRCTL: 5,
    calls.PKEY_MPROTECT: 4,
    calls.REMAP_FILE_PAGES: 5,
    calls.SHMAT: 3,
    calls.SHMDT: 1,
    calls.FORK: 0,
    calls.VFORK: 0,
    calls.CLONE: 1,
    calls.CLONE3: 2,
    calls.EXIT: 1,
    calls.EXIT_GROUP: 1,
}
_FLAG_WORDS = {calls.MMAP: (2, 3, 4), calls.MPROTECT: (2,), calls.MADVISE: (2,)}


def result_text(value: int) -> str:
    """A result: an address in hexadecimal, an error by its name."""
    if -4096 < value < 0:
        return f"-{errno.errorcode.get(-value, str(-value))}"
    return f"{value:#x}" if value > 9 else str(value)


def call_text(record: Record) -> str:
    """The record without its result: ``mmap(0x0, 0x2000, 0x3, 0x22, 0xffffffff, 0x0)``."""
    match record:
        case Call():
            narrow = _FLAG_WORDS.get(record.op, ())
            shown = [
                f"{value & 0xFFFFFFFF if i in narrow else value:#x}"
                for i, value in enumerate(record.args[: _ARGUMENTS.get(record.op, 6)])
            ]
            return f"{record.name_of_call}({', '.join(shown)})"
        case Exec():
            return f"exec({record.exe})" if record.exe else "exec"
        case Child():
            return f"{record.how} -> {record.child}"
        case Touch():
            what = "write" if record.write else "read"
            return f"touch({record.addr:#x}, {record.len:#x}, {what})"
        case Gone():
            return "gone"

"""System call numbers of x86-64 that a recorder looks at.

Source: arch/x86/entry/syscalls/syscall_64.tbl.
"""

from __future__ import annotations

from typing import Final

from mmtwin.trace.calls import OPCODES

MEMORY_CALLS: Final = {
    number: OPCODES[name]
    for number, name in (
        (9, "mmap"),
        (10, "mprotect"),
        (11, "munmap"),
        (12, "brk"),
        (25, "mremap"),
        (26, "msync"),
        (28, "madvise"),
        (30, "shmat"),
        (56, "clone"),
        (57, "fork"),
        (58, "vfork"),
        (67, "shmdt"),
        (135, "personality"),
        (149, "mlock"),
        (150, "munlock"),
        (151, "mlockall"),
        (152, "munlockall"),
        (157, "prctl"),
        (206, "io_setup"),
        (207, "io_destroy"),
        (216, "remap_file_pages"),
        (237, "mbind"),
        (325, "mlock2"),
        (329, "pkey_mprotect"),
        (330, "pkey_alloc"),
        (331, "pkey_free"),
        (435, "clone3"),
        (462, "mseal"),
    )
}
"""Calls that are written to the trace: this package's number by the kernel's."""

CLOSE: Final = 3
DUP2: Final = 33
RENAME: Final = 82
UNLINK: Final = 87
SETRLIMIT: Final = 160
UNLINKAT: Final = 263
RENAMEAT: Final = 264
UNSHARE: Final = 272
DUP3: Final = 292
PRLIMIT64: Final = 302
RENAMEAT2: Final = 316
CLOSE_RANGE: Final = 436

NAMING: Final = frozenset({RENAME, UNLINK, UNLINKAT, RENAMEAT, RENAMEAT2})
"""Calls by which a mapped file can lose its path."""

BOOKKEEPING: Final = NAMING | {CLOSE, DUP2, SETRLIMIT, UNSHARE, DUP3, PRLIMIT64, CLOSE_RANGE}
"""Calls that are not written, but change what must be known of a process."""

"""The calls a trace may hold, each with a small number of its own.

The numbers are this package's (an index into ``NAMES``), the same for every architecture; the
meaning of the arguments is that of the x86-64 system call.
"""

from __future__ import annotations

from typing import Final

NAMES: Final = (
    "mmap",
    "munmap",
    "mprotect",
    "brk",
    "mremap",
    "madvise",
    "mlock",
    "mlock2",
    "munlock",
    "mlockall",
    "munlockall",
    "msync",
    "prctl",
    "pkey_mprotect",
    "remap_file_pages",
    "shmat",
    "shmdt",
    "fork",
    "vfork",
    "clone",
    "clone3",
    "exit",
    "exit_group",
    "mbind",
    "mseal",
    "pkey_alloc",
    "pkey_free",
    "personality",
    "io_setup",
    "io_destroy",
)
"""Call names by number."""

OPCODES: Final = {name: number for number, name in enumerate(NAMES)}
"""Numbers by call name."""

MMAP: Final = 0
MUNMAP: Final = 1
MPROTECT: Final = 2
BRK: Final = 3
MREMAP: Final = 4
MADVISE: Final = 5
MLOCK: Final = 6
MLOCK2: Final = 7
MUNLOCK: Final = 8
MLOCKALL: Final = 9
MUNLOCKALL: Final = 10
MSYNC: Final = 11
PRCTL: Final = 12
PKEY_MPROTECT: Final = 13
REMAP_FILE_PAGES: Final = 14
SHMAT: Final = 15
SHMDT: Final = 16
FORK: Final = 17
VFORK: Final = 18
CLONE: Final = 19
CLONE3: Final = 20
EXIT: Final = 21
EXIT_GROUP: Final = 22
MBIND: Final = 23
MSEAL: Final = 24
PKEY_ALLOC: Final = 25
PKEY_FREE: Final = 26
PERSONALITY: Final = 27
IO_SETUP: Final = 28
IO_DESTROY: Final = 29

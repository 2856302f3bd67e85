"""Calls as a real kernel and the twin are both told to make them.

A call is a process slot, a name, raw arguments and at most one byte string that an argument points
to. Names are those of the trace format (system calls and ``touch``), and

- ``fork(slot)``: the child takes the given slot;
- ``exit()``: the process ends;
- ``open(flags)``, ``memfd_create(flags)``: with the path or name as text; descriptors count from 0;
- ``fcntl(descriptor, command, value)``: to seal memfds;
- ``setrlimit(resource, soft, hard)``; ``capset(mask)``: the capabilities kept;
- ``shmat(segment, addr, flags)``: the segment's place in the list made before the run, those of
  huge pages last;
- ``mbind(addr, length, mode, mask, maxnode, flags)``: the mask itself, 0 for a null pointer;
- ``process_madvise(addr, length, advice, flags)``, ``process_vm_readv(addr, length)``,
  ``process_vm_writev(addr, length)``: one range of the process itself;
- ``userfaultfd(flags)``, ``uffdio_api(descriptor)``, ``uffdio_register(descriptor, addr, length,
  mode)``, ``uffdio_unregister(descriptor, addr, length)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NUMBERS: Final = {
    "read": 0,
    "write": 1,
    "open": 2,
    "close": 3,
    "stat": 4,
    "statfs": 137,
    "mmap": 9,
    "mprotect": 10,
    "munmap": 11,
    "brk": 12,
    "ioctl": 16,
    "mremap": 25,
    "msync": 26,
    "mincore": 27,
    "madvise": 28,
    "shmget": 29,
    "shmat": 30,
    "shmctl": 31,
    "socketpair": 53,
    "shmdt": 67,
    "fcntl": 72,
    "ftruncate": 77,
    "unlink": 87,
    "capset": 126,
    "personality": 135,
    "mlock": 149,
    "munlock": 150,
    "mlockall": 151,
    "munlockall": 152,
    "prctl": 157,
    "mount": 165,
    "remap_file_pages": 216,
    "mbind": 237,
    "fallocate": 285,
    "pipe2": 293,
    "prlimit64": 302,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "memfd_create": 319,
    "userfaultfd": 323,
    "mlock2": 325,
    "pkey_mprotect": 329,
    "pkey_alloc": 330,
    "pkey_free": 331,
    "pidfd_open": 434,
    "process_madvise": 440,
    "mseal": 462,
}
"""System call numbers of x86-64."""
NUMBERS_S390X: Final = {
    "read": 3,
    "write": 4,
    "open": 5,
    "close": 6,
    "stat": 106,
    "statfs": 99,
    "mmap": 90,
    "mprotect": 125,
    "munmap": 91,
    "brk": 45,
    "ioctl": 54,
    "mremap": 163,
    "msync": 144,
    "mincore": 218,
    "madvise": 219,
    "shmget": 395,
    "shmat": 397,
    "shmctl": 396,
    "shmdt": 398,
    "fcntl": 55,
    "ftruncate": 93,
    "capset": 185,
    "personality": 136,
    "mlock": 150,
    "munlock": 151,
    "mlockall": 152,
    "munlockall": 153,
    "prctl": 172,
    "remap_file_pages": 267,
    "mbind": 268,
    "prlimit64": 334,
    "process_vm_readv": 340,
    "process_vm_writev": 341,
    "memfd_create": 350,
    "userfaultfd": 355,
    "mlock2": 374,
    "pkey_mprotect": 384,
    "pkey_alloc": 385,
    "pkey_free": 386,
    "pidfd_open": 434,
    "process_madvise": 440,
    "mseal": 462,
}
"""Those of s390x."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one process.

    ``args`` are unsigned 64-bit; ``text`` is what the call's pointer argument points to (without
    the NUL that ends it), None for a null pointer or where there is none.
    """

    slot: int
    name: str
    args: tuple[int, ...] = ()
    text: bytes | None = None

    def __str__(self) -> str:
        """As a person would write it: ``1: mmap(0x0, 0x3000, ...)``."""
        shown = [hex(value) for value in self.args]
        if self.text is not None:
            shown.append(repr(self.text.decode("latin-1")))
        return f"{self.slot}: {self.name}({', '.join(shown)})"

"""What a trace's lines say, as plain typed objects.

Every record has ``line`` (its line in the file, from 1) and ``pid`` (the thread's id). Keys that
a recorder may leave out are None when they are absent.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from mmtwin.trace.calls import NAMES

How: TypeAlias = Literal["fork", "vfork", "clone"]
Args: TypeAlias = tuple[int, int, int, int, int, int]

UNLIMITED = 2**64 - 1
"""A resource limit that is not one (RLIM_INFINITY)."""

FORMAT_VERSION = 1
"""The version that ``Host.format`` carries; a reader refuses a higher one."""


class Limits(msgspec.Struct, frozen=True, gc=False, rename={"address_space": "as"}):
    """Soft resource limits of a process in bytes; ``UNLIMITED`` where there is none."""

    stack: int
    address_space: int
    data: int
    memlock: int


class Image(msgspec.Struct, frozen=True, gc=False):
    """The marks of a fresh image (mm_struct), as /proc/PID/stat shows them right after exec."""

    start_code: int
    end_code: int
    start_data: int
    end_data: int
    start_brk: int
    start_stack: int
    arg_start: int
    env_end: int


class Host(msgspec.Struct, frozen=True, gc=False):
    """The machine a trace was recorded on; on the first ``exec`` of a trace."""

    format: int
    kernel: str
    """The release, as ``uname -r`` prints it."""
    machine: str
    page_size: int
    max_map_count: int
    overcommit_memory: int
    mmap_min_addr: int
    legacy_va_layout: int
    thp: str
    """Transparent huge pages: ``always``, ``madvise``, ``never``, or empty if not built in."""
    pku: bool
    """Protection keys are available (pkey_alloc, execute-only memory)."""


class Exec(msgspec.Struct, gc=False):
    """A fresh image: the process's address space is what ``maps`` says and nothing else."""

    line: int
    pid: int
    maps: str
    exe: str | None = None
    """The program's path."""
    image: Image | None = None
    limits: Limits | None = None
    personality: int | None = None
    """``personality(2)`` bits; 0x0040000 is ADDR_NO_RANDOMIZE."""
    ipc_lock: bool | None = None
    """The process has CAP_IPC_LOCK: RLIMIT_MEMLOCK does not bind it."""
    former: int | None = None
    """The id that the calling thread had before exec made it the group's leader."""
    host: Host | None = None


class Child(msgspec.Struct, gc=False):
    """A new thread; it exists from here on."""

    line: int
    pid: int
    child: int
    how: How
    """The kind of ptrace event; it does not tell for certain whether the space is shared."""
    flags: int | None = None
    """The clone flags with the exit signal in the low byte; 0x100 is CLONE_VM."""
    late: bool = False
    """Set by the reader: the child had its own image (an ``exec``) before this line came."""


class Gone(msgspec.Struct, gc=False):
    """The thread ended."""

    line: int
    pid: int


class Touch(msgspec.Struct, gc=False):
    """The program touched ``len`` bytes from ``addr``; ``write`` made anonymous pages."""

    line: int
    pid: int
    addr: int
    len: int
    write: bool


class Call(msgspec.Struct, gc=False):
    """A system call that returned."""

    line: int
    pid: int
    op: int
    """Which call: a number of ``mmtwin.trace.calls``."""
    args: Args
    """The six raw arguments, unsigned 64-bit."""
    ret: int | None = None
    """The result, negative errno on failure; None where nothing is known (generated traces)."""
    maps: str | None = None
    """The text of /proc/PID/maps after the call; empty if the process was already dying."""
    file: str | None = None
    """mmap of a file: its path."""
    open: int | None = None
    """mmap of a file: equal numbers mean the same open file description (struct file)."""
    name: str | None = None
    """prctl(PR_SET_VMA_ANON_NAME): the name, empty to take it away."""
    flags: int | None = None
    """clone, clone3: the flags with the exit signal in the low byte."""
    size: int | None = None
    """shmat: the segment's size in bytes."""
    key: int | None = None
    """shmat: the segment's key, unsigned 32-bit (the name is /SYSV and this in hex)."""
    limits: Limits | None = None
    """The limits that hold from before this call on, where they changed."""
    renamed: dict[str, str] | None = None
    """New paths of mapped files by their old ones, where some changed before this call."""

    @property
    def name_of_call(self) -> str:
        """The system call's name."""
        return NAMES[self.op]


Record: TypeAlias = Exec | Child | Gone | Touch | Call

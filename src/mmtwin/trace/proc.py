"""What /proc tells of a traced process and of the machine.

Names in /proc may hold any bytes; those that are not UTF-8 become ``\\ooo``, three octal
digits, so that a trace is UTF-8 whatever the files are called.
"""

from __future__ import annotations

import codecs
import os
import resource
from pathlib import Path
from typing import Final

from mmtwin.trace.records import FORMAT_VERSION, UNLIMITED, Host, Image, Limits

CAP_IPC_LOCK: Final = 14
CPU_FLAG_PKU: Final = " ospke "
OCTAL: Final = "mmtwin-octal"


def _octal(error: UnicodeError) -> tuple[str, int]:
    """An error handler for decoding: the bytes at fault as octal escapes."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(f"\\{byte:03o}" for byte in wrong), error.end


codecs.register_error(OCTAL, _octal)


def _read(path: str) -> bytes:
    """A whole file of /proc, whose size cannot be known before."""
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def maps(tid: int) -> str:
    """The text of /proc/TID/maps; empty if the process has given up its memory or hides it."""
    try:
        return _read(f"/proc/{tid}/maps").decode("utf-8", OCTAL)
    except (ProcessLookupError, FileNotFoundError, PermissionError):
        return ""


def path_of(tid: int, descriptor: int) -> str | None:
    """The path of a thread's open file; None if there is no such descriptor."""
    return _link(f"/proc/{tid}/fd/{descriptor}")


def program(tid: int) -> str | None:
    """The path of the running program."""
    return _link(f"/proc/{tid}/exe")


def _link(path: str) -> str | None:
    try:
        return os.readlink(os.fsencode(path)).decode("utf-8", OCTAL)
    except OSError:
        return None


def memory(tid: int, address: int, size: int) -> bytes:
    """Up to ``size`` bytes of a thread's memory; fewer where it is not mapped."""
    descriptor = os.open(f"/proc/{tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, address) if address < 1 << 63 else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _stat(tid: int) -> list[bytes]:
    """The fields of /proc/TID/stat by their numbers in proc(5); empty if the thread has ended."""
    try:
        text = _read(f"/proc/{tid}/stat")
    except (ProcessLookupError, FileNotFoundError):
        return []
    # The program's name may hold spaces and brackets; what follows its last bracket is field 3.
    return [b"", b"", b"", *text[text.rindex(b")") + 2 :].split()]


def sleeps(tid: int) -> bool:
    """Whether a thread waits for something inside the kernel."""
    field = _stat(tid)
    return bool(field) and field[3] in (b"S", b"D")


def image(tid: int) -> Image | None:
    """The marks of the memory image, all addresses; None if the process has ended."""
    field = _stat(tid)
    if not field:
        return None
    start_code, end_code, start_stack = (int(field[n]) for n in (26, 27, 28))
    start_data, end_data, start_brk, arg_start = (int(field[n]) for n in (45, 46, 47, 48))
    return Image(
        start_code=start_code,
        end_code=end_code,
        start_data=start_data,
        end_data=end_data,
        start_brk=start_brk,
        start_stack=start_stack,
        arg_start=arg_start,
        env_end=int(field[51]),
    )


def _soft(tid: int, which: int) -> int:
    limit = resource.prlimit(tid, which)[0]
    return UNLIMITED if limit == resource.RLIM_INFINITY else limit


def limits(tid: int) -> Limits | None:
    """The soft limits that memory calls obey; None if the process has ended."""
    try:
        return Limits(
            stack=_soft(tid, resource.RLIMIT_STACK),
            address_space=_soft(tid, resource.RLIMIT_AS),
            data=_soft(tid, resource.RLIMIT_DATA),
            memlock=_soft(tid, resource.RLIMIT_MEMLOCK),
        )
    except ProcessLookupError:
        return None


def personality(tid: int) -> int | None:
    """personality(2) bits; None if the kernel does not tell."""
    try:
        return int(_read(f"/proc/{tid}/personality"), 16)
    except (OSError, ValueError):
        return None


def _status(tid: int, key: str) -> str | None:
    """A line's value in /proc/TID/status."""
    try:
        text = _read(f"/proc/{tid}/status").decode("utf-8", OCTAL)
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value.strip()
    return None


def has_ipc_lock(tid: int) -> bool | None:
    """Whether CAP_IPC_LOCK is in effect."""
    capabilities = _status(tid, "CapEff")
    return None if capabilities is None else bool(int(capabilities, 16) >> CAP_IPC_LOCK & 1)


def group_and_parent(tid: int) -> tuple[int, int]:
    """The ids of a thread's process and of that process's parent; zeros if it has ended."""
    return int(_status(tid, "Tgid") or 0), int(_status(tid, "PPid") or 0)


def shared_segment(segment: int) -> tuple[int, int] | None:
    """Size in bytes and key (unsigned) of a System V segment; None if it cannot be seen."""
    try:
        lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        key, identity, _, size, *_ = line.split()
        if int(identity) == segment:
            return int(size), int(key) & 0xFFFFFFFF
    return None


def _setting(path: str, default: int) -> int:
    try:
        return int(_read(path))
    except (OSError, ValueError):
        return default


def host() -> Host:
    """This machine, as far as the placing and merging of mappings depends on it."""
    uname = os.uname()
    try:
        thp = _read("/sys/kernel/mm/transparent_hugepage/enabled").decode("ascii")
    except OSError:
        thp = "[]"
    try:
        cpu = _read("/proc/cpuinfo").decode("utf-8", OCTAL)
    except OSError:
        cpu = ""
    return Host(
        format=FORMAT_VERSION,
        kernel=uname.release,
        machine=uname.machine,
        page_size=resource.getpagesize(),
        max_map_count=_setting("/proc/sys/vm/max_map_count", 65530),
        overcommit_memory=_setting("/proc/sys/vm/overcommit_memory", 0),
        mmap_min_addr=_setting("/proc/sys/vm/mmap_min_addr", 65536),
        legacy_va_layout=_setting("/proc/sys/vm/legacy_va_layout", 0),
        thp=thp[thp.index("[") + 1 : thp.index("]")],
        pku=CPU_FLAG_PKU in cpu.replace("\n", " "),
    )

"""Calls as strace writes them: flags by name, files by path, results and errors."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Mapping, Sequence
from typing import Final

from mmtwin.kernels import abi
from mmtwin.kernels.calls import Call
from mmtwin.kernels.diff import Run

PROTECTIONS: Final = {
    1: "PROT_READ",
    2: "PROT_WRITE",
    4: "PROT_EXEC",
    8: "PROT_SEM",
    abi.PROT_GROWSDOWN: "PROT_GROWSDOWN",
    abi.PROT_GROWSUP: "PROT_GROWSUP",
}
MAP_FLAGS: Final = {
    abi.MAP_FIXED: "MAP_FIXED",
    abi.MAP_ANONYMOUS: "MAP_ANONYMOUS",
    abi.MAP_32BIT: "MAP_32BIT",
    abi.MAP_ABOVE4G: "MAP_ABOVE4G",
    abi.MAP_GROWSDOWN: "MAP_GROWSDOWN",
    abi.MAP_DENYWRITE: "MAP_DENYWRITE",
    abi.MAP_LOCKED: "MAP_LOCKED",
    abi.MAP_NORESERVE: "MAP_NORESERVE",
    abi.MAP_POPULATE: "MAP_POPULATE",
    abi.MAP_NONBLOCK: "MAP_NONBLOCK",
    abi.MAP_STACK: "MAP_STACK",
    abi.MAP_HUGETLB: "MAP_HUGETLB",
    abi.MAP_SYNC: "MAP_SYNC",
    abi.MAP_FIXED_NOREPLACE: "MAP_FIXED_NOREPLACE",
}
MAP_TYPES: Final = {
    1: "MAP_SHARED",
    2: "MAP_PRIVATE",
    3: "MAP_SHARED_VALIDATE",
    8: "MAP_DROPPABLE",
}
MREMAP_FLAGS: Final = {1: "MREMAP_MAYMOVE", 2: "MREMAP_FIXED", 4: "MREMAP_DONTUNMAP"}
MCL_FLAGS: Final = {1: "MCL_CURRENT", 2: "MCL_FUTURE", 4: "MCL_ONFAULT"}
MS_FLAGS: Final = {1: "MS_ASYNC", 2: "MS_INVALIDATE", 4: "MS_SYNC"}
SHM_FLAGS: Final = {
    abi.SHM_RDONLY: "SHM_RDONLY",
    abi.SHM_RND: "SHM_RND",
    abi.SHM_REMAP: "SHM_REMAP",
    abi.SHM_EXEC: "SHM_EXEC",
}
OPEN_MODES: Final = {0: "O_RDONLY", 1: "O_WRONLY", 2: "O_RDWR"}
RESOURCES: Final = {2: "RLIMIT_DATA", 3: "RLIMIT_STACK", 8: "RLIMIT_MEMLOCK", 9: "RLIMIT_AS"}
NEWER_ADVICE: Final = {
    18: "MADV_WIPEONFORK",
    19: "MADV_KEEPONFORK",
    20: "MADV_COLD",
    21: "MADV_PAGEOUT",
    22: "MADV_POPULATE_READ",
    23: "MADV_POPULATE_WRITE",
    24: "MADV_DONTNEED_LOCKED",
    25: "MADV_COLLAPSE",
    102: "MADV_GUARD_INSTALL",
    103: "MADV_GUARD_REMOVE",
}
ADVICE: Final = {
    value: name for name, value in vars(mmap).items() if name.startswith("MADV_")
} | NEWER_ADVICE


def flags(value: int, names: Mapping[int, str], none: str = "0") -> str:
    """``value`` as names joined by |; what has no name as a hexadecimal number."""
    found = [name for bit, name in names.items() if value & bit]
    rest = value & ~sum(names)
    if rest:
        found.append(hex(rest))
    return "|".join(found) or none


def map_flags(value: int) -> str:
    """mmap's flags: the type first."""
    kind = MAP_TYPES.get(value & 0xF, hex(value & 0xF))
    rest = flags(value & ~0xF, MAP_FLAGS, "")
    return f"{kind}|{rest}" if rest else kind


def signed(value: int) -> str:
    """A number that may stand for -1."""
    return "-1" if value in (abi.TOP, 0xFFFFFFFF) else str(value)


def size(value: int) -> str:
    """A length in bytes: by pages where it is a few whole ones."""
    return f"{value // abi.PAGE}*PAGE" if value % abi.PAGE == 0 and value else str(value)


def protections(value: int) -> str:
    """PROT_*."""
    return flags(value, PROTECTIONS, "PROT_NONE")


def limit(value: int) -> str:
    """A resource limit in bytes."""
    return "RLIM_INFINITY" if value == abi.INFINITY else str(value)


def arguments(call: Call) -> list[str]:
    """The arguments of a call in words."""
    args = call.args
    text = "NULL" if call.text is None else '"' + call.text.decode("latin-1") + '"'
    match call.name:
        case "mmap":
            place = hex(args[0]) if args[0] else "NULL"
            return [
                place,
                size(args[1]),
                protections(args[2]),
                map_flags(args[3]),
                signed(args[4]),
                hex(args[5]),
            ]
        case "mprotect" | "pkey_mprotect":
            return [hex(args[0]), size(args[1]), protections(args[2]), *map(signed, args[3:])]
        case "mremap":
            moved = [hex(args[4])] if args[3] & 6 else []
            return [
                hex(args[0]),
                size(args[1]),
                size(args[2]),
                flags(args[3], MREMAP_FLAGS),
                *moved,
            ]
        case "madvise" | "process_madvise":
            advice = ADVICE.get(args[2], str(args[2]))
            return [hex(args[0]), size(args[1]), advice, *map(str, args[3:])]
        case "mlockall":
            return [flags(args[0], MCL_FLAGS)]
        case "msync":
            return [hex(args[0]), size(args[1]), flags(args[2], MS_FLAGS)]
        case "shmat":
            return [f"segment {args[0]}", hex(args[1]), flags(args[2], SHM_FLAGS)]
        case "remap_file_pages":
            shown = map_flags(args[4]) if args[4] else "0"
            return [hex(args[0]), size(args[1]), str(args[2]), str(args[3]), shown]
        case "setrlimit":
            return [RESOURCES.get(args[0], str(args[0])), limit(args[1]), limit(args[2])]
        case "open":
            return [text, OPEN_MODES.get(args[0], hex(args[0]))]
        case "memfd_create":
            return [text, "MFD_ALLOW_SEALING" if args[0] else "0"]
        case "prctl":
            return ["PR_SET_VMA", "PR_SET_VMA_ANON_NAME", hex(args[2]), size(args[3]), text]
        case "touch":
            return [hex(args[0]), size(args[1]), "write" if args[2] else "read"]
        case "mlock" | "mlock2" | "munlock" | "munmap" | "mincore" | "mseal":
            return [hex(args[0]), size(args[1]), *map(hex, args[2:])]
    return [hex(value) for value in args]


def result(value: int) -> str:
    """A result: ``-1 EINVAL`` for an error."""
    if -4096 < value < 0:
        return f"-1 {errno.errorcode.get(-value, str(-value))}"
    return str(value) if 0 <= value < abi.PAGE else hex(value & abi.TOP)


def listing(calls: Sequence[Call], results: Sequence[int] = ()) -> list[str]:
    """One line for each call, with its result where it is known.

    Processes are named where there is more than one.
    """
    lines = []
    several = any(call.slot != 1 for call in calls)
    for step, call in enumerate(calls):
        who = f"[{call.slot}] " if several else ""
        text = f"{who}{call.name}({', '.join(arguments(call))})"
        if step < len(results):
            text = f"{text:<72} = {result(results[step])}"
        lines.append(text)
    return lines


def show(run: Run, results: Sequence[int] = ()) -> str:
    """A run as text: the start, its calls, where the sides part."""
    lines = [f"seed {run.seed}, {run.start}"]
    lines += [f"  {step:2} {text}" for step, text in enumerate(listing(run.calls, results))]
    if run.found is not None:
        lines += [
            f"  {run.found.what} after step {run.found.step}:",
            f"    twin   {run.found.twin}",
            f"    kernel {run.found.kernel}",
        ]
    return "\n".join(lines)

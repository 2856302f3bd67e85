"""Carries out a list of memory operations in a process of its own and tells what /proc shows.

Run as a program: the operations as JSON on the standard input, what was seen as JSON on the output.
An operation is ``[name, first page, last page (exclusive), argument ...]``; pages count from ``B``.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys

P = 0x1000
B = 0x1000_0000_0000
END = 8192
"""Pages of the part of the address space that is shown."""
SYS_MMAP, SYS_MPROTECT, SYS_MUNMAP, SYS_MREMAP, SYS_MINCORE, SYS_MADVISE, SYS_MLOCK = (
    9, 10, 11, 25, 27, 28, 149,
)  # fmt: skip

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def call(number: int, *args: int) -> int:
    result = int(libc.syscall(ctypes.c_long(number), *(ctypes.c_ulong(arg) for arg in args)))
    return -ctypes.get_errno() if result == -1 else result


def touch(first: int, last: int, write: bool) -> None:
    for page in range(first, last):
        cell = ctypes.c_char.from_address(B + page * P)
        if write:
            cell.value = b"x"
        else:
            _ = cell.value


def carry_out(op: list[int | str], file: int) -> int:
    name, first, last = op[0], int(op[1]), int(op[2])
    start, length = B + first * P, (last - first) * P
    rest = [int(arg) for arg in op[3:]]
    if name == "map":
        descriptor = file if len(rest) > 2 else (1 << 64) - 1
        done = call(SYS_MMAP, start, length, rest[0], rest[1], descriptor, 0)
        return 0 if done == start else done
    if name in ("read", "write"):
        touch(first, last, name == "write")
        return 0
    numbers = {"protect": SYS_MPROTECT, "unmap": SYS_MUNMAP, "advise": SYS_MADVISE}
    if name == "move":
        done = call(SYS_MREMAP, start, length, length, 3, B + rest[0] * P)
        return 0 if done == B + rest[0] * P else done
    if name == "lock":
        return call(SYS_MLOCK, start, length)
    return call(numbers[str(name)], start, length, *rest)


def shown() -> dict[str, object]:
    with open("/proc/self/smaps") as text:
        lines = text.readlines()
    kept: list[str] = []
    inside = False
    for line in lines:
        head = line.split(" ", 1)[0]
        if "-" in head and not head.endswith(":"):
            start = int(head.split("-")[0], 16)
            inside = B <= start < B + END * P
        if inside:
            kept.append(line)
    with open("/proc/self/pagemap", "rb") as pagemap:
        words = struct.unpack(f"={END}Q", os.pread(pagemap.fileno(), 8 * END, B // P * 8))
    mask = ~((1 << 55) - 1)
    core = {}
    for page in range(END):
        byte = (ctypes.c_ubyte * 1)()
        if call(SYS_MINCORE, B + page * P, P, ctypes.addressof(byte)) == 0:
            core[page] = byte[0]
    flags = {page: word & mask for page, word in enumerate(words) if word & mask}
    return {"smaps": "".join(kept), "pagemap": flags, "mincore": core}


def main() -> None:
    ops = json.load(sys.stdin)
    file = os.memfd_create("twin")
    os.ftruncate(file, 64 * P)
    results = []
    held: list[tuple[int, int]] = []
    for op in ops:
        if op[0] == "fork":
            ready, tell = os.pipe()
            wait, stop = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(stop)
                for inner in op[1]:
                    carry_out(inner, file)
                os.write(tell, b"x")
                os.read(wait, 1)
                os._exit(0)
            os.read(ready, 1)
            os.close(wait)
            held.append((pid, stop))
            results.append(0)
        else:
            results.append(carry_out(op, file))
    json.dump({"results": results, **shown()}, sys.stdout)
    sys.stdout.flush()
    # All first: a later child holds the earlier ones' ends too.
    for _, stop in held:
        os.close(stop)
    for pid, _ in held:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()

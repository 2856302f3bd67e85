"""A real program that makes tens of thousands of memory calls, to be recorded:

    mmtwin record --maps -o stress.jsonl.xz -- python examples/stress.py mixed 50000

It does what the workload of that kind and seed does, with the addresses that the kernel gives.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
from random import Random

from mmtwin.trace.calls import BRK, MMAP
from mmtwin.trace.numbers import MEMORY_CALLS
from mmtwin.trace.programs import PROGRAMS, Ask, Write

NUMBERS = {op: number for number, op in MEMORY_CALLS.items()}
HEAP_MAX = 1 << 30
"""No workload's heap grows beyond this."""
FILE_SIZE = 1 << 20
"""No workload maps more of a file."""


def stress(kind: str, calls: int, seed: int) -> int:
    """Make ``calls`` calls; how many of them failed."""
    libc = ctypes.CDLL(None)
    libc.syscall.restype = ctypes.c_long
    file = tempfile.TemporaryFile()
    file.truncate(FILE_SIZE)
    program = PROGRAMS[kind](Random(seed))
    request: Ask | Write = next(program)
    failed = 0
    break_now = libc.syscall(NUMBERS[BRK], 0)
    heap = range(break_now, break_now + HEAP_MAX)
    while calls:
        answer = 0
        if isinstance(request, Write):
            if request.address not in heap:
                ctypes.memset(request.address, 1, request.size)
        elif request.op == BRK and request.args[0]:
            # The interpreter lives below the break: it only seems to move.
            answer = request.args[0]
        else:
            args = list(request.args)
            if request.op == MMAP and request.file is not None:
                args[4] = file.fileno()
            answer = libc.syscall(NUMBERS[request.op], *map(ctypes.c_ulong, args))
            calls -= 1
            failed += answer == -1
        request = program.send(answer)
    return failed


if __name__ == "__main__":
    kind, calls, seed = (*sys.argv[1:], *("mixed", "50000", "0")[len(sys.argv) - 1 :])
    raise SystemExit(1 if stress(kind, int(calls), int(seed)) else 0)

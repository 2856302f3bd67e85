"""Small traces made by hand for comparisons of two kernels."""

import json
from pathlib import Path

from mmtwin.trace import calls
from mmtwin.trace.records import Call, Child, Exec, Record

RW = 3
ANON = 0x22
FIXED = 0x10
NO_FILE = 0xFFFFFFFF
ADDR_NO_RANDOMIZE = 0x40000
IMAGE = """\
00400000-00480000 r-xp 00000000 00:02 5                                  /init
00480000-00490000 rw-p 00080000 00:02 5                                  /init
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]
"""


class Trace:
    """Records of one process (number 7) from a fresh image on, one line each."""

    def __init__(self) -> None:
        self.records: list[Record] = [
            Exec(line=1, pid=7, maps=IMAGE, personality=ADDR_NO_RANDOMIZE)
        ]

    def _call(self, op: int, *args: int, pid: int = 7, ret: int | None = 0) -> None:
        padded = (*args, *[0] * (6 - len(args)))
        self.records.append(
            Call(line=len(self.records) + 1, pid=pid, op=op, args=padded, ret=ret)  # type: ignore[arg-type]
        )

    def mmap(self, addr: int, length: int, prot: int, flags: int, *, ret: int) -> int:
        """Map memory without a file; the recorded address."""
        self._call(calls.MMAP, addr, length, prot, flags, NO_FILE, 0, ret=ret)
        return ret

    def unmap(self, addr: int, length: int, pid: int = 7) -> None:
        """Unmap."""
        self._call(calls.MUNMAP, addr, length, pid=pid)

    def protect(self, addr: int, length: int, prot: int) -> None:
        """Change the protection."""
        self._call(calls.MPROTECT, addr, length, prot)

    def brk(self, addr: int, *, ret: int) -> None:
        """Set the program break."""
        self._call(calls.BRK, addr, ret=ret)

    def lock(self, addr: int, length: int) -> None:
        """Lock."""
        self._call(calls.MLOCK, addr, length)

    def remap(self, addr: int, old: int, new: int, *, ret: int) -> None:
        """Let it grow, moved if need be."""
        self._call(calls.MREMAP, addr, old, new, 1, ret=ret)

    def bind(self, addr: int, length: int) -> None:
        """Set a memory policy."""
        self._call(calls.MBIND, addr, length, 2, 0x1000, 64, 0)

    def fork(self, child: int) -> None:
        """A child with a copy of the address space."""
        self.records.append(Child(line=len(self.records) + 1, pid=7, child=child, how="fork"))


def trace_file(directory: Path, trace: Trace) -> Path:
    """The trace as a file."""
    lines = []
    for record in trace.records:
        if isinstance(record, Exec):
            lines.append({"pid": 7, "call": "exec", "maps": record.maps, "personality": 0x40000})
        elif isinstance(record, Call):
            name, args = record.name_of_call, list(record.args)
            lines.append({"pid": 7, "call": name, "args": args, "ret": record.ret})
    path = directory / "trace.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path

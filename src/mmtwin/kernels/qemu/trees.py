"""The maple trees of a guest's processes, read out of its memory with drgn.

drgn reads the memory of a running qemu over its machine protocol. A process that waits for its next
order changes nothing of its own meanwhile.
"""

from __future__ import annotations

import importlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmtwin.kernels.host.build import AgentError, NotHereError
from mmtwin.maple.shape import NODE_BYTES, Node, decode

WORDS = struct.Struct("<32Q")
RANGE = struct.Struct("<QQ")


@dataclass(slots=True)
class GuestTree:
    """A process's tree as the kernel holds it.

    ``flags`` are ``ma_flags``; ``areas`` gives [start, end) of each entry.
    """

    root: Node | int
    flags: int
    map_count: int
    areas: dict[int, tuple[int, int]]


class GuestMemory:
    """A guest's kernel memory. ``qmp`` is qemu's socket, ``vmlinux`` has debug information.

    AgentError if drgn is not installed, or if the debug information is not this kernel's.
    """

    def __init__(self, qmp: Path, vmlinux: Path) -> None:
        try:
            drgn = importlib.import_module("drgn")
            self._helpers: Any = importlib.import_module("drgn.helpers.linux")
        except ImportError as error:
            raise NotHereError("drgn is not installed: pip install 'mmtwin[kernels]'") from error
        self._program: Any = drgn.Program()
        try:
            self._program.set_qemu_qmp(str(qmp))
            self._program.load_debug_info([str(vmlinux)])
            area = self._program.type("struct vm_area_struct")
            self._start = drgn.offsetof(area, "vm_start")
        except (ValueError, LookupError, OSError, drgn.MissingDebugInfoError) as error:
            raise AgentError(f"drgn cannot read the guest with {vmlinux.name}: {error}") from error

    def tree(self, pid: int) -> GuestTree:
        """The tree of the process ``pid``; AgentError if there is none."""
        task = self._helpers.find_task(self._program, pid)
        if not task or not task.mm:
            raise AgentError(f"the guest has no process {pid}")
        mm = task.mm
        root = decode(self._node, mm.mm_mt.ma_root.value_())
        entries = [root] if isinstance(root, int) else [e for _, _, e in root.entries()]
        areas = {entry: self._area(entry) for entry in entries if entry}
        return GuestTree(root, mm.mm_mt.ma_flags.value_(), mm.map_count.value_(), areas)

    def _node(self, address: int) -> list[int]:
        return list(WORDS.unpack(self._program.read(address, NODE_BYTES)))

    def _area(self, address: int) -> tuple[int, int]:
        start, end = RANGE.unpack(self._program.read(address + self._start, RANGE.size))
        return start, end

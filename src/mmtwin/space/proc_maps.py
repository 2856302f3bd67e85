"""The text of /proc/PID/maps."""

from __future__ import annotations

from typing import TypeAlias

import cython
from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space.binfmt_elf import BinfmtElf
from mmtwin.space.fields import Caches

if not cython.compiled:
    from mmtwin.pages.words import load

TOP = declare(u64, c.MAX)
SHOWN = declare(u64, c.VM_READ | c.VM_WRITE | c.VM_EXEC | c.VM_MAYSHARE)
I_SB = declare(u64, 40)
I_INO = declare(u64, 64)
VSYSCALL = declare(u64, 104)
GATE_LINE = "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
LINES_KEPT = 1 << 17
MapsKey: TypeAlias = tuple[int, int, int, int, int, int, str | int]
"""All that a line shows: start, end, permission bits, pgoff, device, inode, name."""
NAME_COLUMN = 73


class ProcMaps(BinfmtElf):
    """``show_map_vma``, a line a VMA.

    A line is a function of what it shows, so lines once made are kept: a text costs a dictionary
    look-up a VMA.
    """

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.maps_lines: dict[MapsKey, str] = {}

    def vma_is_initial_heap(self, vma: u64) -> bint:
        """Whether the area touches the heap: an area that only borders on it counts."""
        mm: u64 = self.vm_mm(vma)
        return self.vm_start(vma) <= self.brk(mm) and self.vm_end(vma) >= self.start_brk(mm)

    def vma_is_initial_stack(self, vma: u64) -> bint:
        """Whether the area holds the stack pointer that exec set."""
        stack: u64 = self.start_stack(self.vm_mm(vma))
        return self.vm_start(vma) <= stack and self.vm_end(vma) >= stack

    def maps_key(self, vma: u64) -> MapsKey:
        """All that the area's line shows: ranges, permissions, offset, device, inode, name."""
        memory: Memory = self.memory
        start: u64 = self.vm_start(vma)
        end: u64 = self.vm_end(vma)
        shown: u64 = self.vm_flags(vma) & SHOWN
        file: u64 = self.vm_file(vma)
        if file != 0:
            inode: u64 = self.file_inode(file)
            path: u64 = load(memory, file + self.at_f_path)
            dev: u64 = load(memory, inode + I_SB)
            ino: u64 = load(memory, inode + I_INO)
            return (start, end, shown, self.vm_pgoff(vma), dev, ino, self.file_label(vma, path))
        return (start, end, shown, 0, 0, 0, self.anon_label(vma))

    def file_label(self, vma: int, path: int) -> str | int:
        """What names a file area: the path's number, or a text."""
        return path

    def anon_label(self, vma: int) -> str:
        """What names an area without a file: ``""`` for nothing."""
        if self.vm_ops(vma) == self.special_mapping_vmops:
            name = load(self.memory, self.vm_private_data(vma))
            return self.memory.strings.string(name)
        if self.vma_is_initial_heap(vma):
            return "[heap]"
        if self.vma_is_initial_stack(vma):
            return "[stack]"
        given = self.anon_vma_name(vma)
        return f"[anon:{self.memory.strings.string(given)}]" if given else ""

    def proc_maps(self, mm: u64) -> str:
        """/proc/PID/maps, byte for byte as the kernel prints it."""
        lines = []
        kept = self.maps_lines
        if len(kept) > LINES_KEPT:
            kept.clear()
        mas: MaState = self.vma_iterator(mm, 0)
        vma: u64 = self.maple.mas_find(mas, TOP)
        while vma != 0:
            key = self.maps_key(vma)
            line = kept.get(key)
            if line is None:
                line = kept[key] = self.maps_line(*key)
            lines.append(line)
            vma = self.maple.mas_find(mas, TOP)
        if load(self.memory, self.sysctl + VSYSCALL) != 0:
            lines.append(GATE_LINE)
        return "".join(lines)

    def maps_line(
        self, start: int, end: int, shown: int, pgoff: int, dev: int, ino: int, name: str | int
    ) -> str:
        """One line. ``shown`` are the permission bits, ``name`` a text or the number of a path."""
        perms = "".join(
            letter if shown & flag else "-"
            for letter, flag in (("r", c.VM_READ), ("w", c.VM_WRITE), ("x", c.VM_EXEC))
        )
        share = "s" if shown & c.VM_MAYSHARE else "p"
        offset = pgoff << self.page_shift & c.MAX
        head = (
            f"{start:08x}-{end:08x} {perms}{share} {offset:08x} "
            f"{dev >> 20:02x}:{dev & 0xFFFFF:02x} {ino} "
        )
        if isinstance(name, int):
            name = self.memory.strings.string(name).replace("\n", "\\012")
        if not name:
            return head + "\n"
        return f"{head:<{NAME_COLUMN - 1}} {name}\n"

"""System V segments: how many areas each believes to be attached, against those there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmtwin.check.invariants import invariant
from mmtwin.check.violation import Violation

if TYPE_CHECKING:
    from mmtwin.check.checker import Checked

SHM_FILE, SHM_NATTCH, SHM_NEXT = 8, 16, 32
I_MMAP = 448
KIND = "shmid_kernel"


class SegmentCheck:
    """The rule of a twin's segments. That an inode's list of areas is sound is another's."""

    def __init__(self, twin: Checked) -> None:
        self.memory = twin.memory
        self.head = twin.space.shmids
        self.attached = twin.space.shm_vm_ops
        vma = twin.layouts.vm_area_struct
        self.at_next = vma.offset("shared_next")
        self.at_ops = vma.offset("vm_ops")
        self.at_inode = twin.layouts.file.offset("f_inode")
        self.vmas = twin.caches.get("vm_area_struct")

    def full(self) -> list[Violation]:
        """Check every segment; a machine without any costs a load."""
        load, found = self.memory.load, []
        segment = load(self.head)
        while segment:
            counted, areas = load(segment + SHM_NATTCH), self.areas(load(segment + SHM_FILE))
            if counted != areas:
                expected, told = f"{areas} areas", invariant("VM-55").statement
                found.append(
                    Violation(
                        "VM-55", KIND, segment, "shm_nattch", str(counted), expected, message=told
                    )
                )
            segment = load(segment + SHM_NEXT)
        return found

    def areas(self, file: int) -> int:
        """How many areas of the segment's file were attached by shmat."""
        load, count = self.memory.load, 0
        vma = load(load(file + self.at_inode) + I_MMAP)
        for _ in range(self.vmas.in_use()):
            if not vma or not 0 <= vma - self.memory.base < self.memory.size:
                break
            count += load(vma + self.at_ops) == self.attached
            vma = load(vma + self.at_next)
        return count

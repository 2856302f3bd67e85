"""The life of a ``vm_area_struct``: allocate, copy, close, free."""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.space import flags as c
from mmtwin.space.anon_vma import AnonVma

if not cython.compiled:
    from mmtwin.space.parts import copy

VM_ACCESS_FLAGS = declare(u64, c.VM_ACCESS_FLAGS)
VM_GROWSDOWN = declare(u64, c.VM_GROWSDOWN)


class VmaAlloc(AnonVma):
    """VMAs as objects, before and after they are in an address space."""

    def vm_area_alloc(self, mm: u64) -> u64:
        """A blank VMA of ``mm`` with an empty chain; 0 without memory."""
        vma: u64 = self.vma_cache.alloc(GFP_KERNEL)
        if vma != 0:
            self.memory.zero(vma, self.vma_size)
            self.set_vm_mm(vma, mm)
            self.init_chain(vma)
        return vma

    def vm_area_dup(self, orig: u64) -> u64:
        """A copy with an empty chain, no reference taken for file and policy; 0 = no memory."""
        vma: u64 = self.vma_cache.alloc(GFP_KERNEL)
        if vma != 0:
            copy(self.memory, vma, orig, self.vma_size)
            self.init_chain(vma)
        return vma

    def vm_area_free(self, vma: u64) -> None:
        """Give the object back."""
        self.vma_cache.free(vma)

    def vma_open(self, vma: u64) -> None:
        """Tell the VMA's driver that a copy of it appeared (``vm_ops->open``)."""

    def vma_close(self, vma: u64) -> None:
        """Tell the VMA's driver that it goes (``vm_ops->close``)."""

    def remove_vma(self, vma: u64) -> None:
        """Close a VMA that is out of the tree, drop its file, free it."""
        if self.has_close(vma):
            self.vma_close(vma)
        file: u64 = self.vm_file(vma)
        if file != 0:
            self.fput(file)
        self.vm_area_free(vma)

    def vma_set_range(self, vma: u64, start: u64, end: u64, pgoff: u64) -> None:
        """Set start, end (exclusive) and page offset."""
        self.set_vm_start(vma, start)
        self.set_vm_end(vma, end)
        self.set_vm_pgoff(vma, pgoff)

    def vma_is_anonymous(self, vma: u64) -> bint:
        """No operations: its pages come from nowhere. It may still have a file (/dev/zero)."""
        return self.vm_ops(vma) == 0

    def vma_is_accessible(self, vma: u64) -> bint:
        """Any of read, write, execute."""
        return self.vm_flags(vma) & VM_ACCESS_FLAGS != 0

    def vm_start_gap(self, vma: u64) -> u64:
        """The first byte that a stranger must keep free: below a stack, the guard gap too."""
        start: u64 = self.vm_start(vma)
        if self.vm_flags(vma) & VM_GROWSDOWN != 0:
            gap: u64 = self.stack_guard_gap()
            return start - gap if start > gap else 0
        return start

"""The address-space engine with the rules of Linux 6.18."""

from __future__ import annotations

from cython import bint
from cython import ulonglong as u64

from mmtwin.space.v6_18.exec import Exec618


class Space618(Exec618):
    """Address spaces and every call on them, as Linux 6.18 has them."""

    def vma_is_initial_heap(self, vma: u64) -> bint:
        """Whether the area holds part of the heap; bordering on it is not enough since 6.6."""
        mm: u64 = self.vm_mm(vma)
        return self.vm_start(vma) < self.brk(mm) and self.vm_end(vma) > self.start_brk(mm)

"""The end of an address space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cython import declare
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches
from mmtwin.space.process_calls import ProcessCalls

if TYPE_CHECKING:
    from mmtwin.space.khugepaged import Khugepaged

TOP = declare(u64, c.MAX)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)


class Exit(ProcessCalls):
    """``mmput`` and ``exit_mmap``; ``khugepaged`` hears of the end of an address space."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.khugepaged: Khugepaged | None = None

    def mmput(self, mm: u64) -> None:
        """One user less; the last one takes the address space down."""
        users: u64 = self.mm_users(mm) - 1
        self.set_mm_users(mm, users)
        if users == 0:
            if self.khugepaged is not None:
                self.khugepaged.exit(mm)
            self.exit_mmap(mm)
            self.mm_free(mm)

    def exit_mmap(self, mm: u64) -> None:
        """Unmap everything, free the VMAs and the tree.

        The VMAs met must be as many as were counted, or the kernel BUGs. A tree without any is
        what a fork leaves that failed early.
        """
        mas: MaState = self.vma_iterator(mm, 0)
        vma: u64 = self.exit_next(mas)
        if vma == 0:
            self.maple.mt_destroy(self.mm_mt(mm))
            return
        # Nobody walks the tree without a lock any more: nodes may be freed at once.
        self.maple.mt_clear_in_rcu(mas.tree)
        self.unmap_vmas(mas)
        mas.set(0)
        vma = self.exit_next(mas)
        while vma != 0:
            self.unlink_anon_vmas(vma)
            self.unlink_file_vma(vma)
            vma = self.exit_next(mas)
        self.free_pgtables(mas, 0, 0)
        count: u64 = 0
        charged: u64 = 0
        mas.set(0)
        vma = self.exit_next(mas)
        while vma != 0:
            if self.vm_flags(vma) & VM_ACCOUNT != 0:
                charged += self.vma_pages(vma)
            self.remove_vma(vma)
            count += 1
            vma = self.exit_next(mas)
        if count != self.map_count(mm):
            raise KernelBug("count != mm->map_count", "exit_mmap")
        self.maple.mt_destroy(self.mm_mt(mm))
        self.vm_unacct_memory(charged)

    def exit_next(self, mas: MaState) -> u64:
        """The next VMA to take down; 0 at the end."""
        return self.maple.mas_find(mas, TOP)

    def free_pgtables(self, mas: MaState, floor: u64, ceiling: u64) -> None:
        """Free the page tables of the VMAs that ``mas`` walks, between two bounds."""

    def mm_free_pgd(self, mm: u64) -> None:
        """Free the top page table."""

    def mm_free(self, mm: u64) -> None:
        """Give an address space back that holds nothing any more."""
        self.mm_free_pgd(mm)
        self.put_task(self.owner(mm))
        self.mm_cache.free(mm)

"""What the running task must not do now: sleep, or wait for reclaim.

Two words' worth of ``task_struct`` in one word of memory: how deep it is in atomic sections
(spinlocks, RCU, preemption off), and which of the sleeping locks it holds that reclaim takes as
well, to find the mappings of a page. Under mmap_lock alone an allocation may sleep.
"""

from __future__ import annotations

from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine import gfp as g
from mmtwin.machine.bug import KernelWarning
from mmtwin.memory.memory import Memory

DIRECT_RECLAIM = declare(u64, g.DIRECT_RECLAIM)
FS = declare(u64, g.FS)
SPINLOCK = 256
"""What each spinlock held adds to the word."""
ATOMIC_UNIT = declare(u64, SPINLOCK)
I_MMAP_RWSEM = 1
ANON_VMA_RWSEM = 2
_LOCKS = {I_MMAP_RWSEM: "&mapping->i_mmap_rwsem", ANON_VMA_RWSEM: "&anon_vma->rwsem"}


class Context:
    """``might_alloc``: might_sleep and lockdep's fs_reclaim, as far as these locks go."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.word = memory.boot_alloc(8, 8)

    def lock(self, lock: u64) -> i32:
        """The task takes one of the locks that reclaim takes too; returns 0."""
        self.memory.store(self.word, self.memory.load(self.word) | lock)
        return 0

    def unlock(self, lock: u64) -> i32:
        """The task drops it; returns 0."""
        self.memory.store(self.word, self.memory.load(self.word) & ~lock)
        return 0

    def enter_atomic(self) -> i32:
        """A spinlock is taken, or preemption disabled; returns 0."""
        self.memory.store(self.word, self.memory.load(self.word) + ATOMIC_UNIT)
        return 0

    def leave_atomic(self) -> i32:
        """The section ends; returns 0."""
        self.memory.store(self.word, self.memory.load(self.word) - ATOMIC_UNIT)
        return 0

    def might_alloc(self, gfp: u64, where: str) -> i32:
        """An allocation under these flags begins; raises :class:`KernelWarning` if it must not.

        Returns 0.
        """
        if gfp & DIRECT_RECLAIM == 0:
            return 0
        held: u64 = self.memory.load(self.word)
        if held == 0:
            return 0
        if held >= ATOMIC_UNIT:
            raise KernelWarning(
                "BUG: sleeping function called from invalid context: in_atomic(): 1", where
            )
        if gfp & FS == 0:
            return 0
        raise KernelWarning(
            "possible circular locking dependency: fs_reclaim is waited for while "
            f"{_names(held)} is held",
            where,
        )


def _names(held: int) -> str:
    """The locks of a word, as lockdep calls them."""
    return ", ".join(name for bit, name in _LOCKS.items() if held & bit)

"""Thread ids: which task has which, as a hash in memory with a list through all entries."""

from __future__ import annotations

from collections.abc import Iterator

from cython import declare
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.memory.allocator import Allocator
from mmtwin.memory.memory import Memory

ENTRY_SIZE = 40
BUCKETS = declare(u64, 256)
PID = declare(u64, 0)
TASK = declare(u64, 8)
HASH_NEXT = declare(u64, 16)
NEXT = declare(u64, 24)
PREV = declare(u64, 32)


class Pids:
    """Tasks by thread id.

    The hash chains and the list (oldest first) lie in memory, so that looking a thread up is right
    in any state that the present is moved to. ``entries`` allocates objects of ``ENTRY_SIZE``.
    """

    def __init__(self, memory: Memory, entries: Allocator) -> None:
        self.memory = memory
        self.entries = entries
        self.table = memory.boot_alloc(8 * BUCKETS + 16, 8)
        self.head = self.table + 8 * BUCKETS
        self.tail = self.head + 8

    def find(self, pid: u64) -> u64:
        """The task of thread ``pid``, 0 if there is none."""
        entry: u64 = self._entry(pid)
        return self.memory.load(entry + TASK) if entry else 0

    def add(self, pid: u64, task: u64) -> None:
        """Give ``task`` the id ``pid``, which must be free."""
        memory: Memory = self.memory
        if self._entry(pid):
            raise ValueError(f"thread {pid} exists already")
        entry: u64 = self.entries.alloc(GFP_KERNEL)
        bucket: u64 = self.table + 8 * (pid % BUCKETS)
        last: u64 = memory.load(self.tail)
        memory.store(entry + PID, pid)
        memory.store(entry + TASK, task)
        memory.store(entry + HASH_NEXT, memory.load(bucket))
        memory.store(bucket, entry)
        memory.store(entry + NEXT, 0)
        memory.store(entry + PREV, last)
        memory.store(last + NEXT if last else self.head, entry)
        memory.store(self.tail, entry)

    def remove(self, pid: u64) -> None:
        """Take the id away again; :class:`KeyError` if no thread has it."""
        memory: Memory = self.memory
        entry: u64 = self._entry(pid)
        if entry == 0:
            raise KeyError(pid)
        link: u64 = self.table + 8 * (pid % BUCKETS)
        while memory.load(link) != entry:
            link = memory.load(link) + HASH_NEXT
        memory.store(link, memory.load(entry + HASH_NEXT))
        after: u64 = memory.load(entry + NEXT)
        before: u64 = memory.load(entry + PREV)
        memory.store(before + NEXT if before else self.head, after)
        memory.store(after + PREV if after else self.tail, before)
        self.entries.free(entry)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        entry = self.memory.load(self.head)
        while entry:
            yield self.memory.load(entry + PID), self.memory.load(entry + TASK)
            entry = self.memory.load(entry + NEXT)

    def _entry(self, pid: u64) -> u64:
        entry: u64 = self.memory.load(self.table + 8 * (pid % BUCKETS))
        while entry != 0 and self.memory.load(entry + PID) != pid:
            entry = self.memory.load(entry + HASH_NEXT)
        return entry

"""All address spaces: their trees, VMAs, counters, anon_vmas and mapped files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.anon import AnonRules
from mmtwin.check.tally import Tally
from mmtwin.check.violation import Violation
from mmtwin.memory.memory import Memory
from mmtwin.pages.slab import SlabCaches
from mmtwin.space import flags as c
from mmtwin.space.layouts import Layouts

if not cython.compiled:
    from mmtwin.check.words import has, word_at

SHARED_MAYWRITE = declare(u64, c.VM_SHARED | c.VM_MAYWRITE)

ENTRIES = declare(i32, 0)
TOTAL = declare(i32, 1)
DATA = declare(i32, 2)
STACK = declare(i32, 3)
EXECS = declare(i32, 4)
LOCKS = declare(i32, 5)
CHARGED = declare(i32, 6)
WRITABLE = declare(i32, 0)
MAPPED = declare(i32, 1)

IN_USE = declare(u64, 24)
# The list of thread ids, and what it leads to.
ENTRY_TASK = declare(u64, 8)
ENTRY_NEXT = declare(u64, 24)
TASK_MM = declare(u64, 0)
THREADS_MAX = declare(i32, 1 << 20)
TREE_FLAGS = declare(u64, 0x303)
"""Gaps are kept, readers may walk without the lock, the lock is the address space's own."""

I_COUNT = declare(u64, 344)
I_MMAP_WRITABLE = declare(u64, 444)
I_MMAP = declare(u64, 448)
I_CHARGED = declare(u64, 600)


class SpaceRules(AnonRules):
    """The rules of address spaces, and the whole check.

    They are told by the addresses of their ``mm_struct``. ``sysctl`` is the address of the
    kernel-wide settings, where the commit charge is kept.
    """

    def __init__(
        self, memory: Memory, layouts: Layouts, caches: SlabCaches, sysctl: u64, **options: Any
    ) -> None:
        super().__init__(memory, layouts, caches, nodes=caches.get("maple_node"), **options)
        mm = layouts.mm_struct
        self.mm_cache = caches.get("mm_struct")
        self.at_users = mm.offset("mm_users")
        self.at_map_count = mm.offset("map_count")
        self.at_total = mm.offset("total_vm")
        self.at_data = mm.offset("data_vm")
        self.at_stack = mm.offset("stack_vm")
        self.at_exec = mm.offset("exec_vm")
        self.at_locked = mm.offset("locked_vm")
        self.at_brk = mm.offset("brk")
        self.at_start_brk = mm.offset("start_brk")
        self.charge_at = sysctl + layouts.sysctl.offset("vm_committed_as")
        self.limit_at = sysctl + layouts.sysctl.offset("max_map_count")
        self.inodes = Tally()
        self.areas = Tally()
        self.live = Tally()

    # Everything.

    def full(self, mms: Sequence[int]) -> list[Violation]:
        """Check every address space in ``mms``; they are all there are."""
        self.take(mms)
        return self.everything()

    def take(self, mms: Sequence[int]) -> None:
        """The address spaces that there are."""
        self.live.clear()
        for mm in mms:
            self.live.row(mm)

    def take_threads(self, head: u64) -> None:
        """The address spaces of the threads in the list whose first entry stands at ``head``."""
        self.live.clear()
        entry: u64 = word_at(self, head)
        count: i32 = 0
        while entry != 0 and self.aligned(entry) and count < THREADS_MAX:
            task: u64 = word_at(self, entry + ENTRY_TASK)
            mm: u64 = word_at(self, task + TASK_MM) if self.aligned(task) else 0
            if mm != 0 and self.aligned(mm):
                self.live.row(mm)
            entry = word_at(self, entry + ENTRY_NEXT)
            count += 1

    def everything(self) -> list[Violation]:
        """Check every address space that was taken."""
        self.begin()
        nth: u64 = 0
        while nth < self.live.count:
            mm: u64 = self.live.members[nth]
            self.trees.add(mm + self.at_tree)
            self.sums.row(mm)
            self.space(mm)
            self.whole(mm + self.at_tree)
            nth += 1
        self.node_sum()
        self.unprepared()
        self.totals()
        return self.found

    def begin(self) -> None:
        """Start a new check: nothing found, nothing met, all sums 0."""
        AnonRules.begin(self)
        self.sums.clear()
        self.anons.clear()
        self.inodes.clear()
        self.areas.clear()
        self.trees.clear()
        self.link_count = 0
        self.anon_count = 0
        self.charged = 0

    def mm_fail(self, invariant: str, mm: u64, field: str, found: str, expected: str) -> None:
        """Report that an address space breaks an invariant."""
        self.report(invariant, "mm_struct", mm, field, found, expected)

    def space(self, mm: u64) -> None:
        """The rules of one ``mm_struct`` alone."""
        flags: u64 = self.flags_of(mm + self.at_tree)
        if flags & TREE_FLAGS != TREE_FLAGS:
            self.mm_fail("VM-35", mm, "mm_mt.ma_flags", f"{flags:#x}", f"with {TREE_FLAGS:#x}")
        if word_at(self, mm + self.at_brk) < word_at(self, mm + self.at_start_brk):
            brk: u64 = word_at(self, mm + self.at_brk)
            self.mm_fail("VM-18", mm, "brk", f"{brk:#x}", "at least start_brk")
        count: u64 = self.half_at(mm + self.at_map_count, False)
        if count > word_at(self, self.limit_at) + 1:
            self.mm_fail("VM-19", mm, "map_count", f"{count}", "at most one above max_map_count")

    def account_file(self, vma: u64, flags: u64, sign: i64, old: bint) -> i32:
        """Count the VMA among those of its inode."""
        inode: u64 = self.inode_of(vma, old)
        if inode == 0:
            return 0
        row: u64 = self.inodes.row(inode)
        if not self.partial and self.inodes.sum(row, MAPPED) == 0:
            self.charged += word_at(self, inode + I_CHARGED)
        self.inodes.bump(inode, MAPPED, sign)
        if flags & SHARED_MAYWRITE == SHARED_MAYWRITE:
            self.inodes.bump(inode, WRITABLE, sign)
        return 0

    # Sums.

    def totals(self) -> None:
        """Every counter is the sum, or has changed by the sum, of what it counts."""
        entries: i64 = 0
        charged: i64 = self.charged
        nth: u64 = 0
        while nth < self.sums.count:
            mm: u64 = self.sums.members[nth]
            entries += self.sums.sum(nth, ENTRIES)
            charged += self.sums.sum(nth, CHARGED)
            if has(self.trees, mm + self.at_tree):
                self._counters(mm, nth, self.partial and has(self.old_trees, mm + self.at_tree))
            nth += 1
        self.anon_sums()
        nth = 0
        while nth < self.inodes.count:
            self._inode(self.inodes.members[nth], nth)
            nth += 1
        self._out("VM-29", "vm_area_struct", self.vma_cache.control, entries)
        self._out("VM-30", "anon_vma", self.anon_cache.control, self.anon_count)
        self._out("VM-30", "anon_vma_chain", self.link_cache.control, self.link_count)
        promised: i64 = self.since(self.charge_at, self.partial)
        if promised != charged:
            self.report(
                "VM-33",
                "sysctl",
                self.charge_at,
                "vm_committed_as",
                f"{promised}",
                f"{charged} pages",
            )

    def _counters(self, mm: u64, nth: u64, was: bint) -> i32:
        count: i64 = self.half_at(mm + self.at_map_count, False)
        if was:
            count -= self.half_at(mm + self.at_map_count, True)
        if count != self.sums.sum(nth, ENTRIES):
            self.mm_fail(
                "VM-03", mm, "map_count", f"{count}", f"{self.sums.sum(nth, ENTRIES)} VMAs"
            )
        self._counter("VM-05", mm, "total_vm", self.at_total, nth, TOTAL, was)
        self._counter("VM-06", mm, "data_vm", self.at_data, nth, DATA, was)
        self._counter("VM-07", mm, "stack_vm", self.at_stack, nth, STACK, was)
        self._counter("VM-08", mm, "exec_vm", self.at_exec, nth, EXECS, was)
        self._counter("VM-09", mm, "locked_vm", self.at_locked, nth, LOCKS, was)
        return 0

    def _counter(
        self, invariant: str, mm: u64, field: str, at: u64, nth: u64, column: i32, was: bint
    ) -> i32:
        pages: i64 = self.since(mm + at, was)
        if pages != self.sums.sum(nth, column):
            self.mm_fail(invariant, mm, field, f"{pages}", f"{self.sums.sum(nth, column)} pages")
        return 0

    def _inode(self, inode: u64, nth: u64) -> None:
        if self.partial and self.half_at(inode + I_COUNT, False) == 0:
            return
        writable: i64 = self.half_at(inode + I_MMAP_WRITABLE, False)
        if self.partial and self.half_at(inode + I_COUNT, True) != 0:
            writable -= self.half_at(inode + I_MMAP_WRITABLE, True)
        if writable != self.inodes.sum(nth, WRITABLE):
            expected = f"{self.inodes.sum(nth, WRITABLE)} VMAs"
            self.report("VM-32", "inode", inode, "i_mmap_writable", f"{writable}", expected)
        vma: u64 = word_at(self, inode + I_MMAP)
        if self.partial:
            if vma != 0 and not (
                self.is_vma(vma) and word_at(self, vma + self.at_shared + 8) == inode + I_MMAP
            ):
                self.report("VM-31", "inode", inode, "i_mmap", f"{vma:#x}", "a VMA that links back")
            return
        mapped: i64 = 0
        while vma != 0 and mapped <= self.inodes.sum(nth, MAPPED) and self.is_vma(vma):
            mapped += 1
            vma = word_at(self, vma + self.at_shared)
        if vma != 0 or mapped != self.inodes.sum(nth, MAPPED):
            expected = f"{self.inodes.sum(nth, MAPPED)} VMAs"
            self.report("VM-31", "inode", inode, "i_mmap", f"{mapped} and more", expected)

    def _out(self, invariant: str, name: str, control: u64, expected: i64) -> None:
        """As many objects of a kind are out as were met."""
        out: i64 = self.since(control + IN_USE, self.partial)
        if out != expected:
            self.report(
                invariant, "kmem_cache", control, f"{name} in use", f"{out}", f"{expected} met"
            )

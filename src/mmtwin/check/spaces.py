"""All address spaces: their trees, VMAs, counters, anon_vmas and mapped files; whole or by step.

A step check takes the tree's part from :mod:`mmtwin.check.step` and adds, by the same argument, the
rules that read words of VMAs, links and counters: the journal's words lead to the slab objects
they lie in, each such object is checked where it stands now, and what it adds to a sum now, less
what it added at the mark, must be what the sum's word changed by. A VMA in an untouched leaf is
found where it was at the mark; one that moved stands in a touched leaf, whose slots are compared
with their VMAs one by one. A VMA may come or go without a word of it changing (its object can be
given out again with the content it had): the entries of touched leaves, now and at the mark, tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.addresses import AddressSet
from mmtwin.check.anon import AnonRules
from mmtwin.check.tally import Tally
from mmtwin.check.violation import Violation
from mmtwin.memory.memory import Memory
from mmtwin.pages.slab import SlabCaches
from mmtwin.space import flags as c
from mmtwin.space.layouts import Layouts

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
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
STRUCT_PAGE = declare(u64, 64)
TREE_FLAGS = declare(u64, 0x301)
"""Gaps are kept, the lock is the address space's own."""

AVC_VMA = declare(u64, 0)
AVC_ANON_VMA = declare(u64, 8)
TREE_NEXT = declare(u64, 32)
ANON_FIRST = declare(u64, 80)
I_COUNT = declare(u64, 344)
I_MMAP_WRITABLE = declare(u64, 444)
I_MMAP = declare(u64, 448)
I_CHARGED = declare(u64, 600)
LIST_MAX = declare(i32, 1 << 20)
"""More VMAs than any inode has: a list as long has no end."""


class SpaceCheck(AnonRules):
    """Checks address spaces by the addresses of their ``mm_struct``.

    ``sysctl`` is the address of the kernel-wide settings, where the commit charge is kept.
    """

    def __init__(
        self, memory: Memory, layouts: Layouts, caches: SlabCaches, sysctl: u64, **options: Any
    ) -> None:
        super().__init__(memory, layouts, caches, nodes=caches.get("maple_node"), **options)
        mm = layouts.mm_struct
        self.mm_cache = caches.get("mm_struct")
        self.inode_cache = caches.get("inode_cache")
        self.file_cache = caches.get("filp")
        self.at_users = mm.offset("mm_users")
        self.at_map_count = mm.offset("map_count")
        self.at_total = mm.offset("total_vm")
        self.at_data = mm.offset("data_vm")
        self.at_stack = mm.offset("stack_vm")
        self.at_exec = mm.offset("exec_vm")
        self.at_locked = mm.offset("locked_vm")
        self.at_brk = mm.offset("brk")
        self.at_start_brk = mm.offset("start_brk")
        self.at_inode = layouts.file.offset("f_inode")
        self.charge_at = sysctl + layouts.sysctl.offset("vm_committed_as")
        self.limit_at = sysctl + layouts.sysctl.offset("max_map_count")
        self.inodes = Tally()
        self.areas = Tally()
        self.dead = AddressSet()
        self.entered = Tally()
        self.stayed = AddressSet()

    # Everything.

    def full(self, mms: Sequence[int]) -> list[Violation]:
        """Check every address space in ``mms``; they are all there are."""
        self.begin()
        mm: u64
        for mm in mms:
            self.trees.add(mm + self.at_tree)
            self.sums.row(mm)
            self.space(mm)
            self.whole(mm + self.at_tree)
        self.node_sum()
        self.unprepared()
        self.totals()
        return self.found

    def begin(self) -> None:
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
        if self.word_at(mm + self.at_brk) < self.word_at(mm + self.at_start_brk):
            brk: u64 = self.word_at(mm + self.at_brk)
            self.mm_fail("VM-18", mm, "brk", f"{brk:#x}", "at least start_brk")
        count: u64 = self.half_at(mm + self.at_map_count, False)
        if count > self.word_at(self.limit_at) + 1:
            self.mm_fail("VM-19", mm, "map_count", f"{count}", "at most one above max_map_count")

    def account_file(self, vma: u64, flags: u64, sign: i64, old: bint) -> None:
        inode: u64 = self._inode_of(vma, old)
        if inode == 0:
            return
        row: u64 = self.inodes.row(inode)
        if not self.partial and self.inodes.sum(row, MAPPED) == 0:
            self.charged += self.word_at(inode + I_CHARGED)
        self.inodes.bump(inode, MAPPED, sign)
        if flags & SHARED_MAYWRITE == SHARED_MAYWRITE:
            self.inodes.bump(inode, WRITABLE, sign)

    def is_inode(self, address: u64) -> bint:
        """Is this the address of an ``inode``?"""
        cache = self.inode_cache
        return address != 0 and address == self.object_at(address, cache.number, cache.stride)

    # Sums.

    def totals(self) -> None:
        """Every counter is the sum, or has changed by the sum, of what it counts."""
        entries: i64 = 0
        charged: i64 = self.charged
        nth: u64 = 0
        while nth < self.sums.count:
            mm: u64 = self.sums.address(nth)
            entries += self.sums.sum(nth, ENTRIES)
            charged += self.sums.sum(nth, CHARGED)
            if self.trees.has(mm + self.at_tree):
                self._counters(mm, nth, self.partial and self.old_trees.has(mm + self.at_tree))
            nth += 1
        self.anon_sums()
        nth = 0
        while nth < self.inodes.count:
            self._inode(self.inodes.address(nth), nth)
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

    def _counters(self, mm: u64, nth: u64, was: bint) -> None:
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

    def _counter(
        self, invariant: str, mm: u64, field: str, at: u64, nth: u64, column: i32, was: bint
    ) -> None:
        pages: i64 = self.since(mm + at, was)
        if pages != self.sums.sum(nth, column):
            self.mm_fail(invariant, mm, field, f"{pages}", f"{self.sums.sum(nth, column)} pages")

    def _inode(self, inode: u64, nth: u64) -> None:
        if self.partial and self.half_at(inode + I_COUNT, False) == 0:
            return
        writable: i64 = self.half_at(inode + I_MMAP_WRITABLE, False)
        if self.partial and self.half_at(inode + I_COUNT, True) != 0:
            writable -= self.half_at(inode + I_MMAP_WRITABLE, True)
        if writable != self.inodes.sum(nth, WRITABLE):
            expected = f"{self.inodes.sum(nth, WRITABLE)} VMAs"
            self.report("VM-32", "inode", inode, "i_mmap_writable", f"{writable}", expected)
        vma: u64 = self.word_at(inode + I_MMAP)
        if self.partial:
            if vma != 0 and not (
                self.is_vma(vma) and self.word_at(vma + self.at_shared + 8) == inode + I_MMAP
            ):
                self.report("VM-31", "inode", inode, "i_mmap", f"{vma:#x}", "a VMA that links back")
            return
        mapped: i64 = 0
        while vma != 0 and mapped <= self.inodes.sum(nth, MAPPED) and self.is_vma(vma):
            mapped += 1
            vma = self.word_at(vma + self.at_shared)
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

    # What a step touched.

    def touched(self, mark: u64, mms: Sequence[int]) -> list[Violation]:
        """Check what changed since ``mark``, when all was well. ``mms`` are those there are now."""
        self.begin_step(mark)
        self.dead.clear()
        self.entered.clear()
        self.stayed.clear()
        mm: u64
        for mm in mms:
            self.trees.add(mm + self.at_tree)
            if self.half_at(mm + self.at_users, True) != 0:
                self.old_trees.add(mm + self.at_tree)
        self.objects()
        self.locate()
        tree: u64
        for mm in mms:
            tree = mm + self.at_tree
            if self.marked.has(tree) or self._tree_touched(tree):
                self._part(tree)
        self._losses()
        for mm in mms:
            if self.old_trees.has(mm + self.at_tree):
                self.old_root(mm + self.at_tree)
        nth: u64 = 0
        while nth < self.sums.count:
            mm = self.sums.address(nth)
            if self.dead.has(mm):
                self.old_root(mm + self.at_tree)
            elif self.trees.has(mm + self.at_tree):
                self.space(mm)
                self._ceiling(mm)
            nth += 1
        if self.overlay.changed((self.limit_at - self.base) >> 3):
            for mm in mms:
                self.space(mm)
        self._leaks()
        self.unprepared()
        self.in_place()
        nth = 0
        while nth < self.entered.count:
            if not self.stayed.has(self.entered.address(nth)):
                self.areas.row(self.entered.address(nth))
            nth += 1
        nth = 0
        while nth < self.areas.count:
            self._area_step(self.areas.address(nth))
            nth += 1
        self.totals()
        return self.found

    def _ceiling(self, mm: u64) -> None:
        """User space ends elsewhere: look at the VMAs above."""
        at: u64 = self.word_at(mm + self.at_task_size)
        if at == self.was_at(mm + self.at_task_size):
            return
        while True:
            self._meet_area(self.find(mm + self.at_tree, at, False))
            if self.found_last == TOP or self.found_last < at:
                return
            at = self.found_last + 1

    def objects(self) -> None:
        """Find the slab objects that the changed words lie in."""
        nth: u64 = 0
        while nth < self.overlay.count:
            first: u64 = self.base + (self.overlay.blocks[nth] << 8)
            number: u64 = self.word_at(self.memmap + ((first - self.base) >> 12) * STRUCT_PAGE + 8)
            if number == self.vma_cache.number:
                self._changed(nth, first, number, self.vma_cache.stride)
            elif number == self.link_cache.number:
                self._changed(nth, first, number, self.link_cache.stride)
            elif number == self.anon_cache.number:
                self._changed(nth, first, number, self.anon_cache.stride)
            elif number == self.mm_cache.number:
                self._changed(nth, first, number, self.mm_cache.stride)
            elif number == self.inode_cache.number:
                self._changed(nth, first, number, self.inode_cache.stride)
            elif number == self.file_cache.number:
                self._changed(nth, first, number, self.file_cache.stride)
            nth += 1

    def _changed(self, nth: u64, first: u64, number: u64, stride: u64) -> None:
        """Look at the objects of one cache in one block that have a changed word in it."""
        image: u64 = 32 * nth
        index: u64 = (first - self.base) >> 3
        done: u64 = 0
        word: u64 = 0
        while word < 32:
            if self.overlay.images[image + word] != self.w[index + word]:
                found: u64 = self.object_at(first + 8 * word, number, stride)
                if found != 0 and found != done:
                    self._object(found, number)
                    done = found
            word += 1

    def _object(self, address: u64, number: u64) -> None:
        """An object that the step changed; it may be met once for each of its blocks."""
        if number == self.vma_cache.number:
            self._meet_area(address)
            self._meet_area(self.was_at(address + self.at_shared))
        elif number == self.link_cache.number:
            self._touched_link(address)
        elif number == self.mm_cache.number:
            self._touched_mm(address)
        elif self.seen.add(address):
            if number == self.anon_cache.number:
                self._touched_anon(address)
            elif number == self.inode_cache.number:
                self._touched_inode(address)
            else:
                self._touched_file(address)

    def _meet_area(self, vma: u64) -> None:
        """Look at this VMA, if it is one."""
        if self.is_vma(vma):
            self.areas.row(vma)

    def _touched_mm(self, mm: u64) -> None:
        self.sums.row(mm)
        if (
            self.half_at(mm + self.at_users, True) != 0
            and not self.trees.has(mm + self.at_tree)
            and self.dead.add(mm)
        ):
            self.old_trees.add(mm + self.at_tree)

    def _touched_link(self, avc: u64) -> None:
        """The VMAs at both ends and of the next link, and the anon_vmas, now and at the mark."""
        for old in (False, True):
            self._meet_area(self.word(avc + AVC_VMA, old))
            self._meet_link(self.word(avc + TREE_NEXT, old))
            anon: u64 = self.word(avc + AVC_ANON_VMA, old)
            if self.is_anon_vma(anon):
                self.anons.row(anon)

    def _meet_link(self, avc: u64) -> None:
        """Look at the VMA of this link, if it is one."""
        if self.is_link(avc):
            self._meet_area(self.word_at(avc + AVC_VMA))

    def _touched_anon(self, anon: u64) -> None:
        self.anons.row(anon)
        first: u64 = self.was_at(anon + ANON_FIRST)
        self._meet_link(first)
        if first != 0:
            self.family(anon, -1, True)
        first = self.word_at(anon + ANON_FIRST)
        self._meet_link(first)
        if first != 0:
            self.family(anon, 1, False)

    def _touched_inode(self, inode: u64) -> None:
        self.inodes.row(inode)
        self._meet_area(self.was_at(inode + I_MMAP))
        self._meet_area(self.word_at(inode + I_MMAP))
        if self.half_at(inode + I_COUNT, True) != 0:
            self.charged -= self.was_at(inode + I_CHARGED)
        if self.half_at(inode + I_COUNT, False) != 0:
            self.charged += self.word_at(inode + I_CHARGED)

    def _touched_file(self, file: u64) -> None:
        """A file of another inode than at the mark: look at the VMAs that mapped it."""
        inode: u64 = self.was_at(file + self.at_inode)
        if inode == self.word_at(file + self.at_inode) or not self.is_inode(inode):
            return
        vma: u64 = self.was_at(inode + I_MMAP)
        count: i32 = 0
        while self.is_vma(vma) and count < LIST_MAX:
            if self.was_at(vma + self.at_file) == file:
                self.areas.row(vma)
            vma = self.was_at(vma + self.at_shared)
            count += 1

    def enter_area(self, vma: u64) -> None:
        """Note an entry of a touched leaf."""
        if self.is_vma(vma):
            self.entered.row(vma)

    def old_leaf(self, tree: u64, node: u64, gone: bint) -> None:
        """Take back the entries that a leaf held at the mark, and see which are gone."""
        first: u64 = (node - self.base) >> 3
        entries: i64 = 0
        slot: u64 = 16
        entry: u64
        while slot < 32:
            entry = self.overlay.was(first + slot)
            if slot == 31 and (
                self.overlay.was(first + 15) == 0 or entry == self._meta_word(14, 0)
            ):
                entry = 0
            if entry != 0:
                entries += 1
                if self.entered.has(entry):
                    self.stayed.add(entry)
                elif self.is_vma(entry):
                    self.areas.row(entry)
            slot += 1
        self.sums.bump(tree - self.at_tree, ENTRIES, -entries)

    def _area_step(self, vma: u64) -> None:
        """A VMA that the step changed: check it where it is, take back what it was, add what it is."""
        start: u64
        mm: u64 = self.was_at(vma + self.at_mm)
        tree: u64 = mm + self.at_tree
        if self.old_trees.has(tree):
            start = self.was_at(vma)
            if self.find(tree, start, True) == vma:
                self.account(mm, vma, -1, True)
                self._left_inode(vma)
            if self.trees.has(tree) and self.find(tree, start, False) == vma:
                self.agrees(vma, self.found_first, self.found_last)
                if self.word_at(vma + self.at_mm) != mm:
                    self.area(mm, vma)
        mm = self.word_at(vma + self.at_mm)
        tree = mm + self.at_tree
        if self.trees.has(tree) and self.find(tree, self.word_at(vma), False) == vma:
            self.area(mm, vma)
            self.account(mm, vma, 1, False)

    def _left_inode(self, vma: u64) -> None:
        """A VMA that maps another file than at the mark is out of the old one's list."""
        inode: u64 = self._inode_of(vma, True)
        if inode == 0 or inode == self._inode_of(vma, False):
            return
        place: u64 = self.was_at(vma + self.at_shared + 8)
        if self.aligned(place) and self.word_at(place) == vma:
            self.report("VM-31", "inode", inode, "i_mmap", f"{vma:#x}", "no VMA of another file")

    def _inode_of(self, vma: u64, old: bint) -> u64:
        """The inode that the VMA maps, or mapped at the mark; 0 for none."""
        file: u64 = self.word(vma + self.at_file, old)
        if file == 0 or not self.aligned(file):
            return 0
        inode: u64 = self.word(file + self.at_inode, old)
        return inode if self.is_inode(inode) else 0

"""What one step can have broken in the address spaces.

The trees' part is that of :mod:`mmtwin.check.step`. The rest goes by the same argument: the
journal's words lead to the slab objects they lie in, each such object is checked where it stands
now, and what it adds to a sum now, less what it added at the mark, must be what the sum's word
changed by. A VMA in an untouched leaf is found where it was at the mark; one that moved stands in a
touched leaf, whose slots are compared with their VMAs one by one. A VMA may come or go without a
word of it changing (its object can be given out again with the content it had): the entries of
touched leaves, now and at the mark, tell.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.addresses import AddressSet
from mmtwin.check.overlay import KEPT_SHIFT, OF_NO_CACHE
from mmtwin.check.spaces import SpaceRules
from mmtwin.check.tally import Tally
from mmtwin.check.violation import Violation
from mmtwin.memory.memory import Memory
from mmtwin.pages.slab import SlabCaches
from mmtwin.space.layouts import Layouts

if not cython.compiled:
    from mmtwin.check.words import block_of, has, was_at, word_at, word_changed, word_then
    from mmtwin.memory.held import words_of

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
ENTRIES = declare(i32, 0)
WAS_THERE = declare(i32, 0)
IS_THERE = declare(i32, 1)
"""Columns of a changed VMA's row: was it in its tree at the mark, is it in its tree now?"""
NO_CACHE = declare(u64, OF_NO_CACHE)
SLOTS_KEPT = declare(i32, KEPT_SHIFT)
PAGE_WORDS = declare(u64, 8)

AVC_VMA = declare(u64, 0)
AVC_ANON_VMA = declare(u64, 8)
TREE_NEXT = declare(u64, 32)
ANON_FIRST = declare(u64, 80)
I_COUNT = declare(u64, 344)
I_MMAP = declare(u64, 448)
I_CHARGED = declare(u64, 600)
LIST_MAX = declare(i32, 1 << 20)
"""More VMAs than any inode has: a list as long has no end."""


class SpaceCheck(SpaceRules):
    """Checks all address spaces, whole or as a step touched them."""

    def __init__(
        self, memory: Memory, layouts: Layouts, caches: SlabCaches, sysctl: u64, **options: Any
    ) -> None:
        super().__init__(memory, layouts, caches, sysctl, **options)
        looked_at = (
            self.vma_cache,
            self.link_cache,
            self.anon_cache,
            self.mm_cache,
            self.inode_cache,
            self.file_cache,
        )
        self.node_cache = caches.get("maple_node").number
        self.known = max(*(cache.number for cache in looked_at), self.node_cache)
        self.held_strides = array("Q", bytes(8 * (self.known + 1)))
        self.strides = words_of(self.held_strides)
        for cache in looked_at:
            self.strides[cache.number] = cache.stride
        self.dead = AddressSet()
        self.entered = Tally()
        self.stayed = AddressSet()

    def touched(self, mark: u64, mms: Sequence[int]) -> list[Violation]:
        """Check what changed since ``mark``, when all was well. ``mms`` are those there are now."""
        self.take(mms)
        return self.since_mark(mark)

    def since_mark(self, mark: u64) -> list[Violation]:
        """Check what changed since ``mark`` in the address spaces that were taken."""
        self.begin_step(mark)
        self.dead.clear()
        self.entered.clear()
        self.stayed.clear()
        live = self.live
        mm: u64
        nth: u64 = 0
        while nth < live.count:
            mm = live.members[nth]
            self.trees.add(mm + self.at_tree)
            if self.half_at(mm + self.at_users, True) != 0:
                self.old_trees.add(mm + self.at_tree)
            nth += 1
        self.objects()
        self.locate()
        nth = 0
        while nth < live.count:
            tree: u64 = live.members[nth] + self.at_tree
            if has(self.marked, tree) or self._tree_touched(tree):
                self._part(tree)
            nth += 1
        self._losses()
        nth = 0
        while nth < live.count:
            if has(self.old_trees, live.members[nth] + self.at_tree):
                self.old_root(live.members[nth] + self.at_tree)
            nth += 1
        self._spaces()
        self._leaks()
        self.unprepared()
        self.in_place()
        nth = 0
        while nth < self.entered.count:
            if not has(self.stayed, self.entered.members[nth]):
                self.areas.row(self.entered.members[nth])
            nth += 1
        nth = 0
        while nth < self.areas.count:
            self._area_step(nth, self.areas.members[nth])
            nth += 1
        self.totals()
        return self.found

    def _spaces(self) -> None:
        """The rules of each mm_struct that was touched, of all if the limit changed."""
        nth: u64 = 0
        while nth < self.sums.count:
            mm: u64 = self.sums.members[nth]
            if has(self.dead, mm):
                self.old_root(mm + self.at_tree)
            elif has(self.trees, mm + self.at_tree):
                self.space(mm)
                self._ceiling(mm)
            nth += 1
        if word_changed(self.overlay, (self.limit_at - self.base) >> 3):
            nth = 0
            while nth < self.live.count:
                self.space(self.live.members[nth])
                nth += 1

    def _ceiling(self, mm: u64) -> None:
        """User space ends elsewhere: look at the VMAs above."""
        at: u64 = word_at(self, mm + self.at_task_size)
        if at == was_at(self, mm + self.at_task_size):
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
            block: u64 = self.overlay.blocks[nth]
            at: u64 = self.map_word + (block >> 4) * PAGE_WORDS + 1
            number: u64 = self.w[at]
            known: bint = number != 0 and number <= self.known
            if not word_changed(self.overlay, at):
                self.overlay.caches[nth] = number if known else NO_CACHE
            if known:
                stride: u64 = self.strides[number]
                if stride != 0:
                    self._changed(nth, self.base + (block << 8), number, stride)
            nth += 1

    def _changed(self, nth: u64, first: u64, number: u64, stride: u64) -> i32:
        """Look at the objects of one cache in one block that have a changed word in it."""
        w = self.w
        images = self.overlay.images
        image: u64 = 32 * nth
        index: u64 = (first - self.base) >> 3
        done: u64 = 0
        word: u64 = 0
        while word < 32:
            if images[image + word] != w[index + word]:
                found: u64 = self.object_at(first + 8 * word, number, stride)
                if found != 0 and found != done:
                    self._object(found, number)
                    done = found
            word += 1
        return 0

    def _object(self, address: u64, number: u64) -> i32:
        """An object that the step changed; it may be met once for each of its blocks."""
        if number == self.vma_cache.number:
            self._meet_area(address)
            self._meet_area(was_at(self, address + self.at_shared))
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
        return 0

    def _meet_area(self, vma: u64) -> i32:
        """Look at this VMA, if it is one."""
        if self.is_vma(vma):
            self.areas.row(vma)
        return 0

    def _touched_mm(self, mm: u64) -> i32:
        self.sums.row(mm)
        if (
            self.half_at(mm + self.at_users, True) != 0
            and not has(self.trees, mm + self.at_tree)
            and self.dead.add(mm)
        ):
            self.old_trees.add(mm + self.at_tree)
        return 0

    def _touched_link(self, avc: u64) -> i32:
        """The VMAs at both ends and of the next link, and the anon_vmas, now and at the mark."""
        for old in (False, True):
            self._meet_area(word_then(self, avc + AVC_VMA, old))
            self._meet_link(word_then(self, avc + TREE_NEXT, old))
            anon: u64 = word_then(self, avc + AVC_ANON_VMA, old)
            if self.is_anon_vma(anon):
                self.anons.row(anon)
        return 0

    def _meet_link(self, avc: u64) -> i32:
        """Look at the VMA of this link, if it is one."""
        if self.is_link(avc):
            self._meet_area(word_at(self, avc + AVC_VMA))
        return 0

    def _touched_anon(self, anon: u64) -> i32:
        self.anons.row(anon)
        first: u64 = was_at(self, anon + ANON_FIRST)
        self._meet_link(first)
        if first != 0:
            self.family(anon, -1, True)
        first = word_at(self, anon + ANON_FIRST)
        self._meet_link(first)
        if first != 0:
            self.family(anon, 1, False)
        return 0

    def _touched_inode(self, inode: u64) -> i32:
        self.inodes.row(inode)
        self._meet_area(was_at(self, inode + I_MMAP))
        self._meet_area(word_at(self, inode + I_MMAP))
        if self.half_at(inode + I_COUNT, True) != 0:
            self.charged -= was_at(self, inode + I_CHARGED)
        if self.half_at(inode + I_COUNT, False) != 0:
            self.charged += word_at(self, inode + I_CHARGED)
        return 0

    def _touched_file(self, file: u64) -> None:
        """A file of another inode than at the mark: look at the VMAs that mapped it."""
        inode: u64 = was_at(self, file + self.at_inode)
        if inode == word_at(self, file + self.at_inode) or not self.is_inode(inode):
            return
        vma: u64 = was_at(self, inode + I_MMAP)
        count: i32 = 0
        while self.is_vma(vma) and count < LIST_MAX:
            if was_at(self, vma + self.at_file) == file:
                self.areas.row(vma)
            vma = was_at(self, vma + self.at_shared)
            count += 1

    def enter_area(self, vma: u64) -> i32:
        """Note an entry that is new in its slot of a touched leaf."""
        if self.is_vma(vma):
            self.entered.row(vma)
        return 0

    def old_leaf(self, tree: u64, node: u64, gone: bint) -> i32:
        """Take back the entries that a leaf held at the mark, and see which are gone."""
        at: u64 = (node - self.base) >> 3
        source = self.w
        kept: u64 = 0
        nth: i32 = block_of(self.overlay, at)
        if nth >= 0:
            at = 32 * nth
            source = self.overlay.images  # type: ignore[assignment]
            if not gone:
                kept = self.overlay.flags[nth] >> SLOTS_KEPT
        entries: i64 = 0
        slot: u64 = 16
        entry: u64
        while slot < 32:
            entry = source[at + slot]
            if slot == 31 and (source[at + 15] == 0 or entry == self._meta_word(14, 0)):
                entry = 0
            if entry != 0:
                entries += 1
                if (kept >> (slot - 16)) & 1 != 0:
                    pass  # it stayed where it was
                elif has(self.entered, entry):
                    self.stayed.add(entry)
                elif self.is_vma(entry):
                    self.areas.row(entry)
            slot += 1
        self.sums.bump(tree - self.at_tree, ENTRIES, -entries)
        return 0

    def _area_step(self, nth: u64, vma: u64) -> i32:
        """A VMA that changed: check it where it is, take back what it was, add what it is."""
        old_mm: u64 = was_at(self, vma + self.at_mm)
        mm: u64 = word_at(self, vma + self.at_mm)
        tree: u64 = old_mm + self.at_tree
        start: u64 = was_at(self, vma)
        there: bint = False
        was_there: bint = False
        if has(self.old_trees, tree):
            was_there = self.find(tree, start, True) == vma
            if has(self.trees, tree) and self.find(tree, start, False) == vma:
                self.agrees(vma, self.found_first, self.found_last)
                if mm != old_mm:
                    self.area(old_mm, vma)
                else:
                    there = start == word_at(self, vma)
        if not there:
            tree = mm + self.at_tree
            there = has(self.trees, tree) and self.find(tree, word_at(self, vma), False) == vma
        if there:
            self.area(mm, vma)
        if not (there and was_there and mm == old_mm and self._counts_as_before(vma)):
            if was_there:
                self.account(old_mm, vma, -1, True)
            if there:
                self.account(mm, vma, 1, False)
        if was_there:
            self.areas.sums[8 * nth + WAS_THERE] = 1
        if there:
            self.areas.sums[8 * nth + IS_THERE] = 1
        return 0

    def _counts_as_before(self, vma: u64) -> bint:
        """Does a VMA without anonymous pages add to every sum what it added at the mark?"""
        chain: u64 = vma + self.at_chain
        file: u64 = word_at(self, vma + self.at_file)
        return (
            word_at(self, vma) == was_at(self, vma)
            and word_at(self, vma + 8) == was_at(self, vma + 8)
            and word_at(self, vma + self.at_flags) == was_at(self, vma + self.at_flags)
            and file == was_at(self, vma + self.at_file)
            and word_at(self, vma + self.at_anon) == was_at(self, vma + self.at_anon) == 0
            and word_at(self, chain) == was_at(self, chain) == chain
            and (
                file == 0
                or (
                    file == self.object_at(file, self.file_cache.number, self.file_cache.stride)
                    and word_at(self, file + self.at_inode) == was_at(self, file + self.at_inode)
                )
            )
        )

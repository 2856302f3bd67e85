"""anon_vmas: the chain of each VMA, the links of each anon_vma, and their counts."""

from __future__ import annotations

from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.areas import AreaRules
from mmtwin.check.tally import Tally
from mmtwin.memory.memory import Memory
from mmtwin.pages.slab import SlabCaches
from mmtwin.space import flags as c
from mmtwin.space.layouts import Layouts

if not cython.compiled:
    from mmtwin.check.words import was_at, word_at, word_then

HALF = declare(u64, 0xFFFFFFFF)
MAYSHARE = declare(u64, c.VM_MAYSHARE)

# struct anon_vma
ROOT = declare(u64, 0)
REFCOUNT = declare(u64, 48)
NUM_CHILDREN = declare(u64, 56)
NUM_ACTIVE_VMAS = declare(u64, 64)
PARENT = declare(u64, 72)
FIRST = declare(u64, 80)
COUNT = declare(u64, 88)
# struct anon_vma_chain
AVC_VMA = declare(u64, 0)
AVC_ANON_VMA = declare(u64, 8)
SAME_VMA = declare(u64, 16)
TREE_NEXT = declare(u64, 32)
TREE_PREV = declare(u64, 40)
CACHED_START = declare(u64, 48)
CACHED_LAST = declare(u64, 56)

ACTIVE = declare(i32, 0)
LINKS = declare(i32, 1)
CHILDREN = declare(i32, 2)
MEMBERS = declare(i32, 3)
CHAIN_MAX = declare(i32, 65536)
"""A chain is as long as the line of forks behind it; a longer one has no end."""


class AnonRules(AreaRules):
    """The rules of anon_vma and anon_vma_chain.

    ``anons`` has a row for each anon_vma met: VMAs whose own it is, links to it, children, and
    members of its family if it is a root. A step check fills it with differences.
    """

    def __init__(
        self, memory: Memory, layouts: Layouts, caches: SlabCaches, **options: Any
    ) -> None:
        super().__init__(memory, layouts, caches, **options)
        self.anon_cache = caches.get("anon_vma")
        self.link_cache = caches.get("anon_vma_chain")
        self.anons = Tally()
        self.link_count = 0
        self.anon_count = 0

    def is_anon_vma(self, address: u64) -> bint:
        """Is this the address of an ``anon_vma``?"""
        cache = self.anon_cache
        return address != 0 and address == self.object_at(address, cache.number, cache.stride)

    def is_link(self, address: u64) -> bint:
        """Is this the address of an ``anon_vma_chain``?"""
        cache = self.link_cache
        return address != 0 and address == self.object_at(address, cache.number, cache.stride)

    def anon(self, vma: u64, flags: u64) -> i32:
        """Walk the VMA's chain: a sound list of its own links, one of them to its anon_vma."""
        own: u64 = word_at(self, vma + self.at_anon)
        head: u64 = vma + self.at_chain
        before: u64 = head
        link: u64 = word_at(self, head)
        if own == 0 and link == head:
            return 0
        count: i32 = 0
        has_own: bint = False
        root: u64 = 0
        while link != head:
            avc: u64 = link - SAME_VMA
            if count == CHAIN_MAX or not self.is_link(avc):
                self.vma_fail("VM-21", vma, "anon_vma_chain", f"{link:#x}", "a link of this chain")
                return 0
            if word_at(self, link + 8) != before or word_at(self, avc + AVC_VMA) != vma:
                self.link_fail("VM-21", avc, "same_vma", "another's", f"a link of {vma:#x}")
                return 0
            anon_vma: u64 = word_at(self, avc + AVC_ANON_VMA)
            if not self.is_anon_vma(anon_vma):
                self.link_fail("VM-21", avc, "anon_vma", f"{anon_vma:#x}", "an anon_vma")
                return 0
            has_own = has_own or anon_vma == own
            if root != 0 and word_at(self, anon_vma + ROOT) != root:
                self.link_fail("VM-22", avc, "anon_vma->root", "another", "one root in a chain")
            root = word_at(self, anon_vma + ROOT)
            self.link(vma, avc, anon_vma)
            count += 1
            before = link
            link = word_at(self, link)
        if word_at(self, head + 8) != before:
            self.vma_fail("VM-21", vma, "anon_vma_chain", "prev", "the last link")
        if not has_own:
            what = f"{own:#x}, {count} links"
            self.vma_fail("VM-20", vma, "anon_vma", what, "its own anon_vma in its chain, or none")
        if flags & MAYSHARE != 0:
            self.vma_fail("VM-28", vma, "anon_vma", f"{own:#x}", "none in shared memory")
        return 0

    def link_fail(self, invariant: str, avc: u64, field: str, found: str, expected: str) -> None:
        """Report that a link breaks an invariant."""
        self.report(invariant, "anon_vma_chain", avc, field, found, expected)

    def anon_fail(self, invariant: str, anon: u64, field: str, found: str, expected: str) -> None:
        """Report that an anon_vma breaks an invariant."""
        self.report(invariant, "anon_vma", anon, field, found, expected)

    def link(self, vma: u64, avc: u64, anon_vma: u64) -> None:
        """One link: its key is the VMA's interval, and it hangs in the anon_vma's list."""
        first: u64 = word_at(self, vma + self.at_pgoff)
        last: u64 = first + ((word_at(self, vma + 8) - word_at(self, vma)) >> self.page_shift) - 1
        if word_at(self, avc + CACHED_START) != first or word_at(self, avc + CACHED_LAST) != last:
            found = f"{word_at(self, avc + CACHED_START):#x}..{word_at(self, avc + CACHED_LAST):#x}"
            self.link_fail("VM-23", avc, "interval", found, f"{first:#x}..{last:#x}, its VMA's")
        place: u64 = word_at(self, avc + TREE_PREV)
        after: u64 = word_at(self, avc + TREE_NEXT)
        if not self.aligned(place) or word_at(self, place) != avc:
            self.link_fail(
                "VM-24", avc, "rb", f"{place:#x}", f"a place in the tree of {anon_vma:#x}"
            )
        elif after != 0 and (
            not self.is_link(after)
            or word_at(self, after + TREE_PREV) != avc + TREE_NEXT
            or word_at(self, after + AVC_ANON_VMA) != anon_vma
        ):
            self.link_fail("VM-24", avc, "rb", f"{after:#x}", f"a link of {anon_vma:#x}")

    def account_anon(self, vma: u64, sign: i64, old: bint) -> i32:
        """Count the VMA's links, and the VMA as a user of its anon_vma."""
        own: u64 = word_then(self, vma + self.at_anon, old)
        head: u64 = vma + self.at_chain
        link: u64 = word_then(self, head, old)
        if own != 0:
            self.anons.bump(own, ACTIVE, sign)
        count: i32 = 0
        while link != head and count < CHAIN_MAX and self.is_link(link - SAME_VMA):
            self.meet(word_then(self, link - SAME_VMA + AVC_ANON_VMA, old), sign)
            self.link_count += sign
            link = word_then(self, link, old)
            count += 1
        return 0

    def meet(self, anon_vma: u64, sign: i64) -> None:
        """A link to ``anon_vma``: the whole check counts its parent's child at the first one."""
        if not self.is_anon_vma(anon_vma):
            return
        self.anons.bump(anon_vma, LINKS, sign)
        if not self.partial and self.anons.sum(self.anons.row(anon_vma), LINKS) == 1:
            self.family(anon_vma, 1, False)

    def family(self, anon_vma: u64, sign: i64, old: bint) -> None:
        """The anon_vma is a child of its parent, and a member of its root's family."""
        self.anon_count += sign
        self.anons.bump(word_then(self, anon_vma + PARENT, old), CHILDREN, sign)
        root: u64 = word_then(self, anon_vma + ROOT, old)
        if root != anon_vma:
            self.anons.bump(root, MEMBERS, sign)

    def anon_sums(self) -> None:
        """The counts in every anon_vma met are what was counted."""
        nth: u64 = 0
        while nth < self.anons.count:
            anon_vma: u64 = self.anons.members[nth]
            if not self.is_anon_vma(anon_vma):
                self.anon_fail("VM-22", anon_vma, "address", "elsewhere", "an anon_vma")
            elif word_at(self, anon_vma + FIRST) != 0:
                was: bint = self.partial and was_at(self, anon_vma + FIRST) != 0
                self._anon_sum(anon_vma, nth, was)
            nth += 1

    def _anon_sum(self, anon: u64, nth: u64, was: bint) -> None:
        anons = self.anons
        links: i64 = anons.sum(nth, LINKS)
        if self.since(anon + COUNT, was) != links:
            self.anon_fail("VM-24", anon, "links", f"{self.since(anon + COUNT, was)}", f"{links}")
        elif not self.partial and not self._chained(anon, links):
            self.anon_fail("VM-24", anon, "rb_root", "another number", f"{links} links")
        elif self.partial and not self._headed(anon):
            self.anon_fail("VM-24", anon, "rb_root", "a stranger", "a link to this anon_vma")
        active: i64 = self.since(anon + NUM_ACTIVE_VMAS, was)
        if active != anons.sum(nth, ACTIVE):
            self.anon_fail(
                "VM-25", anon, "num_active_vmas", f"{active}", f"{anons.sum(nth, ACTIVE)}"
            )
        children: i64 = self.since(anon + NUM_CHILDREN, was)
        if children != anons.sum(nth, CHILDREN):
            self.anon_fail(
                "VM-26", anon, "num_children", f"{children}", f"{anons.sum(nth, CHILDREN)}"
            )
        references: i64 = self.half_at(anon + REFCOUNT, False)
        if was:
            references -= self.half_at(anon + REFCOUNT, True)
        else:
            references -= 1
        if references != anons.sum(nth, MEMBERS):
            self.anon_fail(
                "VM-27", anon, "refcount", f"{references}", f"{anons.sum(nth, MEMBERS)} members"
            )

    def since(self, address: u64, was: bint) -> i64:
        """The word at ``address``, less what it held at the mark if that counts."""
        value: i64 = word_at(self, address)
        if was:
            value -= was_at(self, address)
        return value

    def half_at(self, address: u64, old: bint) -> u64:
        """The 32-bit field at ``address``, now or at the mark."""
        word: u64 = word_then(self, address & ~7, old)
        upper: bint = (address & 4 != 0) != self.big_endian
        return (word >> 32) if upper else (word & HALF)

    def _headed(self, anon: u64) -> bint:
        """The first link of the list is one of this anon_vma."""
        first: u64 = word_at(self, anon + FIRST)
        return (
            self.is_link(first)
            and word_at(self, first + TREE_PREV) == anon + FIRST
            and word_at(self, first + AVC_ANON_VMA) == anon
        )

    def _chained(self, anon: u64, links: i64) -> bint:
        """The anon_vma's list has ``links`` links, all its own."""
        avc: u64 = word_at(self, anon + FIRST)
        count: i64 = 0
        while avc != 0 and count < links:
            if not self.is_link(avc) or word_at(self, avc + AVC_ANON_VMA) != anon:
                return False
            count += 1
            avc = word_at(self, avc + TREE_NEXT)
        return avc == 0 and count == links

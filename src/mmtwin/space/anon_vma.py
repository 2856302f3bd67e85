"""anon_vma: which anonymous pages belong to which areas, over splits, merges and forks.

A VMA's chain (``anon_vma_chain``) links it to its own anon_vma and, after forks, to those of its
ancestors, newest first. Each anon_vma knows all links that point to it. Pages store an anon_vma
and a page offset, which is why two different anon_vmas cannot share one VMA.
"""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelWarning
from mmtwin.machine.gfp import GFP_KERNEL, GFP_NOWAIT, NOWARN
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space.counters import Counters

if not cython.compiled:
    from mmtwin.pages.words import load, store
    from mmtwin.space.parts import load32, store32

NO_MATTER = declare(u64, c.VM_ACCESS_FLAGS | c.VM_SOFTDIRTY | c.VM_MAYBE_GUARD_6_18)
"""Flags in which areas that share an anon_vma may differ (6.1 has no guards, and no such flag)."""

# struct anon_vma
ROOT = declare(u64, 0)
REFCOUNT = declare(u64, 48)
NUM_CHILDREN = declare(u64, 56)
NUM_ACTIVE_VMAS = declare(u64, 64)
PARENT = declare(u64, 72)
TREE_FIRST = declare(u64, 80)
TREE_COUNT = declare(u64, 88)
ANON_VMA_SIZE = declare(u64, 96)
# struct anon_vma_chain; a list of one VMA's links runs through SAME_VMA.
AVC_VMA = declare(u64, 0)
AVC_ANON_VMA = declare(u64, 8)
SAME_VMA = declare(u64, 16)
SAME_VMA_PREV = declare(u64, 24)
TREE_NEXT = declare(u64, 32)
TREE_PREV = declare(u64, 40)
CACHED_START = declare(u64, 48)
CACHED_LAST = declare(u64, 56)


class AnonVma(Counters):
    """Allocation, chains, clone, fork, unlink and reuse of anon_vmas."""

    # Objects and counts.

    def anon_vma_alloc(self) -> u64:
        """A new root without VMAs, one reference; 0 without memory."""
        memory: Memory = self.memory
        anon_vma: u64 = self.anon_vma_cache.alloc(GFP_KERNEL)
        if anon_vma != 0:
            memory.zero(anon_vma, ANON_VMA_SIZE)
            store(memory, anon_vma + ROOT, anon_vma)
            store(memory, anon_vma + PARENT, anon_vma)
            store32(memory, anon_vma + REFCOUNT, 1)
        return anon_vma

    def anon_vma_free(self, anon_vma: u64) -> None:
        """Give the object back, and its reference to the root."""
        root: u64 = load(self.memory, anon_vma + ROOT)
        self.anon_vma_cache.free(anon_vma)
        if root != anon_vma:
            self.put_anon_vma(root)

    def put_anon_vma(self, anon_vma: u64) -> None:
        """Drop a reference; the last one frees it."""
        count: u64 = load32(self.memory, anon_vma + REFCOUNT) - 1
        store32(self.memory, anon_vma + REFCOUNT, count)
        if count == 0:
            self.anon_vma_free(anon_vma)

    def anon_vma_count(self, anon_vma: u64, field: u64, change: i32) -> None:
        """Add 1 or -1 to ``NUM_CHILDREN`` or ``NUM_ACTIVE_VMAS``."""
        count: u64 = load(self.memory, anon_vma + field)
        store(self.memory, anon_vma + field, count + 1 if change > 0 else count - 1)

    # Links.

    def init_chain(self, vma: u64) -> None:
        """An empty chain."""
        head: u64 = vma + self.at_chain
        store(self.memory, head, head)
        store(self.memory, head + 8, head)

    def chain_is_empty(self, vma: u64) -> bint:
        """Whether the VMA has no links."""
        head: u64 = vma + self.at_chain
        return load(self.memory, head) == head

    def chain_is_singular(self, vma: u64) -> bint:
        """Whether the VMA has exactly one link: faulted, and not inherited over a fork."""
        head: u64 = vma + self.at_chain
        first: u64 = load(self.memory, head)
        return first != head and first == load(self.memory, head + 8)

    def anon_vma_chain_link(self, vma: u64, avc: u64, anon_vma: u64) -> None:
        """Link ``vma`` to ``anon_vma`` by ``avc``, as the newest of its chain."""
        memory: Memory = self.memory
        head: u64 = vma + self.at_chain
        first: u64 = load(memory, head)
        store(memory, avc + AVC_VMA, vma)
        store(memory, avc + AVC_ANON_VMA, anon_vma)
        store(memory, avc + SAME_VMA, first)
        store(memory, avc + SAME_VMA_PREV, head)
        store(memory, first + 8, avc + SAME_VMA)
        store(memory, head, avc + SAME_VMA)
        self.anon_vma_interval_tree_insert(avc, anon_vma)

    def anon_vma_chain_unlink(self, avc: u64) -> None:
        """Take ``avc`` out of its VMA's chain and free it."""
        memory: Memory = self.memory
        after: u64 = load(memory, avc + SAME_VMA)
        before: u64 = load(memory, avc + SAME_VMA_PREV)
        store(memory, before, after)
        store(memory, after + 8, before)
        self.anon_vma_chain_cache.free(avc)

    def anon_vma_interval_tree_insert(self, avc: u64, anon_vma: u64) -> None:
        """Put a link among those of its anon_vma, keyed by its VMA's present page offsets."""
        memory: Memory = self.memory
        vma: u64 = load(memory, avc + AVC_VMA)
        start: u64 = self.vm_pgoff(vma)
        store(memory, avc + CACHED_START, start)
        store(memory, avc + CACHED_LAST, start + self.vma_pages(vma) - 1)
        first: u64 = load(memory, anon_vma + TREE_FIRST)
        store(memory, avc + TREE_NEXT, first)
        store(memory, avc + TREE_PREV, anon_vma + TREE_FIRST)
        if first != 0:
            store(memory, first + TREE_PREV, avc + TREE_NEXT)
        store(memory, anon_vma + TREE_FIRST, avc)
        store(memory, anon_vma + TREE_COUNT, load(memory, anon_vma + TREE_COUNT) + 1)

    def anon_vma_interval_tree_remove(self, avc: u64, anon_vma: u64) -> None:
        """Take a link out of those of its anon_vma."""
        memory: Memory = self.memory
        after: u64 = load(memory, avc + TREE_NEXT)
        link: u64 = load(memory, avc + TREE_PREV)
        store(memory, link, after)
        if after != 0:
            store(memory, after + TREE_PREV, link)
        store(memory, anon_vma + TREE_COUNT, load(memory, anon_vma + TREE_COUNT) - 1)

    def anon_vma_interval_tree_pre_update_vma(self, vma: u64) -> None:
        """Before a VMA's start, end or page offset changes: out of all its anon_vmas."""
        head: u64 = vma + self.at_chain
        link: u64 = load(self.memory, head)
        while link != head:
            avc: u64 = link - SAME_VMA
            self.anon_vma_interval_tree_remove(avc, load(self.memory, avc + AVC_ANON_VMA))
            link = load(self.memory, link)

    def anon_vma_interval_tree_post_update_vma(self, vma: u64) -> None:
        """After the change: back in, under the new key."""
        head: u64 = vma + self.at_chain
        link: u64 = load(self.memory, head)
        while link != head:
            avc: u64 = link - SAME_VMA
            self.anon_vma_interval_tree_insert(avc, load(self.memory, avc + AVC_ANON_VMA))
            link = load(self.memory, link)

    # Clone, fork, unlink.

    def anon_vma_clone(self, dst: u64, src: u64) -> i64:
        """Link ``dst`` to every anon_vma of ``src``, oldest first, so that lists stay newest first.

        If ``dst`` has no anon_vma of its own while ``src`` has (a fork), the first one met that
        has fewer than two children and no active VMA becomes ``dst``'s own. ``-ENOMEM`` leaves
        ``dst`` without links and without its anon_vma.
        """
        memory: Memory = self.memory
        head: u64 = src + self.at_chain
        link: u64 = load(memory, head + 8)
        forked: bint = self.anon_vma(dst) == 0 and self.anon_vma(src) != 0
        while link != head:
            old: u64 = link - SAME_VMA
            avc: u64 = self.anon_vma_chain_cache.alloc(GFP_NOWAIT | NOWARN)
            if avc == 0:
                avc = self.anon_vma_chain_cache.alloc(GFP_KERNEL)
            if avc == 0:
                # Own pointer first: unlinking must not lower a count that was never raised.
                self.set_anon_vma(dst, 0)
                self.unlink_anon_vmas(dst)
                return -errno.ENOMEM
            anon_vma: u64 = load(memory, old + AVC_ANON_VMA)
            self.anon_vma_chain_link(dst, avc, anon_vma)
            if forked and self.anon_vma(dst) == 0:
                few: bint = load(memory, anon_vma + NUM_CHILDREN) < 2
                if few and load(memory, anon_vma + NUM_ACTIVE_VMAS) == 0:
                    self.set_anon_vma(dst, anon_vma)
            link = load(memory, link + 8)
        own: u64 = self.anon_vma(dst)
        if own != 0:
            self.anon_vma_count(own, NUM_ACTIVE_VMAS, 1)
        return 0

    def anon_vma_fork(self, vma: u64, pvma: u64) -> i64:
        """Give the child's ``vma`` the links of the parent's ``pvma`` and an anon_vma of its own.

        A clean parent gives a clean child. ``-ENOMEM`` leaves the child without links.
        """
        memory: Memory = self.memory
        parent: u64 = self.anon_vma(pvma)
        if parent == 0:
            return 0
        self.set_anon_vma(vma, 0)
        error: i64 = self.anon_vma_clone(vma, pvma)
        if error != 0:
            return error
        if self.anon_vma(vma) != 0:
            return 0
        anon_vma: u64 = self.anon_vma_alloc()
        avc: u64 = 0
        if anon_vma != 0:
            self.anon_vma_count(anon_vma, NUM_ACTIVE_VMAS, 1)
            avc = self.anon_vma_chain_cache.alloc(GFP_KERNEL)
            if avc == 0:
                self.put_anon_vma(anon_vma)
        if avc == 0:
            self.unlink_anon_vmas(vma)
            return -errno.ENOMEM
        root: u64 = load(memory, parent + ROOT)
        store(memory, anon_vma + ROOT, root)
        store(memory, anon_vma + PARENT, parent)
        store32(memory, root + REFCOUNT, load32(memory, root + REFCOUNT) + 1)
        self.set_anon_vma(vma, anon_vma)
        self.anon_vma_chain_link(vma, avc, anon_vma)
        self.anon_vma_count(parent, NUM_CHILDREN, 1)
        return 0

    def unlink_anon_vmas(self, vma: u64) -> None:
        """Remove all links of a VMA; an anon_vma that loses its last link is freed."""
        memory: Memory = self.memory
        head: u64 = vma + self.at_chain
        link: u64 = load(memory, head)
        while link != head:
            avc: u64 = link - SAME_VMA
            anon_vma: u64 = load(memory, avc + AVC_ANON_VMA)
            link = load(memory, link)
            self.anon_vma_interval_tree_remove(avc, anon_vma)
            if load(memory, anon_vma + TREE_FIRST) == 0:
                # Left in the chain: it is freed below, once the counts are settled.
                self.anon_vma_count(load(memory, anon_vma + PARENT), NUM_CHILDREN, -1)
                continue
            self.anon_vma_chain_unlink(avc)
        own: u64 = self.anon_vma(vma)
        if own != 0:
            self.anon_vma_count(own, NUM_ACTIVE_VMAS, -1)
            self.set_anon_vma(vma, 0)
        link = load(memory, head)
        while link != head:
            rest: u64 = link - SAME_VMA
            gone: u64 = load(memory, rest + AVC_ANON_VMA)
            link = load(memory, link)
            if load(memory, gone + NUM_CHILDREN) != 0:
                raise KernelWarning("anon_vma->num_children", "unlink_anon_vmas")
            if load(memory, gone + NUM_ACTIVE_VMAS) != 0:
                raise KernelWarning("anon_vma->num_active_vmas", "unlink_anon_vmas")
            self.put_anon_vma(gone)
            self.anon_vma_chain_unlink(rest)

    # An area's first anonymous page.

    def anon_vma_compatible(self, a: u64, b: u64) -> bint:
        """Whether ``a`` (below) and ``b`` could share an anon_vma if protections were equal."""
        differ: u64 = (self.vm_flags(a) ^ self.vm_flags(b)) & ~NO_MATTER
        return (
            self.vm_end(a) == self.vm_start(b)
            and self.vm_policy(a) == self.vm_policy(b)
            and self.vm_file(a) == self.vm_file(b)
            and differ == 0
            and self.vm_pgoff(b) == self.vm_pgoff(a) + self.vma_pages(a)
        )

    def reusable_anon_vma(self, old: u64, a: u64, b: u64) -> u64:
        """``old``'s anon_vma if the areas ``a`` and ``b`` may share it, else 0."""
        if self.anon_vma_compatible(a, b):
            anon_vma: u64 = self.anon_vma(old)
            if anon_vma != 0 and self.chain_is_singular(old):
                return anon_vma
        return 0

    def anon_vma_attach(self, vma: u64, near: u64) -> i64:
        """Give a clean ``vma`` an anon_vma: ``near`` (a neighbour's), or a new root if 0.

        ``-ENOMEM`` changes nothing.
        """
        avc: u64 = self.anon_vma_chain_cache.alloc(GFP_KERNEL)
        if avc == 0:
            return -errno.ENOMEM
        anon_vma: u64 = near
        if anon_vma == 0:
            anon_vma = self.anon_vma_alloc()
            if anon_vma == 0:
                self.anon_vma_chain_cache.free(avc)
                return -errno.ENOMEM
            # A root counts itself, so that it is never mistaken for one to reuse.
            self.anon_vma_count(anon_vma, NUM_CHILDREN, 1)
        self.set_anon_vma(vma, anon_vma)
        self.anon_vma_chain_link(vma, avc, anon_vma)
        self.anon_vma_count(anon_vma, NUM_ACTIVE_VMAS, 1)
        return 0

"""One VMA: that it is one, that its fields agree with each other and with the tree.

The offsets come from the layouts that the address-space floor uses; the rules and their decoding
are the checker's own.
"""

from __future__ import annotations

from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.lookup import Lookup
from mmtwin.check.overlay import KEPT_SHIFT, WAS_IN
from mmtwin.check.tally import Tally
from mmtwin.memory.memory import Memory
from mmtwin.pages.slab import SlabCaches
from mmtwin.space import flags as c
from mmtwin.space.layouts import Layouts

if not cython.compiled:
    from mmtwin.check.words import block_of, held, touched, word_at, word_then

ACCESS = declare(u64, c.VM_ACCESS_FLAGS)
WRITE = declare(u64, c.VM_WRITE)
EXEC = declare(u64, c.VM_EXEC)
SHARED = declare(u64, c.VM_SHARED)
MAYSHARE = declare(u64, c.VM_MAYSHARE)
GROWSDOWN = declare(u64, c.VM_GROWSDOWN)
LOCKED = declare(u64, c.VM_LOCKED)
LOCKONFAULT = declare(u64, c.VM_LOCKONFAULT)
SPECIAL = declare(u64, c.VM_SPECIAL)
ACCOUNT = declare(u64, c.VM_ACCOUNT)
HUGE_BOTH = declare(u64, c.VM_HUGEPAGE | c.VM_NOHUGEPAGE)
READ_BOTH = declare(u64, c.VM_RAND_READ | c.VM_SEQ_READ)
WIPEONFORK = declare(u64, c.VM_WIPEONFORK)
MAYWRITE = declare(u64, c.VM_MAYWRITE)
PKEY_BITS = declare(u64, c.VM_PKEY_BITS)
PKEY_MOVE = declare(i32, 59 - c.VM_PKEY_SHIFT)

ENTRIES = declare(i32, 0)
TOTAL = declare(i32, 1)
DATA = declare(i32, 2)
STACK = declare(i32, 3)
EXECS = declare(i32, 4)
LOCKS = declare(i32, 5)
CHARGED = declare(i32, 6)

PAGE_WORDS = declare(u64, 8)
"""Words of a struct page: word 1 of a slab's names the cache, word 2 its first object."""
SLOTS_KEPT = declare(i32, KEPT_SHIFT)
WAS = declare(u64, WAS_IN)
I_MMAP = declare(u64, 448)
"""Where an inode keeps the first VMA of its list."""


class AreaRules(Lookup):
    """The rules of one VMA, and what it adds to the sums of its address space.

    ``caches`` tell which slab object an address lies in. With ``stale_offsets`` an area emptied by
    mremap may keep its page offset, as kernels do that miss the fix of 2026 (6.18; 6.1.192 has it).
    ``protection`` are the machine's page-table bits, as in the profile; ``page_shift`` is log2 of
    its pages' size; ``uffd_flags`` are the flags of areas that userfaultfd watches.
    ``sums`` has a row for each mm_struct:
    entries, pages in all, of data, stack and text, locked pages, pages charged.
    """

    def __init__(
        self, memory: Memory, layouts: Layouts, caches: SlabCaches, **options: Any
    ) -> None:
        self.stale_offsets = options.pop("stale_offsets", False)
        self.uffd_flags = options.pop("uffd_flags")
        protection = options.pop("protection")
        page_shift: int = options.pop("page_shift")
        self.page_shift = page_shift
        self.page_mask = c.MAX - (1 << self.page_shift) + 1
        self.prot_none, self.prot_read, self.prot_write, self.prot_nx = protection
        super().__init__(memory, **options)
        self.map_word = (caches.memmap - memory.base) >> 3
        self.vma_cache = caches.get("vm_area_struct")
        self.inode_cache = caches.get("inode_cache")
        self.file_cache = caches.get("filp")
        self.at_inode = layouts.file.offset("f_inode")
        vma = layouts.vm_area_struct
        self.vma_size = vma.size
        self.at_mm = vma.offset("vm_mm")
        self.at_flags = vma.offset("vm_flags")
        self.at_prot = vma.offset("vm_page_prot")
        self.at_pgoff = vma.offset("vm_pgoff")
        self.at_file = vma.offset("vm_file")
        self.at_ops = vma.offset("vm_ops")
        self.at_anon = vma.offset("anon_vma")
        self.at_chain = vma.offset("anon_vma_chain_next")
        self.at_shared = vma.offset("shared_next")
        self.at_uffd = vma.offset("vm_userfaultfd_ctx")
        mm = layouts.mm_struct
        self.at_tree = mm.offset("mm_mt")
        self.at_task_size = mm.offset("task_size")
        self.sums = Tally()

    # Objects.

    def object_at(self, address: u64, number: u64, stride: u64) -> u64:
        """The slab object of cache ``number`` that ``address`` lies in; 0 if it lies in none."""
        if address < self.base or address - self.base >= self.size:
            return 0
        page: u64 = self.map_word + ((address - self.base) >> 12) * PAGE_WORDS
        if self.w[page + 1] != number:
            return 0
        first: u64 = self.w[page + 2]
        if first > address:
            return 0
        found: u64 = first + (address - first) // stride * stride
        return found if found + stride <= self.base + self.size else 0

    def is_vma(self, address: u64) -> bint:
        """Is this the address of a ``vm_area_struct``?"""
        return address != 0 and address == self.object_at(
            address, self.vma_cache.number, self.vma_cache.stride
        )

    def vma_fail(self, invariant: str, vma: u64, field: str, found: str, expected: str) -> None:
        """Report that a VMA breaks an invariant."""
        self.report(invariant, "vm_area_struct", vma, field, found, expected)

    # The entry and its VMA.

    def leaf(self, node: u64, end: i32, least: u64, most: u64, fresh: bint) -> i32:
        """Hold each entry against the range of its slot, and count the entries."""
        w = self.w
        first: u64 = (node - self.base) >> 3
        mm: u64 = self.tree - self.at_tree
        low: u64 = least
        high: u64
        entry: u64
        i: i32 = 0
        overlay = self.overlay
        image: i32 = block_of(overlay, first) if self.partial else -1
        counted: bint = not self.partial or fresh or image >= 0
        one: u64 = 1
        kept: u64 = 0
        same: bint
        compared: bint = image >= 0 and not fresh and overlay.flags[image] & WAS != 0
        old = overlay.images
        at: u64 = 32 * image if compared else 0
        self.path_node[self.depth] = node
        self.depth += 1
        while i <= end:
            high = w[first + 1 + i] if i < end else most
            entry = w[first + 16 + i]
            if entry != 0:
                same = compared and old[at + 16 + i] == entry
                if same:
                    kept |= one << (SLOTS_KEPT + i)
                if not (
                    same
                    and 0 < i < end
                    and old[at + i] == w[first + i]
                    and old[at + 1 + i] == w[first + 1 + i]
                    and self._range_kept(entry)
                ):
                    self.path_slot[self.depth - 1] = i
                    self.entry(mm, entry, low, high)
                if counted and self.partial and not same:
                    self.enter_area(entry)
            low = high + 1
            i += 1
        self.depth -= 1
        if compared:
            overlay.flags[image] |= kept
        if counted:
            self.sums.bump(mm, ENTRIES, self.entries)
        return 0

    def _range_kept(self, vma: u64) -> bint:
        """Is nothing stored where a VMA's start and end stand? At the mark it was a sound one."""
        at: u64 = (vma - self.base) >> 3
        return not touched(self.overlay, at) and not touched(self.overlay, at + 1)

    def entry(self, mm: u64, vma: u64, low: u64, high: u64) -> i32:
        """A slot of ``mm``'s tree that covers ``low..high`` (inclusive) and holds ``vma``."""
        if not self.is_vma(vma):
            self.vma_fail("VM-02", vma, "entry", f"{vma:#x}", "a vm_area_struct")
            return 0
        self.agrees(vma, low, high)
        if not self.partial:
            self.area(mm, vma)
            self.account(mm, vma, 1, False)
        return 0

    def enter_area(self, vma: u64) -> i32:
        """A step check met this entry in a leaf where it was not at the mark."""
        return 0

    def agrees(self, vma: u64, low: u64, high: u64) -> i32:
        """The VMA's range is its slot's."""
        at: u64 = (vma - self.base) >> 3
        start: u64 = self.w[at]
        end: u64 = self.w[at + 1]
        if start != low:
            self.vma_fail("VM-01", vma, "vm_start", f"{start:#x}", f"{low:#x}, as in the tree")
        if end - 1 != high:
            self.vma_fail("VM-01", vma, "vm_end", f"{end:#x}", f"{high:#x} + 1, as in the tree")
        return 0

    def area(self, mm: u64, vma: u64) -> i32:
        """The fields of a VMA that is in the tree of ``mm``."""
        start: u64 = word_at(self, vma)
        end: u64 = word_at(self, vma + 8)
        flags: u64 = word_at(self, vma + self.at_flags)
        if word_at(self, vma + self.at_mm) != mm:
            found: u64 = word_at(self, vma + self.at_mm)
            self.vma_fail("VM-02", vma, "vm_mm", f"{found:#x}", f"{mm:#x}")
        if (start | end) & ~self.page_mask != 0 or start >= end:
            self.vma_fail(
                "VM-04", vma, "range", f"[{start:#x}, {end:#x})", "whole pages, one at least"
            )
        elif end > word_at(self, mm + self.at_task_size):
            limit: u64 = word_at(self, mm + self.at_task_size)
            self.vma_fail("VM-04", vma, "vm_end", f"{end:#x}", f"at most {limit:#x}")
        if flags & ~(flags >> 4) & ACCESS != 0:
            self.vma_fail("VM-10", vma, "vm_flags", f"{flags:#x}", "VM_MAY* for each access right")
        if flags & LOCKONFAULT != 0 and flags & LOCKED == 0:
            self.vma_fail("VM-11", vma, "vm_flags", f"{flags:#x}", "VM_LOCKED with VM_LOCKONFAULT")
        if flags & HUGE_BOTH == HUGE_BOTH:
            self.vma_fail("VM-12", vma, "vm_flags", f"{flags:#x}", "not HUGEPAGE and NOHUGEPAGE")
        if flags & READ_BOTH == READ_BOTH and flags & GROWSDOWN == 0:
            self.vma_fail("VM-13", vma, "vm_flags", f"{flags:#x}", "not RAND_READ and SEQ_READ")
        if flags & SPECIAL != 0 and flags & LOCKED != 0:
            self.vma_fail("VM-14", vma, "vm_flags", f"{flags:#x}", "special memory is not locked")
        if flags & SHARED != 0 and flags & MAYSHARE == 0:
            self.vma_fail("VM-15", vma, "vm_flags", f"{flags:#x}", "VM_MAYSHARE with VM_SHARED")
        if word_at(self, vma + self.at_prot) != self.protection(flags):
            prot: u64 = word_at(self, vma + self.at_prot)
            wanted: u64 = self.protection(flags)
            self.vma_fail("VM-16", vma, "vm_page_prot", f"{prot:#x}", f"{wanted:#x} by its flags")
        watched: bint = word_at(self, vma + self.at_uffd) != 0
        if watched != (flags & self.uffd_flags != 0) or (watched and flags & MAYWRITE == 0):
            found_ctx: u64 = word_at(self, vma + self.at_uffd)
            what = f"context {found_ctx:#x}, vm_flags {flags:#x}"
            self.vma_fail("VM-54", vma, "vm_userfaultfd_ctx", what, "both or neither, VM_MAYWRITE")
        self._clean_offset(vma, start, flags)
        self.file_links(vma)
        self.anon(vma, flags)
        return 0

    def _clean_offset(self, vma: u64, start: u64, flags: u64) -> i32:
        """An anonymous area without pages counts its page offsets from address 0.

        One that is wiped at fork keeps its parent's; a stack's stay when exec shifts it.
        """
        if (
            not self.stale_offsets
            and flags & (MAYSHARE | WIPEONFORK | GROWSDOWN) == 0
            and word_at(self, vma + self.at_ops) == 0
            and word_at(self, vma + self.at_file) == 0
            and word_at(self, vma + self.at_anon) == 0
            and word_at(self, vma + self.at_pgoff) != start >> self.page_shift
        ):
            pgoff: u64 = word_at(self, vma + self.at_pgoff)
            self.vma_fail("VM-17", vma, "vm_pgoff", f"{pgoff:#x}", f"{start >> self.page_shift:#x}")
        return 0

    def protection(self, flags: u64) -> u64:
        """The page-table bits that the machine derives from ``vm_flags``."""
        bits: u64 = self.prot_none
        if flags & ACCESS != 0:
            bits = self.prot_read
            if flags & (WRITE | SHARED) == WRITE | SHARED:
                bits |= self.prot_write
            if flags & EXEC == 0:
                bits |= self.prot_nx
        return bits | ((flags & PKEY_BITS) << PKEY_MOVE)

    def file_links(self, vma: u64) -> i32:
        """A file VMA is in its inode's list, between others of that inode; no other VMA is in one.

        That the neighbours map the same inode makes it the same all along the list.
        """
        file: u64 = word_at(self, vma + self.at_file)
        inode: u64 = self.inode_of(vma, False)
        link: u64 = word_at(self, vma + self.at_shared + 8)
        linked: bint = self.aligned(link) and word_at(self, link) == vma
        if file == 0:
            if linked:
                self.vma_fail("VM-31", vma, "shared", f"{link:#x}", "no link without a file")
            return 0
        if inode == 0:
            self.vma_fail("VM-31", vma, "vm_file", f"{file:#x}", "a struct file with an inode")
        elif not linked:
            self.vma_fail("VM-31", vma, "shared", f"{link:#x}", "a link that leads to the VMA")
        elif self._list_owner(link) != inode:
            self.vma_fail("VM-31", vma, "shared", f"{link:#x}", f"a link of inode {inode:#x}")
        else:
            self._next_in_list(vma, inode)
        return 0

    def _list_owner(self, link: u64) -> u64:
        """The inode whose list has a link at this address: its head, or one in a VMA."""
        owner: u64 = self.object_at(link, self.vma_cache.number, self.vma_cache.stride)
        if owner != 0:
            return self.inode_of(owner, False) if link == owner + self.at_shared else 0
        cache = self.inode_cache
        owner = self.object_at(link, cache.number, cache.stride)
        return owner if link == owner + I_MMAP else 0

    def _next_in_list(self, vma: u64, inode: u64) -> i32:
        after: u64 = word_at(self, vma + self.at_shared)
        if after == 0:
            return 0
        if not self.is_vma(after) or (
            word_at(self, after + self.at_shared + 8) != vma + self.at_shared
        ):
            self.vma_fail("VM-31", vma, "shared", f"{after:#x}", "a VMA that links back")
        elif self.inode_of(after, False) != inode:
            self.vma_fail("VM-31", vma, "shared", f"{after:#x}", f"a VMA of inode {inode:#x}")
        return 0

    def inode_of(self, vma: u64, old: bint) -> u64:
        """The inode that the VMA maps, or mapped at the mark; 0 for none."""
        file: u64 = word_then(self, vma + self.at_file, old)
        cache = self.file_cache
        if file == 0 or file != self.object_at(file, cache.number, cache.stride):
            return 0
        inode: u64 = word_then(self, file + self.at_inode, old)
        return inode if self.is_inode(inode) else 0

    def is_inode(self, address: u64) -> bint:
        """Is this the address of an ``inode``?"""
        cache = self.inode_cache
        return address != 0 and address == self.object_at(address, cache.number, cache.stride)

    def aligned(self, address: u64) -> bint:
        """Is this the address of a word in memory?"""
        return address & 7 == 0 and held(self, address)

    def anon(self, vma: u64, flags: u64) -> i32:
        """The VMA's anonymous side: a place for its chain."""
        return 0

    # Sums.

    def account(self, mm: u64, vma: u64, sign: i64, old: bint) -> i32:
        """Add what the VMA adds to the sums of its address space, or with -1 take it away."""
        pages: i64 = (word_then(self, vma + 8, old) - word_then(self, vma, old)) >> self.page_shift
        flags: u64 = word_then(self, vma + self.at_flags, old)
        row: u64 = self.sums.row(mm)
        pages *= sign
        sums = self.sums.sums
        row *= 8
        sums[row + TOTAL] += pages
        if flags & (EXEC | WRITE | GROWSDOWN) == EXEC:
            sums[row + EXECS] += pages
        elif flags & GROWSDOWN != 0:
            sums[row + STACK] += pages
        elif flags & (WRITE | SHARED) == WRITE:
            sums[row + DATA] += pages
        if flags & LOCKED != 0:
            sums[row + LOCKS] += pages
        if flags & ACCOUNT != 0:
            sums[row + CHARGED] += pages
        self.account_file(vma, flags, sign, old)
        self.account_anon(vma, sign, old)
        return 0

    def account_file(self, vma: u64, flags: u64, sign: i64, old: bint) -> i32:
        """The VMA's share in the sums over its inode."""
        return 0

    def account_anon(self, vma: u64, sign: i64, old: bint) -> i32:
        """The VMA's share in the sums over its anon_vmas."""
        return 0

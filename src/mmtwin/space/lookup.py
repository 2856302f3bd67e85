"""Looking VMAs up. The tree's ranges are inclusive, a VMA's end is exclusive."""

from __future__ import annotations

from collections.abc import Iterator

from cython import declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState, cursor
from mmtwin.memory.memory import Memory
from mmtwin.space.fields import Caches
from mmtwin.space.vma_alloc import VmaAlloc

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)


class Lookup(VmaAlloc):
    """``find_vma`` and its kin, each defined once."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, caches, profile)
        self.maple = maple
        self.glance = MaState(0)

    def vma_iterator(self, mm: u64, addr: u64) -> MaState:
        """A cursor on the address space's tree, to start at ``addr``."""
        return cursor(self.mm_mt(mm), addr)

    def glance_at(self, mm: u64, addr: u64) -> MaState:
        """The cursor of the look-ups that a single step of it answers: good until the next."""
        self.glance.begin(self.mm_mt(mm), addr)
        return self.glance

    def find_vma(self, mm: u64, addr: u64) -> u64:
        """The first VMA with end > ``addr``, which may begin above it; 0 for none."""
        return self.maple.mas_find(self.glance_at(mm, addr), TOP)

    def find_vma_intersection(self, mm: u64, start: u64, end: u64) -> u64:
        """The first VMA that has a byte in [start, end); 0 for none."""
        return self.maple.mas_find(self.glance_at(mm, start), end - 1)

    def vma_lookup(self, mm: u64, addr: u64) -> u64:
        """The VMA that contains ``addr``; 0 for none."""
        return self.maple.mas_walk(self.glance_at(mm, addr))

    def vma_prev(self, mm: u64, addr: u64) -> u64:
        """The VMA before the one, or before the hole, that contains ``addr``; 0 for none.

        With ``find_vma`` this is what the kernel's ``find_vma_prev`` gives.
        """
        return self.maple.mas_prev(self.glance_at(mm, addr), 0)

    def count_vma_pages_range(self, mm: u64, addr: u64, end: u64) -> u64:
        """How many pages of [addr, end) are mapped."""
        mas: MaState = self.vma_iterator(mm, addr)
        pages: u64 = 0
        vma: u64 = self.maple.mas_find(mas, end - 1)
        while vma != 0:
            first: u64 = self.vm_start(vma)
            past: u64 = self.vm_end(vma)
            if first < addr:
                first = addr
            if past > end:
                past = end
            pages += (past - first) >> self.page_shift
            vma = self.maple.mas_find(mas, end - 1)
        return pages

    def vmas(self, mm: int) -> Iterator[int]:
        """The VMAs of ``mm`` in ascending order. The tree must not change meanwhile."""
        mas = MaState(self.mm_mt(mm), 0)
        vma = self.maple.mas_find(mas, 0xFFFFFFFFFFFFFFFF)
        while vma:
            yield vma
            vma = self.maple.mas_find(mas, 0xFFFFFFFFFFFFFFFF)

    # An area's first anonymous page needs its neighbours.

    def find_mergeable_anon_vma(self, vma: u64) -> u64:
        """A neighbour's anon_vma that ``vma`` may share, the next one's first; 0 for none.

        Sharing now keeps the two areas mergeable later.
        """
        mas: MaState = self.vma_iterator(self.vm_mm(vma), self.vm_end(vma))
        near: u64 = self.maple.mas_walk(mas)
        if near != 0:
            anon_vma: u64 = self.reusable_anon_vma(near, vma, near)
            if anon_vma != 0:
                return anon_vma
        if self.maple.mas_prev(mas, 0) != vma:
            raise KernelBug("prev != vma", "find_mergeable_anon_vma")
        near = self.maple.mas_prev(mas, 0)
        return self.reusable_anon_vma(near, near, vma) if near != 0 else 0

    def anon_vma_prepare(self, vma: u64) -> i64:
        """Make sure that ``vma`` has an anon_vma: 0 or ``-ENOMEM``."""
        if self.anon_vma(vma) != 0:
            return 0
        return self.anon_vma_attach(vma, self.find_mergeable_anon_vma(vma))

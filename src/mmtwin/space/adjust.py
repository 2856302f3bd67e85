"""Moving the borders of VMAs as Linux 6.1 does it: ``__vma_adjust`` and its tree stores.

Every change of the tree is one store prepared beforehand: between preparing and storing, locks are
held under which no allocation may wait.
"""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine import context as held
from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.space import flags as c
from mmtwin.space.lookup import Lookup

I_MMAP_RWSEM = declare(u64, held.I_MMAP_RWSEM)
ANON_VMA_RWSEM = declare(u64, held.ANON_VMA_RWSEM)
VMA_ADJUST = "__vma_adjust"
VM_SPECIAL = declare(u64, c.VM_SPECIAL)
VM_SOFTDIRTY = declare(u64, c.VM_SOFTDIRTY)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)


class VmaAdjust:
    """One change of borders between neighbours: what ``__vma_adjust`` keeps on its stack.

    ``vma`` gets [``start``, ``end``) and ``pgoff``. ``insert`` is the piece that a split adds, 0 in
    a merge. ``next`` is the VMA above; ``remove_next`` is 1 if it goes (cases 1 and 7), 2 if
    ``next_next`` goes with it (case 6), 3 if the roles were swapped (case 8). ``adjust_up`` are the
    bytes that ``next`` loses at its head (case 5), ``adjust_down`` those it gains (case 4).
    ``importer`` takes over pages of ``exporter``; ``anon_dup`` is the importer while its links
    may have to be undone.
    """

    def begin(self, vma: u64, start: u64, end: u64, pgoff: u64, insert: u64) -> None:
        """Nothing is known but what was asked for."""
        self.vma = vma
        self.start = start
        self.end = end
        self.pgoff = pgoff
        self.insert = insert
        self.next = 0
        self.next_next = 0
        self.remove_next = 0
        self.adjust_up = 0
        self.adjust_down = 0
        self.exporter = 0
        self.importer = 0
        self.anon_dup = 0


class Adjust(Lookup):
    """``__vma_adjust`` and the tree stores that it makes."""

    def vma_adjust(
        self, vma: u64, start: u64, end: u64, pgoff: u64, insert: u64, expand: u64
    ) -> i64:
        """``__vma_adjust``: move the borders between ``vma`` and what follows, in one go.

        ``vma`` gets [start, end) and ``pgoff``; ``insert`` is a new VMA to put in (split);
        ``expand`` the VMA that grows (merge). 0 or ``-ENOMEM``, which changes nothing.
        """
        mm: u64 = self.vm_mm(vma)
        plan: VmaAdjust = VmaAdjust.__new__(VmaAdjust)
        plan.begin(vma, start, end, pgoff, insert)
        plan.next = self.find_vma(mm, self.vm_end(vma))
        file: u64 = self.vm_file(vma)
        if plan.next != 0 and insert == 0:
            self.vma_adjust_classify(plan, expand)
            if plan.exporter != 0:
                exported: u64 = self.anon_vma(plan.exporter)
                if exported != 0 and self.anon_vma(plan.importer) == 0:
                    error: i64 = self.dup_anon_vma(plan.importer, plan.exporter)
                    if error != 0:
                        return error
                    plan.anon_dup = plan.importer
        vma = plan.vma
        mas: MaState = self.vma_iterator(mm, 0)
        if self.maple.mas_preallocate(mas, vma, GFP_KERNEL) != 0:
            self.vma_adjust_undo_anon(plan)
            return -errno.ENOMEM
        adjusting: bint = plan.adjust_up != 0 or plan.adjust_down != 0
        self.split_huge_at(vma, plan.start)
        self.split_huge_at(vma, plan.end)
        if adjusting:
            self.split_huge_at(plan.next, plan.end)
        anon: u64 = self.anon_vma(vma)
        if adjusting:
            other: u64 = self.anon_vma(plan.next)
            if anon == 0:
                anon = other
            elif other != 0 and other != anon:
                raise KernelWarning("anon_vma != next->anon_vma", VMA_ADJUST)
        if file != 0:
            self.context.lock(I_MMAP_RWSEM)
            if insert != 0:
                self.vma_link_file(insert)
        if anon != 0:
            self.context.lock(ANON_VMA_RWSEM)
            self.anon_vma_interval_tree_pre_update_vma(vma)
            if adjusting:
                self.anon_vma_interval_tree_pre_update_vma(plan.next)
        if file != 0:
            self.vma_interval_tree_remove(vma)
            if adjusting:
                self.vma_interval_tree_remove(plan.next)
        self.vma_adjust_store(mas, plan)
        if file != 0:
            if adjusting:
                self.vma_interval_tree_insert(plan.next)
            self.vma_interval_tree_insert(vma)
        if plan.remove_next != 0:
            if file != 0:
                self.unlink_file_vma(plan.next)
                if plan.remove_next == 2:
                    self.unlink_file_vma(plan.next_next)
        elif insert != 0:
            mas.reset()
            self.vma_mas_store(insert, mas)
            self.set_map_count(mm, self.map_count(mm) + 1)
        if anon != 0:
            self.anon_vma_interval_tree_post_update_vma(vma)
            if adjusting:
                self.anon_vma_interval_tree_post_update_vma(plan.next)
            self.context.unlock(ANON_VMA_RWSEM)
        if file != 0:
            self.context.unlock(I_MMAP_RWSEM)
        if plan.remove_next == 2:
            self.vma_remove_merged(vma, plan.next, False)
            self.vma_remove_merged(vma, plan.next_next, True)
        elif plan.remove_next != 0:
            self.vma_remove_merged(vma, plan.next, True)
        self.maple.mas_destroy(mas)
        return 0

    def vma_adjust_classify(self, plan: VmaAdjust, expand: u64) -> None:
        """Tell the merge case from how the new borders lie to ``next``."""
        near: u64 = plan.next
        vma: u64 = plan.vma
        if plan.end >= self.vm_end(near):
            if near == expand:
                if plan.end != self.vm_end(near):
                    raise KernelWarning("end != next->vm_end", VMA_ADJUST)
                if self.vm_file(vma) != self.vm_file(near):
                    raise KernelWarning("file != next->vm_file", VMA_ADJUST)
                # Case 8: the VMA above has the final flags already and survives; the roles swap.
                plan.remove_next = 3
                plan.vma = near
                plan.next = vma
            else:
                if vma != expand:
                    raise KernelWarning("expand != vma", VMA_ADJUST)
                plan.remove_next = 1
                if plan.end > self.vm_end(near):
                    plan.remove_next = 2
                    plan.next_next = self.find_vma(self.vm_mm(vma), self.vm_end(near))
                    if plan.next_next == 0 or plan.end != self.vm_end(plan.next_next):
                        raise KernelWarning("end != next_next->vm_end", VMA_ADJUST)
            plan.exporter = plan.next
            plan.importer = plan.vma
            if plan.remove_next == 2 and self.anon_vma(near) == 0:
                plan.exporter = plan.next_next
        elif plan.end > self.vm_start(near):
            plan.adjust_up = plan.end - self.vm_start(near)
            plan.exporter = near
            plan.importer = vma
        elif plan.end < self.vm_end(vma):
            plan.adjust_down = self.vm_end(vma) - plan.end
            plan.exporter = vma
            plan.importer = near
        if plan.remove_next == 0 and plan.importer != 0 and plan.importer != expand:
            raise KernelWarning("expand != importer", VMA_ADJUST)

    def split_huge_at(self, vma: u64, address: u64) -> None:
        """A border comes to lie at ``address`` in ``vma``: no huge page may lie across it."""

    def dup_anon_vma(self, dst: u64, src: u64) -> i64:
        """Let a clean ``dst`` share all anon_vmas of ``src``: it is to take over its pages."""
        self.set_anon_vma(dst, self.anon_vma(src))
        return self.anon_vma_clone(dst, src)

    def vma_adjust_undo_anon(self, plan: VmaAdjust) -> None:
        """No tree nodes: the importer is clean again."""
        if plan.anon_dup != 0:
            self.unlink_anon_vmas(plan.anon_dup)

    def vma_adjust_store(self, mas: MaState, plan: VmaAdjust) -> None:
        """Write the new borders into the VMAs and the tree.

        Of two stores only the first may need nodes: the second replaces an exact range.
        """
        vma: u64 = plan.vma
        changed: bint = False
        start: u64 = self.vm_start(vma)
        if plan.start != start:
            if start < plan.start and (plan.insert == 0 or self.vm_end(plan.insert) != plan.start):
                self.vma_mas_szero(mas, start, plan.start)
            else:
                changed = True
            self.set_vm_start(vma, plan.start)
        end: u64 = self.vm_end(vma)
        if plan.end != end:
            if end < plan.end:
                changed = True
            elif end - plan.adjust_down != plan.end and (
                plan.insert == 0 or self.vm_start(plan.insert) != plan.end
            ):
                self.vma_mas_szero(mas, plan.end, end)
                mas.reset()
            self.set_vm_end(vma, plan.end)
        if changed:
            self.vma_mas_store(vma, mas)
        self.set_vm_pgoff(vma, plan.pgoff)
        near: u64 = plan.next
        if plan.adjust_up != 0:
            self.set_vm_start(near, self.vm_start(near) + plan.adjust_up)
            self.set_vm_pgoff(near, self.vm_pgoff(near) + (plan.adjust_up >> self.page_shift))
            self.vma_mas_store(near, mas)
        elif plan.adjust_down != 0:
            self.set_vm_start(near, self.vm_start(near) - plan.adjust_down)
            self.set_vm_pgoff(near, self.vm_pgoff(near) - (plan.adjust_down >> self.page_shift))
            self.vma_mas_store(near, mas)

    def vma_remove_merged(self, vma: u64, gone: u64, last: bint) -> None:
        """Free ``gone``, whose range belongs to ``vma`` now. ``last`` of those that go?"""
        mm: u64 = self.vm_mm(vma)
        file: u64 = self.vm_file(gone)
        if file != 0:
            self.fput(file)
        if self.anon_vma(gone) != 0:
            self.unlink_anon_vmas(gone)
        self.set_map_count(mm, self.map_count(mm) - 1)
        if last and self.vm_end(vma) < self.vm_end(gone):
            raise KernelBug("vma->vm_end < next->vm_end", VMA_ADJUST)
        self.vm_area_free(gone)

    def vma_mas_store(self, vma: u64, mas: MaState) -> None:
        """Store a VMA over its own range, from nodes set aside; gives the rest of them back."""
        mas.set_range(self.vm_start(vma), self.vm_end(vma) - 1)
        self.maple.mas_store_prealloc(mas, vma)

    def vma_mas_szero(self, mas: MaState, start: u64, end: u64) -> None:
        """Clear [start, end) in the tree, from nodes set aside."""
        mas.set_range(start, end - 1)
        self.maple.mas_store_prealloc(mas, 0)

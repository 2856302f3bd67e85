"""Merging and splitting since 6.12: one set of rules, one store of the VMA that grows.

In mm/vma.c: ``vma_merge_existing_range`` for changed attributes, ``vma_merge_new_range`` for new
memory, both ending in ``commit_merge``.
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
from mmtwin.space.space import Space
from mmtwin.space.words import err_ptr

I_MMAP_RWSEM = declare(u64, held.I_MMAP_RWSEM)
ANON_VMA_RWSEM = declare(u64, held.ANON_VMA_RWSEM)
EXISTING = "vma_merge_existing_range"
VM_SPECIAL = declare(u64, c.VM_SPECIAL)
VM_STICKY = declare(u64, c.VM_MAYBE_GUARD_6_18)
"""Once set on an area, on every one that it becomes part of (6.18.y)."""
VM_IGNORE_MERGE = declare(u64, c.VM_SOFTDIRTY | c.VM_MAYBE_GUARD_6_18)


class VmaMerge:
    """One attempt to merge: the kernel's ``struct vma_merge_struct``.

    [``start``, ``end``) is the area, ``pgoff`` its own; ``middle`` the VMA that is being changed,
    0 for new memory. ``prev`` and ``next`` are the neighbours, ``target`` the one that grows.
    ``copied_from`` is the VMA that mremap copies. ``just_expand``: only ``prev`` may grow.
    ``nomem`` tells a failure for want of memory from "nothing to merge".
    """

    def begin(self, mm: u64, start: u64, end: u64, vm_flags: u64, pgoff: u64) -> None:
        """Of the area only this is known."""
        self.mm = mm
        self.start = start
        self.end = end
        self.vm_flags = vm_flags
        self.pgoff = pgoff
        self.prev = self.middle = self.next = self.target = self.copied_from = 0
        self.file = self.anon_vma = self.policy = self.uffd_ctx = self.anon_name = 0
        self.just_expand = self.nomem = False
        self.adjust_middle_start = self.adjust_next_start = False
        self.remove_middle = self.remove_next = False


def merge_attempt(mm: u64, start: u64, end: u64, vm_flags: u64, pgoff: u64) -> VmaMerge:
    """An attempt for [start, end) of ``mm``, without neighbours."""
    vmg: VmaMerge = VmaMerge.__new__(VmaMerge)
    vmg.begin(mm, start, end, vm_flags, pgoff)
    return vmg


class Merge618(Space):
    """The merge engine of mm/vma.c."""

    # May two things be one?

    def vma_had_uncowed_parents(self, vma: u64) -> bint:
        """Whether the VMA was inherited over a fork and faulted: it takes no strangers."""
        return vma != 0 and self.anon_vma(vma) != 0 and not self.chain_is_singular(vma)

    def vmg_is_mergeable_anon_vma(self, vmg: VmaMerge, merge_next: bint) -> bint:
        """Whether the pages of the area and of the neighbour may live in one VMA.

        Since 879bca0a2c4f ("mm/vma: fix incorrectly disallowed anonymous VMA merges", 6.16) also
        when the area is faulted and the neighbour that grows is not.
        """
        vma: u64 = vmg.next if merge_next else vmg.prev
        theirs: u64 = self.anon_vma(vma)
        ours: u64 = vmg.anon_vma
        if theirs == 0 and ours != 0:
            return not (
                self.vma_had_uncowed_parents(vmg.middle)
                or self.vma_had_uncowed_parents(vmg.copied_from)
            )
        if theirs != 0 and ours == 0:
            return not self.vma_had_uncowed_parents(vma)
        return ours == theirs

    def vmg_is_mergeable_vma(self, vmg: VmaMerge, vma: u64) -> bint:
        """Whether ``vma`` has the area's attributes, soft-dirty aside.

        A close() method is no obstacle to growing, only to being removed (714965ca8252, 6.4).
        """
        return (
            self.vm_policy(vma) == vmg.policy
            and (self.vm_flags(vma) ^ vmg.vm_flags) & ~VM_IGNORE_MERGE == 0
            and self.vm_file(vma) == vmg.file
            and self.vm_userfaultfd_ctx(vma) == vmg.uffd_ctx
            and self.anon_vma_name(vma) == vmg.anon_name
        )

    def can_vma_merge_left(self, vmg: VmaMerge) -> bint:
        """Whether ``prev`` may grow over the area."""
        prev: u64 = vmg.prev
        return (
            prev != 0
            and self.vm_end(prev) == vmg.start
            and self.vmg_is_mergeable_vma(vmg, prev)
            and self.vmg_is_mergeable_anon_vma(vmg, False)
            and self.vm_pgoff(prev) + self.vma_pages(prev) == vmg.pgoff
        )

    def can_vma_merge_right(self, vmg: VmaMerge, can_merge_left: bint) -> bint:
        """Whether ``next`` may grow over the area; with ``prev`` as well if that does."""
        near: u64 = vmg.next
        if (
            near == 0
            or self.vm_start(near) != vmg.end
            or not self.vmg_is_mergeable_vma(vmg, near)
            or not self.vmg_is_mergeable_anon_vma(vmg, True)
            or self.vm_pgoff(near) != vmg.pgoff + ((vmg.end - vmg.start) >> 12)
        ):
            return False
        if not can_merge_left:
            return True
        return self.is_mergeable_anon_vma(self.anon_vma(vmg.prev), self.anon_vma(near), 0)

    # Changed attributes.

    def vma_merge_existing_range(self, vmg: VmaMerge) -> u64:
        """Let part or all of ``middle``, with new attributes, join its neighbours.

        ``prev`` is the VMA before ``middle``, or ``middle`` itself if the area begins inside.
        Returns the VMA that covers the area now, 0 for none.
        """
        middle: u64 = vmg.middle
        prev: u64 = vmg.prev
        start: u64 = vmg.start
        end: u64 = vmg.end
        self.vmg_warn(vmg)
        left_side: bint = start == self.vm_start(middle)
        right_side: bint = end == self.vm_end(middle)
        if vmg.vm_flags & VM_SPECIAL != 0 or not (left_side or right_side):
            return 0
        merge_left: bint = left_side and self.can_vma_merge_left(vmg)
        merge_right: bint = False
        if right_side:
            vmg.next = self.vma_lookup(vmg.mm, end)
            merge_right = self.can_vma_merge_right(vmg, merge_left)
        if not (merge_left or merge_right):
            return 0
        vmg.remove_middle = left_side and right_side
        if vmg.remove_middle and self.has_close(middle):
            return 0
        near: u64 = vmg.next
        if merge_left and merge_right and self.has_close(near):
            merge_right = False
        vmg.remove_next = merge_left and merge_right
        error: i64
        if merge_left:
            vmg.target = prev
            vmg.start = self.vm_start(prev)
            vmg.pgoff = self.vm_pgoff(prev)
            source: u64 = middle
            if vmg.remove_next:
                vmg.end = self.vm_end(near)
                if self.anon_vma(near) != 0:
                    source = near
            elif not vmg.remove_middle:
                vmg.adjust_middle_start = True
            error = self.vmg_dup_anon_vma(prev, source)
        else:
            vmg.target = near
            if vmg.remove_middle:
                vmg.pgoff = self.vm_pgoff(near) - ((end - start) >> 12)
                vmg.end = self.vm_end(near)
            else:
                # Middle shrinks at its end; next grows down over what it loses.
                vmg.start = self.vm_start(middle)
                vmg.end = start
                vmg.pgoff = self.vm_pgoff(middle)
                vmg.adjust_next_start = True
            error = self.vmg_dup_anon_vma(near, middle)
        sticky: u64 = self.sticky_flags(vmg)
        if error < 0 or self.commit_merge(vmg) != 0:
            if error > 0:
                self.unlink_anon_vmas(vmg.target)
            vmg.nomem = True
            return 0
        if sticky != 0:
            self.set_vm_flags(vmg.target, self.vm_flags(vmg.target) | sticky)
        return vmg.target

    def vmg_warn(self, vmg: VmaMerge) -> None:
        """Does the area lie in ``middle``, behind ``prev``?"""
        middle: u64 = vmg.middle
        if vmg.prev != 0 and vmg.start <= self.vm_start(vmg.prev):
            raise KernelWarning("prev && start <= prev->vm_start", EXISTING)
        if vmg.start >= vmg.end:
            raise KernelWarning("start >= end", EXISTING)
        if vmg.end > self.vm_end(middle) or (
            middle != vmg.prev and vmg.start != self.vm_start(middle)
        ):
            raise KernelWarning("vmg->start != middle->vm_start", EXISTING)

    def sticky_flags(self, vmg: VmaMerge) -> u64:
        """What the target must keep in mind of the areas that become part of it."""
        sticky: u64 = vmg.vm_flags
        if vmg.remove_next:
            sticky |= self.vm_flags(vmg.next)
        return sticky & VM_STICKY

    def vmg_dup_anon_vma(self, dst: u64, src: u64) -> i64:
        """If ``src`` is faulted and ``dst`` clean, share: 1 if done, 0 if not, or ``-ENOMEM``."""
        if self.anon_vma(src) == 0 or self.anon_vma(dst) != 0:
            return 0
        error: i64 = self.dup_anon_vma(dst, src)
        return error if error != 0 else 1

    def vma_modify(
        self,
        mm: u64,
        prev: u64,
        vma: u64,
        start: u64,
        end: u64,
        vm_flags: u64,
        policy: u64,
        uffd_ctx: u64,
        anon_name: u64,
    ) -> u64:
        """Merge or split for new attributes; want of memory while merging is an error here."""
        vmg: VmaMerge = self.vmg_of(vma, start, end)
        vmg.prev = prev
        vmg.middle = vma
        vmg.vm_flags = vm_flags
        vmg.policy = policy
        vmg.uffd_ctx = uffd_ctx
        vmg.anon_name = anon_name
        merged: u64 = self.vma_merge_existing_range(vmg)
        if merged != 0:
            return merged
        if vmg.nomem:
            return err_ptr(-errno.ENOMEM)
        error: i64
        if self.vm_start(vma) < start:
            error = self.split_vma(mm, vma, start, True)
            if error != 0:
                return err_ptr(error)
        if self.vm_end(vma) > end:
            error = self.split_vma(mm, vma, end, False)
            if error != 0:
                return err_ptr(error)
        return vma

    # New memory.

    def vma_merge_new_range(self, vmg: VmaMerge) -> u64:
        """Let new memory join its neighbours; ``prev`` is preferred. The VMA, 0 for none.

        What is still mapped in the area is about to be unmapped; the store overwrites it.
        """
        prev: u64 = vmg.prev
        near: u64 = vmg.next
        end: u64 = vmg.end
        if vmg.vm_flags & VM_SPECIAL != 0 or (prev == 0 and near == 0):
            return 0
        merge_left: bint = self.can_vma_merge_left(vmg)
        merge_right: bint = not vmg.just_expand and self.can_vma_merge_right(vmg, merge_left)
        if merge_right:
            vmg.end = self.vm_end(near)
            vmg.target = near
        if merge_left:
            vmg.start = self.vm_start(prev)
            vmg.target = prev
            vmg.pgoff = self.vm_pgoff(prev)
            if merge_right and self.has_close(near):
                vmg.end = end
        if vmg.target != 0 and self.vmg_expand(vmg) == 0:
            return vmg.target
        return 0

    def vmg_expand(self, vmg: VmaMerge) -> i64:
        """``vma_expand``: grow ``target``, over ``next`` if that ends at ``end``: 0 or -ENOMEM."""
        target: u64 = vmg.target
        near: u64 = vmg.next
        vmg.remove_next = near != 0 and near != target and vmg.end == self.vm_end(near)
        if vmg.remove_next and self.has_close(near):
            raise KernelWarning("remove_next && !can_merge_remove_vma(next)", "vma_expand")
        if near not in (0, target) and not vmg.remove_next and vmg.end > self.vm_start(near):
            raise KernelBug("vmg->end > next->vm_start", "vma_expand")
        if self.vm_start(target) < vmg.start or self.vm_end(target) > vmg.end:
            raise KernelBug("target would shrink", "vma_expand")
        dup: i64 = 0
        if vmg.remove_next:
            dup = self.vmg_dup_anon_vma(target, near)
        if dup == 0 and vmg.copied_from != 0:
            dup = self.vmg_dup_anon_vma(target, vmg.copied_from)
        sticky: u64 = self.sticky_flags(vmg)
        if dup >= 0 and self.commit_merge(vmg) == 0:
            if sticky != 0:
                self.set_vm_flags(target, self.vm_flags(target) | sticky)
            return 0
        if dup > 0:
            self.unlink_anon_vmas(target)
        vmg.nomem = True
        return -errno.ENOMEM

    def vmg_of(self, vma: u64, start: u64, end: u64) -> VmaMerge:
        """An attempt for [start, end) with the attributes of ``vma``."""
        pgoff: u64 = self.vm_pgoff(vma)
        first: u64 = self.vm_start(vma)
        if start >= first:
            pgoff += (start - first) >> 12
        vmg: VmaMerge = merge_attempt(self.vm_mm(vma), start, end, self.vm_flags(vma), pgoff)
        vmg.file = self.vm_file(vma)
        vmg.anon_vma = self.anon_vma(vma)
        vmg.policy = self.vm_policy(vma)
        vmg.uffd_ctx = self.vm_userfaultfd_ctx(vma)
        vmg.anon_name = self.anon_vma_name(vma)
        return vmg

    def vma_merge_extend(self, vma: u64, addr: u64, delta: u64) -> u64:
        """Extend ``vma`` by ``delta`` bytes, with what lies above if that fits; 0 if not."""
        end: u64 = self.vm_end(vma)
        vmg: VmaMerge = self.vmg_of(vma, end, end + delta)
        vmg.prev = vma
        vmg.next = self.find_vma(vmg.mm, end)
        return self.vma_merge_new_range(vmg)

    def vma_merge_copy(self, vma: u64, prev: u64, addr: u64, length: u64, pgoff: u64) -> u64:
        """Let a copy of ``vma`` at [addr, addr + length) join what is around it; 0 for none."""
        vmg: VmaMerge = self.vmg_of(vma, addr, addr + length)
        vmg.pgoff = pgoff
        vmg.prev = prev
        vmg.next = self.find_vma(vmg.mm, addr)
        vmg.copied_from = vma
        return self.vma_merge_new_range(vmg)

    # The change itself.

    def commit_merge(self, vmg: VmaMerge) -> i64:
        """Set the new ranges and store the target, once: 0 or ``-ENOMEM``, which changes nothing.

        ``vma`` below is what gets [start, end): the target, or middle where next is the target.
        """
        middle: u64 = vmg.middle
        near: u64 = vmg.next
        vma: u64 = middle if vmg.adjust_next_start else vmg.target
        adjust: u64 = 0
        mas: MaState = self.vma_iterator(vmg.mm, vmg.start)
        if vmg.adjust_next_start:
            adjust = near
            mas.set_range(vmg.end, self.vm_end(near) - 1)
        else:
            if vmg.adjust_middle_start:
                adjust = middle
            mas.set_range(vmg.start, vmg.end - 1)
        if self.commit_preallocate(mas, vmg) != 0:
            return -errno.ENOMEM
        self.split_huge_at(vma, vmg.start)
        self.split_huge_at(vma, vmg.end)
        if adjust != 0:
            self.split_huge_at(adjust, vmg.end)
        anon: u64 = self.anon_vma(vma)
        if anon == 0 and adjust != 0:
            anon = self.anon_vma(adjust)
        file: u64 = self.vm_file(vma)
        if file != 0:
            self.context.lock(I_MMAP_RWSEM)
        if anon != 0:
            self.context.lock(ANON_VMA_RWSEM)
            self.anon_vma_interval_tree_pre_update_vma(vma)
            if adjust != 0:
                self.anon_vma_interval_tree_pre_update_vma(adjust)
        if file != 0:
            self.vma_interval_tree_remove(vma)
            if adjust != 0:
                self.vma_interval_tree_remove(adjust)
        gained: u64
        if vmg.adjust_middle_start:
            gained = (vmg.end - self.vm_start(middle)) >> 12
            self.set_vm_start(middle, vmg.end)
            self.set_vm_pgoff(middle, self.vm_pgoff(middle) + gained)
        elif vmg.adjust_next_start:
            gained = (self.vm_end(middle) - vmg.end) >> 12
            self.set_vm_start(near, vmg.end)
            self.set_vm_pgoff(near, self.vm_pgoff(near) - gained)
        self.vma_set_range(vma, vmg.start, vmg.end, vmg.pgoff)
        self.commit_store(mas, vmg)
        if file != 0:
            if adjust != 0:
                self.vma_interval_tree_insert(adjust)
            self.vma_interval_tree_insert(vma)
            if vmg.remove_middle:
                self.unlink_file_vma(middle)
            if vmg.remove_next:
                self.unlink_file_vma(near)
        if anon != 0:
            self.anon_vma_interval_tree_post_update_vma(vma)
            if adjust != 0:
                self.anon_vma_interval_tree_post_update_vma(adjust)
            self.context.unlock(ANON_VMA_RWSEM)
        if file != 0:
            self.context.unlock(I_MMAP_RWSEM)
        if vmg.remove_middle:
            self.vma_remove_merged(vma, middle, not vmg.remove_next)
        if vmg.remove_next:
            self.vma_remove_merged(vma, near, True)
        return 0

    def commit_preallocate(self, mas: MaState, vmg: VmaMerge) -> i64:
        """Set nodes aside for the store of a merge, before any lock: 0 or ``-ENOMEM``."""
        return self.maple.mas_preallocate(mas, vmg.target, GFP_KERNEL)

    def commit_store(self, mas: MaState, vmg: VmaMerge) -> None:
        """The one store of a merge, over the range that ``mas`` is set to, from nodes set aside."""
        self.maple.mas_store_prealloc(mas, vmg.target)

    def split_vma_nocheck(self, mm: u64, vma: u64, addr: u64, new_below: bint) -> i64:
        """``__split_vma`` with one store: the new VMA's; the old one's range shrinks by it."""
        error: i64
        if self.has_may_split(vma):
            error = self.vma_may_split(vma, addr)
            if error != 0:
                return error
        new: u64 = self.vm_area_dup(vma)
        if new == 0:
            return -errno.ENOMEM
        pages: u64 = (addr - self.vm_start(vma)) >> 12
        if new_below:
            self.set_vm_end(new, addr)
        else:
            self.set_vm_start(new, addr)
            self.set_vm_pgoff(new, self.vm_pgoff(new) + pages)
        mas: MaState = self.vma_iterator(mm, addr)
        mas.set_range(self.vm_start(new), self.vm_end(new) - 1)
        if self.maple.mas_preallocate(mas, new, GFP_KERNEL) != 0:
            self.vm_area_free(new)
            return -errno.ENOMEM
        error = self.anon_vma_clone(new, vma)
        if error != 0:
            self.maple.mas_destroy(mas)
            self.vm_area_free(new)
            return error
        file: u64 = self.vm_file(new)
        if file != 0:
            self.get_file(file)
        if self.vm_ops(new) != 0:
            self.vma_open(new)
        anon: u64 = self.anon_vma(vma)
        if file != 0:
            self.context.lock(I_MMAP_RWSEM)
            self.vma_link_file(new)
        if anon != 0:
            self.context.lock(ANON_VMA_RWSEM)
            self.anon_vma_interval_tree_pre_update_vma(vma)
        if file != 0:
            self.vma_interval_tree_remove(vma)
        self.split_huge_at(vma, addr)
        if new_below:
            self.set_vm_start(vma, addr)
            self.set_vm_pgoff(vma, self.vm_pgoff(vma) + pages)
        else:
            self.set_vm_end(vma, addr)
        if file != 0:
            self.vma_interval_tree_insert(vma)
        self.maple.mas_store_prealloc(mas, new)
        self.set_map_count(mm, self.map_count(mm) + 1)
        if anon != 0:
            self.anon_vma_interval_tree_post_update_vma(vma)
            self.context.unlock(ANON_VMA_RWSEM)
        if file != 0:
            self.context.unlock(I_MMAP_RWSEM)
        return 0

"""Merging and splitting as Linux 6.1 does them: ``vma_merge``, ``__vma_adjust``, ``split_vma``.

Every change of the tree is one store prepared beforehand: between preparing and storing, locks are
held under which no allocation may wait.
"""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import MaState
from mmtwin.space import flags as c
from mmtwin.space.lookup import Lookup

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

    def __init__(self, vma: u64, start: u64, end: u64, pgoff: u64, insert: u64) -> None:
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


class Merge(Lookup):
    """The merge tests, the eight cases, expansion and splits."""

    # May two things be one?

    def is_mergeable_vma(
        self, vma: u64, file: u64, vm_flags: u64, uffd_ctx: u64, anon_name: u64
    ) -> bint:
        """Whether ``vma`` has these attributes (soft-dirty aside) and no close()."""
        if (self.vm_flags(vma) ^ vm_flags) & ~VM_SOFTDIRTY != 0:
            return False
        if self.vm_file(vma) != file or self.has_close(vma):
            return False
        if self.vm_userfaultfd_ctx(vma) != uffd_ctx:
            return False
        return self.anon_vma_name(vma) == anon_name

    def is_mergeable_anon_vma(self, a: u64, b: u64, vma: u64) -> bint:
        """Whether pages of the anon_vmas ``a`` and ``b`` may live in one VMA.

        ``vma`` is the one that stays: with several links (inherited over a fork) it takes no
        strangers. 0 skips that test.
        """
        if (a == 0 or b == 0) and (vma == 0 or self.chain_is_singular(vma)):
            return True
        return a == b

    def can_vma_merge_before(
        self,
        vma: u64,
        vm_flags: u64,
        anon_vma: u64,
        file: u64,
        pgoff: u64,
        uffd_ctx: u64,
        anon_name: u64,
    ) -> bint:
        """Whether an area that ends where ``vma`` begins, at page offset ``pgoff``, may join it."""
        return (
            self.is_mergeable_vma(vma, file, vm_flags, uffd_ctx, anon_name)
            and self.is_mergeable_anon_vma(anon_vma, self.anon_vma(vma), vma)
            and self.vm_pgoff(vma) == pgoff
        )

    def can_vma_merge_after(
        self,
        vma: u64,
        vm_flags: u64,
        anon_vma: u64,
        file: u64,
        pgoff: u64,
        uffd_ctx: u64,
        anon_name: u64,
    ) -> bint:
        """Whether an area that begins where ``vma`` ends, at page offset ``pgoff``, may join it."""
        return (
            self.is_mergeable_vma(vma, file, vm_flags, uffd_ctx, anon_name)
            and self.is_mergeable_anon_vma(anon_vma, self.anon_vma(vma), vma)
            and self.vm_pgoff(vma) + self.vma_pages(vma) == pgoff
        )

    # Merging.

    def vma_merge(
        self,
        mm: u64,
        prev: u64,
        addr: u64,
        end: u64,
        vm_flags: u64,
        anon_vma: u64,
        file: u64,
        pgoff: u64,
        policy: u64,
        uffd_ctx: u64,
        anon_name: u64,
    ) -> u64:
        """Let the area [addr, end) with these attributes join its neighbours.

        ``prev`` is the VMA that ends at or before ``addr``, or that contains it strictly inside;
        0 for none. ``pgoff`` is the area's own. Returns the VMA that covers the area now; 0 if it
        joined nothing, also when memory ran out.
        """
        if vm_flags & VM_SPECIAL != 0:
            return 0
        pages: u64 = (end - addr) >> 12
        mid: u64 = self.find_vma(mm, self.vm_end(prev) if prev != 0 else 0)
        near: u64 = mid
        if mid != 0 and self.vm_end(mid) == end:
            near = self.find_vma(mm, end)
        merge_prev: bint = (
            prev != 0
            and self.vm_end(prev) == addr
            and self.vm_policy(prev) == policy
            and self.can_vma_merge_after(prev, vm_flags, anon_vma, file, pgoff, uffd_ctx, anon_name)
        )
        merge_next: bint = (
            near != 0
            and self.vm_start(near) == end
            and self.vm_policy(near) == policy
            and self.can_vma_merge_before(
                near, vm_flags, anon_vma, file, pgoff + pages, uffd_ctx, anon_name
            )
        )
        error: i64
        if merge_prev:
            start: u64 = self.vm_start(prev)
            upto: u64 = end
            if merge_next and self.is_mergeable_anon_vma(
                self.anon_vma(prev), self.anon_vma(near), 0
            ):
                upto = self.vm_end(near)  # cases 1 and 6; otherwise 2, 5 and 7
            error = self.vma_adjust(prev, start, upto, self.vm_pgoff(prev), 0, prev)
            return prev if error == 0 else 0
        if not merge_next:
            return 0
        if prev != 0 and addr < self.vm_end(prev):  # case 4
            error = self.vma_adjust(prev, self.vm_start(prev), addr, self.vm_pgoff(prev), 0, near)
        else:  # cases 3 and 8
            lower: u64 = self.vm_pgoff(near) - pages
            error = self.vma_adjust(mid, addr, self.vm_end(near), lower, 0, near)
        return near if error == 0 else 0

    def vma_merge_extend(self, vma: u64, addr: u64, delta: u64) -> u64:
        """Extend ``vma`` by ``delta`` bytes at its end for mremap, with what lies above if it fits.

        ``addr`` is where the old area that grows begins. Returns the VMA; 0 if it cannot be.
        """
        end: u64 = self.vm_end(vma)
        return self.vma_merge(
            self.vm_mm(vma),
            vma,
            end,
            end + delta,
            self.vm_flags(vma),
            self.anon_vma(vma),
            self.vm_file(vma),
            self.vm_pgoff(vma) + self.vma_pages(vma),
            self.vm_policy(vma),
            self.vm_userfaultfd_ctx(vma),
            self.anon_vma_name(vma),
        )

    def vma_merge_copy(self, vma: u64, prev: u64, addr: u64, length: u64, pgoff: u64) -> u64:
        """Let a copy of ``vma`` at [addr, addr + length) join what is around it there.

        ``prev`` is the VMA below the new place. Returns the VMA that covers it; 0 for none.
        """
        return self.vma_merge(
            self.vm_mm(vma),
            prev,
            addr,
            addr + length,
            self.vm_flags(vma),
            self.anon_vma(vma),
            self.vm_file(vma),
            pgoff,
            self.vm_policy(vma),
            self.vm_userfaultfd_ctx(vma),
            self.anon_vma_name(vma),
        )

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
        """Give [start, end) of ``vma`` a VMA that can take the new attributes.

        Merges, or else splits ``vma`` at both borders; the caller then sets the attributes on the
        result. ``prev`` is the VMA before ``vma``, or ``vma`` itself if ``start`` is inside. On
        failure the result is ``-ENOMEM`` (also at the map limit) or what ``may_split`` said, as an
        address; a first split stays.
        """
        first: u64 = self.vm_start(vma)
        merged: u64 = self.vma_merge(
            mm,
            prev,
            start,
            end,
            vm_flags,
            self.anon_vma(vma),
            self.vm_file(vma),
            self.vm_pgoff(vma) + ((start - first) >> 12),
            policy,
            uffd_ctx,
            anon_name,
        )
        if merged != 0:
            return merged
        error: i64
        if start != first:
            error = self.split_vma(mm, vma, start, True)
            if error != 0:
                return error_pointer(error)
        if end != self.vm_end(vma):
            error = self.split_vma(mm, vma, end, False)
            if error != 0:
                return error_pointer(error)
        return vma

    # Moving borders.

    def vma_adjust(
        self, vma: u64, start: u64, end: u64, pgoff: u64, insert: u64, expand: u64
    ) -> i64:
        """``__vma_adjust``: move the borders between ``vma`` and what follows, in one go.

        ``vma`` gets [start, end) and ``pgoff``; ``insert`` is a new VMA to put in (split);
        ``expand`` the VMA that grows (merge). 0 or ``-ENOMEM``, which changes nothing.
        """
        mm: u64 = self.vm_mm(vma)
        plan: VmaAdjust = VmaAdjust(vma, start, end, pgoff, insert)
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
        if file != 0 and insert != 0:
            self.vma_link_file(insert)
        anon: u64 = self.anon_vma(vma)
        if anon == 0 and adjusting:
            anon = self.anon_vma(plan.next)
        if anon != 0:
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
                # Case 8: the VMA above has the final flags already and survives; the roles swap.
                plan.remove_next = 3
                plan.vma = near
                plan.next = vma
            else:
                plan.remove_next = 1
                if plan.end > self.vm_end(near):
                    plan.remove_next = 2
                    plan.next_next = self.find_vma(self.vm_mm(vma), self.vm_end(near))
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
            self.set_vm_pgoff(near, self.vm_pgoff(near) + (plan.adjust_up >> 12))
            self.vma_mas_store(near, mas)
        elif plan.adjust_down != 0:
            self.set_vm_start(near, self.vm_start(near) - plan.adjust_down)
            self.set_vm_pgoff(near, self.vm_pgoff(near) - (plan.adjust_down >> 12))
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
            raise KernelBug("vma->vm_end < next->vm_end", "__vma_adjust")
        self.vm_area_free(gone)

    def vma_expand(
        self, mas: MaState, vma: u64, start: u64, end: u64, pgoff: u64, next: u64
    ) -> i64:
        """Grow ``vma`` to [start, end), over ``next`` if that ends at ``end``: 0 or ``-ENOMEM``.

        ``next`` is the VMA above the new memory, 0 for none. ``mas`` is a cursor on the tree.
        """
        remove_next: bint = next != 0 and next != vma and end == self.vm_end(next)
        dup: bint = False
        if remove_next and self.anon_vma(next) != 0 and self.anon_vma(vma) == 0:
            error: i64 = self.dup_anon_vma(vma, next)
            if error != 0:
                return error
            dup = True
        if next != 0 and next != vma and not remove_next and end > self.vm_start(next):
            raise KernelBug("end > next->vm_start", "vma_expand")
        if self.vm_start(vma) < start or self.vm_end(vma) > end:
            raise KernelBug("vma->vm_start < start || vma->vm_end > end", "vma_expand")
        if self.maple.mas_preallocate(mas, vma, GFP_KERNEL) != 0:
            if dup:
                self.unlink_anon_vmas(vma)
            return -errno.ENOMEM
        file: u64 = self.vm_file(vma)
        if self.anon_vma(vma) != 0:
            self.anon_vma_interval_tree_pre_update_vma(vma)
        if file != 0:
            self.vma_interval_tree_remove(vma)
        self.vma_set_range(vma, start, end, pgoff)
        self.vma_mas_store(vma, mas)
        if file != 0:
            self.vma_interval_tree_insert(vma)
            if remove_next:
                self.unlink_file_vma(next)
        if self.anon_vma(vma) != 0:
            self.anon_vma_interval_tree_post_update_vma(vma)
        if remove_next:
            self.vma_remove_merged(vma, next, True)
        return 0

    # Stores.

    def vma_mas_store(self, vma: u64, mas: MaState) -> None:
        """Store a VMA over its own range, from nodes set aside; gives the rest of them back."""
        mas.set_range(self.vm_start(vma), self.vm_end(vma) - 1)
        self.maple.mas_store_prealloc(mas, vma)

    def vma_mas_szero(self, mas: MaState, start: u64, end: u64) -> None:
        """Clear [start, end) in the tree, from nodes set aside."""
        mas.set_range(start, end - 1)
        self.maple.mas_store_prealloc(mas, 0)

    # Splitting.

    def vma_may_split(self, vma: u64, addr: u64) -> i64:
        """What the VMA's operations say of a split at ``addr``: 0 or ``-EINVAL``."""
        return -errno.EINVAL if self.has_may_split(vma) else 0

    def split_vma(self, mm: u64, vma: u64, addr: u64, new_below: bint) -> i64:
        """Split ``vma`` at ``addr`` if the map limit allows one more: 0 or a negative errno."""
        if self.map_count(mm) >= self.sysctl_max_map_count():
            return -errno.ENOMEM
        return self.split_vma_nocheck(mm, vma, addr, new_below)

    def split_vma_nocheck(self, mm: u64, vma: u64, addr: u64, new_below: bint) -> i64:
        """``__split_vma``: the new VMA is the piece below ``addr``, or the one above.

        0 or a negative errno, which leaves everything as it was.
        """
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
        error = self.anon_vma_clone(new, vma)
        if error != 0:
            self.vm_area_free(new)
            return error
        file: u64 = self.vm_file(new)
        if file != 0:
            self.get_file(file)
        if self.vm_ops(new) != 0:
            self.vma_open(new)
        if new_below:
            error = self.vma_adjust(vma, addr, self.vm_end(vma), self.vm_pgoff(vma) + pages, new, 0)
        else:
            error = self.vma_adjust(vma, self.vm_start(vma), addr, self.vm_pgoff(vma), new, 0)
        if error == 0:
            return 0
        # Empty, so that close() counts nothing.
        self.set_vm_start(new, self.vm_end(new))
        self.set_vm_pgoff(new, 0)
        if self.has_close(new):
            self.vma_close(new)
        if file != 0:
            self.fput(file)
        self.unlink_anon_vmas(new)
        self.vm_area_free(new)
        return error

    # New VMAs.

    def vma_link(self, mm: u64, vma: u64) -> i64:
        """Put a finished VMA into the tree and its file's list: 0 or ``-ENOMEM``."""
        mas: MaState = self.vma_iterator(mm, self.vm_start(vma))
        mas.set_range(self.vm_start(vma), self.vm_end(vma) - 1)
        if self.maple.mas_preallocate(mas, vma, GFP_KERNEL) != 0:
            return -errno.ENOMEM
        self.vma_mas_store(vma, mas)
        self.vma_link_file(vma)
        self.set_map_count(mm, self.map_count(mm) + 1)
        return 0

    def insert_vm_struct(self, mm: u64, vma: u64) -> i64:
        """Insert a VMA into a free range, charged if VM_ACCOUNT: 0 or ``-ENOMEM``."""
        if self.find_vma_intersection(mm, self.vm_start(vma), self.vm_end(vma)) != 0:
            return -errno.ENOMEM
        pages: u64 = self.vma_pages(vma)
        charged: bint = self.vm_flags(vma) & VM_ACCOUNT != 0
        if charged and self.vm_enough_memory(mm, pages) != 0:
            return -errno.ENOMEM
        if self.vma_is_anonymous(vma):
            if self.anon_vma(vma) != 0:
                raise KernelBug("vma->anon_vma", "insert_vm_struct")
            self.set_vm_pgoff(vma, self.vm_start(vma) >> 12)
        if self.vma_link(mm, vma) != 0:
            if charged:
                self.vm_unacct_memory(pages)
            return -errno.ENOMEM
        return 0


def error_pointer(error: i64) -> u64:
    """A negative errno as an address (``ERR_PTR``)."""
    number: i32 = -error
    return 0xFFFFFFFFFFFFFFFF - (number - 1)

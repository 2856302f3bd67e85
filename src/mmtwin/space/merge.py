"""Merging and splitting as Linux 6.1 does them: ``vma_merge``, ``vma_expand``, ``split_vma``.

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
from mmtwin.space.adjust import Adjust
from mmtwin.space.words import err_ptr

I_MMAP_RWSEM = declare(u64, held.I_MMAP_RWSEM)
ANON_VMA_RWSEM = declare(u64, held.ANON_VMA_RWSEM)
VMA_MERGE = "vma_merge"
VM_SPECIAL = declare(u64, c.VM_SPECIAL)
VM_SOFTDIRTY = declare(u64, c.VM_SOFTDIRTY)
VM_ACCOUNT = declare(u64, c.VM_ACCOUNT)


class Merge(Adjust):
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
        pages: u64 = (end - addr) >> self.page_shift
        mid: u64 = self.find_vma(mm, self.vm_end(prev) if prev != 0 else 0)
        near: u64 = mid
        if mid != 0 and self.vm_end(mid) == end:
            near = self.find_vma(mm, end)
        if prev != 0 and addr <= self.vm_start(prev):
            raise KernelWarning("prev && addr <= prev->vm_start", VMA_MERGE)
        if mid != 0 and end > self.vm_end(mid):
            raise KernelWarning("mid && end > mid->vm_end", VMA_MERGE)
        if addr >= end:
            raise KernelWarning("addr >= end", VMA_MERGE)
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
            self.vm_pgoff(vma) + ((start - first) >> self.page_shift),
            policy,
            uffd_ctx,
            anon_name,
        )
        if merged != 0:
            if (self.vm_flags(merged) ^ vm_flags) & ~VM_SOFTDIRTY != 0:
                raise KernelWarning("(vma->vm_flags ^ newflags) & ~VM_SOFTDIRTY", "mprotect_fixup")
            return merged
        error: i64
        if start != first:
            error = self.split_vma(mm, vma, start, True)
            if error != 0:
                return err_ptr(error)
        if end != self.vm_end(vma):
            error = self.split_vma(mm, vma, end, False)
            if error != 0:
                return err_ptr(error)
        return vma

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
        if file != 0:
            self.context.lock(I_MMAP_RWSEM)
        if self.anon_vma(vma) != 0:
            self.context.lock(ANON_VMA_RWSEM)
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
            self.context.unlock(ANON_VMA_RWSEM)
        if file != 0:
            self.context.unlock(I_MMAP_RWSEM)
        if remove_next:
            self.vma_remove_merged(vma, next, True)
        return 0

    # Splitting.

    def vma_may_split(self, vma: u64, addr: u64) -> i64:
        """What the VMA's operations say of a split at ``addr``: 0 or ``-EINVAL``."""
        if self.is_vm_hugetlb_page(vma):
            return self.hugetlb_vm_op_split(vma, addr)
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
        pages: u64 = (addr - self.vm_start(vma)) >> self.page_shift
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
            self.set_vm_pgoff(vma, self.vm_start(vma) >> self.page_shift)
        if self.vma_link(mm, vma) != 0:
            if charged:
                self.vm_unacct_memory(pages)
            return -errno.ENOMEM
        return 0

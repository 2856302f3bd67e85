"""The stack that exec builds: a temporary one at the top of user space, moved once all is known."""

from __future__ import annotations

import errno

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.space import flags as c
from mmtwin.space.exec import Exec
from mmtwin.space.words import is_err, ptr_err

STACK_EXTRA = declare(u64, c.STACK_EXTRA)
RLIMIT_STACK = declare(u64, c.RLIMIT_STACK)
VM_EXEC = declare(u64, c.VM_EXEC)
VM_SOFTDIRTY = declare(u64, c.VM_SOFTDIRTY)
VM_DONTEXPAND = declare(u64, c.VM_DONTEXPAND)
VM_LOCKED_MASK = declare(u64, c.VM_LOCKED_MASK)
VM_STACK_FLAGS = declare(u64, c.VM_STACK_FLAGS)
INCOMPLETE = declare(u64, c.VM_STACK_INCOMPLETE_SETUP)


class ExecStack(Exec):
    """``bprm_mm_init``, ``setup_arg_pages``, ``shift_arg_pages``, special mappings."""

    def bprm_mm_init(self, mm: u64) -> u64:
        """The temporary stack of one page at the top: its VMA, 0 without memory."""
        vma: u64 = self.vm_area_alloc(mm)
        if vma == 0:
            return 0
        vm_flags: u64 = VM_SOFTDIRTY | VM_STACK_FLAGS | INCOMPLETE
        top: u64 = self.profile.stack_top_max
        self.vma_set_range(vma, top - self.page_size, top, 0)
        self.set_vm_flags(vma, vm_flags)
        self.vma_set_page_prot(vma)
        if self.insert_vm_struct(mm, vma) != 0:
            self.vm_area_free(vma)
            return 0
        self.set_stack_vm(mm, 1)
        self.set_total_vm(mm, 1)
        return vma

    def copy_strings(self, vma: u64, size: u64) -> i64:
        """Write ``size`` bytes of argument strings below the top: 0 or a negative errno.

        The stack grows by hand, a page at a time.
        """
        end: u64 = self.vm_end(vma)
        page: u64 = end - self.page_size
        last: u64 = (end - size) & self.page_mask
        while True:
            error: i64 = 0
            if page < self.vm_start(vma):
                error = self.expand_downwards(vma, page)
            if error == 0:
                error = self.handle_range(vma, page, page + self.page_size, True)
            if error != 0 or page <= last:
                return error
            page -= self.page_size

    def setup_arg_pages(self, vma: u64, stack_top: u64, executable: bint) -> i64:
        """Give the stack its flags, move it below ``stack_top``, let it grow: 0 or negative errno.

        It grows by 128 KiB, or to the soft limit. Rebuilding the flags drops VM_SOFTDIRTY.
        """
        mm: u64 = self.vm_mm(vma)
        low: u64 = self.sysctl_mmap_min_addr()
        length: u64 = self.vm_end(vma) - self.vm_start(vma)
        if stack_top < low or length >= stack_top - low:
            return -errno.ENOMEM
        vm_flags: u64 = VM_STACK_FLAGS | self.def_flags(mm) | INCOMPLETE
        if executable:
            vm_flags |= VM_EXEC
        fixed: u64 = self.mprotect_fixup(mm, vma, 0, self.vm_start(vma), self.vm_end(vma), vm_flags)
        if is_err(fixed):
            return ptr_err(fixed)
        if fixed != vma:
            raise KernelBug("prev != vma", "setup_arg_pages")
        shift: u64 = self.vm_end(vma) - stack_top
        if shift != 0:
            error: i64 = self.shift_arg_pages(vma, shift)
            if error != 0:
                return error
        self.set_vm_flags(vma, self.vm_flags(vma) & ~INCOMPLETE)
        limit: u64 = self.rlimit(mm, RLIMIT_STACK) & self.page_mask
        base: u64 = self.vm_start(vma) - STACK_EXTRA
        if length + STACK_EXTRA > limit:
            base = self.vm_end(vma) - limit
        return -errno.EFAULT if self.expand_stack(vma, base) != 0 else 0

    def shift_arg_pages(self, vma: u64, shift: u64) -> i64:
        """Move the stack down by ``shift`` bytes: cover both places, then leave the old one.

        The page offset stays, so that pages keep their place in reverse mapping. ``-EFAULT`` if
        something is in between, ``-ENOMEM``.
        """
        start: u64 = self.vm_start(vma)
        end: u64 = self.vm_end(vma)
        pgoff: u64 = self.vm_pgoff(vma)
        if shift > start:
            raise KernelBug("new_start > new_end", "shift_arg_pages")
        if self.find_vma(self.vm_mm(vma), start - shift) != vma:
            return -errno.EFAULT
        if self.vma_adjust(vma, start - shift, end, pgoff, 0, 0) != 0:
            return -errno.ENOMEM
        if not self.shift_page_tables(vma, start, end, shift):
            return -errno.ENOMEM
        self.vma_adjust(vma, start - shift, end - shift, pgoff, 0, 0)
        return 0

    def shift_page_tables(self, vma: u64, start: u64, end: u64, shift: u64) -> bint:
        """Move the entries of [start, end) down by ``shift`` bytes; False without memory."""
        return True

    def install_special_mapping(
        self, mm: u64, addr: u64, length: u64, vm_flags: u64, special: u64
    ) -> i64:
        """Map what the kernel itself provides ([vdso] and its kin): 0 or ``-ENOMEM``.

        ``special`` is the ``vm_special_mapping`` that names it.
        """
        vma: u64 = self.vm_area_alloc(mm)
        if vma == 0:
            return -errno.ENOMEM
        self.vma_set_range(vma, addr, addr + length, 0)
        vm_flags |= self.def_flags(mm) | VM_DONTEXPAND | VM_SOFTDIRTY
        self.set_vm_flags(vma, vm_flags & ~VM_LOCKED_MASK)
        self.vma_set_page_prot(vma)
        self.set_vm_ops(vma, self.special_mapping_vmops)
        self.set_vm_private_data(vma, special)
        if self.insert_vm_struct(mm, vma) != 0:
            self.vm_area_free(vma)
            return -errno.ENOMEM
        self.vm_stat_account(mm, self.vm_flags(vma), length >> self.page_shift)
        return 0

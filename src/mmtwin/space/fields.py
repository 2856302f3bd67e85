"""The ground of the address-space engine: fields of VMAs and address spaces, by profile.

The engine is one chain of classes, a concern each; this is the lowest. Methods take addresses of
structures in simulated memory. A setter's name is the getter's with ``set_`` before it.
"""

from __future__ import annotations

from typing import Protocol

import cython
from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.context import Context
from mmtwin.machine.profile import Profile
from mmtwin.memory.allocator import Allocator
from mmtwin.memory.layout import Layout
from mmtwin.memory.memory import Memory
from mmtwin.memory.view import View
from mmtwin.space import flags as c
from mmtwin.space.layouts import layouts_for

if not cython.compiled:
    from mmtwin.pages.words import load, store
    from mmtwin.space.parts import load32, store32

VM_READ = declare(u64, c.VM_READ)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_EXEC = declare(u64, c.VM_EXEC)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_PKEY_BITS = declare(u64, c.VM_PKEY_BITS)

PTE_PKEY_SHIFT = declare(i32, 59)
PKEY_SHIFT = declare(i32, 32)


class Caches(Protocol):
    """Where objects come from: an allocator for each slab cache."""

    def get(self, name: str) -> Allocator:
        """The allocator of the slab cache ``name``, such as ``"vm_area_struct"``."""


class VmaFields:
    """Typed access to ``vm_area_struct`` and ``mm_struct`` at the profile's offsets.

    ``memory`` holds everything; ``caches`` gives an allocator for each kind of object; ``profile``
    says which kernel this is.
    """

    def __init__(self, memory: Memory, caches: Caches, profile: Profile) -> None:
        self.memory = memory
        self.profile = profile
        self.layouts = layouts_for(profile.layout)
        self.page_size = profile.page_size
        self.page_shift = profile.page_size.bit_length() - 1
        self.page_mask = c.MAX - profile.page_size + 1
        self.pmd_size = profile.pmd_size
        self.pte_none, self.pte_read, self.pte_write, self.pte_nx = profile.protection
        self.context = Context(memory)
        self.sysctl = memory.boot_alloc(self.layouts.sysctl.size, 8)
        self.vma_cache = caches.get("vm_area_struct")
        self.mm_cache = caches.get("mm_struct")
        self.anon_vma_cache = caches.get("anon_vma")
        self.anon_vma_chain_cache = caches.get("anon_vma_chain")
        self.file_cache = caches.get("filp")
        self.inode_cache = caches.get("inode_cache")
        self.task_cache = caches.get("task_struct")
        self.signal_cache = caches.get("signal_cache")
        self.cred_cache = caches.get("cred_jar")
        vma = self.layouts.vm_area_struct
        self.at_vm_start = vma.offset("vm_start")
        self.at_vm_end = vma.offset("vm_end")
        self.at_vm_mm = vma.offset("vm_mm")
        self.at_vm_flags = vma.offset("vm_flags")
        self.at_vm_pgoff = vma.offset("vm_pgoff")
        self.at_vm_file = vma.offset("vm_file")
        self.at_vm_ops = vma.offset("vm_ops")
        self.at_anon_vma = vma.offset("anon_vma")
        self.at_vm_policy = vma.offset("vm_policy") if "vm_policy" in vma else 0
        self.at_vm_private_data = vma.offset("vm_private_data")
        self.at_vm_userfaultfd_ctx = vma.offset("vm_userfaultfd_ctx")
        self.at_vm_page_prot = vma.offset("vm_page_prot")
        self.at_anon_name = vma.offset("anon_name")
        self.at_chain = vma.offset("anon_vma_chain_next")
        self.at_shared = vma.offset("shared_next")
        self.vma_size = vma.size
        mm = self.layouts.mm_struct
        self.at_mm_mt = mm.offset("mm_mt")
        self.at_total_vm = mm.offset("total_vm")
        self.at_locked_vm = mm.offset("locked_vm")
        self.at_data_vm = mm.offset("data_vm")
        self.at_exec_vm = mm.offset("exec_vm")
        self.at_stack_vm = mm.offset("stack_vm")
        self.at_hiwater_vm = mm.offset("hiwater_vm")
        self.at_def_flags = mm.offset("def_flags")
        self.at_mmap_base = mm.offset("mmap_base")
        self.at_mmap_legacy_base = mm.offset("mmap_legacy_base")
        self.at_task_size = mm.offset("task_size")
        self.at_start_code = mm.offset("start_code")
        self.at_end_code = mm.offset("end_code")
        self.at_start_data = mm.offset("start_data")
        self.at_end_data = mm.offset("end_data")
        self.at_start_brk = mm.offset("start_brk")
        self.at_brk = mm.offset("brk")
        self.at_start_stack = mm.offset("start_stack")
        self.at_owner = mm.offset("owner")
        self.at_mm_flags = mm.offset("flags")
        self.at_map_count = mm.offset("map_count")
        self.at_mm_users = mm.offset("mm_users")
        self.mm_size = mm.size

    def view(self, layout: str, address: int) -> View:
        """The structure at ``address`` as a view; ``layout`` is a member of :class:`Layouts`."""
        found: Layout = getattr(self.layouts, layout)
        return View(self.memory, found, address)

    # struct vm_area_struct

    def vm_start(self, vma: u64) -> u64:
        """The area's first byte."""
        return load(self.memory, vma + self.at_vm_start)

    def set_vm_start(self, vma: u64, value: u64) -> None:
        """Set ``vm_start``."""
        store(self.memory, vma + self.at_vm_start, value)

    def vm_end(self, vma: u64) -> u64:
        """The first byte after the area."""
        return load(self.memory, vma + self.at_vm_end)

    def set_vm_end(self, vma: u64, value: u64) -> None:
        """Set ``vm_end``."""
        store(self.memory, vma + self.at_vm_end, value)

    def vm_mm(self, vma: u64) -> u64:
        """The address space it belongs to."""
        return load(self.memory, vma + self.at_vm_mm)

    def set_vm_mm(self, vma: u64, value: u64) -> None:
        """Set ``vm_mm``."""
        store(self.memory, vma + self.at_vm_mm, value)

    def vm_flags(self, vma: u64) -> u64:
        """VM_* bits."""
        return load(self.memory, vma + self.at_vm_flags)

    def set_vm_flags(self, vma: u64, value: u64) -> None:
        """Set ``vm_flags``."""
        store(self.memory, vma + self.at_vm_flags, value)

    def vm_pgoff(self, vma: u64) -> u64:
        """Page offset of its first byte."""
        return load(self.memory, vma + self.at_vm_pgoff)

    def set_vm_pgoff(self, vma: u64, value: u64) -> None:
        """Set ``vm_pgoff``."""
        store(self.memory, vma + self.at_vm_pgoff, value)

    def vm_file(self, vma: u64) -> u64:
        """Its open file description, 0 for none."""
        return load(self.memory, vma + self.at_vm_file)

    def set_vm_file(self, vma: u64, value: u64) -> None:
        """Set ``vm_file``."""
        store(self.memory, vma + self.at_vm_file, value)

    def vm_ops(self, vma: u64) -> u64:
        """Its vm_operations_struct; 0 means anonymous."""
        return load(self.memory, vma + self.at_vm_ops)

    def set_vm_ops(self, vma: u64, value: u64) -> None:
        """Set ``vm_ops``."""
        store(self.memory, vma + self.at_vm_ops, value)

    def anon_vma(self, vma: u64) -> u64:
        """The anon_vma of its own pages; 0 while never write-faulted."""
        return load(self.memory, vma + self.at_anon_vma)

    def set_anon_vma(self, vma: u64, value: u64) -> None:
        """Set ``anon_vma``."""
        store(self.memory, vma + self.at_anon_vma, value)

    def vm_policy(self, vma: u64) -> u64:
        """Its memory policy, 0 for the default and where the kernel has none."""
        return load(self.memory, vma + self.at_vm_policy) if self.at_vm_policy != 0 else 0

    def set_vm_policy(self, vma: u64, value: u64) -> None:
        """Set ``vm_policy``."""
        store(self.memory, vma + self.at_vm_policy, value)

    def vm_private_data(self, vma: u64) -> u64:
        """What its driver keeps; a vm_special_mapping for [vdso] and its like."""
        return load(self.memory, vma + self.at_vm_private_data)

    def set_vm_private_data(self, vma: u64, value: u64) -> None:
        """Set ``vm_private_data``."""
        store(self.memory, vma + self.at_vm_private_data, value)

    def vm_userfaultfd_ctx(self, vma: u64) -> u64:
        """Its userfaultfd context, 0 for none."""
        return load(self.memory, vma + self.at_vm_userfaultfd_ctx)

    def set_vm_userfaultfd_ctx(self, vma: u64, value: u64) -> None:
        """Set ``vm_userfaultfd_ctx``."""
        store(self.memory, vma + self.at_vm_userfaultfd_ctx, value)

    def vm_page_prot(self, vma: u64) -> u64:
        """The protection bits of its page-table entries."""
        return load(self.memory, vma + self.at_vm_page_prot)

    def set_vm_page_prot(self, vma: u64, value: u64) -> None:
        """Set ``vm_page_prot``."""
        store(self.memory, vma + self.at_vm_page_prot, value)

    def anon_vma_name(self, vma: u64) -> u64:
        """The number of the name that prctl gave it; 0 for none and for areas with a file."""
        if load(self.memory, vma + self.at_vm_file) != 0:
            return 0
        return load(self.memory, vma + self.at_anon_name)

    def set_anon_vma_name(self, vma: u64, value: u64) -> None:
        """Name an area that has no file."""
        store(self.memory, vma + self.at_anon_name, value)

    def vma_pages(self, vma: u64) -> u64:
        """Its length in pages."""
        memory: Memory = self.memory
        return (
            load(memory, vma + self.at_vm_end) - load(memory, vma + self.at_vm_start)
        ) >> self.page_shift

    def vma_set_page_prot(self, vma: u64) -> None:
        """Derive ``vm_page_prot`` from the flags: private writable pages begin read-only."""
        self.set_vm_page_prot(vma, self.vm_get_page_prot(self.vm_flags(vma)))

    def vm_get_page_prot(self, vm_flags: u64) -> u64:
        """The machine's protection bits for ``vm_flags``."""
        prot: u64 = self.pte_none
        if vm_flags & (VM_READ | VM_WRITE | VM_EXEC) != 0:
            prot = self.pte_read
            if vm_flags & (VM_WRITE | VM_SHARED) == VM_WRITE | VM_SHARED:
                prot |= self.pte_write
            if vm_flags & VM_EXEC == 0:
                prot |= self.pte_nx
        return prot | (((vm_flags & VM_PKEY_BITS) >> PKEY_SHIFT) << PTE_PKEY_SHIFT)

    # struct mm_struct

    def mm_mt(self, mm: u64) -> u64:
        """The address of its maple tree."""
        return mm + self.at_mm_mt

    def total_vm(self, mm: u64) -> u64:
        """Pages mapped."""
        return load(self.memory, mm + self.at_total_vm)

    def set_total_vm(self, mm: u64, value: u64) -> None:
        """Set ``total_vm``."""
        store(self.memory, mm + self.at_total_vm, value)

    def locked_vm(self, mm: u64) -> u64:
        """Pages in VM_LOCKED areas."""
        return load(self.memory, mm + self.at_locked_vm)

    def set_locked_vm(self, mm: u64, value: u64) -> None:
        """Set ``locked_vm``."""
        store(self.memory, mm + self.at_locked_vm, value)

    def data_vm(self, mm: u64) -> u64:
        """Pages of private writable areas that are no stack."""
        return load(self.memory, mm + self.at_data_vm)

    def set_data_vm(self, mm: u64, value: u64) -> None:
        """Set ``data_vm``."""
        store(self.memory, mm + self.at_data_vm, value)

    def exec_vm(self, mm: u64) -> u64:
        """Pages of executable areas, neither writable nor stack."""
        return load(self.memory, mm + self.at_exec_vm)

    def set_exec_vm(self, mm: u64, value: u64) -> None:
        """Set ``exec_vm``."""
        store(self.memory, mm + self.at_exec_vm, value)

    def stack_vm(self, mm: u64) -> u64:
        """Pages of stack areas."""
        return load(self.memory, mm + self.at_stack_vm)

    def set_stack_vm(self, mm: u64, value: u64) -> None:
        """Set ``stack_vm``."""
        store(self.memory, mm + self.at_stack_vm, value)

    def hiwater_vm(self, mm: u64) -> u64:
        """Peak of total_vm, as last noted."""
        return load(self.memory, mm + self.at_hiwater_vm)

    def set_hiwater_vm(self, mm: u64, value: u64) -> None:
        """Set ``hiwater_vm``."""
        store(self.memory, mm + self.at_hiwater_vm, value)

    def def_flags(self, mm: u64) -> u64:
        """VM_* that every new area gets."""
        return load(self.memory, mm + self.at_def_flags)

    def set_def_flags(self, mm: u64, value: u64) -> None:
        """Set ``def_flags``."""
        store(self.memory, mm + self.at_def_flags, value)

    def mmap_base(self, mm: u64) -> u64:
        """Where top-down searches begin (exclusive end)."""
        return load(self.memory, mm + self.at_mmap_base)

    def set_mmap_base(self, mm: u64, value: u64) -> None:
        """Set ``mmap_base``."""
        store(self.memory, mm + self.at_mmap_base, value)

    def mmap_legacy_base(self, mm: u64) -> u64:
        """Where bottom-up searches begin."""
        return load(self.memory, mm + self.at_mmap_legacy_base)

    def set_mmap_legacy_base(self, mm: u64, value: u64) -> None:
        """Set ``mmap_legacy_base``."""
        store(self.memory, mm + self.at_mmap_legacy_base, value)

    def task_size(self, mm: u64) -> u64:
        """End of user space."""
        return load(self.memory, mm + self.at_task_size)

    def set_task_size(self, mm: u64, value: u64) -> None:
        """Set ``task_size``."""
        store(self.memory, mm + self.at_task_size, value)

    def start_code(self, mm: u64) -> u64:
        """Program text."""
        return load(self.memory, mm + self.at_start_code)

    def set_start_code(self, mm: u64, value: u64) -> None:
        """Set ``start_code``."""
        store(self.memory, mm + self.at_start_code, value)

    def end_code(self, mm: u64) -> u64:
        """Its end."""
        return load(self.memory, mm + self.at_end_code)

    def set_end_code(self, mm: u64, value: u64) -> None:
        """Set ``end_code``."""
        store(self.memory, mm + self.at_end_code, value)

    def start_data(self, mm: u64) -> u64:
        """Program data."""
        return load(self.memory, mm + self.at_start_data)

    def set_start_data(self, mm: u64, value: u64) -> None:
        """Set ``start_data``."""
        store(self.memory, mm + self.at_start_data, value)

    def end_data(self, mm: u64) -> u64:
        """Its end."""
        return load(self.memory, mm + self.at_end_data)

    def set_end_data(self, mm: u64, value: u64) -> None:
        """Set ``end_data``."""
        store(self.memory, mm + self.at_end_data, value)

    def start_brk(self, mm: u64) -> u64:
        """Where the heap begins."""
        return load(self.memory, mm + self.at_start_brk)

    def set_start_brk(self, mm: u64, value: u64) -> None:
        """Set ``start_brk``."""
        store(self.memory, mm + self.at_start_brk, value)

    def brk(self, mm: u64) -> u64:
        """The program break."""
        return load(self.memory, mm + self.at_brk)

    def set_brk(self, mm: u64, value: u64) -> None:
        """Set ``brk``."""
        store(self.memory, mm + self.at_brk, value)

    def start_stack(self, mm: u64) -> u64:
        """The stack pointer at exec."""
        return load(self.memory, mm + self.at_start_stack)

    def set_start_stack(self, mm: u64, value: u64) -> None:
        """Set ``start_stack``."""
        store(self.memory, mm + self.at_start_stack, value)

    def owner(self, mm: u64) -> u64:
        """The task whose limits and capabilities count."""
        return load(self.memory, mm + self.at_owner)

    def set_owner(self, mm: u64, value: u64) -> None:
        """Set ``owner``."""
        store(self.memory, mm + self.at_owner, value)

    def mm_flags(self, mm: u64) -> u64:
        """MMF_* bits."""
        return load(self.memory, mm + self.at_mm_flags)

    def set_mm_flags(self, mm: u64, value: u64) -> None:
        """Set ``mm_flags``."""
        store(self.memory, mm + self.at_mm_flags, value)

    def map_count(self, mm: u64) -> u64:
        """How many VMAs there are."""
        return load32(self.memory, mm + self.at_map_count)

    def set_map_count(self, mm: u64, value: u64) -> None:
        """Set ``map_count``."""
        store32(self.memory, mm + self.at_map_count, value)

    def mm_users(self, mm: u64) -> u64:
        """Tasks that use the address space."""
        return load32(self.memory, mm + self.at_mm_users)

    def set_mm_users(self, mm: u64, value: u64) -> None:
        """Set ``mm_users``."""
        store32(self.memory, mm + self.at_mm_users, value)

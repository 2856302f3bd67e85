"""How much an address space holds and may hold: counters, limits, the commit charge."""

from __future__ import annotations

import errno

import cython
from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.machine.profile import Profile
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches
from mmtwin.space.hugetlb import Hugetlb

if not cython.compiled:
    from mmtwin.pages.words import load, store

VM_WRITE = declare(u64, c.VM_WRITE)
VM_EXEC = declare(u64, c.VM_EXEC)
VM_SHARED = declare(u64, c.VM_SHARED)
VM_GROWSDOWN = declare(u64, c.VM_GROWSDOWN)
VM_LOCKED = declare(u64, c.VM_LOCKED)
RLIMIT_DATA = declare(u64, c.RLIMIT_DATA)
RLIMIT_MEMLOCK = declare(u64, c.RLIMIT_MEMLOCK)
RLIMIT_AS = declare(u64, c.RLIMIT_AS)
CAP_IPC_LOCK = declare(u64, c.CAP_IPC_LOCK)
CAP_SYS_ADMIN = declare(u64, c.CAP_SYS_ADMIN)
INFINITY = declare(u64, c.RLIM_INFINITY)

# struct task_struct, struct signal_struct, struct cred.
TASK_SIGNAL = declare(u64, 8)
TASK_CRED = declare(u64, 16)
TASK_PERSONALITY = declare(u64, 24)
TASK_USAGE = declare(u64, 40)
TASK_SIZE_BYTES = declare(u64, 48)
SIGNAL_RLIM_MAX = declare(u64, 128)
SIGNAL_SIZE = declare(u64, 256)
# struct sysctl, the twin's collection of kernel-wide settings.
MAX_MAP_COUNT = declare(u64, 0)
MMAP_MIN_ADDR = declare(u64, 8)
STACK_GUARD_GAP = declare(u64, 16)
OVERCOMMIT_MEMORY = declare(u64, 24)
OVERCOMMIT_RATIO = declare(u64, 32)
OVERCOMMIT_KBYTES = declare(u64, 40)
ADMIN_RESERVE = declare(u64, 48)
USER_RESERVE = declare(u64, 56)
TOTALRAM = declare(u64, 64)
TOTAL_SWAP = declare(u64, 72)
VM_COMMITTED_AS = declare(u64, 80)
DAC_MMAP_MIN_ADDR = declare(u64, 152)
COMMITTED_BATCH = declare(u64, 160)
COMMITTED_HELD = declare(u64, 168)

DEFAULT_RAM_PAGES = 1 << 22
"""16 GiB; what "too much at once" means to the overcommit guess."""
DEFAULT_STACK_LIMIT = 8 << 20
DEFAULT_MEMLOCK_LIMIT = 8 << 20


class Counters(Hugetlb):
    """``total_vm`` and its kin, resource limits, capabilities, and what memory is promised."""

    def __init__(self, memory: Memory, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, caches, profile)
        sysctl = self.view("sysctl", self.sysctl)
        sysctl.max_map_count = profile.max_map_count
        sysctl.mmap_min_addr = profile.mmap_min_addr
        sysctl.dac_mmap_min_addr = profile.mmap_min_addr
        sysctl.stack_guard_gap = profile.stack_guard_gap
        sysctl.overcommit_ratio = 50
        sysctl.admin_reserve_kbytes = 1 << 13
        sysctl.user_reserve_kbytes = 1 << 17
        sysctl.totalram_pages = DEFAULT_RAM_PAGES
        sysctl.vsyscall = 1
        sysctl.anon_vma_name = int(profile.anon_vma_name)
        sysctl.thp = int(profile.transparent_hugepages)
        sysctl.thp_enabled = int(profile.transparent_hugepages)

    def sysctl_max_map_count(self) -> u64:
        """vm.max_map_count."""
        return load(self.memory, self.sysctl + MAX_MAP_COUNT)

    def sysctl_mmap_min_addr(self) -> u64:
        """The lowest address that a hint is rounded up to and a stack grows down to, in bytes."""
        return load(self.memory, self.sysctl + MMAP_MIN_ADDR)

    def dac_mmap_min_addr(self) -> u64:
        """vm.mmap_min_addr, in bytes; security modules may hold the effective one higher."""
        return load(self.memory, self.sysctl + DAC_MMAP_MIN_ADDR)

    def stack_guard_gap(self) -> u64:
        """Bytes kept free below an area that grows down."""
        return load(self.memory, self.sysctl + STACK_GUARD_GAP)

    # Tasks: whose limits and capabilities count.

    def task_alloc(self, parent: u64) -> u64:
        """A task with ``parent``'s limits, capabilities and personality; 0 = init's.

        Init has every capability, an 8 MiB soft stack limit and 8 MiB of lockable memory. Raises
        :class:`MemoryError` without memory.
        """
        memory: Memory = self.memory
        task: u64 = self.task_cache.alloc(GFP_KERNEL)
        signal: u64 = self.signal_cache.alloc(GFP_KERNEL)
        cred: u64 = self.cred_cache.alloc(GFP_KERNEL)
        if task == 0 or signal == 0 or cred == 0:
            raise MemoryError("no memory for a task")
        memory.zero(task, TASK_SIZE_BYTES)
        store(memory, task + TASK_USAGE, 1)
        store(memory, task + TASK_SIGNAL, signal)
        store(memory, task + TASK_CRED, cred)
        if parent != 0:
            memory.copy(signal, load(memory, parent + TASK_SIGNAL), SIGNAL_SIZE)
            store(memory, cred, load(memory, load(memory, parent + TASK_CRED)))
            store(memory, task + TASK_PERSONALITY, load(memory, parent + TASK_PERSONALITY))
            return task
        memory.fill(signal, SIGNAL_SIZE, INFINITY)
        limits = self.view("signal_struct", signal)
        limits.put("rlim_cur", DEFAULT_STACK_LIMIT, c.RLIMIT_STACK)
        limits.put("rlim_cur", DEFAULT_MEMLOCK_LIMIT, c.RLIMIT_MEMLOCK)
        limits.put("rlim_max", DEFAULT_MEMLOCK_LIMIT, c.RLIMIT_MEMLOCK)
        store(memory, cred, c.CAP_FULL_SET)
        return task

    def put_task(self, task: u64) -> None:
        """Drop a reference to a task; the last one frees it."""
        memory: Memory = self.memory
        usage: u64 = load(memory, task + TASK_USAGE) - 1
        store(memory, task + TASK_USAGE, usage)
        if usage == 0:
            self.signal_cache.free(load(memory, task + TASK_SIGNAL))
            self.cred_cache.free(load(memory, task + TASK_CRED))
            self.task_cache.free(task)

    def rlimit(self, mm: u64, which: u64) -> u64:
        """The soft limit RLIMIT_* that holds for ``mm``; 2^64 - 1 is none."""
        memory: Memory = self.memory
        signal: u64 = load(memory, load(memory, mm + self.at_owner) + TASK_SIGNAL)
        return load(memory, signal + 8 * which)

    def set_rlimit(self, mm: u64, which: u64, soft: u64, hard: u64) -> None:
        """setrlimit(2) for the owner of ``mm``, unchecked."""
        memory: Memory = self.memory
        signal: u64 = load(memory, load(memory, mm + self.at_owner) + TASK_SIGNAL)
        store(memory, signal + 8 * which, soft)
        store(memory, signal + SIGNAL_RLIM_MAX + 8 * which, hard)

    def capable(self, mm: u64, capability: u64) -> bint:
        """Whether the owner of ``mm`` holds CAP_* number ``capability``."""
        memory: Memory = self.memory
        cred: u64 = load(memory, load(memory, mm + self.at_owner) + TASK_CRED)
        return (load(memory, cred) >> capability) & 1 != 0

    def personality(self, mm: u64) -> u64:
        """The persona bits of the owner of ``mm``."""
        return load(self.memory, load(self.memory, mm + self.at_owner) + TASK_PERSONALITY)

    # Counters by class of area.

    def is_exec_mapping(self, vm_flags: u64) -> bint:
        """Executable, not writable, no stack."""
        return vm_flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN) == VM_EXEC

    def is_stack_mapping(self, vm_flags: u64) -> bint:
        """Grows down."""
        return vm_flags & VM_GROWSDOWN != 0

    def is_data_mapping(self, vm_flags: u64) -> bint:
        """Private, writable, no stack."""
        return vm_flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN) == VM_WRITE

    def vm_stat_account(self, mm: u64, vm_flags: u64, npages: i64) -> None:
        """Count ``npages`` (may be negative) of an area with ``vm_flags``."""
        change: u64 = npages if npages >= 0 else 0
        if npages < 0:
            less: u64 = -npages
            self.set_total_vm(mm, self.total_vm(mm) - less)
            if self.is_exec_mapping(vm_flags):
                self.set_exec_vm(mm, self.exec_vm(mm) - less)
            elif self.is_stack_mapping(vm_flags):
                self.set_stack_vm(mm, self.stack_vm(mm) - less)
            elif self.is_data_mapping(vm_flags):
                self.set_data_vm(mm, self.data_vm(mm) - less)
            return
        self.set_total_vm(mm, self.total_vm(mm) + change)
        if self.is_exec_mapping(vm_flags):
            self.set_exec_vm(mm, self.exec_vm(mm) + change)
        elif self.is_stack_mapping(vm_flags):
            self.set_stack_vm(mm, self.stack_vm(mm) + change)
        elif self.is_data_mapping(vm_flags):
            self.set_data_vm(mm, self.data_vm(mm) + change)

    def update_hiwater_vm(self, mm: u64) -> None:
        """Note the peak before ``total_vm`` is lowered."""
        total: u64 = self.total_vm(mm)
        if self.hiwater_vm(mm) < total:
            self.set_hiwater_vm(mm, total)

    # Limits.

    def may_expand_vm(self, mm: u64, vm_flags: u64, npages: u64) -> bint:
        """Whether RLIMIT_AS and, for data areas, RLIMIT_DATA let ``npages`` more in."""
        if self.total_vm(mm) + npages > self.rlimit(mm, RLIMIT_AS) >> self.page_shift:
            return False
        if not self.is_data_mapping(vm_flags):
            return True
        data: u64 = self.data_vm(mm) + npages
        if data <= self.rlimit(mm, RLIMIT_DATA) >> self.page_shift:
            return True
        # A soft limit of 0 is how old Valgrind forbids brk: the hard limit counts then.
        if self.rlimit(mm, RLIMIT_DATA) != 0:
            return False
        signal: u64 = load(self.memory, self.owner(mm) + TASK_SIGNAL)
        return (
            data <= load(self.memory, signal + SIGNAL_RLIM_MAX + 8 * RLIMIT_DATA) >> self.page_shift
        )

    def mlock_future_ok(self, mm: u64, vm_flags: u64, length: u64) -> bint:
        """Whether ``length`` more bytes may be locked, if ``vm_flags`` ask for that."""
        if vm_flags & VM_LOCKED == 0:
            return True
        locked: u64 = (length >> self.page_shift) + self.locked_vm(mm)
        if locked <= self.rlimit(mm, RLIMIT_MEMLOCK) >> self.page_shift:
            return True
        return self.capable(mm, CAP_IPC_LOCK)

    def can_do_mlock(self, mm: u64) -> bint:
        """Whether the owner may lock memory at all (EPERM if not)."""
        return self.rlimit(mm, RLIMIT_MEMLOCK) != 0 or self.capable(mm, CAP_IPC_LOCK)

    # The commit charge.

    def vm_acct_memory(self, pages: u64) -> None:
        """Charge ``pages``."""
        at: u64 = self.sysctl + VM_COMMITTED_AS
        store(self.memory, at, load(self.memory, at) + pages)
        self.hold_charge(pages, 0)

    def vm_unacct_memory(self, pages: u64) -> None:
        """Take the charge of ``pages`` back."""
        at: u64 = self.sysctl + VM_COMMITTED_AS
        store(self.memory, at, load(self.memory, at) - pages)
        self.hold_charge(0, pages)

    def hold_charge(self, more: u64, less: u64) -> None:
        """``percpu_counter_add_batch`` on a machine with one processor.

        What it holds is added to the counter's sum when it reaches the batch, up or down.
        """
        memory: Memory = self.memory
        batch: u64 = load(memory, self.sysctl + COMMITTED_BATCH)
        if batch == 0:
            return
        held: u64 = load(memory, self.sysctl + COMMITTED_HELD) + more
        held = held - less if held > less else 0
        if held == 0 or held >= 2 * batch:
            held = batch
        store(memory, self.sysctl + COMMITTED_HELD, held)

    def committed_as_read(self) -> u64:
        """``percpu_counter_read_positive``: pages charged, without what the processor holds."""
        memory: Memory = self.memory
        total: u64 = load(memory, self.sysctl + VM_COMMITTED_AS)
        batch: u64 = load(memory, self.sysctl + COMMITTED_BATCH)
        if batch == 0:
            return total
        held: u64 = load(memory, self.sysctl + COMMITTED_HELD)
        return total + batch - held if total + batch > held else 0

    def vm_commit_limit(self) -> u64:
        """How many pages may be promised in mode 2."""
        memory: Memory = self.memory
        kilobytes: u64 = load(memory, self.sysctl + OVERCOMMIT_KBYTES)
        allowed: u64 = kilobytes >> (self.page_shift - 10)
        if kilobytes == 0:
            ratio: u64 = load(memory, self.sysctl + OVERCOMMIT_RATIO)
            huge: u64 = 512 * load(memory, self.huge.hstate.address)
            allowed = (load(memory, self.sysctl + TOTALRAM) - huge) * ratio // 100
        return allowed + load(memory, self.sysctl + TOTAL_SWAP)

    def vm_enough_memory(self, mm: u64, pages: u64) -> i64:
        """Charge ``pages`` if the overcommit mode allows it: 0, or ``-ENOMEM`` and no charge.

        The charge is added first and taken back on refusal, as a racing request may see.
        """
        memory: Memory = self.memory
        self.vm_acct_memory(pages)
        mode: u64 = load(memory, self.sysctl + OVERCOMMIT_MEMORY)
        if mode == 1:
            return 0
        if mode == 0:
            swap: u64 = load(memory, self.sysctl + TOTAL_SWAP)
            if pages <= load(memory, self.sysctl + TOTALRAM) + swap:
                return 0
            self.vm_unacct_memory(pages)
            return -errno.ENOMEM
        allowed: u64 = self.vm_commit_limit()
        if not self.capable(mm, CAP_SYS_ADMIN):
            admin: u64 = load(memory, self.sysctl + ADMIN_RESERVE) >> (self.page_shift - 10)
            allowed = allowed - admin if allowed > admin else 0
        reserve: u64 = load(memory, self.sysctl + USER_RESERVE) >> (self.page_shift - 10)
        if self.total_vm(mm) >> 5 < reserve:
            reserve = self.total_vm(mm) >> 5
        allowed = allowed - reserve if allowed > reserve else 0
        if self.committed_as_read() < allowed:
            return 0
        self.vm_unacct_memory(pages)
        return -errno.ENOMEM

"""A fresh image: the address space that exec leaves, rebuilt from the text of its maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cython
from cython import declare
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space.fields import Caches
from mmtwin.space.fork import Fork
from mmtwin.space.layouts import MM_TOPDOWN_BIT

if not cython.compiled:
    from mmtwin.pages.words import load, store

SIZE_128M = declare(u64, c.SIZE_128M)
RLIMIT_STACK = declare(u64, c.RLIMIT_STACK)
ADDR_COMPAT_LAYOUT = declare(u64, c.ADDR_COMPAT_LAYOUT)
ADDR_NO_RANDOMIZE = declare(u64, c.ADDR_NO_RANDOMIZE)
TOPDOWN = declare(u64, 1 << MM_TOPDOWN_BIT)
LEGACY_VA_LAYOUT = declare(u64, 88)

SPECIAL_FLAGS = {
    "[vvar]": c.VM_READ | c.VM_MAYREAD | c.VM_IO | c.VM_DONTDUMP | c.VM_PFNMAP,
    "[vvar_vclock]": c.VM_READ | c.VM_MAYREAD | c.VM_IO | c.VM_DONTDUMP | c.VM_PFNMAP,
    "[vdso]": c.VM_READ | c.VM_EXEC | c.VM_MAY_ALL,
}
"""What ``_install_special_mapping`` is asked for; it adds DONTEXPAND."""
VSYSCALL = "[vsyscall]"
STACK = "[stack]"


class MapsLine(Protocol):
    """One parsed line of /proc/PID/maps: ``end`` is exclusive, ``offset`` in bytes."""

    @property
    def start(self) -> int:
        """First byte."""

    @property
    def end(self) -> int:
        """First byte after it."""

    @property
    def perms(self) -> str:
        """Such as ``r-xp``."""

    @property
    def offset(self) -> int:
        """Bytes into the file."""

    @property
    def major(self) -> int:
        """Major device number."""

    @property
    def minor(self) -> int:
        """Minor device number."""

    @property
    def inode(self) -> int:
        """Inode number, 0 without a file."""

    @property
    def name(self) -> str:
        """As printed."""


class Exec(Fork):
    """``load_image`` and the choice of the layout."""

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        layout = self.layouts.vm_special_mapping
        self.special_mappings = {}
        for name in SPECIAL_FLAGS:
            special = memory.boot_alloc(layout.size, 8)
            store(memory, special + layout.offset("name"), memory.strings.number(name))
            self.special_mappings[name] = special

    def arch_pick_mmap_layout(self, mm: u64) -> None:
        """Choose the search direction and the bases, without a random part.

        Top-down unless the personality or vm.legacy_va_layout asks for the old layout: the base
        leaves the stack's soft limit, the guard gap and, where addresses are randomised, the
        stack's random range free below the end of user space.
        """
        persona: u64 = self.personality(mm)
        unmapped_base: u64 = self.profile.unmapped_base
        self.set_mmap_legacy_base(mm, unmapped_base)
        legacy: u64 = load(self.memory, self.sysctl + LEGACY_VA_LAYOUT)
        if persona & ADDR_COMPAT_LAYOUT != 0 or legacy != 0:
            self.set_mmap_base(mm, unmapped_base)
            return
        gap: u64 = self.rlimit(mm, RLIMIT_STACK)
        pad: u64 = self.stack_guard_gap()
        if persona & ADDR_NO_RANDOMIZE == 0:
            random_pages: u64 = self.profile.stack_random_pages
            pad += random_pages << self.page_shift
        top: u64 = self.profile.stack_top
        most: u64 = top // 6 * 5
        gap = gap + pad if gap < most else most
        if gap < SIZE_128M:
            gap = SIZE_128M
        elif gap > most:
            gap = most
        self.set_mmap_base(mm, (top - gap + self.page_size - 1) & self.page_mask)
        self.set_mm_flags(mm, self.mm_flags(mm) | TOPDOWN)

    def load_image(
        self, task: int, lines: Sequence[MapsLine], *, start_brk: int = 0, start_stack: int = 0
    ) -> int:
        """A new address space for ``task`` that holds what ``lines`` show right after exec.

        ``start_brk`` is the first program break, 0 if not known (then ``start_brk`` and ``brk``
        stay 0); ``start_stack`` the stack pointer, 0 to take the top of [stack]. The base of
        top-down searches is where the interpreter ends, or else what :func:`mmap_base_of` finds
        in the text. Text, data and stack get the flags that exec gives; writable private areas
        have been written to. Raises :class:`MemoryError` without memory.
        """
        mm = self.mm_alloc(task)
        if mm == 0:
            raise MemoryError("no memory for an address space")
        self.arch_pick_mmap_layout(mm)
        base = mmap_base_of(lines)
        if base:
            if self.mm_topdown(mm):
                self.set_mmap_base(mm, base)
            self.set_mm_flags(mm, self.mm_flags(mm) | MM_BASE_KNOWN)
        files: dict[tuple[str, int, int, int], int] = {}
        gate = 0
        for line in lines:
            if line.name == VSYSCALL:
                gate = 1
            else:
                self._load_line(mm, line, files)
        for file in files.values():
            self.fput(file)
        self.view("sysctl", self.sysctl).vsyscall = gate
        self._load_bounds(mm, lines, start_brk, start_stack)
        return mm

    def _load_line(
        self, mm: int, line: MapsLine, files: dict[tuple[str, int, int, int], int]
    ) -> None:
        vma = self.vm_area_alloc(mm)
        if vma == 0:
            raise MemoryError("no memory for an area")
        pages = (line.end - line.start) >> self.page_shift
        vm_flags = flags_of(line)
        pgoff = line.start >> self.page_shift
        special = self.special_mappings.get(line.name)
        if special is not None:
            pgoff = 0
            self.set_vm_ops(vma, self.special_mapping_vmops)
            self.set_vm_private_data(vma, special)
        elif line.name == STACK:
            pgoff = (self.profile.stack_top_max >> self.page_shift) - pages
        elif line.inode:
            key = (line.name, line.major, line.minor, line.inode)
            file = files.get(key)
            if file is None:
                file = files[key] = self.open_file(*key)
            self.get_file(file)
            self.set_vm_file(vma, file)
            self.set_vm_ops(vma, self.generic_file_vm_ops)
            pgoff = line.offset >> self.page_shift
        self.vma_set_range(vma, line.start, line.end, pgoff)
        self.set_vm_flags(vma, vm_flags)
        self.vma_set_page_prot(vma)
        if self.vma_link(mm, vma) != 0:
            raise MemoryError("no memory for an area")
        if vm_flags & c.VM_ACCOUNT:
            self.vm_acct_memory(pages)
            if self.anon_vma_prepare(vma) != 0:
                raise MemoryError("no memory for an anon_vma")
        self.vm_stat_account(mm, vm_flags, pages)

    def _load_bounds(
        self, mm: int, lines: Sequence[MapsLine], start_brk: int, start_stack: int
    ) -> None:
        """Where code, data, heap and stack lie, as far as the text tells."""
        path = program_of(lines)
        program = [line for line in lines if line.inode and line.name == path]
        for line in program:
            if "x" in line.perms and self.start_code(mm) == 0:
                self.set_start_code(mm, line.start)
                self.set_end_code(mm, line.end)
            if "w" in line.perms:
                self.set_start_data(mm, line.start)
        end = max((line.end for line in program), default=0)
        for line in lines:
            if line.start == end and not line.inode and line.name in ("", "[heap]"):
                end = line.end
        self.set_end_data(mm, end)
        self.set_start_brk(mm, start_brk)
        self.set_brk(mm, start_brk)
        for line in lines:
            if line.name == STACK:
                self.set_start_stack(mm, start_stack or line.end - 16)

    def mmap_base_known(self, mm: int) -> bool:
        """Whether the text that the image was built from showed the base of searches."""
        return bool(self.mm_flags(mm) & MM_BASE_KNOWN)


MM_BASE_KNOWN = 1 << (MM_TOPDOWN_BIT - 1)
"""The twin's own bit of ``mm.flags``."""


def flags_of(line: MapsLine) -> int:
    """The ``vm_flags`` of an area that exec made, by its line in maps."""
    special = SPECIAL_FLAGS.get(line.name)
    if special is not None:
        return special | c.VM_DONTEXPAND | c.VM_SOFTDIRTY
    vm_flags = c.VM_MAY_ALL
    for letter, flag in (("r", c.VM_READ), ("w", c.VM_WRITE), ("x", c.VM_EXEC)):
        if letter in line.perms:
            vm_flags |= flag
    if line.name == STACK:
        return vm_flags | c.VM_GROWSDOWN | c.VM_ACCOUNT
    vm_flags |= c.VM_SOFTDIRTY
    if line.perms.endswith("s"):
        return vm_flags | c.VM_SHARED | c.VM_MAYSHARE
    return vm_flags | c.VM_ACCOUNT if vm_flags & c.VM_WRITE else vm_flags


def program_of(lines: Sequence[MapsLine]) -> str:
    """The path of the program: of the files mapped, the one that is not the interpreter.

    The interpreter is the file whose areas lead up to the base of searches; a program without one
    may lie there itself. ``""`` without files.
    """
    names = list(dict.fromkeys(line.name for line in lines if line.inode))
    base = mmap_base_of(lines)
    at_base = {line.name for line in lines if line.inode and base and _run_end(lines, line) == base}
    others = [name for name in names if name not in at_base]
    return (others or names or [""])[0]


def mmap_base_of(lines: Sequence[MapsLine]) -> int:
    """The base of top-down searches that the maps of a fresh image show; 0 if they do not.

    The interpreter is the first thing mapped there and [vvar] and [vdso] come right below it, or
    stand in its place when there is none; so the base is where the run of areas that begins with
    them ends. Where the kernel put [vdso] near the stack, an interpreter high up shows it: in the
    uppermost eighth below the stack, where no program with an interpreter lies.
    """
    stack = next((line.start for line in lines if line.name == STACK), c.STACK_TOP)
    special = [line for line in lines if line.name in SPECIAL_FLAGS and line.end <= stack]
    if special:
        return _run_end(lines, special[0])
    names = list(dict.fromkeys(line.name for line in lines if line.inode and line.end <= stack))
    high = [
        line for line in lines if line.inode and line.end <= stack and line.start >= stack // 8 * 7
    ]
    if high:
        top = high[len(high) - 1]  # a negative index is no index in a compiled room
        if len(names) == 1 or top.name != names[0]:
            return _run_end(lines, top)
    return 0


def _run_end(lines: Sequence[MapsLine], first: MapsLine) -> int:
    end = first.start
    for line in lines:
        if line.start == end:
            end = line.end
    return end

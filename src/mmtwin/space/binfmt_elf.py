"""exec of an ELF program, mapping by mapping, as far as its address space goes."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

from mmtwin.space import flags as c
from mmtwin.space.exec import SPECIAL_FLAGS
from mmtwin.space.exec_stack import ExecStack

PT_LOAD = 1
PT_INTERP = 3
PT_GNU_STACK = 0x6474E551
PF_X, PF_W, PF_R = 1, 2, 4
ET_EXEC, ET_DYN = 2, 3
TABLES = 1024
"""Bytes of the tables (argc, argv, envp, auxv) below the strings, about."""

VDSO_6_1 = (("[vvar]", 4), ("[vdso]", 2))
VDSO_6_18 = (("[vvar]", 4), ("[vvar_vclock]", 2), ("[vdso]", 2))
"""What the kernel maps for time and system calls: name and pages, ascending."""


class NotElf(ValueError):
    """The bytes are no ELF64 little-endian file that can be loaded."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One PT_LOAD program header; ``flags`` are PF_*, sizes and offset bytes."""

    vaddr: int
    memsz: int
    filesz: int
    offset: int
    flags: int
    align: int = c.PAGE_SIZE


@dataclass(frozen=True, slots=True)
class ElfImage:
    """A program or an interpreter: where the file is and what of it is mapped.

    ``kind`` is ET_EXEC or ET_DYN; ``stack_exec`` what PT_GNU_STACK asks for.
    """

    path: str
    device: tuple[int, int]
    inode: int
    kind: int
    segments: tuple[Segment, ...]
    interpreter: str = ""
    stack_exec: bool = False

    @classmethod
    def parse(cls, data: bytes, path: str, device: tuple[int, int], inode: int) -> ElfImage:
        """Read the headers at the beginning of an ELF file; :class:`NotElf` if they are wrong."""
        if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
            raise NotElf(f"{path} is no 64-bit little-endian ELF file")
        kind, phoff = struct.unpack_from("<H", data, 16)[0], struct.unpack_from("<Q", data, 32)[0]
        size, count = struct.unpack_from("<HH", data, 54)
        if kind not in (ET_EXEC, ET_DYN) or size != 56 or phoff + size * count > len(data):
            raise NotElf(f"{path} has no program headers that can be loaded")
        segments: list[Segment] = []
        interpreter, stack_exec = "", False
        for nth in range(count):
            what, flags, offset, vaddr, _, filesz, memsz, align = struct.unpack_from(
                "<IIQQQQQQ", data, phoff + size * nth
            )
            if what == PT_LOAD:
                segments.append(Segment(vaddr, memsz, filesz, offset, flags, align))
            elif what == PT_INTERP:
                interpreter = data[offset : offset + filesz].rstrip(b"\0").decode()
            elif what == PT_GNU_STACK:
                stack_exec = bool(flags & PF_X)
        if not segments:
            raise NotElf(f"{path} has nothing to load")
        return cls(path, device, inode, kind, tuple(segments), interpreter, stack_exec)

    @property
    def total_size(self) -> int:
        """Bytes from the first segment's page to the last one's end."""
        last = self.segments[len(self.segments) - 1]
        return last.vaddr + last.memsz - (self.segments[0].vaddr & c.PAGE_MASK)


@dataclass(frozen=True, slots=True)
class Placement:
    """What exec draws at random; the defaults are those of ADDR_NO_RANDOMIZE.

    ``stack_top`` is the exclusive end of the stack, ``mmap_pages`` lower the base of searches,
    ``program_pages`` raise a position-independent program, ``vdso_page`` chooses among the places
    between the stack and the end of its 2 MiB (6.1), ``brk_gap`` are the bytes between the image
    and the heap.
    """

    stack_top: int = c.STACK_TOP
    mmap_pages: int = 0
    program_pages: int = 0
    vdso_page: int = 0
    brk_gap: int = 0


NOT_RANDOM = Placement()


class ExecFailed(Exception):
    """exec failed past the point of no return: the process is killed. ``error`` is the errno."""

    def __init__(self, what: str, error: int) -> None:
        super().__init__(f"exec: {what} failed with {errno.errorcode.get(-error, error)}")
        self.error = error


class BinfmtElf(ExecStack):
    """``load_elf_binary``."""

    def load_elf_binary(
        self,
        task: int,
        program: ElfImage,
        interpreter: ElfImage | None = None,
        *,
        strings: int = 1024,
        place: Placement = NOT_RANDOM,
    ) -> int:
        """A new address space for ``task`` with ``program`` loaded, as exec leaves it.

        ``interpreter`` is the image that the program names in PT_INTERP; ``strings`` the bytes of
        arguments and environment. Raises :class:`ExecFailed` or, without memory for an open file,
        :class:`MemoryError`; everything is torn down then.
        """
        mm = self.mm_alloc(task)
        if mm == 0:
            raise ExecFailed("mm_alloc", -errno.ENOMEM)
        try:
            self._load(mm, program, interpreter, strings, place)
        except (ExecFailed, MemoryError):
            self.mmput(mm)
            raise
        return mm

    def _load(
        self,
        mm: int,
        program: ElfImage,
        interpreter: ElfImage | None,
        strings: int,
        place: Placement,
    ) -> None:
        stack = self.bprm_mm_init(mm)
        if stack == 0:
            raise ExecFailed("bprm_mm_init", -errno.ENOMEM)
        done("copy_strings", self.copy_strings(stack, strings + 8))
        self.arch_pick_mmap_layout(mm)
        self.set_mmap_base(mm, self.mmap_base(mm) - place.mmap_pages * c.PAGE_SIZE)
        done(
            "setup_arg_pages",
            self.setup_arg_pages(stack, place.stack_top, program.stack_exec),
        )
        base = 0
        if program.kind == ET_DYN and interpreter is not None:
            base = c.ELF_ET_DYN_BASE + place.program_pages * c.PAGE_SIZE
            base &= -max(segment.align for segment in program.segments)
        bias = self._map_image(mm, program, base)
        if interpreter is not None:
            self._map_image(mm, interpreter, 0)
        top = self.vm_end(stack)
        pointer = (top - 8 - strings - TABLES) & ~15
        self._map_vdso(mm, pointer, place)
        self._set_marks(mm, program, bias, pointer)
        end = (
            c.ELF_ET_DYN_BASE
            if program.kind == ET_DYN and interpreter is None
            else bias + max(segment.vaddr + segment.memsz for segment in program.segments)
        )
        brk = ((end + 0xFFF) & c.PAGE_MASK) + place.brk_gap
        self.set_start_brk(mm, brk)
        self.set_brk(mm, brk)
        if self.personality(mm) & c.MMAP_PAGE_ZERO:
            prot = c.PROT_READ | c.PROT_EXEC
            flags = c.MAP_FIXED | c.MAP_PRIVATE
            self.vm_mmap_pgoff(mm, 0, 0, c.PAGE_SIZE, prot, flags, 0)

    def _map_image(self, mm: int, image: ElfImage, base: int) -> int:
        """Map all segments: by how much they lie above their virtual addresses.

        The first one is mapped with the length of the whole image, so that a hole of the right
        size is found, and what is too much is unmapped again. ``base`` 0 lets the search decide.
        """
        file = self.open_file(image.path, *image.device, image.inode)
        first = image.segments[0].vaddr & c.PAGE_MASK
        bias = base - first if base else 0
        try:
            for nth, segment in enumerate(image.segments):
                flags = c.MAP_PRIVATE
                total = 0
                if nth:
                    flags |= c.MAP_FIXED
                elif image.kind == ET_EXEC:
                    flags |= c.MAP_FIXED_NOREPLACE
                else:
                    flags |= c.MAP_FIXED_NOREPLACE if base else 0
                    total = (image.total_size + 0xFFF) & c.PAGE_MASK
                hint = 0 if image.kind == ET_DYN and not (nth or base) else bias + segment.vaddr
                at = self._elf_load(mm, file, segment, hint, flags, total)
                if nth == 0 and image.kind == ET_DYN:
                    bias = at - first
        finally:
            self.fput(file)
        return bias

    def _elf_load(
        self, mm: int, file: int, segment: Segment, addr: int, flags: int, total: int
    ) -> int:
        within = segment.vaddr & 0xFFF
        prot = prot_of(segment.flags)
        at = addr & c.PAGE_MASK
        zero_from = at
        if segment.filesz:
            size = (segment.filesz + within + 0xFFF) & c.PAGE_MASK
            page = (segment.offset - within) >> c.PAGE_SHIFT
            at = self.vm_mmap_pgoff(mm, file, at, total or size, prot, flags, page)
            done("elf_map", at)
            if total > size:
                done("vm_munmap", self.do_munmap(mm, at + size, total - size))
            zero_from = at + within + segment.filesz
            if segment.memsz > segment.filesz and zero_from & 0xFFF and prot & c.PROT_WRITE:
                done("padzero", self.touch(mm, zero_from, 1, True))
        if segment.memsz > segment.filesz:
            start = (zero_from + 0xFFF) & c.PAGE_MASK
            end = (at + within + segment.memsz + 0xFFF) & c.PAGE_MASK
            extra = c.VM_EXEC if prot & c.PROT_EXEC else 0
            done("vm_brk_flags", self.vm_brk_flags(mm, start, end - start, extra))
        return at

    def _map_vdso(self, mm: int, pointer: int, place: Placement) -> None:
        """The kernel's own pages: near the stack in 6.1, where a search puts them later."""
        modern = self.profile.since(6, 13)
        parts = VDSO_6_18 if modern else VDSO_6_1
        length = sum(pages for _, pages in parts) * c.PAGE_SIZE
        hint = 0 if modern else vdso_hint(pointer, length, place.vdso_page)
        at = self.get_unmapped_area(mm, 0, hint, length, 0, 0)
        done("get_unmapped_area", at)
        starts = {}
        for name, pages in parts:
            starts[name] = (at, pages * c.PAGE_SIZE)
            at += pages * c.PAGE_SIZE
        for name in ("[vdso]", *(name for name, _ in parts if name != "[vdso]")):
            start, size = starts[name]
            special = self.special_mappings[name]
            error = self.install_special_mapping(mm, start, size, SPECIAL_FLAGS[name], special)
            done("_install_special_mapping", error)

    def _set_marks(self, mm: int, program: ElfImage, bias: int, pointer: int) -> None:
        """Where code, data and stack lie."""
        code = [s for s in program.segments if s.flags & PF_X]
        self.set_start_code(mm, bias + min((s.vaddr for s in code), default=0))
        self.set_end_code(mm, bias + max((s.vaddr + s.filesz for s in code), default=0))
        self.set_start_data(mm, bias + max(s.vaddr for s in program.segments))
        self.set_end_data(mm, bias + max(s.vaddr + s.filesz for s in program.segments))
        self.set_start_stack(mm, pointer)


def prot_of(flags: int) -> int:
    """PROT_* for a segment's PF_*."""
    prot = c.PROT_READ if flags & PF_R else 0
    prot |= c.PROT_WRITE if flags & PF_W else 0
    return prot | (c.PROT_EXEC if flags & PF_X else 0)


def vdso_hint(pointer: int, length: int, nth: int) -> int:
    """Place number ``nth`` for the kernel's pages above the stack, within its 2 MiB."""
    start = (pointer + 0xFFF) & c.PAGE_MASK
    end = min((start + c.PMD_SIZE - 1) & -c.PMD_SIZE, c.TASK_SIZE) - length
    if end <= start:
        return start
    return start + nth % ((end - start) // c.PAGE_SIZE + 1) * c.PAGE_SIZE


def done(what: str, result: int) -> None:
    """Raise :class:`ExecFailed` if ``result`` is an error."""
    if result < 0:
        raise ExecFailed(what, result)

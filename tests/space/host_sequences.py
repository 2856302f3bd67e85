"""Short runs whose answers were recorded on a real 6.18 kernel, in pages counted from ``A``."""

from __future__ import annotations

from mmtwin.kernels.calls import Call
from mmtwin.space import flags as c

P = 0x1000
A = 0x1000_0000
TOP = (1 << 64) - 1
R, W, X, RW, NONE = 1, 2, 4, 3, 0
ANON = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED
SHARED = c.MAP_SHARED | c.MAP_ANONYMOUS | c.MAP_FIXED
FILE = c.MAP_SHARED | c.MAP_FIXED
LOCKED = ANON | c.MAP_LOCKED
MAY, FIX, KEEP = c.MREMAP_MAYMOVE, c.MREMAP_FIXED, c.MREMAP_DONTUNMAP
VVAR, VCLOCK, VDSO = 0x7FFFF7FF7000, 0x7FFFF7FFB000, 0x7FFFF7FFD000
STACK = 0x7FFFFFFDE000
HEAP = 0x41C000


def call(name: str, *args: int, slot: int = 1, text: bytes | None = None) -> Call:
    return Call(slot, name, tuple(value & TOP for value in args), text)


def mmap(
    page: int, pages: int, prot: int = RW, flags: int = ANON, slot: int = 1, fd: int = TOP
) -> Call:
    offset = 0 if fd == TOP else page * P
    return call("mmap", A + page * P, pages * P, prot, flags, fd, offset, slot=slot)


def over(name: str, page: int, pages: int, *args: int, slot: int = 1) -> Call:
    return call(name, A + page * P, pages * P, *args, slot=slot)


def touch(page: int, pages: int, write: int = 1, slot: int = 1) -> Call:
    return over("touch", page, pages, write, slot=slot)


def protect(page: int, pages: int, prot: int, slot: int = 1) -> Call:
    return over("mprotect", page, pages, prot, slot=slot)


def advise(page: int, pages: int, advice: int) -> Call:
    return over("madvise", page, pages, advice)


def remap(page: int, old: int, new: int, flags: int, to: int = 0) -> Call:
    target = A + to * P if flags & (FIX | KEEP) else 0
    return call("mremap", A + page * P, old * P, new * P, flags, target)


FORK = call("fork", 2)

SEQUENCES: dict[str, list[Call]] = {
    "never-written memory that becomes read-only is charged no more": [
        mmap(0, 3),
        protect(0, 1, R),
    ],
    "written memory that becomes read-only stays charged": [
        mmap(0, 3),
        touch(0, 1),
        protect(0, 1, R),
    ],
    "stacks ask for small pages": [mmap(0, 3, RW, ANON | c.MAP_STACK)],
    "hints round up to 64 KiB, fixed addresses go down to 0": [
        call("mmap", P, P, RW, ANON, TOP, 0),
        call("mmap", P, P, RW, ANON & ~c.MAP_FIXED, TOP, 0),
        call("mmap", 0x8000, P, RW, ANON & ~c.MAP_FIXED, TOP, 0),
        call("mmap", 0, P, RW, ANON, TOP, 0),
    ],
    "the right to map below the limit set by the administrator": [
        call("capset", 0x1FFFEFFFFFF & ~(1 << c.CAP_SYS_RAWIO)),
        call("mmap", P, P, RW, ANON, TOP, 0),
        call("mmap", 0, P, RW, ANON, TOP, 0),
    ],
    "the last addresses are errors": [
        call("mmap", TOP, P, RW, ANON, TOP, 0),
        call("mmap", TOP - 11, P, RW, ANON, TOP, 0),
        call("mmap", TOP - P + 1, P, RW, ANON, TOP, 0),
        call("mmap", 1 << 63, P, RW, ANON, TOP, 0),
    ],
    "guards: the area remembers, neighbours join and remember too": [
        mmap(0, 2),
        advise(0, 1, c.MADV_GUARD_INSTALL),
        mmap(2, 2),
    ],
    "guards: an anon_vma is made, so new memory does not join the child's area": [
        mmap(0, 2),
        advise(0, 1, c.MADV_GUARD_INSTALL),
        FORK,
        mmap(2, 2, slot=2),
    ],
    "guards: kept over split and merge": [
        mmap(0, 4),
        touch(0, 4),
        protect(1, 1, R),
        advise(1, 1, c.MADV_GUARD_INSTALL),
        protect(1, 1, RW),
    ],
    "guards: removing leaves the mark": [
        mmap(0, 2),
        advise(0, 1, c.MADV_GUARD_INSTALL),
        advise(0, 1, c.MADV_GUARD_REMOVE),
    ],
    "guards: shared memory may have them, locked memory may not": [
        mmap(0, 2, RW, SHARED),
        advise(0, 1, c.MADV_GUARD_INSTALL),
        mmap(4, 2, RW, LOCKED),
        advise(4, 1, c.MADV_GUARD_INSTALL),
        advise(4, 1, c.MADV_GUARD_REMOVE),
    ],
    "droppable memory": [
        mmap(0, 3, RW, c.MAP_DROPPABLE | c.MAP_ANONYMOUS | c.MAP_FIXED),
        over("mlock", 0, 1),
        advise(0, 1, c.MADV_KEEPONFORK),
        advise(0, 1, c.MADV_DODUMP),
        call("mlockall", c.MCL_FUTURE),
        mmap(4, 2, RW, c.MAP_DROPPABLE | c.MAP_ANONYMOUS | c.MAP_FIXED),
        mmap(8, 2, RW, c.MAP_DROPPABLE | c.MAP_ANONYMOUS | c.MAP_FIXED | c.MAP_LOCKED),
    ],
    "special mappings are not split": [
        call("mlock", VVAR, P),
        call("mlock", VDSO, P),
        call("mprotect", VDSO, P, R),
        call("madvise", VVAR, P, c.MADV_DONTNEED),
        call("munmap", VVAR, P),
        call("mremap", VDSO, P, P, MAY | FIX, A),
    ],
    "special mappings move whole, several at once": [
        call("mremap", VVAR, 8 * P, 8 * P, MAY | FIX, A),
    ],
    "populating stops at the first hole": [
        mmap(2, 2),
        advise(0, 4, c.MADV_POPULATE_WRITE),
        FORK,
        mmap(4, 2, slot=2),
    ],
    "nothing to collapse": [
        mmap(0, 4),
        advise(0, 4, c.MADV_COLLAPSE),
        call("mmap", 0x20000000, 0x400000, RW, ANON, TOP, 0),
        call("madvise", 0x20000000, 0x200000, c.MADV_COLLAPSE),
        call("madvise", 0x20000000, P, c.MADV_COLLAPSE),
    ],
    "mremap: several areas with their gaps": [
        mmap(0, 2),
        mmap(3, 1, R),
        mmap(5, 1),
        remap(0, 8, 8, MAY | FIX, 20),
    ],
    "mremap: what lies in the gaps at the new place stays": [
        mmap(0, 1),
        mmap(2, 1),
        mmap(20, 4, R),
        remap(0, 3, 3, MAY | FIX, 20),
    ],
    "mremap: no gap at the start": [mmap(1, 2), remap(0, 4, 4, MAY | FIX, 20)],
    "mremap: several areas, source kept": [
        mmap(0, 2),
        mmap(2, 2, R),
        remap(0, 4, 4, MAY | FIX | KEEP, 20),
    ],
    "mremap: attachments of segments move alone": [
        mmap(0, 1, RW, SHARED),
        call("shmat", 0, A + P, 0),
        remap(0, 2, 2, MAY | FIX, 20),
    ],
    "mremap: /dev/zero moves alone": [
        call("open", c.O_RDWR, text=b"/dev/zero"),
        mmap(0, 1, RW, c.MAP_PRIVATE | c.MAP_FIXED, fd=0),
        mmap(1, 1),
        remap(0, 2, 2, MAY | FIX, 20),
    ],
    "mremap: shrinking over other areas": [mmap(0, 2), mmap(3, 2, R), remap(0, 5, 1, 0)],
    "mremap: shrinking over other areas while moving": [
        mmap(0, 2),
        mmap(3, 2, R),
        remap(0, 5, 1, MAY | FIX, 20),
    ],
    "mremap: private memory is not mapped twice": [mmap(0, 2), remap(0, 0, 1, MAY)],
    "mremap: a bad source leaves the target alone": [
        mmap(0, 2),
        mmap(20, 4, R),
        remap(0, 4, 3, MAY | FIX, 20),
    ],
    "mremap: lengths are compared as pages": [
        mmap(0, 2),
        call("mremap", A, P, P - 1, MAY | FIX | KEEP, A + 8 * P),
    ],
    "mremap: the emptied source keeps its page offset": [
        mmap(0, 2),
        touch(0, 1),
        remap(0, 2, 2, MAY | FIX, 16),
        remap(16, 2, 2, MAY | FIX | KEEP, 32),
        mmap(18, 2),
        mmap(14, 2),
    ],
    "mremap: a clean source becomes one with its copy": [
        mmap(0, 2),
        remap(0, 2, 2, MAY | FIX | KEEP, 2),
    ],
    "mremap: a written copy next to clean memory (the anon_vma is shared)": [
        mmap(0, 2),
        touch(0, 2),
        remap(0, 2, 2, MAY | FIX, 16),
        mmap(2, 2),
        remap(16, 2, 2, MAY | FIX | KEEP, 0),
        over("munmap", 16, 2),
        FORK,
        mmap(4, 1, slot=2),
    ],
    "mremap: VmLck counts a kept locked source for ever": [
        mmap(0, 4, RW, LOCKED),
        remap(0, 4, 4, MAY | FIX | KEEP, 20),
        call("munlockall"),
    ],
    "mremap: a kept source is unlocked as a whole": [
        mmap(0, 4, RW, LOCKED),
        remap(1, 2, 2, MAY | FIX | KEEP, 20),
    ],
    "mremap: part of locked memory moves": [
        mmap(0, 4, RW, LOCKED),
        remap(1, 2, 2, MAY | FIX, 20),
    ],
    "written next to clean merges since 6.16": [
        mmap(0, 3),
        protect(1, 1, RW | X),
        touch(1, 1),
        protect(1, 1, RW),
    ],
    "locking and unlocking the middle leaves one area": [
        mmap(0, 4),
        over("mlock", 1, 2),
        over("munlock", 1, 2),
    ],
    "a child's areas do not take new memory": [
        mmap(0, 3),
        touch(0, 3),
        protect(1, 1, R),
        FORK,
        protect(1, 1, RW, slot=2),
        mmap(3, 1, slot=2),
        protect(1, 1, RW),
        mmap(3, 1),
    ],
    "brk joins what reaches above its start": [
        call("brk", HEAP + 2 * P),
        call("munmap", HEAP, 2 * P),
        call("mmap", HEAP, 2 * P, RW, ANON, TOP, 0),
        call("brk", HEAP + 4 * P),
    ],
    "brk does nothing where the heap is gone": [
        call("brk", HEAP + 4 * P),
        call("munmap", HEAP, 4 * P),
        call("brk", HEAP + P),
    ],
    "brk keeps a page free below a neighbour": [
        call("mmap", HEAP + 4 * P, P, RW, ANON, TOP, 0),
        call("brk", HEAP + 4 * P),
        call("brk", HEAP + 3 * P),
    ],
    "the heap is executable for a program that takes reading for it": [
        call("personality", c.ADDR_NO_RANDOMIZE | c.READ_IMPLIES_EXEC),
        call("brk", HEAP + P),
        mmap(0, 1, R),
        mmap(2, 1, NONE),
        protect(2, 1, R),
    ],
    "the stack grows, and keeps 256 pages from what can be used": [
        call("touch", STACK - 8 * P, P, 1),
        call("mmap", STACK - 400 * P, P, RW, ANON, TOP, 0),
        call("touch", STACK - 143 * P, P, 1),
        call("touch", STACK - 144 * P, P, 1),
        call("mprotect", STACK - 400 * P, P, NONE),
        call("touch", STACK - 399 * P, P, 1),
    ],
    "a touch that runs past the end of user space": [
        call("touch", STACK - 2 * P, 200 * P, 0),
    ],
    "pages past a file's end": [
        call("memfd_create", 0, text=b"f"),
        call("ftruncate", 0, P + 1),
        call("mmap", A, 4 * P, RW, FILE, 0, 0),
        touch(0, 2),
        touch(2, 1),
        over("mlock", 0, 4),
    ],
    "flags that MAP_SHARED_VALIDATE knows": [
        call("memfd_create", 0, text=b"f"),
        call("mmap", A, P, RW, c.MAP_SHARED_VALIDATE | c.MAP_FIXED, 0, 0),
        call("mmap", 0, P, RW, c.MAP_SHARED_VALIDATE | c.MAP_ABOVE4G, 0, 0),
        call("mmap", A, P, RW, c.MAP_SHARED_VALIDATE | c.MAP_FIXED | 1 << 40, 0, 0),
        call("mmap", A, P, RW, c.MAP_SHARED_VALIDATE | c.MAP_SYNC, 0, 0),
        call("mmap", A, P, RW, c.MAP_SHARED | c.MAP_FIXED | 1 << 40, 0, 0),
    ],
    "a sealed memfd is refused before anything is unmapped": [
        call("memfd_create", 2, text=b"f"),
        call("fcntl", 0, 1033, 0x10),
        mmap(0, 2),
        call("mmap", A, P, RW, FILE, 0, 0),
        call("mmap", A, P, R, FILE, 0, 0),
        protect(0, 1, RW),
        call("mmap", A, P, RW, c.MAP_PRIVATE | c.MAP_FIXED, 0, 0),
    ],
    "a directory has no offsets too large": [
        call("open", c.O_RDONLY, text=b"/"),
        call("mmap", 0, P, R, c.MAP_PRIVATE, 0, (1 << 63) - P),
    ],
    "names of areas are configured out": [
        mmap(0, 2),
        call("prctl", c.PR_SET_VMA, 0, A, 2 * P, text=b"name"),
        call("prctl", c.PR_SET_VMA, 0, A, 0, text=b"name"),
    ],
    "large memory begins at 2 MiB if it is whole": [
        call("mmap", 0, 0x200000, RW, ANON & ~c.MAP_FIXED, TOP, 0),
        call("mmap", 0, 0x201000, RW, ANON & ~c.MAP_FIXED, TOP, 0),
        call("mmap", 0, 0x400000, NONE, ANON & ~c.MAP_FIXED, TOP, 0),
    ],
    "a sealed area keeps its place, its access and, if read-only, its content": [
        mmap(0, 6),
        over("mseal", 2, 2, 0),
        over("mseal", 2, 2, 1),
        over("mseal", 5, 2, 0),
        over("munmap", 1, 2),
        over("munmap", 0, 1),
        protect(2, 1, RW),
        protect(2, 1, R),
        advise(2, 2, c.MADV_DONTNEED),
        advise(2, 2, c.MADV_DONTFORK),
        advise(2, 1, c.MADV_RANDOM),
        remap(2, 1, 1, MAY | FIX, 20),
        remap(2, 2, 1, 0),
        remap(1, 1, 1, MAY | FIX, 3),
        mmap(3, 2),
        mmap(8, 2, R),
        over("mseal", 8, 2, 0),
        advise(8, 1, c.MADV_DONTNEED),
        advise(8, 1, c.MADV_NORMAL),
    ],
    "sealing joins what is sealed": [
        mmap(0, 6),
        over("mseal", 1, 1, 0),
        over("mseal", 3, 1, 0),
        over("mseal", 0, 6, 0),
    ],
    "a private file's pages may be thrown away though it is sealed": [
        call("memfd_create", 0, text=b"f"),
        call("ftruncate", 0, 2 * P),
        mmap(0, 2, R, c.MAP_PRIVATE | c.MAP_FIXED, fd=0),
        over("mseal", 0, 2, 0),
        advise(0, 1, c.MADV_DONTNEED),
    ],
    "a policy splits, joins and is refused over a hole": [
        mmap(0, 6),
        over("mbind", 1, 2, 2, 1, 64, 0),
        over("mbind", 3, 1, 2, 1, 64, 0),
        over("mbind", 2, 1, 3, 1, 64, 0),
        over("mbind", 5, 2, 2, 1, 64, 0),
        over("mbind", 1, 4, 0, 0, 0, 0),
        over("mbind", 5, 2, 0, 0, 0, 0),
        over("mbind", 20, 2, 0, 0, 0, 0),
        over("mbind", 0, 1, 7, 0, 0, 0),
        over("mbind", 0, 1, 2, 1, 64, 8),
    ],
    "what is watched is an area of its own, and forgotten by a move": [
        call("userfaultfd", 0o2000000),
        call("uffdio_api", 0),
        mmap(0, 8),
        call("uffdio_register", 0, A + 2 * P, 2 * P, 2),
        call("uffdio_register", 0, A + 4 * P, P, 2),
        call("uffdio_register", 0, A + 20 * P, P, 2),
        call("uffdio_register", 0, A, P, 0),
        call("uffdio_unregister", 0, A + 3 * P, P),
        remap(2, 1, 1, MAY | FIX, 12),
        call("uffdio_unregister", 0, A, 8 * P),
        mmap(10, 1, R, ANON),
        call("uffdio_register", 0, VDSO, P, 2),
    ],
    "writing from outside makes anonymous pages": [
        mmap(0, 1),
        mmap(1, 1, R),
        touch(0, 1),
        call("process_vm_writev", A, 8),
        call("process_vm_writev", A + P, 8),
        call("process_vm_readv", A + P, 8),
        call("process_vm_readv", A + 2 * P - 8, 16),
        call("process_vm_writev", A + P - 8, 16),
        call("process_vm_readv", A + 9 * P, 8),
        mmap(4, 1),
        mmap(6, 1),
        call("process_vm_writev", A + 4 * P, 8),
        call("process_vm_writev", A + 6 * P, 8),
        mmap(5, 1),
    ],
    "a process advises itself": [
        mmap(0, 4),
        call("process_madvise", A + P, P, c.MADV_RANDOM, 0),
        call("process_madvise", A + P, P, c.MADV_RANDOM, 1),
        call("process_madvise", A + P + 1, P, c.MADV_RANDOM, 0),
        call("process_madvise", A + 3 * P, 2 * P, c.MADV_COLD, 0),
        call("process_madvise", 0x7FFFFFFFF000, P, c.MADV_COLD, 0),
        call("process_madvise", A, 0, 999, 0),
        call("process_madvise", A, P, 999, 0),
    ],
}

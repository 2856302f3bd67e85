"""What real programs ask of the kernel, as endless generators: each yields a request and is
sent the answer, whoever gives it (a model of free addresses, or a kernel).

Sizes are never multiples of 2 MiB, so that no answer depends on transparent huge pages.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from random import Random
from typing import Final, NamedTuple, TypeAlias

from mmtwin.trace.calls import (
    BRK,
    MADVISE,
    MLOCK,
    MMAP,
    MPROTECT,
    MREMAP,
    MUNLOCK,
    MUNMAP,
)

PAGE: Final = 4096
MIB: Final = 1 << 20

NONE: Final = 0
R: Final = 1
RW: Final = 3
RX: Final = 5
RWX: Final = 7

PRIVATE_FILE: Final = 0x802
"""MAP_PRIVATE | MAP_DENYWRITE, as the dynamic loader maps."""
ANONYMOUS: Final = 0x22
"""MAP_PRIVATE | MAP_ANONYMOUS."""
FIXED: Final = 0x10
NORESERVE: Final = 0x4000
STACK: Final = 0x20000

MAYMOVE: Final = 1
TO_FIXED: Final = 3
"""MREMAP_MAYMOVE | MREMAP_FIXED."""
DONTNEED: Final = 4
FREE: Final = 8
NO_FILE: Final = 0xFFFFFFFF


class Ask(NamedTuple):
    """A call: its number and up to six arguments; the file it maps."""

    op: int
    args: tuple[int, ...]
    file: str | None = None


class Write(NamedTuple):
    """The program writes to memory, ``size`` bytes from ``address``. The answer means nothing."""

    address: int
    size: int


Program: TypeAlias = Generator[Ask | Write, int, None]
Get: TypeAlias = Generator[Ask | Write, int, int]


def anonymous(size: int, prot: int = RW, flags: int = 0, hint: int = 0) -> Get:
    """Map anonymous memory; gives its address."""
    return (yield Ask(MMAP, (hint, size, prot, ANONYMOUS | flags, NO_FILE, 0)))


def pages(r: Random, most: int) -> int:
    """A size of 1 to ``most`` pages, small ones more often."""
    return PAGE * (1 + int(most * r.random() ** 3))


def malloc(r: Random) -> Program:
    """A C allocator: the break moves by steps of 33 pages, large blocks are mapped alone."""
    start = end = yield Ask(BRK, (0,))
    blocks: list[tuple[int, int]] = []
    while True:
        dice = r.random()
        if dice < 0.30 and end - start < 192 * MIB:
            yield Ask(BRK, (end + 33 * PAGE,))
            yield Write(end, PAGE)
            end += 33 * PAGE
        elif dice < 0.38 and end > start:
            end -= min(end - start, 33 * PAGE * r.randrange(1, 6))
            yield Ask(BRK, (end,))
        elif dice < 0.66 and len(blocks) < 300:
            size = 32 * PAGE + pages(r, 200)
            block = yield from anonymous(size)
            yield Write(block, PAGE)
            blocks.append((block, size))
        elif blocks:
            block, size = blocks.pop(r.randrange(len(blocks)))
            if dice < 0.80 and size < MIB:
                grown = size + pages(r, 60)
                block = yield Ask(MREMAP, (block, size, grown, MAYMOVE))
                blocks.append((block, grown))
            else:
                yield Ask(MUNMAP, (block, size))


def compiler(r: Random) -> Program:
    """A compiler's collector: about sixty mappings whose middles are given back and taken again,
    so that leaves of the tree stand at the edge of a split all the time."""
    segments, size = 60, 16 * PAGE
    base = yield from anonymous(segments * size + PAGE, NONE, NORESERVE)
    prots = [RW if n % 2 else R for n in range(segments)]
    for n, prot in enumerate(prots):
        yield Ask(MPROTECT, (base + n * size, size, prot))
        if prot == RW:
            yield Write(base + n * size, PAGE)
    while True:
        n = r.randrange(segments)
        start = base + n * size
        dice = r.random()
        if dice < 0.5:
            hole = start + PAGE * r.randrange(1, 8)
            length = PAGE * r.randrange(1, 8)
            yield Ask(MUNMAP, (hole, length))
            yield from anonymous(length, prots[n], FIXED, hole)
        elif dice < 0.7:
            yield Ask(MUNMAP, (start, size))
            yield from anonymous(size, prots[n], FIXED, start)
        else:
            part = start + PAGE * r.randrange(0, 12)
            yield Ask(MPROTECT, (part, 4 * PAGE, RX))
            yield Ask(MPROTECT, (part, 4 * PAGE, prots[n]))


def jit(r: Random) -> Program:
    """A just-in-time compiler: code is written and then made executable in a reserved range."""
    slots, size = 400, 24 * PAGE
    base = yield from anonymous(slots * size + PAGE, NONE, NORESERVE)
    while True:
        start = base + r.randrange(slots) * size
        dice = r.random()
        length = pages(r, 24)
        if dice < 0.75:
            yield Ask(MPROTECT, (start, length, RW))
            yield Write(start, PAGE)
            yield Ask(MPROTECT, (start, length, RX))
        else:
            yield Ask(MADVISE, (start, size, DONTNEED))
            yield Ask(MPROTECT, (start, size, NONE))


def threads(r: Random) -> Program:
    """Thread stacks with guard pages that come and go, each with an arena that grows."""
    size = 8 * MIB + PAGE
    arena_size = 64 * MIB - PAGE
    alive: list[list[int]] = []
    while True:
        dice = r.random()
        if not alive or (dice < 0.15 and len(alive) < 100):
            stack = yield from anonymous(size, NONE, NORESERVE | STACK)
            yield Ask(MPROTECT, (stack + PAGE, size - PAGE, RW))
            yield Write(stack + size - PAGE, PAGE)
            arena = yield from anonymous(arena_size, NONE, NORESERVE)
            yield Ask(MPROTECT, (arena, 33 * PAGE, RW))
            yield Write(arena, PAGE)
            alive.append([stack, arena, 33 * PAGE])
        elif dice < 0.85:
            thread = r.choice(alive)
            grown = pages(r, 16)
            if thread[2] + grown < arena_size:
                yield Ask(MPROTECT, (thread[1] + thread[2], grown, RW))
                thread[2] += grown
        else:
            stack, arena, _ = alive.pop(r.randrange(len(alive)))
            yield Ask(MADVISE, (stack, size - 4 * PAGE, DONTNEED))
            yield Ask(MUNMAP, (stack, size))
            yield Ask(MUNMAP, (arena, arena_size))


def moves(r: Random) -> Program:
    """Growing vectors: mremap in place, to where the kernel likes, and to a place of choice."""
    floor = yield from anonymous(300 * MIB + PAGE, NONE, NORESERVE)
    vectors: list[tuple[int, int]] = []
    while True:
        dice = r.random()
        if not vectors or (dice < 0.25 and len(vectors) < 120):
            size = pages(r, 64)
            vector = yield from anonymous(size)
            yield Write(vector, PAGE)
            vectors.append((vector, size))
            continue
        vector, size = vectors.pop(r.randrange(len(vectors)))
        if dice < 0.55:
            grown = size + pages(r, 32)
            vectors.append(((yield Ask(MREMAP, (vector, size, grown, MAYMOVE))), grown))
        elif dice < 0.70:
            place = floor + r.randrange(100) * 3 * MIB
            yield Ask(MREMAP, (vector, size, size, TO_FIXED, place))
            yield Ask(MUNMAP, (place, size))
            yield from anonymous(size, NONE, NORESERVE | FIXED, place)
        elif dice < 0.80 and size > PAGE:
            yield Ask(MREMAP, (vector, size, PAGE, 0))
            vectors.append((vector, PAGE))
        else:
            yield Ask(MUNMAP, (vector, size))


def loader(r: Random) -> Program:
    """Plugins that are loaded and unloaded: a file mapped in four segments and a bss."""
    loaded: list[tuple[int, int]] = []
    while True:
        if len(loaded) < 40 and (not loaded or r.random() < 0.55):
            text, read_only, data = (PAGE * r.randrange(4, 60) for _ in range(3))
            bss = PAGE * r.randrange(1, 9)
            size = PAGE + text + read_only + data + bss
            file = f"/usr/lib/plugin-{r.randrange(200)}.so"
            base = yield Ask(MMAP, (0, size, R, PRIVATE_FILE, 3, 0), file)
            at = base + PAGE
            for length, prot in ((text, RX), (read_only, R), (data, RW)):
                offset = at - base
                yield Ask(MMAP, (at, length, prot, PRIVATE_FILE | FIXED, 3, offset), file)
                at += length
            yield from anonymous(bss, RW, FIXED, at)
            yield Write(at - data, PAGE)
            yield Ask(MPROTECT, (at - data, 2 * PAGE, R))
            loaded.append((base, size))
        else:
            base, size = loaded.pop(r.randrange(len(loaded)))
            yield Ask(MUNMAP, (base, size))


def locks(r: Random) -> Program:
    """Keys kept in locked pages of one pool, with advice to the kernel."""
    size = 64 * PAGE
    pool = yield from anonymous(size, RWX)
    while True:
        start = pool + PAGE * r.randrange(48)
        length = PAGE * r.randrange(1, 16)
        yield Ask(MLOCK, (start, length))
        yield Write(start, PAGE)
        if r.random() < 0.5:
            yield Ask(MUNLOCK, (start, length))
        else:
            yield Ask(MUNLOCK, (pool, size))
            yield Ask(MADVISE, (start, length, r.choice((DONTNEED, FREE))))


def mixed(r: Random) -> Program:
    """All of the others in one process, a few calls of each in turn."""
    running = [program(Random(r.random())) for program in SINGLE.values()]
    waiting = [next(program) for program in running]
    while True:
        n = r.randrange(len(running))
        for _ in range(r.randrange(1, 12)):
            answer = yield waiting[n]
            waiting[n] = running[n].send(answer)


SINGLE: Final[dict[str, Callable[[Random], Program]]] = {
    "malloc": malloc,
    "compiler": compiler,
    "jit": jit,
    "threads": threads,
    "moves": moves,
    "loader": loader,
    "locks": locks,
}
PROGRAMS: Final[dict[str, Callable[[Random], Program]]] = {**SINGLE, "mixed": mixed}
"""The kinds of workloads by name."""

"""More short runs that were recorded, on a real 6.1 as well: every flag on every kind of memory."""

from __future__ import annotations

from host_sequences import (
    ANON,
    FILE,
    FIX,
    FORK,
    HEAP,
    KEEP,
    LOCKED,
    MAY,
    NONE,
    RW,
    SHARED,
    STACK,
    TOP,
    VDSO,
    A,
    P,
    R,
    X,
    advise,
    call,
    mmap,
    over,
    protect,
    remap,
    touch,
)

from mmtwin.kernels.calls import Call
from mmtwin.space import flags as c

PRIVATE = c.MAP_PRIVATE | c.MAP_FIXED
F_ADD_SEALS, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE = 1033, 8, 0x10
UNWATCHED, MISSING, WP, MINOR = 0, 1, 2, 4
SYS_NICE_LESS = 0x1FFFEFFFFFF & ~(1 << c.CAP_SYS_NICE)
"""Of what the recording machines' agents may do at most; nothing else that is asked here."""
ADVICE = (*range(27), 97, 100, 101, 102, 103, 104, 0xFFFFFFFF)
PROTECTIONS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 0xF, 0x10, 0x1000001, 0x2000001, 0x3000001, 1 << 32 | 1)


def memfd(*seals: int, pages: int = 8) -> list[Call]:
    return [
        call("memfd_create", 2, text=b"f"),
        call("ftruncate", 0, pages * P),
        *(call("fcntl", 0, F_ADD_SEALS, seal) for seal in seals),
    ]


KINDS: dict[str, list[Call]] = {
    "nothing": [],
    "anonymous memory": [mmap(0, 8), touch(0, 4)],
    "read-only memory": [mmap(0, 8, R), touch(0, 4, 0)],
    "memory without access": [mmap(0, 8, NONE)],
    "executable memory": [mmap(0, 8, R | X)],
    "two areas and a hole": [mmap(0, 3), touch(1, 2), mmap(3, 2, R), mmap(7, 1)],
    "shared memory": [mmap(0, 8, RW, SHARED), touch(0, 3)],
    "locked memory": [mmap(0, 8, RW, LOCKED)],
    "locked shared memory": [mmap(0, 8, R, SHARED | c.MAP_LOCKED)],
    "memory locked on fault": [mmap(0, 8), over("mlock2", 0, 8, 1), touch(1, 2)],
    "a stack": [mmap(0, 8, RW, ANON | c.MAP_GROWSDOWN), touch(0, 2)],
    "a memfd": [*memfd(), mmap(0, 8, RW, FILE, fd=0), touch(0, 3)],
    "a private memfd": [*memfd(), mmap(0, 8, RW, PRIVATE, fd=0), touch(0, 3)],
    "a sealed memfd": [*memfd(F_SEAL_WRITE), mmap(0, 8, R, FILE, fd=0), touch(0, 3, 0)],
    "a memfd sealed later": [
        *memfd(),
        mmap(0, 8, RW, FILE, fd=0),
        touch(0, 3),
        call("fcntl", 0, F_ADD_SEALS, F_SEAL_FUTURE_WRITE),
    ],
    "/dev/zero": [
        call("open", c.O_RDWR, text=b"/dev/zero"),
        mmap(0, 8, RW, PRIVATE, fd=0),
        touch(0, 2),
    ],
    "a segment": [call("shmat", 1, A, 0), touch(0, 2)],
    "a read-only segment": [call("shmat", 1, A, c.SHM_RDONLY), touch(0, 2, 0)],
    "inherited memory": [mmap(0, 8), touch(0, 4), FORK],
}


def watched(kind: list[Call]) -> list[Call]:
    """The kind, and a userfaultfd; both tell its descriptor by their opens."""
    opened = sum(1 for made in kind if made.name in ("open", "memfd_create"))
    return [*kind, call("userfaultfd", 0o2000000), call("uffdio_api", opened)]


def watch(kind: list[Call], page: int, pages: int, mode: int) -> Call:
    opened = sum(1 for made in kind if made.name in ("open", "memfd_create"))
    if mode == UNWATCHED:
        return call("uffdio_unregister", opened, A + page * P, pages * P)
    return call("uffdio_register", opened, A + page * P, pages * P, mode)


def on_kinds() -> dict[str, list[Call]]:
    """For each kind of memory: every advice, protection, lock, move, way to watch."""
    found = {}
    for name, kind in KINDS.items():
        found[f"every advice: {name}"] = [*kind, *(advise(2, 2, number) for number in ADVICE)]
        found[f"every protection: {name}"] = [
            *kind,
            *(protect(2, 2, value) for value in PROTECTIONS),
            over("pkey_mprotect", 2, 2, R, TOP),
            over("pkey_mprotect", 2, 2, R, 0),
            protect(0, 10, R),
        ]
        found[f"every lock: {name}"] = [
            *kind,
            *(over("mlock2", at, 2, at) for at in range(4)),
            over("munlock", 1, 8),
            *(over("msync", 0, 4, flags) for flags in range(9)),
            *(call("mlockall", flags) for flags in range(9)),
            mmap(20, 2),
            call("munlockall"),
        ]
        moves = [
            (0, old, new, flags)
            for flags in range(9)
            for old, new in ((2, 2), (2, 3), (3, 2), (0, 2), (9, 9))
        ]
        found[f"every move: {name}"] = [
            *kind,
            *(remap(page, old, new, flags, 20) for page, old, new, flags in moves),
            over("remap_file_pages", 0, 2, 0, 3, 0),
            over("remap_file_pages", 2, 2, 0, TOP, 0),
        ]
        found[f"every way to watch: {name}"] = [
            *watched(kind),
            *(watch(kind, 2, 2, mode) for mode in (MISSING, WP, MINOR, 7, 8)),
            watch(kind, 3, 3, WP),
            watch(kind, 0, 1, MINOR),
            protect(0, 1, R),
            call("fork", 3),
            watch(kind, 0, 8, UNWATCHED),
        ]
    return found


def policies() -> list[Call]:
    """Modes with and without flags, nodes that are there and that are not."""
    return [
        mmap(0, 6),
        *(
            over("mbind", 1, 2, mode, mask, most, 0)
            for mode in (0, 1, 2, 3, 4, 5, 6, 7, 0x2002, 0x2001, 0x4002, 0x8002, 0xC002, 0x8004)
            for mask, most in ((0, 0), (1, 64), (2, 64), (3, 64), (1, 1), (1, 2), (1, 0))
        ),
        *(over("mbind", 1, 2, 2, 1, 64, flags) for flags in (1, 2, 4, 8, 1 << 32)),
        over("mbind", 1, 0, 0, 1, 64, 0),
        call("mbind", A + 1, P, 2, 1, 64, 0),
        over("mbind", 4, 4, 2, 1, 64, 0),
    ]


RARE: dict[str, list[Call]] = {
    **on_kinds(),
    "policies: modes, flags, nodes": policies(),
    "the right to move pages and to advise": [
        mmap(0, 4),
        touch(0, 2),
        call("capset", SYS_NICE_LESS),
        over("mbind", 0, 2, 2, 1, 64, 4),
        call("mbind", A + 1, P, 2, 1, 64, 4),
        *(over("process_madvise", 0, 1, advice, 0) for advice in (3, 20, 999)),
        over("process_madvise", 0, 0, 20, 0),
    ],
    "low memory can be watched": [
        call("userfaultfd", 0o2000000),
        call("uffdio_api", 0),
        call("mmap", P, 2 * P, RW, ANON, TOP, 0),
        call("uffdio_register", 0, P, P, WP),
        call("uffdio_unregister", 0, P, P),
    ],
    "the kernel's pages are always in core": [
        call("mincore", VDSO - 4 * P, 4 * P),
        call("mincore", VDSO, 2 * P),
    ],
    "limits: a data limit counts private writable pages": [
        call("setrlimit", c.RLIMIT_DATA, 36 * P, TOP),
        *(mmap(4 * at, 4) for at in range(6)),
        mmap(40, 4, R),
        mmap(44, 4, RW, SHARED),
        protect(40, 4, RW),
        remap(0, 4, 12, MAY),
        remap(0, 4, 4, MAY | FIX | KEEP, 60),
        call("brk", HEAP + 4 * P),
        call("touch", STACK - 8 * P, P, 1),
    ],
}

"""Numbers of the x86-64 user interface that random calls are made of."""

from typing import Final

PAGE: Final = 0x1000
HUGE: Final = 0x200000
TOP: Final = (1 << 64) - 1
INFINITY: Final = TOP

PROT_READ: Final = 1
PROT_WRITE: Final = 2
PROT_EXEC: Final = 4
PROT_SEM: Final = 8
PROT_GROWSDOWN: Final = 0x01000000
PROT_GROWSUP: Final = 0x02000000

MAP_SHARED: Final = 1
MAP_PRIVATE: Final = 2
MAP_SHARED_VALIDATE: Final = 3
MAP_DROPPABLE: Final = 8
MAP_FIXED: Final = 0x10
MAP_ANONYMOUS: Final = 0x20
MAP_32BIT: Final = 0x40
MAP_ABOVE4G: Final = 0x80
MAP_GROWSDOWN: Final = 0x100
MAP_DENYWRITE: Final = 0x800
MAP_LOCKED: Final = 0x2000
MAP_NORESERVE: Final = 0x4000
MAP_POPULATE: Final = 0x8000
MAP_NONBLOCK: Final = 0x10000
MAP_STACK: Final = 0x20000
MAP_HUGETLB: Final = 0x40000
MAP_HUGE_SHIFT: Final = 26
MAP_HUGE_MASK: Final = 0x3F
MAP_SYNC: Final = 0x80000
MAP_FIXED_NOREPLACE: Final = 0x100000

MREMAP_MAYMOVE: Final = 1
MREMAP_FIXED: Final = 2
MREMAP_DONTUNMAP: Final = 4
SHM_RDONLY: Final = 0o10000
SHM_RND: Final = 0o20000
SHM_REMAP: Final = 0o40000
SHM_EXEC: Final = 0o100000
SHM_HUGETLB: Final = 0o4000
SHM_NORESERVE: Final = 0o10000
"""Of shmget, as the one before."""

MFD_ALLOW_SEALING: Final = 2
MFD_HUGETLB: Final = 4
F_ADD_SEALS: Final = 1033
F_SEAL_SEAL: Final = 1
F_SEAL_SHRINK: Final = 2
F_SEAL_GROW: Final = 4
F_SEAL_WRITE: Final = 8
F_SEAL_FUTURE_WRITE: Final = 0x10

O_RDONLY: Final = 0
O_WRONLY: Final = 1
O_RDWR: Final = 2
RLIMIT_DATA: Final = 2
RLIMIT_STACK: Final = 3
RLIMIT_MEMLOCK: Final = 8
RLIMIT_AS: Final = 9
CAP_IPC_LOCK: Final = 14
CAP_SYS_RAWIO: Final = 17
CAP_SYS_ADMIN: Final = 21
CAP_SYS_NICE: Final = 23
ALL_CAPABILITIES: Final = (1 << 41) - 1
PR_SET_VMA: Final = 0x53564D41
PR_SET_VMA_ANON_NAME: Final = 0
ADDR_NO_RANDOMIZE: Final = 0x40000
ADDR_COMPAT_LAYOUT: Final = 0x200000
READ_IMPLIES_EXEC: Final = 0x400000

UFFD_API: Final = 0xAA
UFFDIO_API: Final = 0xC018AA3F
UFFDIO_REGISTER: Final = 0xC020AA00
UFFDIO_UNREGISTER: Final = 0x8010AA01
UFFD_MODE_MISSING: Final = 1
UFFD_MODE_WP: Final = 2
UFFD_MODE_MINOR: Final = 4
O_CLOEXEC: Final = 0o2000000
SELF: Final = 192
"""The descriptor by which the agent's processes name themselves (a pidfd)."""

MADV_COLLAPSE: Final = 25
ADVICE_OF_AREAS: Final = (0, 1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
"""madvise that changes areas."""
ADVICE_OF_PAGES: Final = (3, 4, 8, 9, 20, 21, 22, 23, 24, 25, 102, 103)
"""madvise that only reaches for pages."""
ADVICE_OF_NONE: Final = (5, 7, 26, 99, 104, 0xFFFFFFFF)
"""Numbers that no kernel knows; 100 and 101 (memory failure) are left out: they cost real pages."""

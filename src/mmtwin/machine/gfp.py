"""Allocation flags of Linux 6.1 (``include/linux/gfp_types.h``), as plain numbers."""

DMA = 0x01
HIGHMEM = 0x02
DMA32 = 0x04
MOVABLE = 0x08
RECLAIMABLE = 0x10
HIGH = 0x20
IO = 0x40
FS = 0x80
ZERO = 0x100
ATOMIC = 0x200
DIRECT_RECLAIM = 0x400
KSWAPD_RECLAIM = 0x800
WRITE = 0x1000
NOWARN = 0x2000
RETRY_MAYFAIL = 0x4000
NOFAIL = 0x8000
NORETRY = 0x10000
MEMALLOC = 0x20000
COMP = 0x40000
NOMEMALLOC = 0x80000
HARDWALL = 0x100000
THISNODE = 0x200000
ACCOUNT = 0x400000

RECLAIM = DIRECT_RECLAIM | KSWAPD_RECLAIM
GFP_ATOMIC = HIGH | ATOMIC | KSWAPD_RECLAIM
GFP_KERNEL = RECLAIM | IO | FS
GFP_KERNEL_ACCOUNT = GFP_KERNEL | ACCOUNT
GFP_NOWAIT = KSWAPD_RECLAIM
GFP_NOIO = RECLAIM
GFP_NOFS = RECLAIM | IO

_NAMES = {
    GFP_ATOMIC: "GFP_ATOMIC",
    GFP_KERNEL: "GFP_KERNEL",
    GFP_KERNEL_ACCOUNT: "GFP_KERNEL_ACCOUNT",
    GFP_NOWAIT: "GFP_NOWAIT",
    GFP_NOIO: "GFP_NOIO",
    GFP_NOFS: "GFP_NOFS",
}


def allows_blocking(gfp: int) -> bool:
    """Whether the allocation may sleep (``gfpflags_allow_blocking``)."""
    return bool(gfp & DIRECT_RECLAIM)


def gfp_name(gfp: int) -> str:
    """The flags as kernels print them: ``GFP_NOWAIT|__GFP_NOWARN``; hexadecimal where unnamed."""
    modifiers = gfp & (NOWARN | ZERO | NOFAIL)
    base = gfp & ~modifiers
    parts = [_NAMES.get(base, f"{base:#x}")] if base else []
    for flag, name in ((NOWARN, "__GFP_NOWARN"), (ZERO, "__GFP_ZERO"), (NOFAIL, "__GFP_NOFAIL")):
        if gfp & flag:
            parts.append(name)
    return "|".join(parts) or "0"

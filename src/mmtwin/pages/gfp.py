"""GFP flags by era: what each bit means, and how kernels print a mask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GfpFlags:
    """One era's allocation flags.

    ``bits`` maps a name without underscores (``DMA``, ``KSWAPD_RECLAIM``) to its bit,
    ``composites`` the combinations that have a name, in the order in which the kernel looks for
    them, ``singles`` the flags with a name of their own in that order. ``prefix`` stands before
    single flags whose name is not given whole, ``empty`` for a mask of 0.
    """

    bits: dict[str, int]
    composites: tuple[tuple[str, int], ...]
    singles: str
    prefix: str
    empty: str

    def bit(self, name: str) -> int:
        """The flag's bit, 0 if this era has none of that name."""
        return self.bits.get(name, 0)

    def value(self, text: str) -> int:
        """The mask a text such as ``GFP_KERNEL|__GFP_COMP`` or ``0x2800`` stands for."""
        named = dict(self.composites)
        mask = 0
        for part in text.split("|"):
            single = part.removeprefix("__").removeprefix("GFP_")
            if part in named:
                mask |= named[part]
            elif part.startswith("0x"):
                mask |= int(part, 16)
            elif single in self.bits:
                mask |= self.bits[single]
            elif part != self.empty:
                raise ValueError(f"{part}: no such allocation flag")
        return mask

    def text(self, mask: int) -> str:
        """The mask as a kernel prints it: composites first, then single flags, then the rest."""
        parts = []
        for name, composite in self.composites:
            if composite and mask & composite == composite:
                parts.append(name)
                mask &= ~composite
        for name in self.singles.split():
            bit = self.bits.get(name.removeprefix("GFP_"), 0)
            if bit and mask & bit == bit:
                parts.append(name if name.startswith("GFP_") else self.prefix + name)
                mask &= ~bit
        if mask:
            parts.append(f"{mask:#x}")
        return "|".join(parts) or self.empty


def _bits(names: str, **masks: int) -> dict[str, int]:
    return {name: 1 << n for n, name in enumerate(names.split()) if name != "-"} | masks


GFP_315 = GfpFlags(
    _bits(
        "DMA HIGHMEM DMA32 MOVABLE WAIT HIGH IO FS COLD NOWARN REPEAT NOFAIL NORETRY MEMALLOC COMP"
        " ZERO NOMEMALLOC HARDWALL THISNODE RECLAIMABLE KMEMCG NOTRACK NO_KSWAPD OTHER_NODE WRITE"
    ),
    (
        ("GFP_TRANSHUGE", 0x4352DA),
        ("GFP_HIGHUSER_MOVABLE", 0x200DA),
        ("GFP_HIGHUSER", 0x200D2),
        ("GFP_USER", 0x200D0),
        ("GFP_TEMPORARY", 0x800D0),
        ("GFP_KERNEL", 0xD0),
        ("GFP_NOFS", 0x50),
        ("GFP_ATOMIC", 0x20),
        ("GFP_NOIO", 0x10),
    ),
    singles="HIGH WAIT IO COLD NOWARN REPEAT NOFAIL NORETRY COMP ZERO NOMEMALLOC MEMALLOC HARDWALL"
    " THISNODE RECLAIMABLE MOVABLE NOTRACK NO_KSWAPD OTHER_NODE",
    prefix="GFP_",
    empty="GFP_NOWAIT",
)

_NAMES_61 = (
    "DMA HIGHMEM DMA32 MOVABLE RECLAIMABLE HIGH IO FS ZERO ATOMIC DIRECT_RECLAIM KSWAPD_RECLAIM"
    " WRITE NOWARN RETRY_MAYFAIL NOFAIL NORETRY MEMALLOC COMP NOMEMALLOC HARDWALL THISNODE ACCOUNT"
    " ZEROTAGS"
)

_SINGLES_61 = (
    "HIGHMEM GFP_DMA32 HIGH ATOMIC IO FS NOWARN RETRY_MAYFAIL NOFAIL NORETRY COMP ZERO NOMEMALLOC"
    " MEMALLOC HARDWALL THISNODE RECLAIMABLE MOVABLE ACCOUNT WRITE RECLAIM DIRECT_RECLAIM"
    " KSWAPD_RECLAIM ZEROTAGS"
)

GFP_61 = GfpFlags(
    _bits(_NAMES_61, RECLAIM=0xC00),
    (
        ("GFP_TRANSHUGE", 0x1C24CA),
        ("GFP_TRANSHUGE_LIGHT", 0x1C20CA),
        ("GFP_HIGHUSER_MOVABLE", 0x100CCA),
        ("GFP_HIGHUSER", 0x100CC2),
        ("GFP_USER", 0x100CC0),
        ("GFP_KERNEL_ACCOUNT", 0x400CC0),
        ("GFP_KERNEL", 0xCC0),
        ("GFP_NOFS", 0xC40),
        ("GFP_ATOMIC", 0xA20),
        ("GFP_NOIO", 0xC00),
        ("GFP_NOWAIT", 0x800),
        ("GFP_DMA", 0x1),
    ),
    singles=_SINGLES_61,
    prefix="__GFP_",
    empty="none",
)

GFP_618 = GfpFlags(
    _bits(_NAMES_61.replace("ATOMIC", "-"), RECLAIM=0xC00),
    tuple(
        (name, {"GFP_ATOMIC": 0x820, "GFP_NOWAIT": 0x2800}.get(name, mask))
        for name, mask in GFP_61.composites
    ),
    singles=_SINGLES_61,
    prefix="__GFP_",
    empty="none",
)

# alloc_flags of 6.1.192 and 6.18.
WMARK_MIN = 0
WMARK_LOW = 1
WMARK_HIGH = 2
ALLOC_NO_WATERMARKS = 0x04
ALLOC_OOM = 0x08
ALLOC_NON_BLOCK = 0x10
ALLOC_MIN_RESERVE = 0x20
ALLOC_CPUSET = 0x40
ALLOC_CMA = 0x80
ALLOC_NOFRAGMENT = 0x100
ALLOC_HIGHATOMIC = 0x200
ALLOC_KSWAPD = 0x800
ALLOC_RESERVES = ALLOC_NON_BLOCK | ALLOC_MIN_RESERVE | ALLOC_HIGHATOMIC | ALLOC_OOM

# alloc_flags of 3.15, where they differ.
ALLOC_HARDER = 0x10
ALLOC_HIGH = 0x20
ALLOC_FAIR = 0x100

PAGE_ALLOC_COSTLY_ORDER = 3

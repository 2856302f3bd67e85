"""Page-table entries as s390 keeps them, and their translation to the bits of ``pte_bits``.

Faults, forks and unmaps see entries in the twin's own terms; in memory they stand as the processor
reads them. The processor's invalid and protect bits follow from the kernel's own: an entry is valid
if its page is readable and was used, and writable if it may be and is dirty already.
Source: arch/s390/include/asm/pgtable.h, include/linux/swap.h and swapops.h of Linux 6.1.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from mmtwin.space import pte_bits as p

PTE_EMPTY: Final = 0x400
SEGMENT_EMPTY: Final = 0x20
REGION_LENGTH: Final = 0x3
"""The table that a region entry leads to has all its 2,048 entries."""
TYPE_MASK: Final = 0xC
ORIGIN: Final = ~0xFFF
PAGE_TABLE_ORIGIN: Final = ~0x7FF
LARGE_ORIGIN: Final = ~0xFFFFF

PRESENT: Final = 0x001
SOFT_DIRTY: Final = 0x002
YOUNG: Final = 0x004
DIRTY: Final = 0x008
READ: Final = 0x010
WRITE: Final = 0x020
SPECIAL: Final = 0x040
NOEXEC: Final = 0x100
PROTECT: Final = 0x200
INVALID: Final = 0x400
SWP_EXCLUSIVE: Final = 0x800

SEGMENT_READ: Final = 0x0001
SEGMENT_WRITE: Final = 0x0002
SEGMENT_INVALID: Final = 0x0020
SEGMENT_LARGE: Final = 0x0400
SEGMENT_YOUNG: Final = 0x1000
SEGMENT_DIRTY: Final = 0x2000
SEGMENT_SOFT_DIRTY: Final = 0x4000

SWP_TYPE_SHIFT: Final = 2
SWP_OFFSET_SHIFT: Final = 12
MIGRATION_READ: Final = 28
"""MAX_SWAPFILES: no memory failures, no device pages, no markers; then migration's three types."""
PFN_BITS: Final = 34
"""MAX_PHYSMEM_BITS - PAGE_SHIFT; young and dirty of a migration entry stand above the frame."""

Pairs: TypeAlias = tuple[tuple[int, int], ...]
"""A bit of the twin's and the processor's for the same."""
PTE_BITS: Final = (
    (p.RW, WRITE),
    (p.ACCESSED, YOUNG),
    (p.DIRTY, DIRTY),
    (p.SPECIAL, SPECIAL),
    (p.SOFT_DIRTY, SOFT_DIRTY),
    (p.NX, NOEXEC),
)
SEGMENT_BITS: Final = (
    (p.RW, SEGMENT_WRITE),
    (p.ACCESSED, SEGMENT_YOUNG),
    (p.DIRTY, SEGMENT_DIRTY),
    (p.SOFT_DIRTY, SEGMENT_SOFT_DIRTY),
    (p.NX, NOEXEC),
)


def region_empty(level: int) -> int:
    """An empty entry of a table of ``level``: 0 of ptes, 1 of segments, 2 to 4 of regions."""
    return PTE_EMPTY if level == 0 else SEGMENT_EMPTY | (level - 1) << 2


def prot_to_twin(prot: int) -> int:
    """``vm_page_prot`` in the twin's terms; a fresh entry counts as used (``mk_pte_phys``)."""
    bits = p.USER | p.ACCESSED | (p.PRESENT if prot & READ else p.PROTNONE)
    return bits | (p.RW if prot & WRITE else 0) | (p.NX if prot & NOEXEC else 0)


def pte_to_machine(entry: int) -> int:
    """The pte that says what ``entry`` says."""
    if entry == 0:
        return PTE_EMPTY
    if not entry & (p.PRESENT | p.PROTNONE):
        return _swap_to_machine(entry)
    raw = _frame(entry) | PRESENT | _their_bits(entry, PTE_BITS)
    if entry & p.PRESENT:
        raw |= READ
    if raw & (READ | YOUNG) != READ | YOUNG:
        raw |= INVALID
    if raw & (WRITE | DIRTY) != WRITE | DIRTY:
        raw |= PROTECT
    return raw


def pte_to_twin(raw: int) -> int:
    """What the pte ``raw`` says, 0 if nothing."""
    if raw == PTE_EMPTY:
        return 0
    if not raw & PRESENT:
        return _swap_to_twin(raw)
    return _entry(raw & ORIGIN, bool(raw & READ)) | _our_bits(raw, PTE_BITS)


def segment_to_machine(entry: int) -> int:
    """The segment-table entry that says what the pmd entry ``entry`` says."""
    if entry == 0:
        return SEGMENT_EMPTY
    if not entry & p.PSE:
        return entry & PAGE_TABLE_ORIGIN & ~p.NX
    raw = _frame(entry) | SEGMENT_LARGE | _their_bits(entry, SEGMENT_BITS)
    if entry & p.PRESENT:
        raw |= SEGMENT_READ
    if raw & (SEGMENT_READ | SEGMENT_YOUNG) != SEGMENT_READ | SEGMENT_YOUNG:
        raw |= SEGMENT_INVALID
    if raw & (SEGMENT_WRITE | SEGMENT_DIRTY) != SEGMENT_WRITE | SEGMENT_DIRTY:
        raw |= PROTECT
    return raw


def segment_to_twin(raw: int) -> int:
    """What the segment-table entry ``raw`` says, 0 if nothing."""
    if raw == SEGMENT_EMPTY:
        return 0
    if not raw & SEGMENT_LARGE:
        return raw & PAGE_TABLE_ORIGIN | p.TABLE
    entry = _entry(raw & LARGE_ORIGIN, bool(raw & SEGMENT_READ)) | p.PSE
    return entry | _our_bits(raw, SEGMENT_BITS)


def region_to_machine(level: int, entry: int) -> int:
    """The entry of a region table of ``level`` that leads where ``entry`` leads."""
    if entry == 0:
        return region_empty(level)
    return entry & p.PFN_MASK | region_empty(level) & TYPE_MASK | REGION_LENGTH


def region_to_twin(raw: int) -> int:
    """What the entry ``raw`` of a region table says, 0 if nothing."""
    return 0 if raw & SEGMENT_INVALID else raw & ORIGIN & p.PFN_MASK | p.TABLE


def to_machine(level: int, entry: int) -> int:
    """The word of a table of ``level`` that says what ``entry`` says."""
    if level > 1:
        return region_to_machine(level, entry)
    return segment_to_machine(entry) if level else pte_to_machine(entry)


def to_twin(level: int, raw: int) -> int:
    """What the word ``raw`` of a table of ``level`` says, 0 if nothing."""
    if level > 1:
        return region_to_twin(raw)
    return segment_to_twin(raw) if level else pte_to_twin(raw)


def _their_bits(entry: int, pairs: Pairs) -> int:
    """The processor's bits for those of the twin that ``entry`` has."""
    return sum(theirs for ours, theirs in pairs if entry & ours)


def _our_bits(raw: int, pairs: Pairs) -> int:
    """The twin's bits for those of the processor that ``raw`` has."""
    return sum(ours for ours, theirs in pairs if raw & theirs)


def _frame(entry: int) -> int:
    """The physical address in a present entry; without access it is stored inverted."""
    return (entry if entry & p.PRESENT else ~entry) & p.PFN_MASK


def _entry(address: int, readable: bool) -> int:
    """A present entry for a physical address."""
    if readable:
        return address | p.PRESENT | p.USER
    return ~address & p.PFN_MASK | p.PROTNONE | p.USER


def _swap_to_machine(entry: int) -> int:
    """A swap or migration entry: type in bits 2 to 6, offset from bit 12 upward."""
    kind = entry >> p.SWP_TYPE_SHIFT
    offset = ~entry >> p.SWP_OFFSET_FIRST & (1 << p.SWP_OFFSET_BITS) - 1
    if kind >= p.SWP_MIGRATION_READ:
        kind += MIGRATION_READ - p.SWP_MIGRATION_READ
        offset = _marks_moved(offset, p.SWP_PFN_BITS, PFN_BITS)
    raw = INVALID | PROTECT | kind << SWP_TYPE_SHIFT | offset << SWP_OFFSET_SHIFT
    raw |= SOFT_DIRTY if entry & p.SWP_SOFT_DIRTY else 0
    return raw | (SWP_EXCLUSIVE if entry & p.SWP_EXCLUSIVE else 0)


def _swap_to_twin(raw: int) -> int:
    kind = raw >> SWP_TYPE_SHIFT & 0x1F
    offset = raw >> SWP_OFFSET_SHIFT
    if kind >= MIGRATION_READ:
        kind -= MIGRATION_READ - p.SWP_MIGRATION_READ
        offset = _marks_moved(offset, PFN_BITS, p.SWP_PFN_BITS)
    entry = kind << p.SWP_TYPE_SHIFT
    entry |= (~offset & (1 << p.SWP_OFFSET_BITS) - 1) << p.SWP_OFFSET_FIRST
    entry |= p.SWP_SOFT_DIRTY if raw & SOFT_DIRTY else 0
    return entry | (p.SWP_EXCLUSIVE if raw & SWP_EXCLUSIVE else 0)


def _marks_moved(offset: int, old: int, new: int) -> int:
    """A migration entry's offset with young and dirty at bit ``new`` instead of ``old``."""
    return offset & (1 << old) - 1 | offset >> old << new

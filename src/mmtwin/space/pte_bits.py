"""Page-table entries of x86-64, swap entries, fault flags and results, as numbers.

Compiled rooms take those they need as C constants: ``PRESENT = declare(u64, p.PRESENT)``.
Source: arch/x86/include/asm/pgtable_types.h, include/linux/swapops.h, include/linux/mm_types.h.
"""

from typing import Final

PRESENT: Final = 0x1
RW: Final = 0x2
USER: Final = 0x4
ACCESSED: Final = 0x20
DIRTY: Final = 0x40
PSE: Final = 0x80
"""In a pmd entry: a huge page."""
PROTNONE: Final = 0x100
"""Mapped without any access: PRESENT is clear, the frame number is inverted on real hardware."""
SPECIAL: Final = 0x200
"""No page is counted: the zero page, device memory."""
UFFD_WP: Final = 0x400
SOFT_DIRTY: Final = 0x800
SWP_SOFT_DIRTY: Final = 0x2
SWP_UFFD_WP: Final = 0x4
SWP_EXCLUSIVE: Final = 0x8
NX: Final = 1 << 63
PFN_MASK: Final = 0x000FFFFFFFFFF000
TABLE: Final = PRESENT | RW | USER | ACCESSED | DIRTY
"""_PAGE_TABLE: what an entry that leads to a lower table carries."""
CHANGE_MASK: Final = PFN_MASK | ACCESSED | DIRTY | SPECIAL | SOFT_DIRTY | UFFD_WP | 0x18
"""_PAGE_CHG_MASK: what mprotect leaves alone in an entry."""

ENTRIES: Final = 512
TABLE_BYTES: Final = 4096

# Swap entries: type in bits 59-63, offset inverted from bit 9 upward, bits 0 and 8 clear.

SWP_TYPE_SHIFT: Final = 59
SWP_OFFSET_FIRST: Final = 9
SWP_OFFSET_BITS: Final = 50
MAX_SWAPFILES: Final = 22
SWP_HWPOISON: Final = 22
SWP_MIGRATION_READ: Final = 23
SWP_MIGRATION_READ_EXCLUSIVE: Final = 24
SWP_MIGRATION_WRITE: Final = 25
SWP_PTE_MARKER: Final = 30
MARKER_UFFD_WP: Final = 1
MARKER_GUARD: Final = 4
SWP_PFN_BITS: Final = 40
"""MAX_PHYSMEM_BITS - PAGE_SHIFT: frame number in a migration entry; young and dirty above it."""
SWP_MIG_YOUNG: Final = 1 << SWP_PFN_BITS
SWP_MIG_DIRTY: Final = 1 << (SWP_PFN_BITS + 1)

# mm_counter().

MM_FILEPAGES: Final = 0
MM_ANONPAGES: Final = 1
MM_SWAPENTS: Final = 2
MM_SHMEMPAGES: Final = 3

# page->mapping.

PAGE_MAPPING_ANON: Final = 1

# What a fault is asked for and what comes of it.

FAULT_FLAG_WRITE: Final = 0x1
FAULT_FLAG_USER: Final = 0x40
FAULT_FLAG_REMOTE: Final = 0x80
FAULT_FLAG_INSTRUCTION: Final = 0x100
FAULT_FLAG_UNSHARE: Final = 0x400

VM_FAULT_OOM: Final = 0x1
VM_FAULT_SIGBUS: Final = 0x2
VM_FAULT_MAJOR: Final = 0x4
VM_FAULT_HWPOISON: Final = 0x10
VM_FAULT_SIGSEGV: Final = 0x40
VM_FAULT_NOPAGE: Final = 0x100
VM_FAULT_LOCKED: Final = 0x200
VM_FAULT_RETRY: Final = 0x400
VM_FAULT_FALLBACK: Final = 0x800
VM_FAULT_DONE_COW: Final = 0x1000
VM_FAULT_ERROR: Final = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV | VM_FAULT_HWPOISON

SIGBUS: Final = 7
SIGSEGV: Final = 11

FAULT_AROUND_PAGES: Final = 16
READAHEAD_PAGES: Final = 32
"""128 KiB, a device's default read_ahead_kb."""

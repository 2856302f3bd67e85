"""One page-table entry: what it may map, and what it counts in.

The sums of entries must be the counters of address spaces, pages, swap slots and inodes.
"""

from __future__ import annotations

from typing import Any

import cython
from cython import bint, declare
from cython import int as i32
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.check.space_step import SpaceCheck
from mmtwin.check.tally import Tally
from mmtwin.memory.memory import Memory
from mmtwin.pages.slab import SlabCaches
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.layouts import Layouts

if not cython.compiled:
    from mmtwin.check.words import has, was_at, word_at, word_then

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
HALF = declare(u64, 0xFFFFFFFF)
SIGN = declare(u64, 0x80000000)
VMEMMAP = declare(u64, 0xFFFFEA0000000000)
PRESENT = declare(u64, p.PRESENT)
PROTNONE = declare(u64, p.PROTNONE)
RW = declare(u64, p.RW)
PSE = declare(u64, p.PSE)
SPECIAL = declare(u64, p.SPECIAL)
PFN_MASK = declare(u64, p.PFN_MASK)
MAX_SWAPFILES = declare(u64, p.MAX_SWAPFILES)
MIGRATION_READ = declare(u64, p.SWP_MIGRATION_READ)
MIGRATION_WRITE = declare(u64, p.SWP_MIGRATION_WRITE)
OFFSET_MASK = declare(u64, (1 << p.SWP_OFFSET_BITS) - 1)
PFN_PART = declare(u64, (1 << p.SWP_PFN_BITS) - 1)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_HUGETLB = declare(u64, c.VM_HUGETLB)

# struct page of a user page.
MAPPING = declare(u64, 0x18)
INDEX = declare(u64, 0x20)
COMPOUND_HEAD = declare(u64, 8)
COUNTS = declare(u64, 0x30)
COMPOUND_MAPCOUNT = declare(u64, 0x54)
COMPOUND_DTOR = declare(u64, 0x50)
HUGETLB_PAGE_DTOR = declare(u64, 2)
I_DATA = declare(u64, 376)
SWAP_MAP = declare(u64, 24)
FOPS_MAXBYTES = declare(u64, 16)
AVC_ANON_VMA = declare(u64, 8)
SAME_VMA = declare(u64, 16)
CHAIN_MAX = declare(i32, 65536)

PUDS = declare(i32, 2)
"""The highest level whose tables an address space counts."""
FILES = declare(i32, 0)
ANONS = declare(i32, 1)
SWAPS = declare(i32, 2)
SHMEMS = declare(i32, 3)
TABLE_BYTES = declare(i32, 4)
HUGETLB = declare(i32, 5)
LINKS = declare(i32, 6)
SPARES = declare(i32, 7)
"""Entries that lead to tables, or for which one is put by, less such tables: of a step alone."""
MAPS = declare(i32, 0)
HUGE_MAPS = declare(i32, 1)
NAMED = declare(i32, 0)
CACHED = declare(i32, 0)


class EntryRules(SpaceCheck):
    """The rules of single entries, and what they add to the sums.

    Entries are told in the bits of ``pte_bits``. ``facts`` are the engine's: where it keeps its
    zero pages, swap counts and page flags, and of how many bits of an address a table decides.
    """

    def __init__(
        self,
        memory: Memory,
        layouts: Layouts,
        caches: SlabCaches,
        sysctl: u64,
        facts: dict[str, int],
        **options: Any,
    ) -> None:
        super().__init__(memory, layouts, caches, sysctl, **options)
        mm = self.mm_layout = layouts.mm_struct
        self.at_pgd = mm.offset("pgd")
        self.at_tables = mm.offset("pgtables_bytes")
        self.at_rss = mm.offset("rss_stat")
        self.rss_stride = mm.offset("rss_stat_1") - mm.offset("rss_stat")
        self.at_usage = mm.offset("hugetlb_usage") if "hugetlb_usage" in mm else 0
        self.at_f_op = layouts.file.offset("f_op")
        self.at_nrpages = layouts.inode.offset("nrpages")
        self.page_map = caches.memmap
        self.frames = facts["frames"]
        self.top_level = facts["levels"] - 1
        self.leaf_bits = facts["leaf_bits"]
        self.table_bits = facts["table_bits"]
        self.huge_pages = facts["huge_pages"]
        self.table_type = facts["table_type"]
        self.zero_pfn = facts["zero_pfn"]
        self.huge_zero_at = facts["huge_zero_at"]
        self.swap_info = facts["swap_info"]
        self.locked = facts["locked"]
        self.swapbacked = facts["swapbacked"]
        self.exclusive = facts["exclusive"]
        self.huge_index_shift = facts["huge_index_shift"]
        self.refcount_shift = 0 if memory.big_endian else 32
        self.mapcount_shift = 32 if memory.big_endian else 0
        self.residents = Tally()
        self.mapped = Tally()
        self.slots = Tally()
        self.caches_of = Tally()
        self.walked = Tally()

    def clear(self) -> None:
        """Forget what was added up."""
        self.residents.clear()
        self.mapped.clear()
        self.slots.clear()
        self.caches_of.clear()
        self.walked.clear()
        self.near_first = 1
        self.near_last = 0
        self.near_mm = 0
        self.near_vma = 0

    def shift_of(self, level: i32) -> i32:
        """How many bits of an address an entry of ``level`` does not look at."""
        if level == 0:
            return self.page_shift
        return self.page_shift + self.leaf_bits + self.table_bits * (level - 1)

    def entries_of(self, level: i32) -> u64:
        """How many entries a table of ``level`` has."""
        one: u64 = 1
        return one << (self.table_bits if level > 0 else self.leaf_bits)

    # A VMA.

    def area(self, mm: u64, vma: u64) -> i32:
        """A VMA's fields, and that its file can be as long as it maps it."""
        SpaceCheck.area(self, mm, vma)
        file: u64 = word_at(self, vma + self.at_file)
        if file == 0 or self.inode_of(vma, False) == 0:
            return 0
        most: u64 = word_at(self, word_at(self, file + self.at_f_op) + FOPS_MAXBYTES)
        pages: u64 = (word_at(self, vma + 8) - word_at(self, vma)) >> self.page_shift
        past: u64 = (word_at(self, vma + self.at_pgoff) + pages) & TOP
        most = (most >> self.page_shift) + 1
        if past > most and word_at(self, vma + self.at_ops) != 0:
            expected = f"at most {most:#x}"
            self.vma_fail("VM-42", vma, "vm_pgoff + pages", f"{past:#x}", expected)
        return 0

    # An entry.

    def leads(self, level: i32, entry: u64) -> bint:
        """Does an entry lead to a table, rather than map a page?"""
        return level > 1 or (level == 1 and entry & (PSE | PRESENT) == PRESENT)

    def pfn_of(self, entry: u64) -> u64:
        """The frame in a present entry."""
        if entry & PRESENT == 0:
            entry = ~entry
        return (entry & PFN_MASK) >> self.page_shift

    def head_of(self, page: u64, old: bint) -> u64:
        """The head of the compound page that a struct page belongs to."""
        word: u64 = word_then(self, page + COMPOUND_HEAD, old)
        if word & 1 != 0 and word >= VMEMMAP and word - VMEMMAP < 64 * self.frames:
            return self.page_map + (word - 1 - VMEMMAP)
        return page

    def is_hugetlb(self, page: u64, old: bint) -> bint:
        """Is it the head of a page of the pool of huge pages?"""
        return self.half_at(page + COMPOUND_DTOR, old) & 0xFF == HUGETLB_PAGE_DTOR

    def kind_of(self, page: u64, old: bint) -> i32:
        """Which counter of ``rss_stat`` the page counts in."""
        head: u64 = self.head_of(page, old)
        if word_then(self, head + MAPPING, old) & 1 != 0:
            return ANONS
        return SHMEMS if word_then(self, head, old) & self.swapbacked != 0 else FILES

    def count_table(self, mm: u64, level: i32, sign: i64, kind: i32) -> None:
        """A table that an entry leads to, or that is put by for it."""
        if self.partial:
            self.residents.bump(mm, kind, sign)
        elif level <= PUDS:
            self.residents.bump(mm, TABLE_BYTES, 8 * self.entries_of(level))

    def count_entry(self, mm: u64, level: i32, entry: u64, sign: i64, old: bint) -> None:
        """Add an entry to the sums, or with -1 take it away."""
        if self.leads(level, entry):
            self.count_table(mm, level - 1, sign, LINKS)
            return
        page: u64
        if entry & (PRESENT | PROTNONE) != 0:
            pfn: u64 = self.pfn_of(entry)
            page = self.page_map + 64 * pfn
            if level == 1 and pfn < self.frames and self.is_hugetlb(page, old):
                self.mapped.bump(page, HUGE_MAPS, sign)
                self.residents.bump(mm, HUGETLB, self.huge_pages * sign)
                return
            if level == 1:
                self.count_huge(mm, pfn, sign, old)
                return
            if entry & SPECIAL != 0 or pfn >= self.frames:
                return
            self.mapped.bump(page, MAPS, sign)
            self.residents.bump(mm, self.kind_of(page, old), sign)
            return
        kind: u64 = entry >> 59
        if kind < MAX_SWAPFILES:
            self.residents.bump(mm, SWAPS, sign)
            slot: u64 = self.swap_slot(entry)
            if slot != 0:
                self.slots.bump(slot, NAMED, sign)
        elif MIGRATION_READ <= kind <= MIGRATION_WRITE:
            page = self.moving_page(entry)
            if page != 0:
                self.residents.bump(mm, self.kind_of(page, old), sign)

    def swap_slot(self, entry: u64) -> u64:
        """Where the count of the slot in a swap entry stands; 0 if there is no such slot."""
        offset: u64 = (~entry >> 9) & OFFSET_MASK
        if entry >> 59 != 0 or offset == 0 or offset >= word_at(self, self.swap_info):
            return 0
        return word_at(self, self.swap_info + SWAP_MAP) + 8 * offset

    def moving_page(self, entry: u64) -> u64:
        """The page in a migration entry; 0 if it is no frame of memory."""
        pfn: u64 = (~entry >> 9) & OFFSET_MASK & PFN_PART
        return self.page_map + 64 * pfn if pfn < self.frames else 0

    def count_huge(self, mm: u64, pfn: u64, sign: i64, old: bint) -> None:
        """A pmd entry that maps a huge page, for which a table is put by unless it is a file's."""
        page: u64 = self.page_map + 64 * pfn
        zero: bint = word_then(self, self.huge_zero_at, False) == VMEMMAP + 64 * pfn
        kind: i32 = ANONS if zero or pfn >= self.frames else self.kind_of(page, old)
        if kind == ANONS:
            self.count_table(mm, 0, sign, SPARES)
        if not zero and pfn < self.frames:
            self.mapped.bump(page, HUGE_MAPS, sign)
            self.residents.bump(mm, kind, self.huge_pages * sign)

    def cached_size(self, page: u64, old: bint) -> i64:
        """What a page counts in its inode's ``nrpages``: one of the pool one, other huge ones their
        small pages."""
        head: u64 = VMEMMAP + (page - self.page_map)
        if word_then(self, page + 64 + COMPOUND_HEAD, old) != head | 1 or self.is_hugetlb(
            page, old
        ):
            return 1
        return self.huge_pages

    def entry_fail(self, invariant: str, mm: u64, address: u64, found: str, expected: str) -> None:
        """Report an entry."""
        self.report(invariant, "mm_struct", mm, f"pte of {address:#x}", found, expected)

    def judge_entry(self, mm: u64, address: u64, level: i32, entry: u64) -> None:
        """The rules of one entry that stands for a page."""
        if self.leads(level, entry):
            return
        if not (self.near_first <= address <= self.near_last and self.near_mm == mm):
            self.near_vma = self.find(mm + self.at_tree, address, False)
            self.near_first = self.found_first
            self.near_last = self.found_last
            self.near_mm = mm
        vma: u64 = self.near_vma
        if not has(self.trees, mm + self.at_tree):
            vma = 0
        if vma == 0 or not self.is_vma(vma):
            self.entry_fail("VM-37", mm, address, f"{entry:#x}", "no entry outside of the areas")
            return
        if level == 1 and self.near_last < address + (self.huge_pages << 12) - 1:
            self.entry_fail("VM-37", mm, address, f"{entry:#x}", "a huge page wholly in its area")
        if entry & (PRESENT | PROTNONE) == 0:
            self.judge_absent(mm, address, entry)
            return
        flags: u64 = word_at(self, vma + self.at_flags)
        if entry & RW != 0 and entry & PRESENT != 0 and flags & VM_WRITE == 0:
            self.entry_fail("VM-43", mm, address, f"{entry:#x}", "not writable, as its area")
        pfn: u64 = self.pfn_of(entry)
        if entry & SPECIAL != 0:
            return
        if pfn >= self.frames:
            self.entry_fail("VM-45", mm, address, f"frame {pfn:#x}", "a frame of memory")
            return
        if level == 1 and word_then(self, self.huge_zero_at, False) == VMEMMAP + 64 * pfn:
            return
        self.judge_page(mm, vma, address, entry, self.page_map + 64 * pfn)

    def judge_absent(self, mm: u64, address: u64, entry: u64) -> None:
        """An entry whose page is elsewhere."""
        kind: u64 = entry >> 59
        if kind < MAX_SWAPFILES:
            if self.swap_slot(entry) == 0:
                self.entry_fail("VM-46", mm, address, f"{entry:#x}", "a slot of the swap area")
        elif MIGRATION_READ <= kind <= MIGRATION_WRITE:
            page: u64 = self.moving_page(entry)
            if page == 0 or word_at(self, self.head_of(page, False)) & self.locked == 0:
                self.entry_fail("VM-44", mm, address, f"{entry:#x}", "a page that is locked")

    def judge_page(self, mm: u64, vma: u64, address: u64, entry: u64, page: u64) -> None:
        """A page against the area that maps it."""
        head: u64 = self.head_of(page, False)
        mapping: u64 = word_at(self, head + MAPPING)
        index: u64 = word_at(self, head + INDEX) + ((page - head) >> 6)
        wanted: u64 = word_at(self, vma + self.at_pgoff) + (
            (address - word_at(self, vma)) >> self.page_shift
        )
        if word_at(self, vma + self.at_flags) & VM_HUGETLB != 0:
            wanted = wanted >> self.huge_index_shift
        if mapping & 1 != 0:
            if not self.in_chain(vma, mapping - 1):
                self.entry_fail(
                    "VM-40", mm, address, f"anon_vma {mapping - 1:#x}", "one of the area's chain"
                )
            elif index != wanted:
                self.entry_fail("VM-40", mm, address, f"index {index:#x}", f"{wanted:#x}")
            writable: bint = entry & RW != 0 and entry & PRESENT != 0
            if writable and word_at(self, page) & self.exclusive == 0:
                self.entry_fail("VM-43", mm, address, "shared", "exclusive, being writable")
            return
        inode: u64 = self.inode_of(vma, False)
        if mapping == 0 and inode == 0:
            return
        if mapping == 0 or mapping != inode + I_DATA:
            self.entry_fail("VM-41", mm, address, f"mapping {mapping:#x}", f"inode {inode:#x}")
        elif index != wanted:
            self.entry_fail("VM-41", mm, address, f"index {index:#x}", f"{wanted:#x}")

    def in_chain(self, vma: u64, anon: u64) -> bint:
        """Is the anon_vma one of the VMA's chain?"""
        if word_at(self, vma + self.at_anon) == anon:
            return True
        head: u64 = vma + self.at_chain
        link: u64 = word_at(self, head)
        count: i32 = 0
        while link != head and self.aligned(link) and count < CHAIN_MAX:
            if word_at(self, link - SAME_VMA + AVC_ANON_VMA) == anon:
                return True
            link = word_at(self, link)
            count += 1
        return False

    # Sums.

    def sums_of_tables(self) -> None:
        """Counters of address spaces, pages, swap slots and inodes against what was added up."""
        nth: u64 = 0
        while nth < self.residents.count:
            mm: u64 = self.residents.members[nth]
            if has(self.trees, mm + self.at_tree):
                self.resident_sums(mm, nth)
            nth += 1
        nth = 0
        while nth < self.mapped.count:
            self.mapped_sum(self.mapped.members[nth], nth)
            nth += 1
        nth = 0
        while nth < self.slots.count:
            at: u64 = self.slots.address(nth)
            named: i64 = word_at(self, at) & 0x7FFFFFFF
            if self.partial:
                named -= was_at(self, at) & 0x7FFFFFFF
            if named != self.slots.sum(nth, NAMED):
                expected = f"{self.slots.sum(nth, NAMED)} entries"
                self.report("VM-46", "swap_map", at, "count", f"{named}", expected)
            nth += 1
        nth = 0
        while self.partial and nth < self.caches_of.count:
            inode: u64 = self.caches_of.members[nth]
            held: i64 = word_at(self, inode + self.at_nrpages) - was_at(
                self, inode + self.at_nrpages
            )
            if held != self.caches_of.sum(nth, CACHED) and self.half_at(inode + 344, False) != 0:
                expected = f"{self.caches_of.sum(nth, CACHED)} pages"
                self.report("VM-47", "inode", inode, "nrpages", f"{held}", expected)
            nth += 1

    def resident_sums(self, mm: u64, nth: u64) -> None:
        """``rss_stat`` and ``pgtables_bytes`` of one address space."""
        was: bint = self.partial and has(self.old_trees, mm + self.at_tree)
        member: i32 = 0
        pages: i64
        while member < 4:
            pages = self.since(mm + self.at_rss + member * self.rss_stride, was)
            if pages != self.residents.sum(nth, member):
                expected = f"{self.residents.sum(nth, member)}"
                self.mm_fail("VM-38", mm, f"rss_stat[{member}]", f"{pages}", expected)
            member += 1
        pages = self.since(mm + self.at_tables, was)
        if pages != self.residents.sum(nth, TABLE_BYTES):
            expected = f"{self.residents.sum(nth, TABLE_BYTES)}"
            self.mm_fail("VM-36", mm, "pgtables_bytes", f"{pages}", expected)
        links: i64 = self.residents.sum(nth, LINKS)
        spares: i64 = self.residents.sum(nth, SPARES)
        if links != 0 or spares != 0:
            more = f"{links} entries more, {spares} huge pages"
            self.mm_fail("VM-53", mm, "tables", more, "0 and 0")
        if self.at_usage == 0:
            return
        pages = self.since(mm + self.at_usage, was)
        if pages != self.residents.sum(nth, HUGETLB):
            expected = f"{self.residents.sum(nth, HUGETLB)}"
            self.mm_fail("VM-49", mm, "hugetlb_usage", f"{pages}", expected)

    def maps_of(self, page: u64, old: bint) -> i64:
        """``_mapcount`` + 1; 0 for a page that is no user page."""
        counts: u64 = word_then(self, page + COUNTS, old)
        word: u64 = (counts >> self.mapcount_shift) & HALF
        if counts == 0 and word_then(self, page + COMPOUND_HEAD, old) == 0:
            return 0  # a struct page that nobody has written yet
        return word + 1 if word < SIGN else 0

    def mapped_sum(self, page: u64, nth: u64) -> i32:
        """A page's counts of its mappings."""
        maps: i64 = self.maps_of(page, False)
        if self.partial:
            maps -= self.maps_of(page, True)
        pfn: u64 = (page - self.page_map) >> 6
        if maps != self.mapped.sum(nth, MAPS):
            expected = f"{self.mapped.sum(nth, MAPS)} entries"
            self.report("VM-39", "page", VMEMMAP + 64 * pfn, "_mapcount", f"{maps}", expected)
        huge: i64 = self.mapped.sum(nth, HUGE_MAPS)
        if huge != 0 or not self.partial:
            self.huge_sum(page, huge)
        references: i64 = (word_at(self, page + COUNTS) >> self.refcount_shift) & HALF
        head: u64 = self.head_of(page, False)
        if head == page and references < self.maps_of(page, False):
            expected = f"{self.maps_of(page, False)} for its mappings"
            self.report("VM-45", "page", VMEMMAP + 64 * pfn, "_refcount", f"{references}", expected)
        return 0

    def huge_sum(self, page: u64, huge: i64) -> None:
        """A huge page's count of pmd entries."""
        maps: i64 = self.huge_maps_of(page, False)
        if self.partial:
            maps -= self.huge_maps_of(page, True)
        if maps != huge:
            pfn: u64 = (page - self.page_map) >> 6
            self.report(
                "VM-39", "page", VMEMMAP + 64 * pfn, "compound_mapcount", f"{maps}", f"{huge}"
            )

    def huge_maps_of(self, page: u64, old: bint) -> i64:
        """``compound_mapcount`` + 1 of the head of a compound page in use; 0 for other pages."""
        head: u64 = VMEMMAP + (page - self.page_map)
        used: bint = (word_then(self, page + COUNTS, old) >> self.refcount_shift) & HALF != 0
        if not used or word_then(self, page + 64 + COMPOUND_HEAD, old) != head | 1:
            return 0
        return (self.half_at(page + COMPOUND_MAPCOUNT, old) + 1) & HALF

"""The texts of /proc/PID/smaps and /proc/PID/smaps_rollup: what each area has in memory.

``smap_gather_stats``, ``smaps_account`` and ``__show_smap``, fs/proc/task_mmu.c.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.memory.memory import Memory
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.fields import Caches
from mmtwin.space.file_thp import FileThp
from mmtwin.space.vm_flag_letters import LETTERS, LETTERS_6_1

if not cython.compiled:
    from mmtwin.pages.words import load

TOP = declare(u64, c.MAX)
PRESENT = declare(u64, p.PRESENT)
PSE = declare(u64, p.PSE)
DIRTY = declare(u64, p.DIRTY)
ACCESSED = declare(u64, p.ACCESSED)
VM_LOCKED = declare(u64, c.VM_LOCKED)
PAGE = declare(u64, 4096)
PSS_SHIFT = declare(u64, 12)
I_PAGES = declare(u64, 392)
VSYSCALL = declare(u64, 104)
SOFT_DIRTY = declare(u64, 136)
PKEYS = declare(u64, 128)
ONE = declare(u64, 1)
GATE = "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
NAME_COLUMN = 73
BODIES_KEPT = 1 << 14


class Smap:
    """What one area, or several, have in memory: bytes; the shares (``pss``) times 4096."""

    def __init__(self) -> None:
        self.resident = 0
        self.shared_clean = 0
        self.shared_dirty = 0
        self.private_clean = 0
        self.private_dirty = 0
        self.referenced = 0
        self.anonymous = 0
        self.lazyfree = 0
        self.anonymous_thp = 0
        self.shmem_thp = 0
        self.swap = 0
        self.pss = 0
        self.pss_anon = 0
        self.pss_file = 0
        self.pss_shmem = 0
        self.pss_locked = 0
        self.pss_dirty = 0
        self.swap_pss = 0
        self.shared_hugetlb = 0
        self.private_hugetlb = 0

    def key(self) -> tuple[int, ...]:
        """All of it."""
        return (
            self.resident,
            self.shared_clean,
            self.shared_dirty,
            self.private_clean,
            self.private_dirty,
            self.referenced,
            self.anonymous,
            self.lazyfree,
            self.anonymous_thp,
            self.shmem_thp,
            self.swap,
            self.pss,
            self.pss_locked,
            self.pss_dirty,
            self.swap_pss,
            self.shared_hugetlb,
            self.private_hugetlb,
        )


class ProcSmaps(FileThp):
    """``show_smap`` and ``show_smaps_rollup``.

    A record is a function of what it shows, so records once made are kept, as lines of maps are.
    """

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.smap_bodies: dict[tuple[int, ...], str] = {}

    def smap_gather_stats(self, vma: u64, mss: Smap) -> None:
        """Add what an area has in memory."""
        mm: u64 = self.vm_mm(vma)
        locked: bint = self.vm_flags(vma) & VM_LOCKED != 0
        file: u64 = self.vm_file(vma)
        if file != 0 and not self.vma_is_anonymous(vma) and self.file_is_shmem(file):
            mss.swap += self.shmem_swap_usage(vma)
        if self.pgtables_bytes(mm) == 0:
            return
        at: u64 = self.vm_start(vma)
        end: u64 = self.vm_end(vma)
        while at < end:
            pmd: u64 = self.walk(mm, at, 1)
            if pmd == 0:
                at = self.next_table(mm, at, end)
                continue
            past: u64 = (at & ~(self.pmd_size - 1)) + self.pmd_size
            if past > end:
                past = end
            entry: u64 = self.pmdp_get(pmd)
            if entry != 0 and self.pmd_is_leaf(entry):
                if self.is_vm_hugetlb_page(vma):
                    if self.compound_mapcount(self.page_of(entry & ~PSE)) >= 2:
                        mss.shared_hugetlb += self.pmd_size
                    else:
                        mss.private_hugetlb += self.pmd_size
                elif not self.is_huge_zero_pmd(entry) and self.counts_in_smaps(entry):
                    head: u64 = self.page_of(entry & ~PSE)
                    if self.page_anon(head):
                        mss.anonymous_thp += self.pmd_size
                    else:
                        mss.shmem_thp += self.pmd_size
                    self.smaps_account(mss, head, entry, self.hpage_nr, locked, False)
            elif entry != 0:
                pte: u64 = self.pte_offset(entry, at)
                while at < past:
                    entry = self.ptep_get(pte)
                    if entry != 0:
                        self.smaps_pte_entry(mss, entry, locked)
                    pte += 8
                    at += PAGE
            at = past

    def counts_in_smaps(self, entry: u64) -> bint:
        """Does smaps see a huge page? Before 6.6 not one that may not be accessed (PROT_NONE): it
        follows the entry as GUP does (``follow_trans_huge_pmd``)."""
        return entry & PRESENT != 0 or self.profile.since(6, 6)

    def shmem_swap_usage(self, vma: u64) -> u64:
        """Bytes of the area's part of a shared-memory object that are swapped out."""
        inode: u64 = self.file_inode(self.vm_file(vma))
        last: u64 = self.vm_pgoff(vma) + self.vma_pages(vma) - 1
        index: u64 = self.xa.find(inode + I_PAGES, self.vm_pgoff(vma), last)
        swapped: u64 = 0
        while index != TOP and index <= last:
            if self.find_get_page(inode, index) & 1 != 0:
                swapped += PAGE
            index = self.xa.find(inode + I_PAGES, index + 1, last)
        return swapped

    def smaps_pte_entry(self, mss: Smap, entry: u64, locked: bint) -> None:
        """Add one entry that is not empty."""
        if self.pte_present(entry):
            page: u64 = self.vm_normal_page(entry)
            if page != 0:
                self.smaps_account(mss, page, entry, 1, locked, False)
        elif self.is_swap_pte(entry):
            mss.swap += PAGE
            count: u64 = self.swap_count(self.swp_offset(entry))
            mss.swap_pss += (PAGE << PSS_SHIFT) // (count if count > 1 else ONE)
        elif self.is_migration_pte(entry):
            self.smaps_account(mss, self.migration_page(entry), 0, 1, locked, True)

    def smaps_account(
        self, mss: Smap, page: u64, entry: u64, count: u64, locked: bint, migration: bint
    ) -> None:
        """Add ``count`` pages from ``page`` on that one entry maps."""
        size: u64 = count * PAGE
        page_dirty: bint = self.page_flag(page, self.pg_dirty)
        dirty: bint = entry & DIRTY != 0 or page_dirty
        anon: bint = self.page_anon(page)
        swapbacked: bint = self.page_flag(page, self.pg_swapbacked)
        if anon:
            mss.anonymous += size
            if not swapbacked and not dirty:
                mss.lazyfree += size
        mss.resident += size
        if entry & ACCESSED != 0 or self.page_flag(page, self.pg_referenced):
            mss.referenced += size
        head: u64 = self.pages.compound_head(page)
        alone: bint = migration or self.pages.page_ref_count(head) == 1
        nth: u64 = 0
        while nth < count:
            maps: u64 = 1 if alone else self.mapcount(page + 64 * nth)
            pss: u64 = PAGE << PSS_SHIFT
            if maps >= 2:
                pss = pss // maps
            mss.pss += pss
            if anon:
                mss.pss_anon += pss
            elif swapbacked:
                mss.pss_shmem += pss
            else:
                mss.pss_file += pss
            if locked:
                mss.pss_locked += pss
            if dirty:
                mss.pss_dirty += pss
                if maps < 2:
                    mss.private_dirty += PAGE
                else:
                    mss.shared_dirty += PAGE
            elif maps < 2:
                mss.private_clean += PAGE
            else:
                mss.shared_clean += PAGE
            nth += 1

    def thp_eligible(self, vma: u64) -> bint:
        """Whether smaps says that the area may have huge pages."""
        return self.hugepage_vma_check(vma, True, True)

    # Texts.

    def smap_lines(self, mss: Smap, rollup: bool) -> str:
        """``__show_smap``: the lines from Rss to Locked."""
        values = [("Rss", mss.resident), ("Pss", mss.pss >> 12), ("Pss_Dirty", mss.pss_dirty >> 12)]
        if rollup:
            values += [
                ("Pss_Anon", mss.pss_anon >> 12),
                ("Pss_File", mss.pss_file >> 12),
                ("Pss_Shmem", mss.pss_shmem >> 12),
            ]
        values += [
            ("Shared_Clean", mss.shared_clean),
            ("Shared_Dirty", mss.shared_dirty),
            ("Private_Clean", mss.private_clean),
            ("Private_Dirty", mss.private_dirty),
            ("Referenced", mss.referenced),
            ("Anonymous", mss.anonymous),
        ]
        if self.profile.since(6, 7):
            values.append(("KSM", 0))
        values += [
            ("LazyFree", mss.lazyfree),
            ("AnonHugePages", mss.anonymous_thp),
            ("ShmemPmdMapped", mss.shmem_thp),
            ("FilePmdMapped", 0),
            ("Shared_Hugetlb", mss.shared_hugetlb),
            ("Private_Hugetlb", mss.private_hugetlb),
            ("Swap", mss.swap),
            ("SwapPss", mss.swap_pss >> 12),
            ("Locked", mss.pss_locked >> 12),
        ]
        return "".join(self.smap_line(name, value) for name, value in values)

    def smap_line(self, name: str, value: int) -> str:
        """One line in kB; the longest name takes a column more."""
        return f"{name + ':':<15} {value >> 10:>{24 - max(16, len(name) + 2)}} kB\n"

    def vm_flag_letters(self, vm_flags: int) -> str:
        """What stands behind ``VmFlags:``, each code with a space behind it."""
        letters = LETTERS if self.profile.since(6, 12) else LETTERS_6_1
        if load(self.memory, self.sysctl + SOFT_DIRTY) == 0:
            vm_flags &= ~c.VM_SOFTDIRTY
        return "".join(f"{code} " for bit, code in letters.items() if vm_flags >> bit & 1)

    def smap(self, vma: int) -> str:
        """The record of one area."""
        mss = Smap()
        self.smap_gather_stats(vma, mss)
        eligible = int(self.thp_eligible(vma))
        size, page = self.vma_pages(vma) << self.page_shift, self.vma_kernel_pagesize(vma)
        return self.maps_line(*self.maps_key(vma)) + self.smap_body(
            size, page, mss, eligible, self.vm_flags(vma)
        )

    def smap_body(self, size: int, page: int, mss: Smap, eligible: int, vm_flags: int) -> str:
        """A record behind its first line."""
        pkeys: u64 = load(self.memory, self.sysctl + PKEYS)
        soft_dirty: u64 = load(self.memory, self.sysctl + SOFT_DIRTY)
        key = (size, page, eligible, vm_flags, pkeys, soft_dirty, *mss.key())
        body = self.smap_bodies.get(key)
        if body is None:
            if len(self.smap_bodies) > BODIES_KEPT:
                self.smap_bodies.clear()
            body = self.smap_bodies[key] = self.smap_text(size, page, mss, eligible, vm_flags)
        return body

    def smap_text(self, size: int, page: int, mss: Smap, eligible: int, vm_flags: int) -> str:
        """Such a record, written."""
        width = 8 if self.profile.since(6, 7) else 1
        lines = [self.smap_line("Size", size)]
        lines += [self.smap_line(name, page) for name in ("KernelPageSize", "MMUPageSize")]
        lines.append(self.smap_lines(mss, False))
        lines.append(f"THPeligible:    {eligible:>{width}}\n")
        if load(self.memory, self.sysctl + PKEYS) != 0:
            key = (vm_flags & c.VM_PKEY_BITS) >> c.VM_PKEY_SHIFT
            lines.append(f"ProtectionKey:  {key:>8}\n")
        lines.append(f"VmFlags: {self.vm_flag_letters(vm_flags)}\n")
        return "".join(lines)

    def proc_smaps(self, mm: int) -> str:
        """/proc/PID/smaps, byte for byte as the kernel prints it."""
        records = []
        mas: MaState = self.vma_iterator(mm, 0)
        vma = self.maple.mas_find(mas, TOP)
        while vma != 0:
            records.append(self.smap(vma))
            vma = self.maple.mas_find(mas, TOP)
        if load(self.memory, self.sysctl + VSYSCALL) != 0:
            records.append(GATE + self.smap_body(4096, 4096, Smap(), 0, c.VM_EXEC))
        return "".join(records)

    def proc_smaps_rollup(self, mm: int) -> str:
        """/proc/PID/smaps_rollup: all areas in one record."""
        mss = Smap()
        mas: MaState = self.vma_iterator(mm, 0)
        vma = self.maple.mas_find(mas, TOP)
        start = self.vm_start(vma) if vma != 0 else 0
        end = 0
        while vma != 0:
            self.smap_gather_stats(vma, mss)
            end = self.vm_end(vma)
            vma = self.maple.mas_find(mas, TOP)
        head = f"{start:08x}-{end:08x} ---p 00000000 00:00 0 "
        return f"{head:<{NAME_COLUMN}}[rollup]\n" + self.smap_lines(mss, True)

"""Faults on mappings of files, shared memory, the kernel's own pages and devices.

``do_read_fault``, ``do_cow_fault``, ``do_shared_fault``, mm/memory.c; ``filemap_fault`` and
``filemap_map_pages``, mm/filemap.c; ``shmem_fault``, mm/shmem.c.
"""

from __future__ import annotations

from cython import bint, declare
from cython import ulonglong as u64

from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.space import files
from mmtwin.space import flags as c
from mmtwin.space import pte_bits as p
from mmtwin.space.anon_fault import AnonFault
from mmtwin.space.fields import Caches

VM_SHARED = declare(u64, c.VM_SHARED)
VM_WRITE = declare(u64, c.VM_WRITE)
VM_UFFD_WP = declare(u64, c.VM_UFFD_WP)
VM_RAND_READ = declare(u64, c.VM_RAND_READ)
VM_SEQ_READ = declare(u64, c.VM_SEQ_READ)
VM_PFNMAP = declare(u64, c.VM_PFNMAP)
RW = declare(u64, p.RW)
SPECIAL = declare(u64, p.SPECIAL)
MM_ANONPAGES = declare(u64, p.MM_ANONPAGES)
VM_FAULT_OOM = declare(u64, p.VM_FAULT_OOM)
VM_FAULT_SIGBUS = declare(u64, p.VM_FAULT_SIGBUS)
VM_FAULT_MAJOR = declare(u64, p.VM_FAULT_MAJOR)
VM_FAULT_NOPAGE = declare(u64, p.VM_FAULT_NOPAGE)
FAULT_AROUND = declare(u64, p.FAULT_AROUND_PAGES)
READAHEAD = declare(u64, p.READAHEAD_PAGES)
FILE_REGULAR = declare(u64, files.FILE_REGULAR)
FAULT = declare(u64, 40)
"""vm_operations_struct.fault"""
MAP_PAGES = declare(u64, 56)
"""vm_operations_struct.map_pages"""
SPECIAL_PAGES = declare(u64, 16)
"""vm_special_mapping: head of the xarray of its pages."""


class FileFault(AnonFault):
    """``do_fault`` and the ``fault`` methods of files.

    ``fresh_table`` says that the fault found no page table for its address.
    """

    def __init__(self, memory: Memory, maple: Maple, caches: Caches, profile: Profile) -> None:
        super().__init__(memory, maple, caches, profile)
        self.fresh_table = False
        self.maps_folios = profile.since(6, 18)

    def do_fault(self, vma: u64, address: u64, pte: u64, write: bint) -> u64:
        """Fill the empty entry at ``pte`` of a mapping with operations: VM_FAULT_* bits."""
        if self.vm_op(vma, FAULT) == 0:
            return VM_FAULT_SIGBUS
        if not self.has_page_cache(vma):
            return self.do_kernel_fault(vma, address, pte, write)
        if not write:
            return self.do_read_fault(vma, address, pte)
        if self.vm_flags(vma) & VM_SHARED == 0:
            return self.do_cow_fault(vma, address, pte)
        return self.do_shared_fault(vma, address, pte)

    def has_page_cache(self, vma: u64) -> bint:
        """Do its pages come from an inode?"""
        operations: u64 = self.vm_ops(vma)
        return operations not in (self.special_mapping_vmops, self.device_vm_ops)

    def do_read_fault(self, vma: u64, address: u64, pte: u64) -> u64:
        """Map what the cache has around the address, or else bring in the one page."""
        if self.should_fault_around(vma) and self.do_fault_around(vma, address, pte):
            return VM_FAULT_NOPAGE
        done: u64 = self.file_page(vma, address)
        if done & (VM_FAULT_OOM | VM_FAULT_SIGBUS) != 0:
            return done
        self.finish_fault(vma, address, pte, False)
        return done

    def do_cow_fault(self, vma: u64, address: u64, pte: u64) -> u64:
        """A write to a private mapping: a copy of the file's page."""
        if self.anon_vma(vma) == 0 and self.anon_vma_prepare(vma) != 0:
            return VM_FAULT_OOM
        copy: u64 = self.alloc_user_page()
        if copy == 0:
            return VM_FAULT_OOM
        done: u64 = self.file_page(vma, address)
        if done & (VM_FAULT_OOM | VM_FAULT_SIGBUS) != 0:
            self.put_user_page(copy)
            return done
        entry: u64 = self.pte_mkdirty(self.mk_pte(copy, self.page_prot(vma)))
        self.add_mm_counter(self.vm_mm(vma), MM_ANONPAGES, 1)
        self.page_add_new_anon_rmap(copy, vma, address)
        self.folio_add_lru(copy, vma)
        self.set_pte(pte, self.maybe_mkwrite(entry, vma))
        return done

    def do_shared_fault(self, vma: u64, address: u64, pte: u64) -> u64:
        """A write to a shared mapping: the file's own page, dirty."""
        done: u64 = self.file_page(vma, address)
        if done & (VM_FAULT_OOM | VM_FAULT_SIGBUS) != 0:
            return done
        self.finish_fault(vma, address, pte, True)
        self.set_page_flag(self.fault_page, self.pg_dirty)
        return done

    def finish_fault(self, vma: u64, address: u64, pte: u64, write: bint) -> None:
        """Map ``fault_page``; of shared memory, 6.18 maps a large folio at once if it can."""
        page: u64 = self.fault_page
        head: u64 = self.pages.compound_head(page)
        first: u64 = 0
        if head != page or self.pages.page_head(page):
            first = self.first_pte_of_folio(vma, address, pte, page)
        if first != 0 and not self.vma_watched(vma):
            nth: u64 = 0
            size: u64 = self.pages.folio_nr_pages(head)
            while nth < size and self.ptep_get(first + 8 * nth) == 0:
                nth += 1
            if nth == size:
                self.map_rest_of_folio(vma, head, first, write)
                return
        self.do_set_pte(vma, page, pte, write)

    def first_pte_of_folio(self, vma: u64, address: u64, pte: u64, page: u64) -> u64:
        """Where the pte for the first page of a large folio lies, whose page ``page`` belongs to
        ``pte``; 0 if not all of it is in the area and the table, and before 6.18."""
        if not self.maps_folios:
            return 0
        head: u64 = self.pages.compound_head(page)
        size: u64 = self.pages.folio_nr_pages(head)
        before: u64 = (page - head) >> 6
        start: u64 = address - before * 0x1000
        slot: u64 = (pte >> 3) & 511
        if start < self.vm_start(vma) or start + size * 0x1000 > self.vm_end(vma):
            return 0
        if slot < before or slot - before + size > 512:
            return 0
        return pte - 8 * before

    def map_rest_of_folio(self, vma: u64, head: u64, first: u64, write: bint) -> None:
        """Map the pages of a large folio, from the pte at ``first`` on, where none is yet."""
        size: u64 = self.pages.folio_nr_pages(head)
        nth: u64 = 0
        while nth < size:
            if self.ptep_get(first + 8 * nth) == 0:
                self.do_set_pte(vma, head + 64 * nth, first + 8 * nth, write)
            nth += 1

    def vma_watched(self, vma: u64) -> bint:
        """Does userfaultfd watch the area in any mode (``userfaultfd_armed``)?"""
        return self.vm_flags(vma) & (c.VM_UFFD | self.vm_uffd_minor()) != 0

    def do_set_pte(self, vma: u64, page: u64, pte: u64, write: bint) -> None:
        """Map a page of the cache."""
        entry: u64 = self.mk_pte(page, self.shared_page_prot(vma))
        if write:
            entry = self.maybe_mkwrite(self.pte_mkdirty(entry), vma)
        self.pages.get_page(self.pages.compound_head(page))
        self.add_mm_counter(self.vm_mm(vma), self.mm_counter(page), 1)
        self.page_add_file_rmap(page)
        self.mlock_vma_page(page, vma)
        self.set_pte(pte, entry)

    def shared_page_prot(self, vma: u64) -> u64:
        """Protection bits of a fresh entry: writes to a file on disk must be noticed."""
        prot: u64 = self.page_prot(vma)
        if prot & RW != 0 and self.vma_wants_writenotify(vma):
            prot &= ~RW
        return prot

    def vma_wants_writenotify(self, vma: u64) -> bint:
        """Must the first write to each page fault, because the file is written back?"""
        if self.vm_flags(vma) & (VM_SHARED | VM_WRITE) != VM_SHARED | VM_WRITE:
            return False
        file: u64 = self.vm_file(vma)
        return file != 0 and self.file_kind(file) == FILE_REGULAR

    # Around the address.

    def should_fault_around(self, vma: u64) -> bint:
        """May a read map more than its page? Not of System V segments (shm_vm_ops has no
        ``map_pages``), nor where userfaultfd must see each page come."""
        watched: u64 = VM_UFFD_WP | self.vm_uffd_minor()
        return self.vm_op(vma, MAP_PAGES) != 0 and self.vm_flags(vma) & watched == 0

    def do_fault_around(self, vma: u64, address: u64, pte: u64) -> bint:
        """Map cached pages around ``address``: 64 KiB from its 64 KiB or, if that comes later, the
        VMA's start, as far as VMA and table go. True if its own page was one of them."""
        start: u64 = address & ~(FAULT_AROUND * 0x1000 - 1)
        if start < self.vm_start(vma):
            start = self.vm_start(vma)
        end: u64 = start + FAULT_AROUND * 0x1000
        table_end: u64 = (address & ~(self.pmd_size - 1)) + self.pmd_size
        if end > table_end:
            end = table_end
        if end > self.vm_end(vma):
            end = self.vm_end(vma)
        file: u64 = self.vm_file(vma)
        inode: u64 = self.file_inode(file)
        index: u64 = self.linear_page_index(vma, start)
        limit: u64 = self.max_index(inode)
        at: u64 = pte - 8 * ((address - start) >> 12)
        past: u64 = index + ((end - start) >> 12)
        careful: bint = self.fresh_table and self.profile.since(6, 18)
        if careful and not self.file_is_shmem(file) and self.ends_with(inode, index, past):
            return False
        while start < end and index < limit:
            if self.maps_folios or self.ptep_get(at) == 0:
                page: u64 = self.find_get_page(inode, index)
                if page != 0 and page & 1 == 0 and not self.page_flag(page, self.pg_locked):
                    self.map_around(vma, start, at, page)
            at += 8
            index += 1
            start += 0x1000
        return self.ptep_get(pte) != 0

    def map_around(self, vma: u64, address: u64, pte: u64, page: u64) -> None:
        """Map a cached page around a fault; 6.18 all of the large folio that it belongs to."""
        head: u64 = self.pages.compound_head(page)
        if head != page or self.pages.page_head(page):
            first: u64 = self.first_pte_of_folio(vma, address, pte, page)
            if first != 0:
                self.map_rest_of_folio(vma, head, first, False)
                return
        if self.ptep_get(pte) == 0:
            self.do_set_pte(vma, page, pte, False)

    def ends_with(self, inode: u64, index: u64, past: u64) -> bint:
        """Is the first cached page from ``index`` to ``past`` (exclusive) the file's last one?

        Where no table is yet, 6.18 then maps nothing around an address: what lays the table down
        is the attempt to map a huge page, which it no longer makes at the end of a file on a disk
        (``can_map_large`` in filemap_map_pages; seed 6707020 on 6.18).
        """
        last: u64 = self.max_index(inode)
        while index < past and index < last:
            page: u64 = self.find_get_page(inode, index)
            if page != 0 and page & 1 == 0 and not self.page_flag(page, self.pg_locked):
                return index + 1 == last
            index += 1
        return False

    # The file's page.

    def file_page(self, vma: u64, address: u64) -> u64:
        """Bring the page behind ``address`` into the cache; it is ``fault_page``.

        VM_FAULT_* bits; VM_FAULT_SIGBUS past the end of the file.
        """
        file: u64 = self.vm_file(vma)
        inode: u64 = self.file_inode(file)
        index: u64 = self.linear_page_index(vma, address)
        if index >= self.max_index(inode):
            return VM_FAULT_SIGBUS
        page: u64 = self.find_get_page(inode, index)
        done: u64 = 0
        if page == 0:
            if self.file_is_shmem(file):
                page = self.read_page(inode, index, True)
            else:
                done = VM_FAULT_MAJOR
                page = self.page_cache_readahead(vma, inode, index)
        elif page & 1 != 0:
            done = VM_FAULT_MAJOR
            page = self.shmem_swapin(inode, index, page >> 1)
        if page == 0:
            return VM_FAULT_OOM
        self.fault_page = page
        return done

    def page_cache_readahead(self, vma: u64, inode: u64, index: u64) -> u64:
        """Read the page at ``index`` and, as the area's advice is, others; 0 without memory.

        Without advice the 128 KiB around it, for sequential access those from it on, for random
        access it alone.
        """
        vm_flags: u64 = self.vm_flags(vma)
        first: u64 = index
        count: u64 = READAHEAD
        if vm_flags & VM_RAND_READ != 0:
            count = 1
        elif vm_flags & VM_SEQ_READ == 0:
            first = index - READAHEAD // 2 if index > READAHEAD // 2 else 0
        limit: u64 = self.max_index(inode)
        past: u64 = first + count
        if past > limit:
            past = limit
        wanted: u64 = self.read_page(inode, index, False)
        if wanted == 0:
            return 0
        # Reading the others may need memory: this one must not be reclaimed for it.
        self.pages.get_page(wanted)
        while first < past:
            if self.find_get_page(inode, first) == 0 and self.read_page(inode, first, False) == 0:
                break
            first += 1
        self.put_user_page(wanted)
        return wanted

    # The kernel's own pages.

    def do_kernel_fault(self, vma: u64, address: u64, pte: u64, write: bint) -> u64:
        """A special mapping ([vdso]) or a device: pages that belong to no process."""
        if self.vm_ops(vma) == self.device_vm_ops or self.vm_flags(vma) & VM_PFNMAP != 0:
            self.set_pte(pte, self.pfn_pte(self.zero_pfn, self.page_prot(vma)) | SPECIAL)
            return VM_FAULT_NOPAGE
        head: u64 = self.vm_private_data(vma) + SPECIAL_PAGES
        index: u64 = self.linear_page_index(vma, address)
        page: u64 = self.xa.load(head, index)
        if page == 0:
            page = self.alloc_user_page()
            if page == 0 or not self.xa.store(head, index, page):
                return VM_FAULT_OOM
        if write and self.vm_flags(vma) & VM_SHARED == 0:
            return self.wp_copy_kernel_page(vma, address, pte)
        self.do_set_pte(vma, page, pte, write)
        return 0

    def wp_copy_kernel_page(self, vma: u64, address: u64, pte: u64) -> u64:
        """A private copy of a page that the kernel provides: VM_FAULT_* bits."""
        return self.wp_page_copy(vma, address, pte, 0, False)

"""Floor 4: virtual memory areas and the calls that change them.

The engine is one object, :class:`~mmtwin.space.space.Space`, made of a chain of classes, a concern
a file, each built on the one before:

======================  ========================================================================
``fields``              ``VmaFields``: members of VMAs and address spaces
``files``               ``Files``: struct file, inodes, i_mmap, vm_operations
``counters``            ``Counters``: total_vm and its kin, limits, commit charge
``anon_vma``            ``AnonVma``: prepare, clone, fork, unlink
``vma_alloc``           ``VmaAlloc``: vm_area_alloc, vm_area_dup, vm_area_free
``lookup``              ``Lookup``: find_vma and its kin over the maple tree
``adjust``              ``Adjust``: borders moved, ``__vma_adjust``
``merge``               ``Merge``: merging and splitting
``munmap``              ``Munmap``
``unmapped_area``       ``UnmappedArea``: where a new area goes
``touch``               ``Touch``: access by a program, stack growth, populate
``mmap_region``         ``MmapRegion``: the old mapping, merging, the new VMA
``mmap``                ``Mmap``: the checks of mmap
``brk``                 ``Brk``
``mprotect``            ``Mprotect``
``mlock``               ``Mlock``
``madvise``             ``Madvise``
``prctl_vma``           ``PrctlVma``
``move_vma``            ``MoveVma``: what mremap does to an area that moves
``mremap``              ``Mremap``
``remap_file_pages``    ``RemapFilePages``
``msync``               ``Msync``
``sysv_shm``            ``SysvShm``
``mbind``               ``Mbind``: memory policies, as far as merging goes
``userfaultfd``         ``Userfaultfd``: which areas one watches, as far as merging goes
``process_calls``       ``ProcessCalls``: process_madvise, process_vm_readv and -writev
``exit``                ``Exit``
``fork``                ``Fork``
``exec``                ``Exec``: a fresh image, from parsed maps text
``exec_stack``          ``ExecStack``: the temporary stack and its move
``binfmt_elf``          ``BinfmtElf``: a fresh image, as exec maps an ELF program
``proc_maps``           ``ProcMaps``: the text of /proc/PID/maps
``page_table``          ``PageTable``: levels, walks, allocation, ``free_pgd_range``
``page_state``          ``PageState``: struct page of user memory, RSS counters, entries
``swap``                ``Swap``: swap and migration entries, the swap area and cache
``page_cache``          ``PageCache``: an inode's pages (``xarray`` holds them)
``zap``                 ``Zap``: pages and tables of areas that go
``copy_page_range``     ``CopyPageRange``: fork's copy of page tables
``anon_fault``          ``AnonFault``: zero page, own page, copy-on-write, reuse
``file_fault``          ``FileFault``: files, shared memory, fault-around, readahead
``swap_fault``          ``SwapFault``: pages that are elsewhere
``fault``               ``Fault``: ``handle_mm_fault`` and what comes of it
``move_page_tables``    ``MovePageTables``: entries that mremap moves and mprotect changes
``madvise_pages``       ``MadvisePages``: advice about pages, population
``thp``                 ``Thp``: huge pages of anonymous memory
``rmap``                ``Rmap``: from a page to the entries that map it; reclaim, migration
``proc_smaps``          ``ProcSmaps``: the text of /proc/PID/smaps and smaps_rollup
``proc_status``         ``ProcStatus``: the Vm lines of status, statm
``proc_pagemap``        ``ProcPagemap``: words of pagemap, bytes of mincore
``space``               ``Space``: the whole, with the 6.1 rules
``v6_18``               ``Space618``: what 6.18 does otherwise
======================  ========================================================================

System calls take the address of an ``mm_struct`` and raw unsigned 64-bit arguments and return a
signed result: a value or a negative errno. Internal functions that return an address report an
error as the kernel's ``ERR_PTR`` does: as the unsigned form of the negative errno.
"""

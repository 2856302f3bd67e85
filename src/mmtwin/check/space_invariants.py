"""The invariants of address spaces (``VM``)."""

from __future__ import annotations

from mmtwin.check.invariant import How, Invariant

VALIDATE_MM = "validate_mm(), mm/mmap.c"


def _vm(number: int, statement: str, source: str, judge: str, how: How = "state") -> Invariant:
    return Invariant(f"VM-{number:02}", statement, "space", how, source, judge)


OF_SPACES = (
    _vm(
        1,
        "A VMA's range is the range of its slot in the tree.",
        VALIDATE_MM,
        "areas.AreaRules.agrees",
    ),
    _vm(
        2,
        "Every entry of an address space's tree is a VMA of that address space.",
        VALIDATE_MM,
        "areas.AreaRules.entry",
    ),
    _vm(3, "map_count is the number of VMAs.", VALIDATE_MM, "spaces.SpaceRules._counters"),
    _vm(
        4,
        "A VMA is whole pages, one at least, below the end of user space.",
        "struct vm_area_struct",
        "areas.AreaRules.area",
    ),
    _vm(
        5,
        "total_vm is the sum of all pages mapped.",
        "vm_stat_account()",
        "spaces.SpaceRules._counters",
    ),
    _vm(
        6,
        "data_vm is the sum over private writable areas that are no stack.",
        "is_data_mapping()",
        "spaces.SpaceRules._counters",
    ),
    _vm(
        7,
        "stack_vm is the sum over areas that grow.",
        "is_stack_mapping()",
        "spaces.SpaceRules._counters",
    ),
    _vm(
        8,
        "exec_vm is the sum over executable areas, neither writable nor stack.",
        "is_exec_mapping()",
        "spaces.SpaceRules._counters",
    ),
    _vm(
        9,
        "locked_vm is the sum over VM_LOCKED areas.",
        "mlock_fixup()",
        "spaces.SpaceRules._counters",
    ),
    _vm(10, "Each access right has its VM_MAY bit.", "mprotect_fixup()", "areas.AreaRules.area"),
    _vm(
        11, "VM_LOCKONFAULT comes with VM_LOCKED.", "apply_vma_lock_flags()", "areas.AreaRules.area"
    ),
    _vm(
        12,
        "VM_HUGEPAGE and VM_NOHUGEPAGE exclude each other.",
        "hugepage_madvise()",
        "areas.AreaRules.area",
    ),
    _vm(
        13,
        "VM_RAND_READ and VM_SEQ_READ exclude each other, but for a stack being set up.",
        "VM_STACK_INCOMPLETE_SETUP",
        "areas.AreaRules.area",
    ),
    _vm(
        14,
        "Special memory (VM_SPECIAL) is not locked.",
        "mlock_fixup(), mmap_region()",
        "areas.AreaRules.area",
    ),
    _vm(15, "VM_SHARED comes with VM_MAYSHARE.", "do_mmap()", "areas.AreaRules.area"),
    _vm(16, "vm_page_prot follows from vm_flags.", "vma_set_page_prot()", "areas.AreaRules.area"),
    _vm(
        17,
        "An anonymous area without pages has its address as page offset.",
        "copy_vma()",
        "areas.AreaRules._clean_offset",
    ),
    _vm(
        18,
        "The program break is not below the heap's beginning.",
        "brk()",
        "spaces.SpaceRules.space",
    ),
    _vm(19, "map_count is at most one above the limit.", "do_mmap()", "spaces.SpaceRules.space"),
    _vm(
        20,
        "A VMA's own anon_vma is in its chain; a clean VMA has an empty one.",
        "anon_vma_clone()",
        "anon.AnonRules.anon",
    ),
    _vm(
        21,
        "A chain is a sound list of its VMA's links.",
        "anon_vma_chain_link()",
        "anon.AnonRules.anon",
    ),
    _vm(
        22, "All anon_vmas of a chain have one root.", "lock_anon_vma_root()", "anon.AnonRules.anon"
    ),
    _vm(
        23,
        "A link's interval is its VMA's.",
        "anon_vma_interval_tree_verify(), CONFIG_DEBUG_VM_RB",
        "anon.AnonRules.link",
    ),
    _vm(
        24,
        "An anon_vma's tree holds its links and no others.",
        "anon_vma_interval_tree_insert()",
        "anon.AnonRules._anon_sum",
    ),
    _vm(
        25,
        "num_active_vmas is the number of VMAs whose own anon_vma it is.",
        "commit 2555283eb40d",
        "anon.AnonRules._anon_sum",
    ),
    _vm(
        26,
        "num_children is the number of anon_vmas whose parent it is.",
        "commit 2555283eb40d",
        "anon.AnonRules._anon_sum",
    ),
    _vm(
        27,
        "A root's references are its own and one for each member of its family.",
        "get_anon_vma(), put_anon_vma()",
        "anon.AnonRules._anon_sum",
    ),
    _vm(28, "Shared memory has no anon_vma.", "do_cow_fault()", "anon.AnonRules.anon"),
    _vm(
        29,
        "Every vm_area_struct that is out is in an address space.",
        "vm_area_free()",
        "spaces.SpaceRules.totals",
    ),
    _vm(
        30,
        "Every anon_vma and link that is out is reached from a VMA.",
        "unlink_anon_vmas()",
        "spaces.SpaceRules.totals",
    ),
    _vm(
        31,
        "A file VMA is among those of its inode, and no other is.",
        "vma_link_file()",
        "areas.AreaRules.file_links",
    ),
    _vm(
        32,
        "i_mmap_writable is the number of shared VMAs that may write.",
        "mapping_map_writable()",
        "spaces.SpaceRules._inode",
    ),
    _vm(
        33,
        "The pages charged are those of VM_ACCOUNT areas and of shared memory objects.",
        "security_vm_enough_memory_mm()",
        "spaces.SpaceRules.totals",
    ),
    _vm(
        35,
        "An address space's tree keeps gaps and has the external lock.",
        "mm_init()",
        "spaces.SpaceRules.space",
    ),
    _vm(
        36,
        "pgtables_bytes is the size of the tables below the pgd, put by for a huge page or not.",
        "mm_inc_nr_ptes(), check_mm()",
        "entries.EntryRules.resident_sums",
    ),
    _vm(
        37,
        "Page-table entries lie only inside of VMAs.",
        "free_pgtables(), unmap_vmas()",
        "entries.EntryRules.judge_entry",
    ),
    _vm(
        38,
        "rss_stat is the number of entries of each kind: file, anonymous, swapped, shmem.",
        "check_mm()",
        "entries.EntryRules.resident_sums",
    ),
    _vm(
        39,
        "A page's mapcount is the number of entries that map it.",
        "page_add_anon_rmap(), page_remove_rmap()",
        "entries.EntryRules.mapped_sum",
    ),
    _vm(
        40,
        "The VMA that maps an anonymous page has its anon_vma in the chain and its index in place.",
        "__page_check_anon_rmap()",
        "entries.EntryRules.judge_page",
    ),
    _vm(
        41,
        "A page of a file belongs to the inode that the VMA maps, at the VMA's offset.",
        "vma_address(), linear_page_index()",
        "entries.EntryRules.judge_page",
    ),
    _vm(
        42,
        "No file VMA reaches past the largest size of its file.",
        "file_mmap_ok()",
        "entries.EntryRules.area",
    ),
    _vm(
        43,
        "An entry is writable only if its VMA is, of an anonymous page only if that is exclusive.",
        "maybe_mkwrite(), PageAnonExclusive()",
        "entries.EntryRules.judge_entry",
    ),
    _vm(
        44,
        "The page of a migration entry is locked.",
        "pfn_swap_entry_to_page()",
        "entries.EntryRules.judge_absent",
    ),
    _vm(
        45,
        "A mapped page is a frame of memory and has a reference for each mapping.",
        "folio_get(), zap_pte_range()",
        "entries.EntryRules.mapped_sum",
    ),
    _vm(
        46,
        "A swap slot's count is the number of entries that name it.",
        "swap_duplicate()",
        "entries.EntryRules.sums_of_tables",
    ),
    _vm(
        47,
        "nrpages is the number of small pages in the inode's cache.",
        "__filemap_add_folio()",
        "entries.EntryRules.sums_of_tables",
        "step",
    ),
    _vm(48, "pgd is the mm's own top table, and asce's.", "pgd_alloc()", "tables.TableRules.space"),
    _vm(49, "hugetlb_usage is 512 a huge page.", "check_mm()", "entries.EntryRules.resident_sums"),
    _vm(50, "The pool's lists are as counted.", "struct hstate", "huge_pool.HugePoolCheck.lists"),
    _vm(
        51,
        "resv_huge_pages is what maps of files and areas say is promised and not used.",
        "hugetlb_acct_memory(), struct resv_map",
        "huge_pool.HugePoolCheck.promises",
    ),
    _vm(52, "Processor and kernel read an entry alike.", "set_pte()", "tables.TableRules.read"),
    _vm(53, "A table has one entry, at its place.", "pmd_populate()", "tables.TableRules.below"),
    _vm(
        54,
        "An area has a userfaultfd context if and only if it has flags of one, and may be written.",
        "userfaultfd_register(), userfaultfd_release(), fs/userfaultfd.c",
        "areas.AreaRules.area",
    ),
    _vm(
        55,
        "A segment's shm_nattch is the number of areas attached to it.",
        "shm_open(), shm_close(), ipc/shm.c",
        "segments.SegmentCheck.full",
    ),
)
"""In the order of their numbers."""

"""Where the address-space structures keep their fields, by profile.

The offsets come from the kernels' own BTF: 6.1 is Debian's 6.1.192 for x86-64 (NUMA, swap,
userfaultfd), 6.18 a 6.18.44 to which CONFIG_ANON_VMA_NAME is added. Only members that the twin
uses are listed.
Where the kernel holds a pointer to something that the twin does not model, the member holds the
thing itself, and its description says so. ``task_struct``, ``signal_struct``, ``cred`` and the
twin's own structures are compact selections with offsets of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmtwin.memory.layout import Field, Layout
from mmtwin.space.flags import RLIM_NLIMITS
from mmtwin.space.offsets_s390x import MM_S390X, VMA_S390X

VMA_MEMBERS = {
    "vm_start": "first byte",
    "vm_end": "first byte after the area",
    "vm_mm": "struct mm_struct",
    "vm_page_prot": "protection bits of its page-table entries",
    "vm_flags": "VM_*",
    "shared_next": "next in the mapping's i_mmap (rb_parent_color)",
    "shared_prev": "previous in the mapping's i_mmap (rb_right)",
    "anon_vma_chain_next": "list of anon_vma_chain, newest first",
    "anon_vma_chain_prev": "its other end",
    "anon_vma": "struct anon_vma of its own pages, 0 while never write-faulted",
    "vm_ops": "struct vm_operations_struct; 0 means anonymous",
    "vm_pgoff": "page offset of vm_start in the file, or in the anonymous object",
    "vm_file": "struct file (open file description), 0 for none",
    "vm_private_data": "of special mappings struct vm_special_mapping; of private huge pages struct"
    " resv_map and HPAGE_RESV_* bits",
    "vm_policy": "memory policy, 0 for the default",
    "anon_name": "name given by prctl(PR_SET_VMA)",
    "vm_userfaultfd_ctx": "struct userfaultfd_ctx, 0 for none",
}
VMA_STRINGS = {"anon_name"}
VMA_6_1 = (
    152,
    {
        "vm_start": 0,
        "vm_end": 8,
        "vm_mm": 16,
        "vm_page_prot": 24,
        "vm_flags": 32,
        "shared_next": 40,
        "shared_prev": 48,
        "anon_name": 40,
        "anon_vma_chain_next": 72,
        "anon_vma_chain_prev": 80,
        "anon_vma": 88,
        "vm_ops": 96,
        "vm_pgoff": 104,
        "vm_file": 112,
        "vm_private_data": 120,
        "vm_policy": 136,
        "vm_userfaultfd_ctx": 144,
    },
)
VMA_6_18 = (
    192,
    {
        "vm_start": 0,
        "vm_end": 8,
        "vm_mm": 16,
        "vm_page_prot": 24,
        "vm_flags": 32,
        "anon_vma_chain_next": 48,
        "anon_vma_chain_prev": 56,
        "anon_vma": 64,
        "vm_ops": 72,
        "vm_pgoff": 80,
        "vm_file": 88,
        "vm_private_data": 96,
        "vm_policy": 112,
        "shared_next": 136,
        "shared_prev": 144,
        "anon_name": 168,
        "vm_userfaultfd_ctx": 176,
    },
)

MM_MEMBERS = {
    "mm_mt": "struct maple_tree of the VMAs",
    "mmap_base": "where top-down searches begin (exclusive end)",
    "mmap_legacy_base": "where bottom-up searches begin",
    "task_size": "end of user space",
    "pgd": "the top page table",
    "pgtables_bytes": "bytes of page tables below the top one",
    "hiwater_rss": "most pages ever resident, as of the last time some went",
    "rss_stat": "resident pages of files (rss_stat[MM_FILEPAGES])",
    "rss_stat_1": "anonymous pages (rss_stat[MM_ANONPAGES])",
    "rss_stat_2": "pages swapped out (rss_stat[MM_SWAPENTS])",
    "rss_stat_3": "pages of shared memory (rss_stat[MM_SHMEMPAGES])",
    "mm_users": "tasks that use the address space",
    "mm_count": "references to the structure",
    "map_count": "number of VMAs",
    "hiwater_vm": "most pages ever mapped, as of the last time total_vm was lowered",
    "total_vm": "pages mapped",
    "locked_vm": "pages in VM_LOCKED areas",
    "pinned_vm": "pages pinned for ever",
    "data_vm": "pages in private writable areas that are no stack",
    "exec_vm": "pages in executable areas that are not writable and no stack",
    "stack_vm": "pages in stack areas",
    "def_flags": "VM_* that every new area gets",
    "start_code": "program text",
    "end_code": "end of it",
    "start_data": "program data",
    "end_data": "end of it",
    "start_brk": "where the heap begins",
    "brk": "the program break",
    "start_stack": "stack pointer at exec",
    "arg_start": "argument strings",
    "arg_end": "end of them",
    "env_start": "environment strings",
    "env_end": "end of them",
    "flags": "MMF_* and, in the twin, the layout bit MM_TOPDOWN",
    "owner": "struct task_struct whose limits and capabilities count",
    "hugetlb_usage": "pages of 4 KiB in huge pages that are mapped",
    "pgtable_list_next": "s390: pages of which one half is a page table (context.pgtable_list)",
    "pgtable_list_prev": "the list's end",
    "asce": "s390: address of that table and how many levels there are (context.asce)",
    "asce_limit": "s390: end of what the page tables reach (context.asce_limit)",
}
MM_HALVES = {"mm_users", "mm_count", "map_count"}
MM_6_1 = (
    1096,
    {
        "mm_mt": 0,
        "mmap_base": 32,
        "mmap_legacy_base": 40,
        "task_size": 64,
        "pgd": 72,
        "mm_users": 84,
        "mm_count": 88,
        "pgtables_bytes": 96,
        "map_count": 104,
        "hiwater_rss": 176,
        "hiwater_vm": 184,
        "total_vm": 192,
        "locked_vm": 200,
        "pinned_vm": 208,
        "data_vm": 216,
        "exec_vm": 224,
        "stack_vm": 232,
        "def_flags": 240,
        "start_code": 256,
        "end_code": 264,
        "start_data": 272,
        "end_data": 280,
        "start_brk": 288,
        "brk": 296,
        "start_stack": 304,
        "arg_start": 312,
        "arg_end": 320,
        "env_start": 328,
        "env_end": 336,
        "rss_stat": 728,
        "rss_stat_1": 736,
        "rss_stat_2": 744,
        "rss_stat_3": 752,
        "flags": 904,
        "owner": 928,
        "hugetlb_usage": 1000,
    },
)
MM_6_18 = (
    1472,
    {
        "mm_count": 0,
        "mm_mt": 64,
        "mmap_base": 80,
        "mmap_legacy_base": 88,
        "task_size": 112,
        "pgd": 120,
        "mm_users": 132,
        "pgtables_bytes": 168,
        "map_count": 176,
        "hiwater_rss": 344,
        "hiwater_vm": 352,
        "total_vm": 360,
        "locked_vm": 368,
        "pinned_vm": 376,
        "data_vm": 384,
        "exec_vm": 392,
        "stack_vm": 400,
        "def_flags": 408,
        "start_code": 424,
        "end_code": 432,
        "start_data": 440,
        "end_data": 448,
        "start_brk": 456,
        "brk": 464,
        "start_stack": 472,
        "arg_start": 480,
        "arg_end": 488,
        "env_start": 496,
        "env_end": 504,
        "rss_stat": 968,
        "rss_stat_1": 1008,
        "rss_stat_2": 1048,
        "rss_stat_3": 1088,
        "flags": 1272,
        "owner": 1296,
        "hugetlb_usage": 1376,
    },
)

MM_TOPDOWN_BIT = 63
"""Bit of ``mm.flags`` that says: unmapped areas are searched from the top (MMF_TOPDOWN in 6.18,
the choice of ``get_unmapped_area`` function in 6.1)."""

ANON_VMA_FIELDS = (
    Field("root", 0, 8, "struct anon_vma whose lock covers the whole family", "pointer"),
    Field("refcount", 48, 4, "references"),
    Field("num_children", 56, 8, "anon_vmas whose parent this is; a root counts itself"),
    Field("num_active_vmas", 64, 8, "VMAs whose own anon_vma this is"),
    Field("parent", 72, 8, "struct anon_vma of the VMA this one was forked from", "pointer"),
    Field("first", 80, 8, "first anon_vma_chain in its tree (rb_root)", "pointer"),
    Field("count", 88, 8, "links in its tree (the kernel keeps rb_leftmost here)"),
)
ANON_VMA_CHAIN_FIELDS = (
    Field("vma", 0, 8, "the VMA", "pointer"),
    Field("anon_vma", 8, 8, "one of the anon_vmas its pages may hang on", "pointer"),
    Field("same_vma_next", 16, 8, "next link of the same VMA", "pointer"),
    Field("same_vma_prev", 24, 8, "previous link of the same VMA", "pointer"),
    Field("tree_next", 32, 8, "next link of the same anon_vma (rb_parent_color)", "pointer"),
    Field("tree_prev", 40, 8, "previous link of the same anon_vma (rb_right)", "pointer"),
    Field("cached_vma_start", 48, 8, "vm_pgoff when it was put in (rb_left)"),
    Field("cached_vma_last", 56, 8, "last page offset when it was put in (rb_subtree_last)"),
)
VM_OPERATIONS_FIELDS = (
    Field("open", 0, 8, "called when a copy of the area appears", "pointer"),
    Field("close", 8, 8, "called when an area goes", "pointer"),
    Field("may_split", 16, 8, "may the area be split?", "pointer"),
    Field("mremap", 24, 8, "called after a move", "pointer"),
    Field("mprotect", 32, 8, "called before a change of protection", "pointer"),
    Field("fault", 40, 8, "gives the page", "pointer"),
    Field("map_pages", 56, 8, "maps what is cached around a fault", "pointer"),
    Field("name", 96, 8, "gives the area's name for /proc", "pointer"),
)
FILE_OPERATIONS_FIELDS = (
    Field("kind", 0, 8, "what mmap does, one of FILE_*"),
    Field("get_unmapped_area", 8, 8, "the file's own search, one of AREA_*"),
    Field("maxbytes", 16, 8, "largest size of such a file, in bytes"),
)
SPECIAL_MAPPING_FIELDS = (
    Field("name", 0, 8, "name in /proc/PID/maps", "string"),
    Field("mremap", 8, 8, "has a mremap hook"),
    Field("pages", 16, 8, "head of the xarray of its pages", "pointer"),
)
FILE_MEMBERS = {
    "f_mode": (4, "FMODE_*"),
    "f_op": (8, "struct file_operations"),
    "f_inode": (8, "struct inode"),
    "f_mapping": (8, "struct address_space"),
    "f_flags": (4, "O_* of the open call"),
    "f_count": (8, "references"),
    "f_path": (8, "the path's number (the kernel: a dentry)"),
}
FILE_6_1 = (
    232,
    {
        "f_path": 24,
        "f_inode": 32,
        "f_op": 40,
        "f_count": 56,
        "f_flags": 64,
        "f_mode": 68,
        "f_mapping": 216,
    },
)
FILE_6_18 = (
    184,
    {
        "f_mode": 4,
        "f_op": 8,
        "f_mapping": 16,
        "f_inode": 32,
        "f_flags": 40,
        "f_path": 72,
        "f_count": 176,
    },
)
INODE_MEMBERS = {
    "i_flags": (4, "S_*; the twin's own: bit 31 tells a noexec mount, bit 30 a stranger's file"),
    "i_sb": (8, "device number, major<<20 | minor (the kernel: the superblock)"),
    "i_mapping": (8, "struct address_space"),
    "i_ino": (8, "inode number"),
    "i_nlink": (4, "names it has"),
    "i_size": (8, "bytes"),
    "i_hash": (8, "next inode of the same hash bucket"),
    "i_count": (4, "references"),
    "i_mmap_writable": (4, "VMAs that share it and may write (i_data)"),
    "i_mmap": (8, "first VMA that maps it (i_data)"),
    "i_pages": (8, "head of the xarray of its pages (i_data.i_pages.xa_head)"),
    "nrpages": (8, "pages in the cache (i_data)"),
    "i_resv_map": (8, "of hugetlbfs: struct resv_map (i_data.i_private_data)"),
    "i_charged": (8, "pages charged for a shmem object (the kernel: shmem_inode_info)"),
    "i_seals": (4, "F_SEAL_* of a memfd (the kernel: shmem_inode_info)"),
}
INODE_6_18 = (
    616,
    {
        "i_flags": 12,
        "i_sb": 40,
        "i_mapping": 48,
        "i_ino": 64,
        "i_nlink": 72,
        "i_size": 80,
        "i_hash": 208,
        "i_count": 344,
        "i_pages": 392,
        "i_mmap_writable": 444,
        "i_mmap": 448,
        "nrpages": 464,
        "i_resv_map": 560,
        "i_charged": 600,
        "i_seals": 608,
    },
)
INODE_6_1 = (632, {**INODE_6_18[1], "i_hash": 216, "nrpages": 504})

TASK_FIELDS = (
    Field("mm", 0, 8, "struct mm_struct", "pointer"),
    Field("signal", 8, 8, "struct signal_struct", "pointer"),
    Field("cred", 16, 8, "struct cred", "pointer"),
    Field("personality", 24, 8, "persona bits", "flags"),
    Field("pid", 32, 8, "thread id"),
    Field("usage", 40, 8, "references"),
)
SIGNAL_FIELDS = (
    Field("rlim_cur", 0, 8, "soft limits by RLIMIT_*", "word", RLIM_NLIMITS),
    Field("rlim_max", 128, 8, "hard limits by RLIMIT_*", "word", RLIM_NLIMITS),
)
CRED_FIELDS = (Field("cap_effective", 0, 8, "capability bits", "flags"),)
SYSCTL_FIELDS = (
    Field("max_map_count", 0, 8, "vm.max_map_count"),
    Field("mmap_min_addr", 8, 8, "lowest address that hints and stacks get, bytes"),
    Field("stack_guard_gap", 16, 8, "bytes kept free below a VM_GROWSDOWN area"),
    Field("overcommit_memory", 24, 8, "vm.overcommit_memory: 0 guess, 1 always, 2 never"),
    Field("overcommit_ratio", 32, 8, "vm.overcommit_ratio, per cent"),
    Field("overcommit_kbytes", 40, 8, "vm.overcommit_kbytes, 0 to use the ratio"),
    Field("admin_reserve_kbytes", 48, 8, "vm.admin_reserve_kbytes"),
    Field("user_reserve_kbytes", 56, 8, "vm.user_reserve_kbytes"),
    Field("totalram_pages", 64, 8, "pages of RAM"),
    Field("total_swap_pages", 72, 8, "pages of swap"),
    Field("vm_committed_as", 80, 8, "pages charged"),
    Field("legacy_va_layout", 88, 8, "vm.legacy_va_layout"),
    Field("thp_enabled", 96, 8, "transparent huge pages: 0 never, 1 madvise, 2 always"),
    Field("vsyscall", 104, 8, "1 if the gate area is listed in /proc/PID/maps"),
    Field("last_ino", 112, 8, "last inode number given to a shmem object"),
    Field("anon_vma_name", 120, 8, "1 if anonymous areas can be named (CONFIG_ANON_VMA_NAME)"),
    Field("pkeys", 128, 8, "1 if the CPU has protection keys"),
    Field("soft_dirty", 136, 8, "1 with CONFIG_MEM_SOFT_DIRTY"),
    Field("thp", 144, 8, "1 with CONFIG_TRANSPARENT_HUGEPAGE"),
    Field("dac_mmap_min_addr", 152, 8, "vm.mmap_min_addr as set: below it takes CAP_SYS_RAWIO"),
    Field("committed_batch", 160, 8, "vm_committed_as_batch, pages; 0: charges count at once"),
    Field("committed_held", 168, 8, "the batch + what the processor has not yet added (signed)"),
    Field(
        "shmem_enabled",
        176,
        8,
        "huge pages of shared memory: 0 never, 1 always, 2 within_size, 3 advise, 4 deny, 5 force",
    ),
)
HSTATE_FIELDS = (
    Field("nr_huge_pages", 0, 8, "huge pages there are (HugePages_Total)"),
    Field("free_huge_pages", 8, 8, "those that nobody uses, promised or not"),
    Field("resv_huge_pages", 16, 8, "promised to mappings, not yet used"),
    Field("surplus_huge_pages", 24, 8, "beyond the pool's size, to be given back"),
    Field("nr_overcommit_huge_pages", 32, 8, "most surplus pages, vm.nr_overcommit_hugepages"),
    Field("hugepage_activelist_next", 40, 8, "list of pages in use, latest first", "pointer"),
    Field("hugepage_activelist_prev", 48, 8, "its other end", "pointer"),
    Field("hugepage_freelist_next", 56, 8, "list of free pages, next one first", "pointer"),
    Field("hugepage_freelist_prev", 64, 8, "its other end", "pointer"),
)
RESV_MAP_FIELDS = (
    Field("refs", 0, 4, "VMAs that share it"),
    Field("regions_next", 8, 8, "list of file_region, lowest first", "pointer"),
    Field("regions_prev", 16, 8, "its other end", "pointer"),
)
FILE_REGION_FIELDS = (
    Field("link_next", 0, 8, "next region of the map", "pointer"),
    Field("link_prev", 8, 8, "previous region", "pointer"),
    Field("from", 16, 8, "first huge page of the file"),
    Field("to", 24, 8, "huge page after the last"),
)
XA_NODE_SIZE = 576
"""sizeof(struct xa_node) on 64-bit."""


def _layout(
    name: str, placed: tuple[int, dict[str, int]], docs: dict[str, tuple[int, str]], source: str
) -> Layout:
    size, offsets = placed
    fields = []
    for member, offset in offsets.items():
        width, doc = docs[member]
        kind = "string" if member in VMA_STRINGS or member == "f_path" else "word"
        fields.append(Field(member, offset, width, doc, kind))
    return Layout(name, size, source, fields)


@dataclass(frozen=True, slots=True)
class Layouts:
    """The layouts of one profile, by structure name."""

    vm_area_struct: Layout
    mm_struct: Layout
    anon_vma: Layout
    anon_vma_chain: Layout
    file: Layout
    inode: Layout
    vm_operations_struct: Layout
    file_operations: Layout
    vm_special_mapping: Layout
    task_struct: Layout
    signal_struct: Layout
    cred: Layout
    sysctl: Layout
    hstate: Layout
    resv_map: Layout
    file_region: Layout

    def slabs(self) -> dict[str, tuple[int, int]]:
        """Object size and alignment in bytes of every slab cache that this floor asks for."""
        return {
            "vm_area_struct": (self.vm_area_struct.size, 8),
            "mm_struct": (self.mm_struct.size, 64),
            "anon_vma": (self.anon_vma.size, 8),
            "anon_vma_chain": (self.anon_vma_chain.size, 8),
            "filp": (self.file.size, 64),
            "inode_cache": (self.inode.size, 8),
            "task_struct": (self.task_struct.size, 64),
            "signal_cache": (self.signal_struct.size, 64),
            "cred_jar": (self.cred.size, 64),
            "radix_tree_node": (XA_NODE_SIZE, 8),
        }


def layouts_for(layout: str) -> Layouts:
    """The layouts by the name that a profile gives (``profile.layout``); :class:`KeyError`."""
    source, vma, mm, file, inode = {
        "6.1": ("Linux 6.1, x86-64", VMA_6_1, MM_6_1, FILE_6_1, INODE_6_1),
        "s390x": ("Linux 6.1, s390x", VMA_S390X, MM_S390X, FILE_6_1, INODE_6_1),
        "6.18": ("Linux 6.18, x86-64", VMA_6_18, MM_6_18, FILE_6_18, INODE_6_18),
    }[layout]
    own = "the twin's selection"
    return Layouts(
        vm_area_struct=_layout(
            "vm_area_struct", vma, {k: (8, d) for k, d in VMA_MEMBERS.items()}, source
        ),
        mm_struct=_layout(
            "mm_struct",
            mm,
            {k: (4 if k in MM_HALVES else 8, d) for k, d in MM_MEMBERS.items()},
            source,
        ),
        anon_vma=Layout("anon_vma", 96, source, ANON_VMA_FIELDS),
        anon_vma_chain=Layout("anon_vma_chain", 64, source, ANON_VMA_CHAIN_FIELDS),
        file=_layout("file", file, FILE_MEMBERS, source),
        inode=_layout("inode", inode, INODE_MEMBERS, source),
        vm_operations_struct=Layout("vm_operations_struct", 128, source, VM_OPERATIONS_FIELDS),
        file_operations=Layout("file_operations", 24, own, FILE_OPERATIONS_FIELDS),
        vm_special_mapping=Layout("vm_special_mapping", 24, own, SPECIAL_MAPPING_FIELDS),
        task_struct=Layout("task_struct", 48, own, TASK_FIELDS),
        signal_struct=Layout("signal_struct", 256, own, SIGNAL_FIELDS),
        cred=Layout("cred", 8, own, CRED_FIELDS),
        sysctl=Layout("sysctl", 184, own, SYSCTL_FIELDS),
        hstate=Layout("hstate", 72, own, HSTATE_FIELDS),
        resv_map=Layout("resv_map", 120, source, RESV_MAP_FIELDS),
        file_region=Layout("file_region", 48, source, FILE_REGION_FIELDS),
    )

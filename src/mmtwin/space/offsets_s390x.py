"""Where Linux 6.1 for s390x keeps the members of VMAs and address spaces.

From the debug information of Debian's 6.1.176, which is built without NUMA: there is no
``vm_policy``.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Placed: TypeAlias = tuple[int, dict[str, int]]
"""Size in bytes, offsets by member."""

VMA_S390X: Final[Placed] = (
    144,
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
        "vm_userfaultfd_ctx": 136,
    },
)
MM_S390X: Final[Placed] = (
    992,
    {
        "mm_mt": 0,
        "mmap_base": 32,
        "mmap_legacy_base": 40,
        "task_size": 48,
        "pgd": 56,
        "mm_users": 68,
        "mm_count": 72,
        "pgtables_bytes": 80,
        "map_count": 88,
        "hiwater_rss": 152,
        "hiwater_vm": 160,
        "total_vm": 168,
        "locked_vm": 176,
        "pinned_vm": 184,
        "data_vm": 192,
        "exec_vm": 200,
        "stack_vm": 208,
        "def_flags": 216,
        "start_code": 232,
        "end_code": 240,
        "start_data": 248,
        "end_data": 256,
        "start_brk": 264,
        "brk": 272,
        "start_stack": 280,
        "arg_start": 288,
        "arg_end": 296,
        "env_start": 304,
        "env_end": 312,
        "rss_stat": 672,
        "rss_stat_1": 680,
        "rss_stat_2": 688,
        "rss_stat_3": 696,
        "pgtable_list_next": 760,
        "pgtable_list_prev": 768,
        "asce": 800,
        "asce_limit": 808,
        "flags": 832,
        "owner": 856,
    },
)

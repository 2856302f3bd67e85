"""Documentation pages that are made from the code."""

from __future__ import annotations

from mmtwin.check import invariants
from mmtwin.check.page_words import RULES

_JUDGED = (
    "*state* rules are judged from memory alone, by the whole check and by the check of what a "
    "step touched; *step* rules from what a step wrote; *behaviour* rules by asking the tree and "
    "comparing with its leaves."
)


_ASSERTED = (
    "Where the kernel has a BUG_ON, VM_BUG_ON or VM_WARN_ON that can be judged here, the engine "
    "stops at it, whatever is checked afterwards: in `vma_merge`, `__vma_adjust`, `vma_expand`, "
    "`copy_vma`, `move_vma`, `mprotect_fixup`, `do_mas_align_munmap`, `exit_mmap`, `check_mm`, "
    "`insert_vm_struct`, `find_mergeable_anon_vma`, `unlink_anon_vmas`, "
    "`populate_vma_page_range`, `unmap_page_range`, `setup_arg_pages`, `shift_arg_pages`; of 6.18 "
    "in `vma_merge_existing_range`, `vma_expand`, `vms_complete_munmap_vmas`, `relocate_vma_down` "
    "(`tests/space/test_kernel_assertions.py` breaks most of them).\n"
    "Left out are those on mmap_lock, folio locks and page-table locks, which the twin does not "
    "have, and those on `DEBUG_VM_MAPLE_TREE`'s second walk over what munmap gathered: VM-01 and "
    "VM-03 find the same."
)


def invariants_page() -> str:
    """docs/invariants.md."""
    lines = [
        "# Invariants",
        "",
        "Every rule has an id that does not change.",
        _JUDGED,
        "This page is made from the registry (`mmtwin.check.invariants`).",
        "",
        "| id | rule | judged from | in the kernel | judged by |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {rule.id} | {_cell(rule.statement)} | {rule.how} | {_cell(rule.source)} "
        f"| `{rule.judge}` |"
        for rule in invariants.REGISTRY.values()
    ]
    lines += ["", "## What the kernel asserts itself", "", _ASSERTED]
    lines += [
        "",
        "## The page allocator",
        "",
        "Judged from memory alone (`mmtwin.check.page_words.RULES`).",
        "",
        "| id | rule |",
        "|---|---|",
    ]
    lines += [f"| {name} | {_cell(rule)}. |" for name, rule in RULES.items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

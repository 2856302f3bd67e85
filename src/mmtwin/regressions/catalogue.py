"""The catalogue: every historical bug that can be put back, by name."""

from __future__ import annotations

from mmtwin.regressions import (
    anon_active_uncounted,
    anon_chain_not_copied,
    anon_dup_reversed,
    anon_unlinked_enomem,
    append_under_readers,
    brk_no_area,
    brk_rmap_stale,
    charge_leak,
    collapse_holes_counted,
    copy_without_anon_vma,
    deficient_right_edge,
    dense_split,
    dontunmap_locked,
    dontunmap_pgoff,
    end_pivot_overrun,
    exit_map_count,
    huge_split_miscounted,
    live_leaf_root,
    mbind_underflow,
    merge_down_pgoff,
    metadata_as_entry,
    migration_entry_left,
    munmap_error_lost,
    munmap_locked_early,
    munmap_locked_first,
    munmap_search_limit,
    null_into_empty,
    null_past_end,
    prealloc_error_lost,
    prealloc_spent,
    prev_after_pause,
    root_limit_missing,
    search_below_min,
    search_past_root,
    segment_unheard,
    span_copies_right,
    sparse_window,
    split_insert_spent,
    stale_node_copy,
    sufficient_by_one,
    tree_without_rcu,
    watched_at_wrong_offset,
    window_state,
)
from mmtwin.regressions.regression import Regression

_MODULES = (
    stale_node_copy,
    prealloc_spent,
    append_under_readers,
    deficient_right_edge,
    dense_split,
    end_pivot_overrun,
    live_leaf_root,
    metadata_as_entry,
    null_into_empty,
    null_past_end,
    prealloc_error_lost,
    prev_after_pause,
    root_limit_missing,
    search_below_min,
    search_past_root,
    span_copies_right,
    sparse_window,
    sufficient_by_one,
    window_state,
    split_insert_spent,
    exit_map_count,
    anon_unlinked_enomem,
    brk_rmap_stale,
    migration_entry_left,
    anon_active_uncounted,
    anon_chain_not_copied,
    brk_no_area,
    charge_leak,
    dontunmap_locked,
    dontunmap_pgoff,
    merge_down_pgoff,
    munmap_error_lost,
    munmap_locked_early,
    munmap_locked_first,
    munmap_search_limit,
    tree_without_rcu,
    collapse_holes_counted,
    huge_split_miscounted,
    anon_dup_reversed,
    copy_without_anon_vma,
    mbind_underflow,
    segment_unheard,
    watched_at_wrong_offset,
)

_CATALOGUE: dict[str, Regression] = {
    module.REGRESSION.name: module.REGRESSION for module in _MODULES
}


def every() -> list[Regression]:
    """All regressions, in the order of the catalogue."""
    return list(_CATALOGUE.values())


def get(name: str) -> Regression:
    """The regression of that name; :class:`KeyError` if there is none."""
    return _CATALOGUE[name]

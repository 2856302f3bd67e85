"""The historical bugs of the page allocator, by name."""

from __future__ import annotations

from mmtwin.regressions import (
    page_cma_wrong_list,
    page_double_free,
    page_drain_stale_type,
    page_highatomic_double_decrease,
    page_isolated_counted,
    page_isolated_merge,
    page_merge_across_types,
    page_reserve_mislabelled,
    page_retype_first_block,
    page_split_uncounted,
    page_steal_unclaimed,
    page_unreserve_first_block,
)
from mmtwin.regressions.page_bug import PageRegression

PAGE_REGRESSIONS: dict[str, PageRegression] = {
    module.REGRESSION.name: module.REGRESSION
    for module in (
        page_cma_wrong_list,
        page_double_free,
        page_drain_stale_type,
        page_highatomic_double_decrease,
        page_isolated_counted,
        page_isolated_merge,
        page_merge_across_types,
        page_reserve_mislabelled,
        page_retype_first_block,
        page_split_uncounted,
        page_steal_unclaimed,
        page_unreserve_first_block,
    )
}

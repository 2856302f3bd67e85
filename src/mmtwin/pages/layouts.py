"""The structures of the page allocator: where their fields lie.

``struct page`` has the kernel's own offsets. ``struct zone``, ``struct free_area`` and
``struct per_cpu_pages`` differ with every configuration; theirs are the twin's, in the kernel's
names, all words of 8 bytes.
"""

from __future__ import annotations

from mmtwin.memory.layout import Field, Layout

VMEMMAP = 0xFFFFEA0000000000
"""Where x86-64 with four page-table levels shows the memory map."""
PAGE_SIZE = 4096
STRUCT_PAGE_SIZE = 64

# Bits of page->flags that say where a page belongs (NODES_PGSHIFT, ZONES_PGSHIFT).
NODE_SHIFT = 54
ZONE_SHIFT = 51
ZONE_MASK = 7

LIST_POISON1 = 0xDEAD000000000100
LIST_POISON2 = 0xDEAD000000000122

STRUCT_PAGE_315 = Layout(
    "page",
    STRUCT_PAGE_SIZE,
    "Linux 3.15, x86-64",
    [
        Field("flags", 0x00, 8, "PG_* bits, zone and node in the top bits", "flags"),
        Field("mapping", 0x08, 8, "address_space or anon_vma", "pointer"),
        Field("index", 0x10, 8, "file offset; of a free page: its cached migratetype"),
        Field("pfmemalloc", 0x10, 1, "the page came from below the watermarks"),
        Field("mapcount", 0x18, 4, "_mapcount: -1 unmapped, -128 PageBuddy"),
        Field("refcount", 0x1C, 4, "_count"),
        Field("lru", 0x20, 8, "next in a list", "pointer"),
        Field("lru_prev", 0x28, 8, "previous in a list", "pointer"),
        Field("private", 0x30, 8, "of a free page: its order"),
        Field("first_page", 0x30, 8, "of a tail page: the head", "pointer"),
    ],
)

STRUCT_PAGE_61 = Layout(
    "page",
    STRUCT_PAGE_SIZE,
    "Linux 6.1 and 6.18, x86-64",
    [
        Field("flags", 0x00, 8, "PG_* bits, zone and node in the top bits", "flags"),
        Field("lru", 0x08, 8, "next in a list (buddy_list, pcp_list)", "pointer"),
        Field("compound_head", 0x08, 8, "of a tail page: the head, with bit 0 set", "pointer"),
        Field("lru_prev", 0x10, 8, "previous in a list", "pointer"),
        Field("mapping", 0x18, 8, "address_space or anon_vma", "pointer"),
        Field("index", 0x20, 8, "file offset; up to 6.9, of a free page: its cached migratetype"),
        Field("private", 0x28, 8, "of a free page: its order"),
        Field("mapcount", 0x30, 4, "_mapcount and page_type"),
        Field("refcount", 0x34, 4, "_refcount"),
        Field("memcg_data", 0x38, 8, "the memory cgroup that is charged", "pointer"),
    ],
)

ZONE_NAME = 0
ZONE_NODE = 8
ZONE_INDEX = 16
ZONE_START_PFN = 24
ZONE_SPANNED = 32
ZONE_PRESENT = 40
ZONE_MANAGED = 48
ZONE_WATERMARK = 56
ZONE_BOOST = 88
ZONE_LOWMEM_RESERVE = 96
ZONE_NR_MIGRATE_RESERVE = 136
ZONE_NR_RESERVED_HIGHATOMIC = 144
ZONE_NR_ISOLATE = 152
ZONE_CMA_PAGES = 160
ZONE_NR_FREE_HIGHATOMIC = 168
ZONE_NR_FREE_PAGES = 176
ZONE_NR_FREE_CMA = 184
ZONE_NR_ALLOC_BATCH = 192
ZONE_PRISTINE_FIRST = 200
ZONE_PRISTINE_END = 208
ZONE_PCP_HIGH = 216
ZONE_PCP_BATCH = 224
ZONE_PAGESETS = 232
ZONE_FLAGS = 240
ZONE_PAGE_FLAGS = 248
ZONE_MANAGED_FIRST = 256
ZONE_USED = 264
ZONE_FREE_AREA = 272
FREE_AREA_LISTS = 6
FREE_AREA_NR_FREE = 16 * FREE_AREA_LISTS
FREE_AREA_SIZE = FREE_AREA_NR_FREE + 8
ORDERS = 11
ZONE_LRU = ZONE_FREE_AREA + ORDERS * FREE_AREA_SIZE
ZONE_COMPACT_FREE = ZONE_LRU + 40
ZONE_COMPACT_MIGRATE = ZONE_COMPACT_FREE + 8
ZONE_COMPACT_INIT_MIGRATE = ZONE_COMPACT_MIGRATE + 16
ZONE_COMPACT_INIT_FREE = ZONE_COMPACT_INIT_MIGRATE + 8
ZONE_COMPACT_CONSIDERED = ZONE_COMPACT_INIT_FREE + 8
ZONE_COMPACT_DEFER_SHIFT = ZONE_COMPACT_CONSIDERED + 8
ZONE_COMPACT_ORDER_FAILED = ZONE_COMPACT_DEFER_SHIFT + 8
ZONE_COMPACT_FLUSH = ZONE_COMPACT_ORDER_FAILED + 8
ZONE_SIZE = ZONE_COMPACT_FLUSH + 8
ZONES_MAX = 5
"""Zones a node can have: DMA, DMA32, Normal, Movable, Device."""

BOOSTED_WATERMARK = 1
"""Bit of zone->flags: wake kswapd when the allocation is done (ZONE_BOOSTED_WATERMARK)."""
RECLAIM_ACTIVE = 2
"""Bit of zone->flags: reclaim is at work, per-cpu lists stay short (ZONE_RECLAIM_ACTIVE)."""

ZONE = Layout(
    "zone",
    ZONE_SIZE,
    "the twin's own order, the kernel's names",
    [
        Field("name", ZONE_NAME, 8, "DMA, DMA32, Normal, Movable", "string"),
        Field("node", ZONE_NODE, 8, "the node's number"),
        Field("index", ZONE_INDEX, 8, "zone_idx(): 0 is DMA"),
        Field("zone_start_pfn", ZONE_START_PFN, 8, "first frame spanned"),
        Field("spanned_pages", ZONE_SPANNED, 8, "frames from the first to the last, with holes"),
        Field("present_pages", ZONE_PRESENT, 8, "frames without holes"),
        Field("managed_pages", ZONE_MANAGED, 8, "frames given to the buddy allocator"),
        Field("_watermark", ZONE_WATERMARK, 8, "MIN, LOW, HIGH, PROMO, in pages", count=4),
        Field("watermark_boost", ZONE_BOOST, 8, "added to every mark, in pages"),
        Field("lowmem_reserve", ZONE_LOWMEM_RESERVE, 8, "by the request's highest zone", count=5),
        Field(
            "nr_migrate_reserve_block", ZONE_NR_MIGRATE_RESERVE, 8, "up to 4.3: blocks asked for"
        ),
        Field("nr_reserved_highatomic", ZONE_NR_RESERVED_HIGHATOMIC, 8, "pages, since 4.4"),
        Field("nr_isolate_pageblock", ZONE_NR_ISOLATE, 8, "isolated pageblocks"),
        Field("cma_pages", ZONE_CMA_PAGES, 8, "pages in CMA pageblocks"),
        Field("nr_free_highatomic", ZONE_NR_FREE_HIGHATOMIC, 8, "6.18: free pages of that type"),
        Field("nr_free_pages", ZONE_NR_FREE_PAGES, 8, "NR_FREE_PAGES"),
        Field("nr_free_cma", ZONE_NR_FREE_CMA, 8, "NR_FREE_CMA_PAGES"),
        Field("nr_alloc_batch", ZONE_NR_ALLOC_BATCH, 8, "3.15: NR_ALLOC_BATCH"),
        Field("pristine_first", ZONE_PRISTINE_FIRST, 8, "first frame of the pristine run"),
        Field("pristine_end", ZONE_PRISTINE_END, 8, "first frame after the pristine run"),
        Field("pcp_high", ZONE_PCP_HIGH, 8, "per-cpu pages: count at which they are drained"),
        Field("pcp_batch", ZONE_PCP_BATCH, 8, "per-cpu pages: moved at once"),
        Field("pagesets", ZONE_PAGESETS, 8, "struct per_cpu_pages of cpu 0", "pointer"),
        Field("flags", ZONE_FLAGS, 8, "ZONE_* bits", "flags"),
        Field("page_flags", ZONE_PAGE_FLAGS, 8, "page->flags of a free page of this zone", "flags"),
        Field("managed_first", ZONE_MANAGED_FIRST, 8, "first frame that is not reserved at boot"),
        Field("used", ZONE_USED, 8, "pages handed out: the twin's own count, for none to be lost"),
        Field("lru", ZONE_LRU, 8, "NR_ZONE_INACTIVE_ANON and the four after it", count=5),
        Field("compact_cached_free_pfn", ZONE_COMPACT_FREE, 8, "where the free scanner goes on"),
        Field(
            "compact_cached_migrate_pfn", ZONE_COMPACT_MIGRATE, 8, "by mode: async, sync", count=2
        ),
        Field("compact_init_migrate_pfn", ZONE_COMPACT_INIT_MIGRATE, 8, "where it began"),
        Field("compact_init_free_pfn", ZONE_COMPACT_INIT_FREE, 8, "where it began"),
        Field("compact_considered", ZONE_COMPACT_CONSIDERED, 8, "times put off in a row"),
        Field("compact_defer_shift", ZONE_COMPACT_DEFER_SHIFT, 8, "put off 1 << so many times"),
        Field("compact_order_failed", ZONE_COMPACT_ORDER_FAILED, 8, "least order that failed"),
        Field("compact_blockskip_flush", ZONE_COMPACT_FLUSH, 8, "the skip bits are to be cleared"),
    ],
)

PCP_COUNT = 0
PCP_HIGH = 8
PCP_BATCH = 16
PCP_FREE_FACTOR = 24
PCP_HIGH_MIN = 32
PCP_HIGH_MAX = 40
PCP_LOCK = 48
PCP_LISTS = 64
PCP_LISTS_MAX = 14
PCP_SIZE = PCP_LISTS + 16 * PCP_LISTS_MAX

PER_CPU_PAGES = Layout(
    "per_cpu_pages",
    PCP_SIZE,
    "the twin's own order, the kernel's names",
    [
        Field("count", PCP_COUNT, 8, "pages on the lists"),
        Field("high", PCP_HIGH, 8, "count at which pages are given back"),
        Field("batch", PCP_BATCH, 8, "pages taken from the buddy lists at once"),
        Field("free_factor", PCP_FREE_FACTOR, 8, "how often the batch to free was doubled"),
        Field("high_min", PCP_HIGH_MIN, 8, "6.18: bounds between which high moves"),
        Field("high_max", PCP_HIGH_MAX, 8, "6.18"),
        Field("lock", PCP_LOCK, 8, "1 while held; a trylock then fails"),
        Field("lists", PCP_LISTS, 8, "next and previous of each list", "pointer", 28),
    ],
)

# vm.* settings that the allocator reads, and its global sums.
SYSCTL_MIN_FREE_KBYTES = 0
SYSCTL_USER_MIN_FREE_KBYTES = 8
SYSCTL_WATERMARK_SCALE = 16
SYSCTL_WATERMARK_BOOST = 24
SYSCTL_LOWMEM_RATIO = 32
SYSCTL_MOBILITY_DISABLED = 72
SYSCTL_TOTALRESERVE = 80
SYSCTL_PAGELIST_FRACTION = 88
SYSCTL_DEFRAG_MODE = 96
SYSCTL_SWAPPINESS = 104
SYSCTL_PANIC_ON_OOM = 112
SYSCTL_OOM_KILL_ALLOCATING_TASK = 120
SYSCTL_SIZE = 128

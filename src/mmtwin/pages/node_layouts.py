"""``struct pglist_data`` and the counters of memory that is in use: where their fields lie.

The order is the twin's own, the names are the kernel's; all words of 8 bytes.
"""

from __future__ import annotations

from mmtwin.memory.layout import Field, Layout

LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE, LRU_UNEVICTABLE = range(5)
LRU_ACTIVE = 1
LRU_FILE = 2
NR_LRU_LISTS = 5
LRU_NAMES = ("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")

NODE_STATS = (
    *LRU_NAMES,
    "isolated_anon",
    "isolated_file",
    "mapped",
    "file_pages",
    "swapcached",
    "shmem",
    "dirty",
    "writeback",
    "slab_reclaimable",
    "slab_unreclaimable",
    "pagetables",
    "kernel_stack",
    "anon_pages",
    "workingset_activate_anon",
    "workingset_activate_file",
    "mlock",
)
"""node_stat_item, in pages: the first five are NR_LRU_BASE + the number of the list.

``mlock`` is a zone's in kernels.
"""
STAT = {name: 8 * nth for nth, name in enumerate(NODE_STATS)}

PRIVATE_LISTS = (
    "folio_list",
    "ret_folios",
    "free_folios",
    "folios_skipped",
    "l_active",
    "l_inactive",
    "migratepages",
    "freepages",
    "contig",
    "failed",
)
"""Lists that the kernel keeps on its stack while it reclaims and compacts."""

NODE_LISTS = 0
NODE_STAT = 16 * NR_LRU_LISTS
NODE_PRIVATE = NODE_STAT + 8 * len(NODE_STATS)
NODE_WORDS = NODE_PRIVATE + 16 * len(PRIVATE_LISTS)
_WORDS = (
    ("anon_cost", "pages that were costly to reclaim, anonymous"),
    ("file_cost", "pages that were costly to reclaim, of files"),
    ("refaults_anon", "workingset_activate_anon when reclaim last ended"),
    ("refaults_file", "workingset_activate_file when reclaim last ended"),
    ("kswapd_order", "the largest order that woke kswapd"),
    ("kswapd_highest_zoneidx", "the highest zone asked for; 5 is none"),
    ("kswapd_failures", "runs of kswapd in a row that freed nothing"),
    ("kswapd_woken", "1 from being woken until kswapd has run"),
    ("kcompactd_max_order", "the largest order that woke kcompactd"),
    ("kcompactd_highest_zoneidx", "the highest zone that kcompactd is to compact"),
    ("flags", "PGDAT_DIRTY 1, PGDAT_WRITEBACK 2"),
)
WORD = {name: NODE_WORDS + 8 * nth for nth, (name, _) in enumerate(_WORDS)}
NODE_SIZE = NODE_WORDS + 8 * len(_WORDS)
PGDAT_DIRTY = 1
PGDAT_WRITEBACK = 2
NO_ZONE = 5

NODE = Layout(
    "pglist_data",
    NODE_SIZE,
    "the twin's own order, the kernel's names",
    [
        Field("lists", NODE_LISTS, 8, "the LRU lists: next and previous of each", "pointer", 10),
        *(Field(name, NODE_STAT + at, 8, "pages") for name, at in STAT.items()),
        *(
            Field(name, NODE_PRIVATE + 16 * nth, 8, "next and previous", "pointer", 2)
            for nth, name in enumerate(PRIVATE_LISTS)
        ),
        *(Field(name, WORD[name], 8, doc) for name, doc in _WORDS),
    ],
)

VM_EVENTS = (
    "pgactivate",
    "pgdeactivate",
    "pgscan_kswapd",
    "pgscan_direct",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "pgrefill",
    "pgrotated",
    "pageoutrun",
    "allocstall",
    "pswpin",
    "pswpout",
    "pglazyfreed",
    "unevictable_pgs_culled",
    "unevictable_pgs_rescued",
    "pgmigrate_success",
    "pgmigrate_fail",
    "compact_migrate_scanned",
    "compact_free_scanned",
    "compact_isolated",
    "compact_stall",
    "compact_fail",
    "compact_success",
    "compact_daemon_wake",
    "oom_kill",
)
"""What /proc/vmstat counts since boot."""
EVENT = {name: 8 * nth for nth, name in enumerate(VM_EVENTS)}
EVENTS_SIZE = 8 * len(VM_EVENTS)

"""The registry of invariants: every rule with its stable id, its statement and where it comes from.

Rules of ``MT`` are the maple tree's and keep the numbers of the list they were drawn from; rules of
``VM`` are the address space's. ``how`` tells when a rule can be judged:

``state``
    from the present words of memory alone; the whole check and the step check judge it.
``step``
    from what a step wrote, or in which order.
``behaviour``
    by asking the tree and comparing the answer with its leaves, read by the checker itself.
"""

from __future__ import annotations

from mmtwin.check.invariant import How, Invariant
from mmtwin.check.space_invariants import OF_SPACES

MT_VALIDATE = "mt_validate(), lib/maple_tree.c"


def _mt(number: int, statement: str, how: How, source: str, judge: str) -> Invariant:
    return Invariant(f"MT-{number:02}", statement, "maple", how, source, judge)


OF_TREES = (
    _mt(
        1,
        "ma_root is NULL, a direct entry, or a node of the right type.",
        "state",
        "struct maple_tree",
        "tree.TreeCheck.enter",
    ),
    _mt(
        2,
        "The height in ma_flags is the real depth, 0 if and only if there is no node.",
        "state",
        "mas_start(), lib/maple_tree.c",
        "tree.TreeCheck.enter",
    ),
    _mt(
        3,
        "A slot of an inner node holds a leaf at the bottom level, an inner node of the tree's "
        "one type above it.",
        "state",
        "struct maple_node",
        "tree.TreeCheck._legal",
    ),
    _mt(
        4,
        "A parent word names the parent and the slot in it; the root's names the tree.",
        "state",
        MT_VALIDATE,
        "node.NodeRules.parent",
    ),
    _mt(5, "No reachable node is dead.", "state", MT_VALIDATE, "node.NodeRules.parent"),
    _mt(6, "Every node is reached exactly once.", "state", MT_VALIDATE, "tree.TreeCheck.visit"),
    _mt(
        7,
        "Pivots rise strictly from the node's min to its max, and the last one is the max.",
        "state",
        MT_VALIDATE,
        "node.NodeRules._limits",
    ),
    _mt(
        8,
        "The data end, as the kernel reads it, is the slot whose range ends at the max.",
        "state",
        "ma_data_end(), lib/maple_tree.c",
        "node.NodeRules.rules",
    ),
    _mt(
        9,
        "Behind the data end there is nothing but the metadata.",
        "state",
        MT_VALIDATE,
        "node.NodeRules._behind",
    ),
    _mt(
        10,
        "Every used slot of an inner node holds a child.",
        "state",
        MT_VALIDATE,
        "tree.TreeCheck._children",
    ),
    _mt(
        11,
        "A node that is not the root has enough slots.",
        "state",
        MT_VALIDATE,
        "node.NodeRules.rules",
    ),
    _mt(
        12,
        "An inner root has two children at least.",
        "state",
        "mas_rebalance()",
        "node.NodeRules.rules",
    ),
    _mt(13, "No two NULL slots adjoin.", "state", MT_VALIDATE, "node.NodeRules._leaf"),
    _mt(
        14, "Only the last leaf ends in NULL.", "state", "mas_is_span_wr()", "node.NodeRules._leaf"
    ),
    _mt(
        15,
        "A tree with nodes holds an entry; from 6.6 on a root leaf may be left with one NULL.",
        "state",
        "mas_new_root()",
        "tree.TreeCheck.whole",
    ),
    _mt(
        16,
        "A node's slots cover its range to the end.",
        "state",
        "struct maple_node",
        "node.NodeRules._limits",
    ),
    _mt(
        17,
        "No leaf holds an internal entry, the zero entry apart.",
        "state",
        "xa_is_internal()",
        "node.NodeRules._leaf",
    ),
    _mt(
        18,
        "A gap is the largest gap of the child below it.",
        "state",
        MT_VALIDATE,
        "tree.TreeCheck._child",
    ),
    _mt(
        19,
        "meta.gap names a slot with the largest gap.",
        "state",
        "mas_validate_gaps(), since Linux 6.5",
        "node.NodeRules._inner",
    ),
    _mt(
        20,
        "A search for an empty area finds the lowest (highest) one there is, or -EBUSY.",
        "behaviour",
        "mas_empty_area(), mas_empty_area_rev()",
        "behaviour.Behaviour.areas",
    ),
    _mt(
        21,
        "A look-up gives the entry that the leaves hold; a walk gives each once, in order.",
        "behaviour",
        "mtree_load(), mas_find(), mas_find_rev()",
        "behaviour.Behaviour.lookups",
    ),
    _mt(
        22,
        "A store changes its range and nothing outside it.",
        "behaviour",
        "mas_store()",
        "behaviour.Reference.compare",
    ),
    _mt(
        25,
        "No call returns metadata, a pivot or a node as an entry.",
        "behaviour",
        "mas_next(), mas_prev()",
        "behaviour.Behaviour.walks",
    ),
    _mt(
        26,
        "Every node that is out is in a tree or waits for a grace period.",
        "state",
        "mas_destroy()",
        "tree.TreeCheck.node_sum",
    ),
    _mt(
        27,
        "A store with nodes set aside never asks the allocator for more.",
        "state",
        "mas_store_prealloc()",
        "tree.TreeCheck.unprepared",
    ),
    _mt(
        29,
        "In RCU mode a reachable node's data end and an inner node's pivots do not change in "
        "place.",
        "step",
        "mas_wr_modify(), commit cfeb6ae8bcb9",
        "step.StepCheck.in_place",
    ),
    _mt(
        31,
        "A node that waits for a grace period is dead.",
        "state",
        "ma_free_rcu()",
        "tree.TreeCheck.queued",
    ),
)
"""In the order of their numbers."""

REGISTRY: dict[str, Invariant] = {rule.id: rule for rule in (*OF_TREES, *OF_SPACES)}
"""All invariants by id."""


def invariant(identifier: str) -> Invariant:
    """The invariant of that id; :class:`KeyError` if there is none."""
    return REGISTRY[identifier]

"""The inner loops' way to a node's words.

Compiled rooms have the same functions inlined from the package's ``__init__.pxd``; these serve
where the rooms run as plain Python. A node is looked up once (``index_of``), its words are then
read by number: word 0 is the parent word, word ``1 + i`` pivot ``i``, the slots begin at
``slot_word``. The functions for single fields are the methods of :class:`Nodes` without a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmtwin.maple.nodes import Nodes
    from mmtwin.maple.state import MaState


def index_of(nodes: Nodes, node: int) -> int:
    """Where the node's words begin in physical memory, as a word number.

    0 if they must be reached through the memory: it is watched, the node is not in the direct map,
    or words are 32 bits wide.
    """
    memory = nodes.memory
    if nodes.wide and node >= memory.base:
        offset = node - memory.base
        if offset < memory.limit and offset & 7 == 0:
            return offset >> 3
    return 0


def number_of(nodes: Nodes, x: int, k: int) -> int:
    """Which of the memory's words is word ``k`` of the node whose ``index_of``, not 0, is ``x``."""
    return x + k


def word(nodes: Nodes, x: int, node: int, k: int) -> int:
    """Word ``k`` of ``node``, whose ``index_of`` is ``x``."""
    if x and 0 <= k < 32:
        return nodes.memory.w[x + k]
    return nodes.load_word(node + nodes.W * k)


def put(nodes: Nodes, x: int, node: int, k: int, value: int) -> int:
    """Store word ``k`` of ``node``. Returns 0."""
    if x and 0 <= k < 32:
        return nodes.memory.poke(x + k, value)
    return nodes.store_word(node + nodes.W * k, value)


def is_dead(nodes: Nodes, x: int, node: int) -> bool:
    """``ma_dead_node``."""
    return word(nodes, x, node, 0) & ~255 == node


def died(nodes: Nodes, x: int, node: int) -> bool:
    """``ma_dead_node`` once more, after reads from a node that was alive.

    What nobody watches (``x`` is not 0) cannot have changed meanwhile.
    """
    return x == 0 and is_dead(nodes, x, node)


def end_of(nodes: Nodes, x: int, node: int, type: int, max: int) -> int:
    """``ma_data_end``."""
    last = nodes.pivots_of[type]
    if type != 3:
        pivot = word(nodes, x, node, last)
        if pivot:
            return last - 1 if pivot == max else last
    return (word(nodes, x, node, nodes.meta_word[type]) >> nodes.meta_end_shift) & 255


def slot_for(nodes: Nodes, x: int, node: int, end: int, index: int) -> int:
    """The first slot whose pivot is at least ``index``, ``end`` if no pivot before it is."""
    at = 0
    while at < end and word(nodes, x, node, at + 1) < index:
        at += 1
    return at


def next_slot_for(nodes: Nodes, x: int, node: int, at: int, end: int, index: int) -> int:
    """The first slot from ``at`` on whose pivot is at least ``index``; a zero pivot behind slot 0
    is the node's end, and so is ``end``."""
    while at < end:
        pivot = word(nodes, x, node, at + 1)
        if index <= pivot or (pivot == 0 and at > 0):
            break
        at += 1
    return at


def leaf_gap(nodes: Nodes, x: int, node: int, slots: int, end: int, widest: int, at: int) -> int:
    """The longest run of NULL in the slots ``at`` (at least 1) to ``end`` (exclusive), or
    ``widest``. The slots begin at the word ``slots``; no two NULLs adjoin."""
    while at < end:
        if word(nodes, x, node, slots + at) == 0:
            widest = max(widest, word(nodes, x, node, at + 1) - word(nodes, x, node, at))
            at += 1
        at += 1
    return widest


def gap_before(
    nodes: Nodes,
    x: int,
    node: int,
    type: int,
    offset: int,
    low: int,
    min: int,
    max: int,
    index: int,
    last: int,
    size: int,
) -> int:
    """The slot from ``offset`` leftwards that has a gap of ``size`` within ``index`` to ``last``,
    or is the first to end below ``index``; -1 if there is neither.

    The slot ``offset`` covers ``min`` to ``max``, the node begins at ``low``. A slot beside a NULL
    is passed over: two NULLs never adjoin.
    """
    ranges = type == 3
    values = nodes.gap_word if ranges else nodes.slot_word[type]
    while index <= max:
        gap = word(nodes, x, node, values + offset)
        if not ranges:
            gap = max - min + 1 if gap == 0 else 0
        if gap and size <= gap and last >= min and size - 1 <= last - min:
            return offset
        steps = 2 if gap and not ranges else 1
        if offset < steps:
            return -1
        offset -= steps
        max = word(nodes, x, node, offset + 1)
        min = nodes.mas_safe_min(node, offset, low)
    return offset


def read_words(
    nodes: Nodes, x: int, node: int, first: int, count: int, to: list[int], at: int
) -> int:
    """Copy ``count`` words of ``node`` from number ``first`` on to ``to[at]`` and what follows."""
    for i in range(count):
        to[at + i] = word(nodes, x, node, first + i)
    return 0


def read_pivots(
    nodes: Nodes, x: int, node: int, first: int, end: int, max: int, to: list[int], at: int
) -> int:
    """Copy the pivots ``first`` to ``end`` (exclusive) to ``to[at]`` and what follows; a pivot of
    0 or ``max`` is the last. The number of that pivot, or ``end``."""
    while first < end:
        pivot = to[at] = word(nodes, x, node, first + 1)
        if pivot in (0, max):
            break
        first += 1
        at += 1
    return first


def write_words(
    nodes: Nodes, x: int, node: int, first: int, count: int, source: list[int], at: int
) -> int:
    """Store ``count`` words from ``source[at]`` on, the first as number ``first`` of ``node``."""
    for i in range(count):
        put(nodes, x, node, first + i, source[at + i])
    return 0


def clear_words(nodes: Nodes, x: int, node: int, first: int, end: int) -> int:
    """Clear the words ``first`` to ``end`` (exclusive) of ``node``."""
    for i in range(first, end):
        put(nodes, x, node, i, 0)
    return 0


def slot_at(nodes: Nodes, node: int, type: int, at: int) -> int:
    """``slot``."""
    return nodes.slot(node, type, at)


def put_slot(nodes: Nodes, node: int, type: int, at: int, value: int) -> int:
    """``set_slot``."""
    return nodes.set_slot(node, type, at, value)


def pivot_at(nodes: Nodes, node: int, at: int) -> int:
    """``pivot``."""
    return nodes.pivot(node, at)


def put_pivot(nodes: Nodes, node: int, at: int, value: int) -> int:
    """``set_pivot``."""
    return nodes.set_pivot(node, at, value)


def gap_at(nodes: Nodes, node: int, at: int) -> int:
    """``gap``."""
    return nodes.gap(node, at)


def put_gap(nodes: Nodes, node: int, at: int, value: int) -> int:
    """``set_gap``."""
    return nodes.set_gap(node, at, value)


def meta_end_at(nodes: Nodes, node: int, type: int) -> int:
    """``meta_end``."""
    return nodes.meta_end(node, type)


def meta_gap_at(nodes: Nodes, node: int) -> int:
    """``meta_gap``."""
    return nodes.meta_gap(node)


def put_meta(nodes: Nodes, node: int, type: int, gap: int, end: int) -> int:
    """``ma_set_meta``."""
    return nodes.ma_set_meta(node, type, gap, end)


def type_of(nodes: Nodes, enode: int) -> int:
    """``node_type``."""
    return nodes.node_type(enode)


def parent_at(nodes: Nodes, node: int) -> int:
    """``parent_word``."""
    return nodes.parent_word(node)


def put_parent(nodes: Nodes, node: int, value: int) -> int:
    """``set_parent_word``."""
    return nodes.set_parent_word(node, value)


def root_node(nodes: Nodes, node: int) -> bool:
    """``ma_is_root``."""
    return nodes.ma_is_root(node)


def dead_node(nodes: Nodes, node: int) -> bool:
    """``ma_dead_node``."""
    return nodes.ma_dead_node(node)


def parent_of(nodes: Nodes, enode: int) -> int:
    """``mte_parent``."""
    return nodes.mte_parent(enode)


def parent_slot_of(nodes: Nodes, enode: int) -> int:
    """``mte_parent_slot``."""
    return nodes.mte_parent_slot(enode)


def set_parent_of(nodes: Nodes, enode: int, parent: int, slot: int) -> int:
    """``mte_set_parent``."""
    return nodes.mte_set_parent(enode, parent, slot)


def set_dead(nodes: Nodes, enode: int) -> int:
    """``mte_set_node_dead``."""
    return nodes.mte_set_node_dead(enode)


def data_end_of(nodes: Nodes, node: int, type: int, max: int) -> int:
    """``ma_data_end``."""
    return nodes.ma_data_end(node, type, max)


def end_at(nodes: Nodes, mas: MaState) -> int:
    """The last used slot of the node that a state is in."""
    return nodes.ma_data_end(mas.node & ~255, nodes.node_type(mas.node), mas.max)


def safe_pivot(nodes: Nodes, node: int, type: int, at: int, max: int) -> int:
    """``mas_safe_pivot``."""
    return nodes.mas_safe_pivot(node, type, at, max)


def safe_min(nodes: Nodes, node: int, at: int, min: int) -> int:
    """``mas_safe_min``."""
    return nodes.mas_safe_min(node, at, min)


def flags_of(nodes: Nodes, tree: int) -> int:
    """``flags``."""
    return nodes.flags(tree)


def in_rcu(nodes: Nodes, tree: int) -> bool:
    """``mt_in_rcu``."""
    return nodes.mt_in_rcu(tree)


def has_gaps(nodes: Nodes, tree: int) -> bool:
    """``mt_is_alloc``."""
    return nodes.mt_is_alloc(tree)


def height_of(nodes: Nodes, tree: int) -> int:
    """``mt_height``."""
    return nodes.mt_height(tree)


def inner_type_of(nodes: Nodes, tree: int) -> int:
    """``inner_type``."""
    return nodes.inner_type(tree)


def root_of(nodes: Nodes, tree: int) -> int:
    """``root``."""
    return nodes.root(tree)

"""The inner loops' way to a node's words.

Compiled rooms have the same functions inlined from the package's ``__init__.pxd``; these serve
where the rooms run as plain Python. A node is looked up once (``index_of``), its words are then
read by number: word 0 is the parent word, word ``1 + i`` pivot ``i``, the slots begin at
``slot_word``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmtwin.maple.nodes import Nodes


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

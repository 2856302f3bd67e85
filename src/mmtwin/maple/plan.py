"""The node budget of a store, told beforehand.

One preallocation serves one store, and a store that runs out of nodes where it may not sleep stops
the kernel. This says, by reading only, which way a store will take and why, how many nodes it will
take, how many the era's ``mas_preallocate`` would have got, and what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmtwin.machine.bug import KernelBug
from mmtwin.maple.nodes import (
    MAPLE_ARANGE_64,
    MAPLE_HEIGHT_MAX,
    MAPLE_LEAF_64,
    MAPLE_RANGE_64,
)
from mmtwin.maple.state import MA_NONE, MA_ROOT, MaState, SubtreeState, WrState

if TYPE_CHECKING:
    from mmtwin.maple.lifecycle import Lifecycle

BULK = 1


@dataclass(frozen=True, slots=True)
class StorePlan:
    """What a store would do.

    ``path`` is ``store_root``, ``new_root``, ``exact_fit``, ``append``, ``slot_store``,
    ``node_store``, ``one_node`` (through the big node into one leaf), ``rebalance``,
    ``split_store`` or ``spanning_store``; ``reason`` says why in words. ``index`` and ``last``
    (inclusive) are the range as it will be stored: a NULL is widened over the NULLs beside it.

    ``nodes_needed``: how many nodes the store takes. ``nodes_asked``: how many it makes sure of
    before it writes. ``preallocated``: how many the era's ``mas_preallocate`` asks for.
    """

    path: str
    reason: str
    index: int
    last: int
    nodes_needed: int
    nodes_asked: int
    preallocated: int

    @property
    def left(self) -> int:
        """Preallocated nodes that the store does not take; they are given back after it."""
        return self.preallocated - self.nodes_needed

    @property
    def second_store_allocates(self) -> bool:
        """Another store on the same preallocation has to allocate: :meth:`Maple.mas_store_prealloc`
        gives everything back, however much was left."""
        return True

    def __str__(self) -> str:
        return (
            f"{self.path} of {self.index:#x}-{self.last:#x}: {self.reason}; takes "
            f"{self.nodes_needed} of {self.preallocated} preallocated, {self.left} left"
        )


@dataclass(slots=True)
class _Way:
    path: str
    reason: str
    needed: int = 0
    asked: int = 0


def plan_store(engine: Lifecycle, mas: MaState, entry: int) -> StorePlan:
    """The plan of storing ``entry`` over ``mas.index`` to ``mas.last``; nothing changes, not even
    the state."""
    probe = _copy(mas)
    preallocated = engine.mas_preallocate_count(probe, entry)
    wr = WrState(SubtreeState())
    wr.mas = _copy(mas)
    wr.entry = entry
    engine.mas_wr_store_setup(wr)
    way = _typed(engine, wr) if engine.era.typed else _ladder(engine, wr)
    return StorePlan(
        way.path, way.reason, wr.mas.index, wr.mas.last, way.needed, way.asked, preallocated
    )


def _bounded(levels: int) -> None:
    """No tree has more levels: a corrupt one must not keep the plan going."""
    if levels > MAPLE_HEIGHT_MAX + 1:
        raise KernelBug("the tree is deeper than any", "mas_plan")


def _copy(mas: MaState) -> MaState:
    copy = MaState(mas.tree, mas.index, mas.last)
    for name in ("node", "min", "max", "status", "depth", "offset", "mas_flags", "end"):
        setattr(copy, name, getattr(mas, name))
    return copy


def _root(engine: Lifecycle, wr: WrState) -> _Way:
    mas = wr.mas
    if wr.entry == 0:
        if mas.index == 0:
            return _Way("store_root", "NULL at index 0 empties a tree without nodes")
        return _Way("store_root", "a tree without nodes holds nothing there")
    if mas.index == 0 and mas.last == 0 and wr.entry & 3 != 2:
        return _Way("store_root", "index 0 alone is kept in ma_root itself")
    return _Way("store_root", "the first leaf is made", 1, 1)


def _new_root(wr: WrState) -> _Way:
    if wr.entry == 0:
        return _Way("new_root", "the store empties the whole tree")
    return _Way("new_root", "the store covers everything", 1, 1)


def _ladder(engine: Lifecycle, wr: WrState) -> _Way:
    """The way up to 6.11: the first that fits."""
    mas = wr.mas
    wr.content = engine.mas_start(mas)
    if mas.status in (MA_NONE, MA_ROOT):
        return _root(engine, wr)
    if not engine.mas_wr_walk(wr):
        return _spanning(engine, wr)
    engine.mas_wr_end_piv(wr)
    if wr.entry == 0:
        engine.mas_wr_extend_null(wr)
    if mas.index == 0 and mas.last == engine.max_index:
        return _new_root(wr)
    if wr.r_min == mas.index and wr.r_max == mas.last:
        return _Way("exact_fit", "the range is one slot's")
    slots = engine.mt_slots(wr.type)
    rcu = engine.mt_in_rcu(mas.tree)
    size = wr.node_end - wr.offset_end + mas.offset + 2 + (mas.max == engine.max_index)
    if size < slots:
        behind = mas.index != wr.r_min and mas.last == wr.r_max
        before = mas.index == wr.r_min and mas.last < wr.r_max
        last_slot = wr.node_end < slots - 1 and mas.offset == wr.node_end
        if wr.entry and last_slot and (behind or before) and not rcu:
            return _Way("append", "the last slot is cut in two in place")
        one_edge = (wr.r_min == mas.index) != (wr.end_piv == mas.last)
        if wr.offset_end - mas.offset == 1 and one_edge:
            return _Way("slot_store", "one slot and the border to its neighbour change")
        if _fits_node_store(engine, wr):
            return _node_store(rcu)
    return _big_node(engine, wr)


def _fits_node_store(engine: Lifecycle, wr: WrState) -> bool:
    mas = wr.mas
    new_end, tail = wr.node_end, wr.offset_end
    if mas.last == wr.r_max:
        if mas.last == mas.max:
            new_end = mas.offset
    elif mas.last < wr.r_max:
        new_end += 1
    else:
        new_end -= tail + (wr.end_piv == mas.last) - mas.offset - 1
    new_end += wr.r_min < mas.index
    if new_end >= engine.mt_slots(wr.type):
        return False
    large = new_end > engine.mt_min_slots(wr.type)
    return large or bool(mas.mas_flags & BULK) or engine.ma_is_root(mas.node & ~255)


def _node_store(rcu: bool) -> _Way:
    if rcu:
        return _Way("node_store", "the leaf is rebuilt as a new node for the readers' sake", 1, 1)
    return _Way("node_store", "the leaf is rebuilt in place")


def _typed(engine: Lifecycle, wr: WrState) -> _Way:
    """The way from 6.12 on: by store type."""
    mas = wr.mas
    kind = engine.mas_wr_store_type(wr)
    mas.store_type = kind
    asked = engine.mas_prealloc_calc(wr)
    from mmtwin.maple import typed

    rcu = engine.mt_in_rcu(mas.tree)
    if kind == typed.WR_STORE_ROOT:
        way = _root(engine, wr)
    elif kind == typed.WR_NEW_ROOT:
        way = _new_root(wr)
    elif kind == typed.WR_SPANNING_STORE:
        way = _spanning(engine, wr)
    elif kind == typed.WR_EXACT_FIT:
        way = _Way("exact_fit", "the range is one slot's")
    elif kind == typed.WR_APPEND:
        way = _Way("append", "the last slot is cut in place")
    elif kind == typed.WR_SLOT_STORE:
        way = _Way("slot_store", "only borders between slots move")
    elif kind == typed.WR_NODE_STORE:
        way = _node_store(rcu)
    else:
        way = _big_node(engine, wr)
    way.asked = asked
    return way


def _big_node(engine: Lifecycle, wr: WrState) -> _Way:
    """Through the big node: the leaf's new data decides by its size."""
    mas, bn = wr.mas, wr.mast.bn
    bn.clear()
    leaf = _copy(mas)
    engine.mas_store_b_node(wr, wr.offset_end)
    wr.mas = leaf
    leaf.index, leaf.last = mas.index, mas.last
    height = engine.mt_height(mas.tree)
    count = bn.b_end + 1
    lone = engine.ma_is_root(leaf.node & ~255) or height <= 1
    if bn.b_end < engine.mt_min_slots(wr.type) and not lone:
        return _rebalance(engine, wr, leaf, height)
    if bn.b_end >= engine.mt_slots(wr.type):
        return _split(engine, leaf, bn.b_end, height)
    if engine.mt_in_rcu(mas.tree):
        return _Way("one_node", f"{count} slots go to a new leaf", 1, 1)
    return _Way("one_node", f"{count} slots go to the leaf itself")


def _split(engine: Lifecycle, leaf: MaState, b_end: int, height: int) -> _Way:
    """Count the levels that overflow, looking for a sibling with room on each."""
    at, needed, levels = _copy(leaf), 0, 0
    kind = engine.node_type(at.node)
    while True:
        _bounded(levels)
        if b_end < engine.mt_slots(kind):
            needed += 1
            ending = "the parent has room" if levels else "it fits"
            break
        needed += 2
        levels += 1
        side = _pushes(engine, at, b_end, kind)
        if side:
            needed += 1
            ending = f"the {side} sibling takes some"
            break
        if engine.ma_is_root(at.node & ~255):
            kind = engine.inner_type(at.tree)
            needed += 1
            ending = "a new root goes above"
            break
        engine.mas_ascend(at)
        kind = engine.node_type(at.node)
        b_end = engine.mas_data_end(at) + 1
    reason = f"{levels} level{'s' * (levels != 1)} overflow, then {ending}"
    return _Way("split_store", reason, needed, 1 + 2 * height)


def _pushes(engine: Lifecycle, at: MaState, b_end: int, kind: int) -> str:
    space = 2 * engine.mt_slots(kind) - 2
    space -= (kind == MAPLE_LEAF_64) + (at.max == engine.max_index)
    left, right = _copy(at), _copy(at)
    if engine.mas_prev_sibling(left) and b_end + engine.mas_data_end(left) < space:
        return "left"
    if engine.mas_next_sibling(right) and b_end + engine.mas_data_end(right) < space:
        return "right"
    return ""


def _rebalance(engine: Lifecycle, wr: WrState, leaf: MaState, height: int) -> _Way:
    """Join with a sibling and follow the loop upwards."""
    bn = wr.mast.bn
    bn.b_end += 1
    left, right = _copy(leaf), _copy(leaf)
    count = bn.b_end
    if engine.mas_next_sibling(right):
        side = "right"
        engine.mas_mab_cp(right, 0, engine.mt_slots(bn.type), bn, count)
    else:
        side = "left"
        engine.mas_prev_sibling(left)
        shift = engine.mas_data_end(left) + 1
        engine.mab_shift_right(bn, shift)
        engine.mas_mab_cp(left, 0, shift - 1, bn, 0)
        bn.b_end = shift + count
    reason = f"{count} slots are too few for a leaf, the {side} sibling joins"
    return _Way("rebalance", reason, _climb(engine, wr, left, right, height), 1 + 3 * height)


def _spanning(engine: Lifecycle, wr: WrState) -> _Way:
    """Both edges, what they leave between them, and the loop upwards."""
    mas, mast, bn = wr.mas, wr.mast, wr.mast.bn
    if mas.index == 0 and mas.last == engine.max_index:
        return _new_root(wr)
    height = engine.mt_height(mas.tree)
    left, right = _copy(mas), _copy(mas)
    l_wr, r_wr = mast.l_wr, mast.r_wr
    l_wr.mas, r_wr.mas, l_wr.entry, r_wr.entry = left, right, wr.entry, wr.entry
    right.index = right.last = min(mas.last + 1, engine.max_index)
    engine.mas_wr_walk_index(r_wr)
    right.last = right.index = mas.last
    engine.mas_wr_walk_index(l_wr)
    if wr.entry == 0:
        engine.mas_extend_spanning_null(l_wr, r_wr)
        mas.index, mas.last = left.index, right.last
        left.last = right.last
    if left.index == 0 and right.last == engine.max_index:
        return _new_root(wr)
    bn.clear()
    engine.mas_store_b_node(l_wr, l_wr.node_end)
    if right.max > right.last:
        engine.mas_mab_cp(right, right.offset, r_wr.node_end, bn, bn.b_end + 1)
    else:
        bn.b_end += 1
    why = "the range leaves its leaf"
    if wr.entry == 0 and left.node == right.node:
        why = "a NULL would end its leaf"
    needed = _climb(engine, wr, left, right, height + 1)
    return _Way("spanning_store", why, needed, 1 + 3 * height)


def _climb(engine: Lifecycle, wr: WrState, left: MaState, right: MaState, levels: int) -> int:
    """How many nodes the rebuild upwards takes, by counting slots level by level."""
    bn, top, tree = wr.mast.bn, engine.max_index, wr.mas.tree
    kind, count = engine.node_type(left.node), bn.b_end
    needed = 0
    if count <= engine.mt_min_slots(kind) and not (left.min == 0 and right.max == top):
        count += _neighbour(engine, left, right, bn_shift=wr)
    passed = 0
    while levels > 0:
        levels -= 1
        passed += 1
        _bounded(passed)
        slots = engine.mt_slots(kind)
        made = 1
        if count > slots:
            n = count - 1
            null = kind == MAPLE_LEAF_64 and bn.get_slot(n // 2) == 0
            made = 3 if n >= 2 * slots or (null and n >= 2 * slots - 1) else 2
        needed += made
        low, high = left.min, right.max
        if made == 1 and low == 0 and high == top:
            return needed
        engine.mas_ascend(left)
        engine.mas_ascend(right)
        kind = MAPLE_ARANGE_64 if engine.mt_is_alloc(tree) else MAPLE_RANGE_64
        before, _ = _slot_of(engine, left, low)
        at, end = _slot_of(engine, right, high)
        count = before + made
        if high < right.max:
            count += end - at
        if count > engine.mt_min_slots(kind):
            one_node = left.node == right.node and count <= engine.mt_slots(kind)
            if engine.era.converges and one_node:
                break
            continue
        if left.min == 0 and left.max == top:
            break
        count += _neighbour(engine, left, right)
        levels = max(levels, 1)
    return needed + 1


def _slot_of(engine: Lifecycle, mas: MaState, index: int) -> tuple[int, int]:
    node, end = mas.node & ~255, engine.mas_data_end(mas)
    at = 0
    while at < end and engine.pivot(node, at) < index:
        at += 1
    mas.offset = at
    return at, end


def _neighbour(
    engine: Lifecycle, left: MaState, right: MaState, bn_shift: WrState | None = None
) -> int:
    """Move an edge to the nearest node beside the two on their level; how many slots it has.

    On the leaf level its slots join the big node's, for a NULL in the middle decides there.
    """
    keep_left, keep_right = _copy(left), _copy(right)
    depth = 0
    while not engine.ma_is_root(right.node & ~255):
        engine.mas_ascend(right)
        engine.mas_ascend(left)
        depth += 1
        _bounded(depth)
        if right.offset < engine.mas_data_end(right):
            right.offset += 1
            for _ in range(depth):
                engine.mas_descend(right)
                right.offset = 0
            _restore(left, keep_left)
            taken, front = right, False
        elif left.offset:
            left.offset -= 1
            for _ in range(depth):
                engine.mas_descend(left)
                left.offset = engine.mas_data_end(left)
            _restore(right, keep_right)
            taken, front = left, True
        else:
            continue
        count = engine.mas_data_end(taken) + 1
        if bn_shift is not None:
            _join(engine, bn_shift, taken, count, front)
        return count
    _restore(left, keep_left)
    _restore(right, keep_right)
    return 0


def _join(engine: Lifecycle, wr: WrState, taken: MaState, count: int, front: bool) -> None:
    bn = wr.mast.bn
    held = bn.b_end
    if front:
        engine.mab_shift_right(bn, count)
        engine.mas_mab_cp(taken, 0, count - 1, bn, 0)
    else:
        engine.mas_mab_cp(taken, 0, count - 1, bn, held)
    bn.b_end = held + count


def _restore(mas: MaState, kept: MaState) -> None:
    for name in ("node", "min", "max", "status", "depth", "offset"):
        setattr(mas, name, getattr(kept, name))

"""Where is room? The lowest and the highest run of NULL of a given size in a window.

Inner nodes know the largest gap below each slot, so whole subtrees are passed over. The stored
gap is not clipped to the window: a descent at its edge may fail and the search goes on beside it.
Needs the tree's lock, and a tree with ``MT_FLAGS_ALLOC_RANGE``.
"""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.maple.state import MaState
from mmtwin.maple.store import Store

if not cython.compiled:
    from mmtwin.maple.words import (
        end_at,
        end_of,
        gap_before,
        index_of,
        root_node,
        safe_min,
        safe_pivot,
        slot_at,
        type_of,
        word,
    )

START = declare(i32, 1)
ROOT = declare(i32, 2)
NONE = declare(i32, 3)
ERROR = declare(i32, 7)
LEAF = declare(i32, 1)
ARANGE = declare(i32, 3)
HEIGHT_MAX = declare(i32, 32)
EBUSY = declare(i32, 16)
EINVAL = declare(i32, 22)


class Search(Store):
    """``mas_empty_area`` and ``mas_empty_area_rev``."""

    def _steps_left(self) -> u64:
        """A bound on node visits: more than any search over the nodes there are can need."""
        return 64 * (self.allocator.in_use() + 2)

    def mas_rewind_node(self, mas: MaState) -> bint:
        """Climb to the nearest ancestor with a slot on the left, and take that slot."""
        slot: i32 = 0
        levels: i32 = 0
        while slot == 0:
            levels += 1
            if levels > HEIGHT_MAX:
                self.stuck("mas_rewind_node")
            if root_node(self, mas.node & ~255):
                slot = mas.offset
                if slot == 0:
                    return False
            else:
                self.mas_ascend(mas)
                slot = mas.offset
        mas.offset = slot - 1
        return True

    def mas_skip_node(self, mas: MaState) -> bint:
        """Climb to the nearest ancestor with a slot on the right, and take that slot.

        The last slot is the data end, not the node's capacity: 0fa99fdfe1b3 ("maple_tree: fix
        mas_skip_node() end slot detection"). At the root's end the state is in error -EBUSY.
        """
        if mas.status == ERROR:
            return False
        levels: i32 = 0
        while True:
            levels += 1
            if levels > HEIGHT_MAX:
                self.stuck("mas_skip_node")
            if root_node(self, mas.node & ~255):
                if mas.offset >= end_at(self, mas):
                    mas.set_err(-EBUSY)
                    return False
            else:
                self.mas_ascend(mas)
            if mas.offset < end_at(self, mas):
                break
        mas.offset += 1
        return True

    def mas_anode_descend(self, mas: MaState, size: u64) -> bint:
        """Look through the node from ``offset`` on for a gap of ``size`` within ``index`` to
        ``last`` (inclusive).

        True when the search is over: found (a leaf, ``offset`` at the gap) or -EBUSY. False after
        a descent into a child, or when the node is exhausted.
        """
        node: u64 = mas.node & ~255
        x: u64 = index_of(self, node)
        type: i32 = type_of(self, mas.node)
        slots: i32 = self.slot_word[type]
        pivots: i32 = self.pivots_of[type]
        offset: i32 = mas.offset
        min: u64 = safe_min(self, node, offset, mas.min)
        end: i32 = end_of(self, x, node, type, mas.max)
        while offset <= end:
            pivot: u64 = mas.max
            if offset < pivots:
                pivot = word(self, x, node, offset + 1)
                if pivot == 0 and offset > 0:
                    pivot = mas.max
            if mas.index <= pivot:
                if type == ARANGE:
                    if word(self, x, node, self.gap_word + offset) >= size:
                        mas.node = word(self, x, node, slots + offset)
                        mas.min = min
                        mas.max = pivot
                        mas.offset = 0
                        return False
                elif word(self, x, node, slots + offset) == 0:
                    first: u64 = min if min > mas.index else mas.index
                    last: u64 = pivot if pivot < mas.last else mas.last
                    if last >= first and last - first >= size - 1:
                        mas.offset = offset
                        return True
            if mas.last <= pivot:
                mas.set_err(-EBUSY)
                return True
            min = pivot + 1
            offset += 1
        mas.offset = offset
        return root_node(self, node)

    def mas_awalk(self, mas: MaState, size: u64) -> None:
        """Search forwards from the state's position: a leaf slot, or error -EBUSY."""
        exhausted: u64 = 0
        steps: u64 = self._steps_left()
        while mas.status != ERROR and not self.mas_anode_descend(mas, size):
            if exhausted == mas.node:
                self.mas_skip_node(mas)
            else:
                exhausted = mas.node
            if steps == 0:
                self.stuck("mas_awalk")
            steps -= 1

    def mas_rev_awalk(self, mas: MaState, size: u64) -> bint:
        """Look through the node from ``offset`` leftwards for a gap of ``size`` within ``index``
        to ``last`` (inclusive).

        True when found: ``min`` and ``max`` of the state are then the gap's. False after a
        descent, when the node is exhausted, or with the state in error -EBUSY. The lower bound is
        tested too: 7327e8111adb ("maple_tree: fix mas_empty_area_rev() lower bound validation").
        """
        node: u64 = mas.node & ~255
        x: u64 = index_of(self, node)
        type: i32 = type_of(self, mas.node)
        offset: i32 = mas.offset
        min: u64 = safe_min(self, node, offset, mas.min)
        while mas.last < min and offset > 0:
            offset -= 1
            min = safe_min(self, node, offset, mas.min)
        max: u64 = safe_pivot(self, node, type, offset, mas.max)
        here: i32 = gap_before(
            self, x, node, type, offset, mas.min, min, max, mas.index, mas.last, size
        )
        if here < 0:
            if root_node(self, node):
                mas.set_err(-EBUSY)
            return False
        if here != offset:
            offset = here
            max = word(self, x, node, offset + 1)
            min = safe_min(self, node, offset, mas.min)
        if mas.index > max or size - 1 > max - mas.index:
            mas.set_err(-EBUSY)
            return False
        mas.min = min
        mas.max = max
        if type == LEAF:
            mas.offset = offset
            return True
        mas.node = slot_at(self, node, type, offset)
        mas.offset = end_at(self, mas)
        return False

    def mas_sparse_area(self, mas: MaState, min: u64, max: u64, size: u64, fwd: bint) -> i32:
        """The search in a tree without nodes: everything is free but index 0 of a direct entry.

        Raising ``min`` past it may leave too little: 29ad6bb31348 ("maple_tree: fix
        mas_empty_area_rev() null pointer dereference" and its companion for sparse trees).
        """
        if mas.status != NONE and min == 0:
            min = 1
            if min > max or max - min + 1 < size:
                return -EBUSY
        if fwd:
            mas.index = min
            mas.last = (min + size - 1) & self.max_index
        else:
            mas.last = max
            mas.index = (max - size + 1) & self.max_index
        return 0

    def mas_check_window(self, min: u64, max: u64, size: u64) -> i32:
        """-EINVAL for a window that cannot be searched, else 0.

        6.1 refuses a window of one index and does not compare sizes; 6.5 has both right:
        ba9972121ab2 ("maple_tree: check that a window is valid").
        """
        if self.strict_window:
            if min > max or size == 0 or max - min < size - 1:
                return -EINVAL
        elif min >= max or size == 0:
            return -EINVAL
        return 0

    def mas_empty_area(self, mas: MaState, min: u64, max: u64, size: u64) -> i32:
        """Find the lowest ``size`` free indexes in ``min`` to ``max`` (inclusive).

        0 with ``index`` and ``last`` the window found; -EBUSY if there is none; -EINVAL for a bad
        window. On a positioned state the search goes on behind its slot.
        """
        error: i32 = self.mas_check_window(min, max, size)
        if error:
            return error
        if mas.status == START:
            self.mas_start(mas)
        elif mas.offset >= 2:
            mas.offset -= 2
        elif not self.mas_skip_node(mas):
            return -EBUSY
        if mas.status == NONE or mas.status == ROOT:
            return self.mas_sparse_area(mas, min, max, size, True)
        mas.index = min
        mas.last = max
        self.mas_awalk(mas, size)
        if mas.status == ERROR:
            return mas.error()
        node: u64 = mas.node & ~255
        first: u64 = safe_min(self, node, mas.offset, mas.min)
        if mas.index < first:
            mas.index = first
        mas.last = mas.index + size - 1
        mas.end = end_at(self, mas)
        return 0

    def mas_empty_area_rev(self, mas: MaState, min: u64, max: u64, size: u64) -> i32:
        """Find the highest ``size`` free indexes in ``min`` to ``max`` (inclusive).

        Results as for :meth:`mas_empty_area`.
        """
        error: i32 = self.mas_check_window(min, max, size)
        if error:
            return error
        exhausted: u64 = mas.node
        if mas.status == START:
            self.mas_start(mas)
        elif mas.offset < 2 and not self.mas_rewind_node(mas):
            return -EBUSY
        if mas.status == NONE or mas.status == ROOT:
            return self.mas_sparse_area(mas, min, max, size, False)
        if mas.offset >= 2:
            mas.offset -= 2
        else:
            mas.offset = end_at(self, mas)
        mas.index = min
        mas.last = max
        first: u64 = mas.min
        last: u64 = mas.max
        steps: u64 = self._steps_left()
        while True:
            first = mas.min
            last = mas.max
            if self.mas_rev_awalk(mas, size):
                break
            if mas.status == ERROR:
                return mas.error()
            if exhausted == mas.node:
                if not self.mas_rewind_node(mas):
                    return -EBUSY
            else:
                exhausted = mas.node
            if steps == 0:
                self.stuck("mas_empty_area_rev")
            steps -= 1
        if mas.max < mas.last:
            mas.last = mas.max
        mas.index = mas.last - size + 1
        mas.min = first
        mas.max = last
        return 0

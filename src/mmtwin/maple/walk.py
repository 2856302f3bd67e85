"""Walking down and up: how a cursor gets to the slot that holds an index."""

from __future__ import annotations

import cython
from cython import bint, declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug
from mmtwin.maple.nodes import Nodes
from mmtwin.maple.state import MaState

if not cython.compiled:
    from mmtwin.maple.words import (
        data_end_of,
        dead_node,
        died,
        end_at,
        end_of,
        index_of,
        inner_type_of,
        is_dead,
        parent_at,
        parent_of,
        parent_slot_of,
        root_node,
        root_of,
        slot_for,
        type_of,
        word,
    )

ACTIVE = declare(i32, 0)
START = declare(i32, 1)
ROOT = declare(i32, 2)
NONE = declare(i32, 3)
PAUSE = declare(i32, 4)
LEAF = declare(i32, 1)

HEIGHT_MAX = declare(i32, 32)
"""No walk passes more levels than this; a corrupt tree may pretend to have them."""

RETRIES_MAX = declare(i32, 256)
"""How often a reader starts again before it counts as stuck: a kernel's watchdog."""


class Walk(Nodes):
    """Start, descend, ascend, and the two walks that readers use."""

    def stuck(self, where: str) -> None:
        """A bound was passed that no sound tree reaches: the kernel's watchdog would bark."""
        raise KernelBug("soft lockup: the reader starts again and again", where)

    def mas_start(self, mas: MaState) -> u64:
        """Begin at the root if the state is at its start.

        Returns the direct entry if the tree is one and ``index`` is 0, otherwise 0. The state is
        then active at the root node, none (empty tree) or root (direct entry).
        """
        if mas.status != START:
            return 0
        mas.min = 0
        mas.max = self.max_index
        mas.depth = 0
        tries: i32 = 0
        while tries < RETRIES_MAX:
            root: u64 = root_of(self, mas.tree)
            if root & 3 == 2 and root > 4096:
                mas.status = ACTIVE
                mas.node = root & ~2
                mas.depth = self.depth_base
                mas.offset = 0
                if not dead_node(self, root & ~255):
                    return 0
                tries += 1
                continue
            mas.offset = self.node_slots
            mas.node = 0
            if root == 0:
                mas.status = NONE
                return 0
            mas.status = ROOT
            return 0 if mas.index > 0 else root
        self.stuck("mas_start")
        return 0

    def mas_descend(self, mas: MaState) -> i32:
        """Go into the child at ``offset``; ``min`` and ``max`` become the child's."""
        node: u64 = mas.node & ~255
        type: i32 = type_of(self, mas.node)
        x: u64 = index_of(self, node)
        if mas.offset > 0:
            mas.min = (word(self, x, node, mas.offset) + 1) & self.max_index
        if mas.offset < self.pivots_of[type]:
            mas.max = word(self, x, node, mas.offset + 1)
        mas.node = word(self, x, node, self.slot_word[type] + mas.offset)
        return 0

    def mas_ascend(self, mas: MaState) -> i32:
        """Go to the parent; 1 if a dead node was met and the walk must start again.

        In the root only ``offset`` becomes 0. A node does not store its range: ``min`` and
        ``max`` come from the nearest ancestors that bound them.
        """
        node: u64 = mas.node & ~255
        up: u64 = parent_at(self, node)
        if up & 1:
            mas.offset = 0
            return 0
        parent: u64 = up & ~255
        if parent == node:
            return 1
        inner: i32 = inner_type_of(self, mas.tree)
        offset: i32 = (up >> 3) & 31
        if parent_of(self, mas.node) != parent:
            return 1
        mas.node = parent | (inner << 3) | 4
        mas.offset = offset
        min: u64 = 0
        max: u64 = self.max_index
        found_min: bint = False
        found_max: bint = False
        node = parent
        levels: i32 = 0
        x: u64
        while not (found_min and found_max):
            up = parent_at(self, node)
            if up & 1:
                break
            levels += 1
            if levels > HEIGHT_MAX:
                self.stuck("mas_ascend")
            node = up & ~255
            offset = (up >> 3) & 31
            x = index_of(self, node)
            if is_dead(self, x, node):
                return 1
            if not found_min and offset > 0:
                found_min = True
                min = (word(self, x, node, offset) + 1) & self.max_index
            if not found_max and offset < self.pivots_of[inner]:
                found_max = True
                max = word(self, x, node, offset + 1)
            if is_dead(self, x, node):
                return 1
        mas.min = min
        mas.max = max
        return 0

    def mas_data_end(self, mas: MaState) -> i32:
        """The last used slot of the state's node."""
        return data_end_of(self, mas.node & ~255, type_of(self, mas.node), mas.max)

    def mas_prev_sibling(self, mas: MaState) -> bint:
        """Move to the node on the left under the same parent; False if there is none."""
        slot: i32 = parent_slot_of(self, mas.node)
        if slot == 0 or root_node(self, mas.node & ~255):
            return False
        self.mas_ascend(mas)
        mas.offset = slot - 1
        self.mas_descend(mas)
        return True

    def mas_next_sibling(self, mas: MaState) -> bint:
        """Move to the node on the right under the same parent; False if there is none."""
        if root_node(self, mas.node & ~255):
            return False
        node: u64 = mas.node
        min: u64 = mas.min
        max: u64 = mas.max
        offset: i32 = mas.offset
        slot: i32 = parent_slot_of(self, node) + 1
        self.mas_ascend(mas)
        if slot > end_at(self, mas):
            mas.node = node
            mas.min = min
            mas.max = max
            mas.offset = offset
            return False
        mas.offset = slot
        self.mas_descend(mas)
        return True

    def mtree_range_walk(self, mas: MaState) -> u64:
        """Walk from the state's node down to ``index``; the entry there.

        ``index`` and ``last`` become the slot's range. If a dead node is met the state goes back
        to its start and 0 is returned.
        """
        enode: u64 = mas.node
        min: u64 = mas.min
        max: u64 = mas.max
        index: u64 = mas.index
        level: i32 = 0
        while level < HEIGHT_MAX:
            level += 1
            node: u64 = enode & ~255
            x: u64 = index_of(self, node)
            type: i32 = (enode >> 3) & 15
            if type < 1 or type > 3:
                type_of(self, enode)
            end: i32 = end_of(self, x, node, type, max)
            if is_dead(self, x, node):
                mas.reset()
                return 0
            first: u64 = min
            last: u64 = max
            offset: i32 = slot_for(self, x, node, end, index)
            if offset > 0:
                min = (word(self, x, node, offset) + 1) & self.max_index
            if offset < end or (offset == 0 and word(self, x, node, 1) >= index):
                pivot: u64 = word(self, x, node, offset + 1)
                if pivot != 0 or offset == 0:
                    max = pivot
            next: u64 = word(self, x, node, self.slot_word[type] + offset)
            if died(self, x, node):
                mas.reset()
                return 0
            if type == LEAF:
                mas.offset = offset
                mas.index = min
                mas.last = max
                mas.min = first
                mas.max = last
                mas.node = enode
                mas.end = end
                mas.status = ACTIVE
                return next
            enode = next
        self.stuck("mtree_range_walk")
        return 0

    def mas_state_walk(self, mas: MaState) -> u64:
        """Walk to ``index`` from wherever the state allows."""
        entry: u64 = self.mas_start(mas)
        if mas.status == NONE:
            return 0
        if mas.status == ROOT:
            return entry
        return self.mtree_range_walk(mas)

    def mas_walk(self, mas: MaState) -> u64:
        """The entry at ``index``; ``index`` and ``last`` become its slot's range (inclusive).

        A tree of one direct entry shows as 0 to 0 and 1 to the end, an empty one as a single NULL
        over everything.
        """
        if mas.status == PAUSE or (
            self.bounded_states and (mas.status != ACTIVE or not self.walk_resumes)
        ):
            mas.reset()
        tries: i32 = 0
        entry: u64 = self.mas_state_walk(mas)
        while mas.status == START:
            tries += 1
            if tries > RETRIES_MAX:
                self.stuck("mas_walk")
            entry = self.mas_state_walk(mas)
        if mas.status == ROOT:
            if mas.index == 0:
                mas.last = 0
            else:
                mas.index = 1
                mas.last = self.max_index
                if self.bounded_states:
                    mas.status = NONE
        elif mas.status == NONE:
            mas.index = 0
            mas.last = self.max_index
        return entry

    def mas_rewalk(self, mas: MaState, index: u64) -> None:
        """Start again at ``index`` after a dead node was met."""
        tries: i32 = 0
        mas.set(index)
        self.mas_state_walk(mas)
        while mas.status == START:
            tries += 1
            if tries > RETRIES_MAX:
                self.stuck("mas_rewalk")
            mas.set(index)
            self.mas_state_walk(mas)

    def mtree_load(self, tree: u64, index: u64) -> u64:
        """The entry at ``index``, 0 for none. A zero entry (reserved) reads as none too.

        Needs no lock when the tree is in RCU mode.
        """
        tries: i32 = 0
        while tries < RETRIES_MAX:
            tries += 1
            enode: u64 = root_of(self, tree)
            if enode & 3 != 2 or enode <= 4096:
                return enode if index == 0 else 0
            max: u64 = self.max_index
            level: i32 = 0
            while level < HEIGHT_MAX:
                level += 1
                node: u64 = enode & ~255
                x: u64 = index_of(self, node)
                type: i32 = (enode >> 3) & 15
                if type < 1 or type > 3:
                    type_of(self, enode)
                end: i32 = end_of(self, x, node, type, max)
                if is_dead(self, x, node):
                    break
                offset: i32 = slot_for(self, x, node, end, index)
                if offset < end:
                    max = word(self, x, node, offset + 1)
                enode = word(self, x, node, self.slot_word[type] + offset)
                if died(self, x, node):
                    break
                if type == LEAF:
                    return 0 if enode == 0x406 else enode
            if level == HEIGHT_MAX:
                self.stuck("mtree_load")
        self.stuck("mtree_load")
        return 0

"""What the kernel keeps on its stack during tree operations: cursors and work areas.

Nothing here is kernel state that outlives a call: a :class:`MaState` is its caller's local
variable, the other classes belong to one store.
"""

from __future__ import annotations

import cython
from cython import bint
from cython import int as i32
from cython import ulonglong as u64

MA_ACTIVE = 0
MA_START = 1
MA_ROOT = 2
MA_NONE = 3
MA_PAUSE = 4
MA_OVERFLOW = 5
MA_UNDERFLOW = 6
MA_ERROR = 7

STATUS_NAMES = (
    "ma_active",
    "ma_start",
    "ma_root",
    "ma_none",
    "ma_pause",
    "ma_overflow",
    "ma_underflow",
    "ma_error",
)
"""Names of ``MaState.status``, in the order of the kernel's ``enum maple_status``."""

ACTIVE = cython.declare(i32, 0)
START = cython.declare(i32, 1)
ROOT = cython.declare(i32, 2)
NONE = cython.declare(i32, 3)
PAUSE = cython.declare(i32, 4)
ERROR = cython.declare(i32, 7)
TOP = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)

SENTINELS = {MA_START: 1, MA_ROOT: 5, MA_NONE: 9, MA_PAUSE: 17, MA_OVERFLOW: 33, MA_UNDERFLOW: 65}
"""What 6.1 (and, for the last two, 6.6) stores in ``mas->node`` instead of a node."""


class MaState:
    """The kernel's ``struct ma_state``: a cursor, and the parameters of an operation.

    ``tree``: address of the ``struct maple_tree``. ``index`` and ``last``: before an operation the
    range to look up or write, both inclusive; after it the range of the slot found or written.
    ``node`` and ``offset``: the node (with its type bits) and the slot in it, while the status is
    active. ``min`` and ``max``: what the node covers, inclusive. ``alloc``: nodes held for the
    next store (:meth:`Maple.mas_destroy` gives them back). ``status``: one of the ``MA_``
    constants; 6.1 keeps the same knowledge in ``node``, see :meth:`node_word`.
    """

    def __init__(self, tree: u64, index: u64 = 0, last: int | None = None) -> None:
        self.begin(tree, index)
        if last is not None:
            self.last = last

    def begin(self, tree: u64, index: u64) -> None:
        """Stand before the first operation, on ``index``."""
        self.tree = tree
        self.index = index
        self.last = index
        self.node = 0
        self.min = 0
        self.max = TOP
        self.alloc = 0
        self.status = START
        self.depth = 0
        self.offset = 0
        self.mas_flags = 0
        self.end = 0
        self.store_type = 0
        self.spare: MaState | None = None

    def copy_from(self, other: MaState) -> None:
        """Stand where ``other`` stands, with its parameters. Its nodes stay its own."""
        self.tree = other.tree
        self.index = other.index
        self.last = other.last
        self.node = other.node
        self.min = other.min
        self.max = other.max
        self.status = other.status
        self.depth = other.depth
        self.offset = other.offset
        self.end = other.end

    def reset(self) -> None:
        """Forget the position; the next operation starts at the root with ``index``."""
        self.status = START
        self.node = 0

    def set(self, index: u64) -> None:
        """Prepare for one index."""
        self.set_range(index, index)

    def set_range(self, index: u64, last: u64) -> None:
        """Prepare for ``index`` to ``last``, both inclusive, from the root."""
        self.index = index
        self.last = last
        self.reset()

    def pause(self) -> None:
        """Call before the lock is dropped: only ``index`` and ``last`` stay valid."""
        self.status = PAUSE
        self.node = 0

    def set_err(self, errno: i32) -> None:
        """Enter the error state with a negative error number."""
        self.status = ERROR
        self.node = (TOP - (-errno) * 4 + 1) | 2

    def error(self) -> i32:
        """The negative error number, 0 if there is none."""
        if self.status != ERROR:
            return 0
        negated: i32 = (TOP - self.node) // 4 + 1
        return -negated

    def is_err(self) -> bint:
        """An operation failed; :meth:`error` says how."""
        return self.status == ERROR

    def is_none(self) -> bint:
        """Nothing was found, or the tree is empty."""
        return self.status == NONE

    def is_paused(self) -> bint:
        """The position was given up by :meth:`pause`."""
        return self.status == PAUSE

    def is_start(self) -> bint:
        """Nothing has been walked yet."""
        return self.status == START

    def is_active(self) -> bint:
        """The cursor stands on a slot of a node."""
        return self.status == ACTIVE

    def is_ptr(self) -> bint:
        """The tree is one direct entry at index 0."""
        return self.status == ROOT

    def node_word(self) -> int:
        """What 6.1 has in ``mas->node``: a node, a sentinel or an encoded error."""
        return SENTINELS.get(self.status, self.node)

    def __repr__(self) -> str:
        where = f" node={self.node:#x}[{self.offset}]" if self.status == ACTIVE else ""
        return (
            f"<MaState {STATUS_NAMES[self.status]} {self.index:#x}-{self.last:#x}{where} "
            f"tree={self.tree:#x}>"
        )


def cursor(tree: u64, index: u64) -> MaState:
    """``MaState(tree, index)``, at a third of the cost where both are C numbers."""
    mas: MaState = MaState.__new__(MaState)
    mas.begin(tree, index)
    return mas


class BigNode:
    """The kernel's ``struct maple_big_node``: slots gathered from several nodes before they are
    dealt out again.

    ``b_end`` is the number of slots in use, or the last one's index while a split is being
    decided. ``type`` is the node type of the level. ``size``: how many slots may be used, 68 for
    the nodes of 32-bit kernels, 36 for the wide ones.
    """

    def __init__(self) -> None:
        if not cython.compiled:
            self.pivot = [0] * 68
            self.slot = [0] * 68
            self.gap = [0] * 68
        self.size = 68
        self.b_end = 0
        self.type = 0

    def clear(self) -> None:
        """Empty the work area."""
        i: i32
        for i in range(self.size):
            self.pivot[i] = 0
            self.slot[i] = 0
            self.gap[i] = 0
        self.b_end = 0

    def get_pivot(self, at: i32) -> u64:
        """The inclusive upper end of slot ``at``."""
        return self.pivot[at]

    def get_slot(self, at: i32) -> u64:
        """The content of slot ``at``."""
        return self.slot[at]

    def get_gap(self, at: i32) -> u64:
        """The largest gap below slot ``at``."""
        return self.gap[at]

    def put(self, at: i32, slot: u64, pivot: u64) -> None:
        """Make slot ``at`` hold ``slot`` up to ``pivot``, inclusive."""
        self.slot[at] = slot
        self.pivot[at] = pivot


class SubtreeState:
    """The kernel's ``struct maple_subtree_state``: a piece of the tree being built anew.

    ``orig_l`` and ``orig_r`` walk up the old tree along the left and right edge of what is
    replaced; ``l``, ``m`` and ``r`` are the one to three nodes that take its place on the current
    level. Two topiaries, linked through the dead nodes themselves, hold single nodes to free and
    whole subtrees to destroy.
    """

    def __init__(self) -> None:
        self.orig_l = MaState(0)
        self.orig_r = MaState(0)
        self.l = MaState(0)
        self.m = MaState(0)
        self.r = MaState(0)
        self.spare = MaState(0)
        self.tmp_l = MaState(0)
        self.tmp_r = MaState(0)
        self.level0 = MaState(0)
        self.level1 = MaState(0)
        self.level2 = MaState(0)
        self.next0 = MaState(0)
        self.next1 = MaState(0)
        self.next2 = MaState(0)
        self.bn = BigNode()
        self.l_wr = WrState(self)
        self.r_wr = WrState(self)
        self.left = 0
        self.middle = 0
        self.right = 0
        self.split = 0
        self.mid_split = 0
        self.free_head = 0
        self.free_tail = 0
        self.destroy_head = 0
        self.destroy_tail = 0


class WrState:
    """The kernel's ``struct ma_wr_state``: one store under way.

    ``mas``: the cursor. ``r_min`` and ``r_max``: the range of the slot that holds ``mas.index``,
    inclusive. ``offset_end``: the slot that holds ``mas.last``, ``end_piv`` its upper end.
    ``node_end``: the node's last used slot. ``entry``: what is stored, ``content``: what was at
    ``mas.index``. ``mast``: the work areas that go with it.
    """

    def __init__(self, mast: SubtreeState) -> None:
        if not cython.compiled:
            self.pivot = [0] * 32
            self.slot = [0] * 32
        self.mas = MaState(0)
        self.mast = mast
        self.node = 0
        self.r_min = 0
        self.r_max = 0
        self.end_piv = 0
        self.entry = 0
        self.content = 0
        self.type = 0
        self.offset_end = 0
        self.node_end = 0
        self.vacant_height = 0
        self.sufficient_height = 0
        self.spare: WrState | None = None

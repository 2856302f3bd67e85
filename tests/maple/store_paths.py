"""One store for each way a store can take, and all the bytes that a tree consists of."""

from __future__ import annotations

from maple_trees import TOP, Tree

PATHS = {
    "store_root": ([], (0, 9, 1)),
    "root beside a direct entry": ([(0, 0, 1)], (5, 9, 2)),
    "new_root": ([(0, 9, 1)], (0, TOP, 2)),
    "exact_fit": ([(10, 19, 1)], (10, 19, 2)),
    "append": ([(i * 10, i * 10 + 4, i) for i in range(5)], (60, TOP, 9)),
    "slot_store": ([(i * 10, i * 10 + 9, i) for i in range(8)], (15, 29, 9)),
    "node_store": ([(i * 10, i * 10 + 9, i) for i in range(8)], (12, 14, 9)),
    "split_store": ([(i, i, i) for i in range(15)], (15, 15, 9)),
    "split with a push": ([(i * 10, i * 10 + 9, i) for i in range(40)], (202, 204, 9)),
    "split to a new root": ([(i * 10, i * 10 + 4, i) for i in range(79)], (790, 794, 9)),
    "rebalance": ([(i * 10, i * 10 + 4, i) for i in range(30)], (85, 119, 9)),
    "spanning_store": ([(i * 10, i * 10 + 4, i) for i in range(30)], (25, 195, 9)),
    "spanning_store in the middle": (
        [(i * 10, i * 10 + 4, i) for i in range(16)],
        (75, 110, 9),
    ),
    "spanning NULL": ([(i * 10, i * 10 + 4, i) for i in range(30)], (25, 195, None)),
    "spanning to the edge": ([(i * 10, i * 10 + 4, i) for i in range(90)], (300, TOP, 9)),
    "everything NULL": ([(i * 10, i * 10 + 4, i) for i in range(90)], (0, 900, None)),
}
"""Name: the ranges (first, last, number) stored before, and the store; None stores NULL."""


def node_bytes(tree: Tree) -> dict[int, bytes]:
    """Every byte of the tree's struct and of its nodes."""
    base = tree.memory.base
    found = {tree.address: tree.memory.physical[tree.address - base : tree.address - base + 24]}
    root = tree.maple.root(tree.address)
    waiting = [root & ~2] if root & 3 == 2 and root > 4096 else []
    tops = dict.fromkeys(waiting, tree.top)
    while waiting:
        enode = waiting.pop()
        node, kind = enode & ~255, enode >> 3 & 15
        found[node] = tree.memory.physical[node - base : node - base + 256]
        if kind > 1:
            end = tree.maple.ma_data_end(node, kind, tops[enode])
            for at in range(end + 1):
                child = tree.maple.slot(node, kind, at)
                tops[child] = tops[enode] if at == end else tree.maple.pivot(node, at)
                waiting.append(child)
    return found

"""Trees and states in the kernel's own words."""

from __future__ import annotations

import re

import pytest
from maple_trees import ALLOC, TOP, Tree, value

from mmtwin.maple.notation import fnv1a, notation

DIGITS = re.compile(r"ffff[0-9a-f]{12}")


def leaf(era: str = "6.1") -> Tree:
    tree = Tree(ALLOC, era)
    tree.store(10, 19, 1)
    tree.store(30, 39, 2)
    return tree


def test_an_empty_tree() -> None:
    head = "maple_tree(ffff888000001040) flags 1, height 0 root 0000000000000000\n"
    assert Tree(ALLOC).maple.mt_dump(0xFFFF888000001040) == f"{head}0: 0000000000000000\n"
    tree = Tree(ALLOC, "6.18")
    assert tree.maple.mt_dump(tree.address).endswith("\n(empty)\n")
    text = Tree(ALLOC).maple.mt_dump(0xFFFF888000001040, kernel=False)
    assert text == "maple_tree(0xffff888000001040) flags 1, height 0 root (nil)\n0: (nil)\n"


def test_a_direct_entry() -> None:
    tree = Tree()
    tree.store(0, 0, 7)
    assert tree.maple.mt_dump(tree.address).splitlines()[1] == "0: value 7 (0x7) [000000000000000f]"


def test_a_leaf() -> None:
    tree = leaf()
    lines = tree.maple.mt_dump(tree.address, kernel=False).splitlines()
    node = tree.maple.root(tree.address) & ~255
    assert lines[0] == f"maple_tree({tree.address:#x}) flags 5, height 1 root {node | 0xE:#x}"
    assert lines[1] == (
        f"0-{TOP}: node {node:#x} depth 0 type 1 parent {tree.address | 1:#x} contents: "
        f"(nil) 9 0x3 19 (nil) 29 0x5 39 (nil) {TOP} " + "(nil) 0 " * 10 + "0x4"
    )
    assert lines[2:] == [
        "  0-9: (nil)",
        "  10-19: value 1 (0x1) [0x3]",
        "  20-29: (nil)",
        "  30-39: value 2 (0x2) [0x5]",
        f"  40-{TOP}: (nil)",
    ]


def test_an_allocation_node() -> None:
    tree = Tree(ALLOC)
    for i in range(20):
        tree.store(i * 10, i * 10 + 4, i + 1)
    text = tree.maple.mt_dump(tree.address, kernel=False)
    line = text.splitlines()[1]
    assert "depth 0 type 3" in line
    assert f"contents: 5 5 {TOP - 194} 0 0 0 0 0 0 0 | 02 02| 0x" in line
    assert line.count("(nil)") == 7
    assert text.splitlines()[2].startswith("  0-74: node 0x")
    assert "    0-4: value 1 (0x1) [0x3]" in text


def test_hexadecimal_since_6_5() -> None:
    tree = leaf("6.18")
    lines = tree.maple.mt_dump(tree.address, hex=True).splitlines()
    assert lines[1].startswith("0-ffffffffffffffff: node ffff")
    assert " 0000000000000003 13 " in lines[1]
    assert "FFFFFFFFFFFFFFFF" in lines[1]
    assert lines[3] == "  a-13: value 1 (0x1) [0000000000000003]"
    with pytest.raises(ValueError, match="decimal"):
        leaf().maple.mt_dump(0, hex=True)


def test_entries_of_all_kinds() -> None:
    tree = Tree()
    for index, entry in ((1, 0x406), (2, 0x40A), (3, 0xFFFF888000002000)):
        tree.maple.mtree_store_range(tree.address, index, index, entry, 0xCC0)
    lines = tree.maple.mt_dump(tree.address, kernel=False).splitlines()
    assert "  1: zero (257)" in lines
    assert "  2: UNKNOWN ENTRY (0x40a)" in lines
    assert "  3: 0xffff888000002000" in lines


def test_a_pivot_beyond_the_nodes_end_is_told() -> None:
    tree = Tree()
    for i in range(40):
        tree.store(i * 10, i * 10 + 4, i)
    root = tree.maple.root(tree.address) & ~255
    child = tree.maple.slot(root, 2, 0) & ~255
    tree.maple.set_pivot(child, 3, 9999)
    text = tree.maple.mt_dump(tree.address, kernel=False)
    assert f"node {child:#x} last (9999) > max (74) at pivot 3!" in text


def test_a_loop_of_nodes_ends() -> None:
    tree = Tree()
    for i in range(40):
        tree.store(i * 10, i * 10 + 4, i)
    root = tree.maple.root(tree.address)
    tree.maple.set_slot(root & ~255, 2, 0, root & ~2)
    assert tree.maple.mt_dump(tree.address).count("\n") < 2000


def test_a_state() -> None:
    tree = leaf("6.18")
    mas = tree.state(15)
    tree.maple.mas_walk(mas)
    text = tree.maple.mas_dump(mas, kernel=False)
    assert re.fullmatch(
        r"MAS: tree=0x\w+ enode=0x\w+ \(ma_active\)\nStore Type: invalid store type\n"
        r"\[1/4\] index=a last=13\n     min=0 max=f{16} alloc=\(nil\), depth=\d, flags=0\n",
        text,
    )
    mas.index = 99
    assert tree.maple.mas_dump(mas).endswith("Check index & last\n")


def test_notation_of_pointers() -> None:
    tree = Tree()
    tree.maple.mtree_store_range(tree.address, 1, 1, 0x1000, 0xCC0)
    assert notation(tree.maple, tree.address) == "L[-@0 0x1000@1 -@M]"
    assert fnv1a("empty") == 0x904FEFB3D01CB2AE
    assert value(3) == 7

"""Short sequences that broke early kernels, and the spans of the kernel's own tests."""

from __future__ import annotations

import re

import pytest
from maple_trees import ALLOC, RCU, TOP, Tree, value
from model import Map, validate

ROOT_WITHOUT_LIMIT = """S15-18 S398-MAX S173-175 S145-150 S305-308 S326-327 S96-101 S52-53"""
ROOT_WITHOUT_LIMIT_2 = """S2-66 S239-243 S107-213 S336-MAX S316 S369-379 S364-368 S11-99 S32-34"""
SPAN_TO_THE_ANCESTORS_END = """S172-173 S337-340 S347-350 S284-310 S105-138 S55-58 S249-254
    S371-374 S221-225 S229-234 S374 S288-293 S281-282 S386-390 S257-259 S319-MAX"""
RIGHT_EDGE = """S343-346 S364-365 S10-12 S270-273 S116-219 S165 S261-263 S360-361 S312-313 S295-297
    S53-55 S18-19 S123 S340 S332 S82-83 S227-232 S221-224 S232-233 S328 N312-MAX S21-44 N107-217
    S159-252 S173"""
DEFICIENT_NODE = """S13-16 S0 S247-251 S242-244 S6-10 S256-261 S4 S15-119 S13 S11 S151-156 S178-226
    S257-261 S213 S63-132 N127-129 S91-93 S28-30 E15"""
END_PIVOT = """S164-324 S255-256 N259 S231-234 S140-210 S193-198 S236-238 N282-356 S177-178 S193-196
    S87-118 S88-89 S43-65 N97-101 S232-249 S283-284 N275-295"""
FRESH_NULLS = "N3-10"
SEQUENCES = [
    ROOT_WITHOUT_LIMIT,
    ROOT_WITHOUT_LIMIT_2,
    SPAN_TO_THE_ANCESTORS_END,
    RIGHT_EDGE,
    DEFICIENT_NODE,
    END_PIVOT,
    FRESH_NULLS,
]


def run(tree: Tree, reference: Map, text: str) -> None:
    """``S a-b`` stores a fresh value, ``N`` a NULL, ``E`` erases; checked after each."""
    for number, (what, a, b) in enumerate(re.findall(r"([SNE])(\d+)(?:-(\d+|MAX))?", text), 1):
        first = int(a)
        last = TOP if b == "MAX" else int(b or a)
        if what == "E":
            assert tree.erase(first) == reference.erase(first)
        else:
            assert tree.store(first, last, number if what == "S" else None) == 0
            reference.store(first, last, number if what == "S" else None)
        validate(tree, reference)


@pytest.mark.parametrize("era", ["6.1", "6.6", "6.12", "6.18"])
@pytest.mark.parametrize("text", SEQUENCES)
def test_what_broke_early_kernels(text: str, era: str) -> None:
    for flags in (0, ALLOC, RCU, ALLOC | RCU):
        tree, reference = Tree(flags, era), Map()
        run(tree, reference, text)
        tree.settled()


@pytest.mark.parametrize("era", ["6.1", "6.18"])
def test_a_deficient_node_by_the_split(era: str) -> None:
    text = " ".join(f"S{i}" for i in [*range(10), *range(20, 39)]) + " S10-11"
    run(Tree(ALLOC, era), Map(), text)


@pytest.mark.parametrize("era", ["6.1", "6.18"])
def test_null_to_the_right_edge(era: str) -> None:
    text = " ".join(f"S{i * 10}-{i * 10 + 9}" for i in range(50, -1, -1)) + " N240-509"
    run(Tree(ALLOC, era), Map(), text)


def test_a_span_that_ends_with_its_subtree() -> None:
    """The slot that ends with the spanning node's range must not be taken in again."""
    tree, reference = Tree(ALLOC), Map()
    for i in range(400):
        tree.store(i * 10, i * 10 + 5, i)
        reference.store(i * 10, i * 10 + 5, i)
    for first in range(0, 600, 70):
        tree.store(first + 630, first + 715, 9999)
        reference.store(first + 630, first + 715, 9999)
        validate(tree, reference)


def test_null_at_the_end_of_leaves() -> None:
    """Widening, shrinking, and NULL that would become a leaf's last slot."""
    for era in ("6.1", "6.18"):
        tree, reference = Tree(ALLOC, era), Map()
        for i in range(101):
            tree.store(i * 10, i * 10 + 5, i)
            reference.store(i * 10, i * 10 + 5, i)
        for first, last in ((959, 963), (884, 887), (900, 905), (810, 825)):
            tree.store(first, last, None)
            reference.store(first, last, None)
            validate(tree, reference)
        for _, last, number in reference.entries():
            tree.store(last, last, None)
            reference.store(last, last, None)
            assert number is not None
        validate(tree, reference)


def test_gaps_join() -> None:
    """NULL beside NULL becomes one, over node borders too."""
    tree, reference = Tree(ALLOC), Map()
    for i in range(100):
        tree.store(i, i, i)
        reference.store(i, i, i)
    for index in (50, 51, 52, 54, 53, 40, 42, 41, 15, 16, 14, 31, 30, 29):
        assert tree.erase(index) == reference.erase(index)
        validate(tree, reference)


def test_set_inserts_in_any_order() -> None:
    keys = [5015, 5014, 5017, 25, 1000, 1001, 1002, 1003, 1005, 0, 5003, 5002]
    for turn in range(len(keys)):
        tree = Tree()
        for key in keys[turn:] + keys[:turn]:
            insert = tree.maple.mtree_insert
            assert insert(tree.address, key, value(key), 0xCC0) == 0
            assert insert(tree.address, key, value(key), 0xCC0) == -17
        for key in keys:
            assert tree.load(key) == key
            assert tree.load(key + 1) == (key + 1 if key + 1 in keys else None)
        validate(tree)


@pytest.mark.parametrize(("flags", "digests"), [(0, 74), (ALLOC, 77)])
def test_node_counts_of_ascending_singles(flags: int, digests: int) -> None:
    """The kernel's preorder walk counts one more step, to the end."""
    tree = Tree(flags)
    for i in range(1001):
        tree.store(i, i, i)
    assert sum(tree.nodes) + 1 == digests


def test_node_counts_of_descending_singles() -> None:
    tree = Tree(ALLOC)
    for i in range(1000, -1, -1):
        tree.store(i, i, i)
    assert sum(tree.nodes) + 1 == 77

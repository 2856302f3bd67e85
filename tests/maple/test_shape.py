"""Trees decoded from their words, and what two of them are held to differ in."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.maple import Maple
from mmtwin.maple.shape import Node, NotATree, decode
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import Memory

TOP = (1 << 64) - 1
stores = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 12), st.booleans()), max_size=80)


def tree_of(told, big_endian=False, era="6.1"):
    """The decoded tree after stores of [first, first + length), the model, and the engine."""
    memory = Memory(16 << 20, big_endian=big_endian)
    maple = Maple(memory, Arena(memory, 256, 256, "maple_node"), era=era)
    tree = memory.boot_alloc(maple.era.tree_size, 8)
    maple.mt_init_flags(tree, 1)
    model = {}
    for number, (first, length, fill) in enumerate(told, 1):
        entry = (0xFFFF_8880_0000_0000 + (number << 4)) if fill else 0
        assert maple.mtree_store_range(tree, first, first + length - 1, entry, GFP_KERNEL) == 0
        model.update(dict.fromkeys(range(first, first + length), entry))
    words = lambda node: [memory.load(node + 8 * at) for at in range(32)]  # noqa: E731
    return decode(words, maple.root(tree), big_endian=big_endian), model, maple, words


@given(stores, st.booleans(), st.sampled_from(["6.1", "6.18"]))
def test_every_index_is_where_it_was_stored(told, big_endian, era):
    root, model, _, _ = tree_of(told, big_endian, era)
    if isinstance(root, int):
        return
    slots = list(root.entries())
    assert slots[0][0] == 0
    assert slots[-1][1] == TOP
    for first, last, entry in slots:
        for index in range(first, min(last, 420) + 1):
            assert model.get(index, 0) == entry
    for node in root.nodes():
        assert node.meta_end in (node.end, None)
        if node.gaps:
            assert node.widest is not None
            assert max(node.gaps) == node.gaps[node.widest] or max(node.gaps) == 0


def test_what_is_no_tree_is_refused():
    root, _, maple, words = tree_of([(at * 10, 5, True) for at in range(30)])
    assert isinstance(root, Node)
    broken = {root.address: words(root.address)}
    broken[root.address][1] = TOP - 5
    broken[root.address][2] = 3
    read = lambda node: copy.copy(broken.get(node) or words(node))  # noqa: E731
    with pytest.raises(NotATree):
        decode(read, root.address | 0x1E)
    with pytest.raises(NotATree, match="type bits"):
        decode(words, root.address | 0x6E)
    assert maple.bits == 64

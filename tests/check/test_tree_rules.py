"""Every rule of a tree: a handmade tree keeps them all; each breach is found and named."""

import pytest
from handmade import TOP, Made, make, spaced

from mmtwin.check.step import StepCheck


def full(made: Made, **options: object) -> list:
    return StepCheck(made.memory, nodes=made.nodes, **options).full([made.tree])


def ids(found: list) -> set[str]:
    return {violation.invariant for violation in found}


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("alloc", [True, False])
@pytest.mark.parametrize("count", [1, 7, 8, 20, 60])
def test_a_sound_tree_breaks_no_rule(count: int, alloc: bool, big_endian: bool) -> None:
    """Of one leaf, two levels and more, with and without gaps, in both byte orders."""
    made = make(spaced(count), alloc=alloc, big_endian=big_endian)
    check = StepCheck(made.memory, nodes=made.nodes)

    assert check.full([made.tree]) == []
    assert check.entry_count == count
    assert check.node_count == len(made.leaves) + len(made.inner)


def test_an_empty_tree_and_a_direct_entry_break_no_rule() -> None:
    """Neither has a node."""
    made = make(spaced(1))
    made.nodes.free(made.leaves[0])
    made.memory.store32(made.tree + 16, 1)
    for root in (0, 0x1000, 0x7):
        made.memory.store(made.tree + 8, root)
        assert full(made) == []


def end(made: Made) -> int:
    """The data end of the second leaf."""
    return made.memory.load(made.meta(made.leaves[1])) & 0xFF


BREACHES = {
    "MT-01": lambda m: [(m.tree + 8, m.memory.load(m.tree + 8) ^ 0x40)],
    "MT-02": lambda m: [(m.tree + 16, m.memory.load(m.tree + 16) + 4)],
    "MT-03": lambda m: [(m.slot(m.inner[0], 1), m.memory.load(m.slot(m.inner[0], 1)) ^ 0x18)],
    "MT-04": lambda m: [(m.leaves[2], m.memory.load(m.leaves[2]) + 8)],
    "MT-05": lambda m: [(m.leaves[1], m.leaves[1])],
    "MT-06": lambda m: [(m.slot(m.inner[0], 1), m.memory.load(m.slot(m.inner[0], 0)))],
    "MT-07": lambda m: [(m.pivot(m.leaves[1], 3), m.memory.load(m.pivot(m.leaves[1], 2)))],
    "MT-08": lambda m: [(m.meta(m.leaves[1]), m.memory.load(m.meta(m.leaves[1])) + 1)],
    "MT-09": lambda m: [(m.pivot(m.leaves[1], 12), 0x5000)],
    "MT-10": lambda m: [(m.slot(m.inner[0], 1), 0)],
    "MT-13": lambda m: [(m.slot(m.leaves[0], 1), 0)],
    "MT-16": lambda m: [(m.pivot(m.leaves[1], end(m)), 0), (m.meta(m.leaves[1]), end(m) - 1)],
    "MT-17": lambda m: [(m.slot(m.leaves[0], 1), 0x402)],
    "MT-18": lambda m: [(m.gap(m.inner[0], 0), 1)],
    "MT-19": lambda m: [(m.meta(m.inner[0]), m.memory.load(m.meta(m.inner[0])) ^ 0x100)],
    "MT-26": lambda m: [(m.nodes.control + 24, m.nodes.in_use() + 1)],
}


@pytest.mark.parametrize("invariant", BREACHES)
def test_a_breach_is_named(invariant: str) -> None:
    """One or two words made wrong: the whole check tells the rule, the step check sees it."""
    made = make(spaced(20))
    mark = made.memory.mark()
    for address, value in BREACHES[invariant](made):
        made.memory.store(address, value)
    step = StepCheck(made.memory, nodes=made.nodes)

    assert invariant in ids(full(made))
    assert step.touched(mark, [made.tree])


def test_a_short_leaf_is_named_but_for_the_last_where_that_is_allowed() -> None:
    """A bulk load up to 6.17 leaves the last leaf short."""
    made = make(spaced(12), fill=15)
    last = made.leaves[-1]
    end = made.memory.load(made.meta(last)) & 0xFF
    for i in range(2, end + 1):
        made.memory.store(made.pivot(last, i), TOP if i == 2 else 0)
        made.memory.store(made.slot(last, i), 0)
    made.memory.store(made.meta(last), 2)

    assert "MT-11" in ids(full(made))
    assert "MT-11" not in ids(full(made, edge_exempt=True))


def test_null_at_the_end_of_a_leaf_that_is_not_the_last() -> None:
    """The next leaf's first NULL would adjoin it."""
    made = make(spaced(20))
    node = made.leaves[1]
    end = made.memory.load(made.meta(node)) & 0xFF
    made.memory.store(made.slot(node, end), 0)

    assert "MT-14" in ids(full(made))


def test_a_tree_of_one_null_has_no_entry() -> None:
    """The root should be NULL instead."""
    made = make(spaced(1))
    node = made.leaves[0]
    made.memory.zero(node + 8, 248)
    made.memory.store(made.pivot(node, 0), TOP)

    assert ids(full(made)) == {"MT-15"}


def test_an_inner_root_with_one_child() -> None:
    """It should have been replaced by the child."""
    made = make(spaced(8))
    root = made.inner[0]
    for word in range(32):
        made.memory.store(root + 8 * word, made.memory.load(root + 8 * word))
    made.memory.store(made.pivot(root, 0), TOP)
    for at in (made.pivot(root, 1), made.slot(root, 1), made.gap(root, 1), made.meta(root)):
        made.memory.store(at, 0)

    assert "MT-12" in ids(full(made))


def test_a_cycle_ends() -> None:
    """An inner node that is its own grandchild is met twice and entered once."""
    made = make(spaced(130))
    root = made.inner[-1]
    below = made.inner[0]
    made.memory.store(made.slot(below, 0), root | 3 << 3 | 4)

    found = ids(full(made))

    assert found & {"MT-03", "MT-06"}


def test_wild_pointers_end() -> None:
    """Outside memory, misaligned, in the page that is never used: reported, not followed."""
    for wild in (0xDEAD0000_0000000C, 0xFFFF8880_0000000C, 0xC, TOP, 0xFFFF8881_FFFFFF0C):
        made = make(spaced(20))
        made.memory.store(made.slot(made.inner[0], 1), wild)
        assert ids(full(made)) & {"MT-03", "MT-10"}
        made.memory.store(made.tree + 8, wild & ~1 | 2)
        assert "MT-01" in ids(full(made))


def test_a_violation_tells_both_sides_and_the_way_to_it() -> None:
    """Object, field, found, expected; the nodes above with the slots taken."""
    made = make(spaced(20))
    leaf = made.leaves[2]
    made.memory.store(made.pivot(leaf, 12), 0x5000)

    first = full(made)[0]

    assert (first.invariant, first.kind, first.address) == ("MT-09", "maple_node", leaf)
    assert (first.field, first.found, first.expected) == ("pivot[12]", "0x5000", "0")
    assert first.path == ((made.inner[0], 2),)
    assert str(first).startswith(f"MT-09 maple_node {leaf:#x} pivot[12]: found 0x5000")
    assert first.as_json()["path"] == [{"node": f"{made.inner[0]:#x}", "slot": 2}]

"""The step check and the whole check find the same, whatever words a step changed."""

import random

import pytest
from handmade import TOP, Made, make, spaced

from mmtwin.check.step import StepCheck


def damage(made: Made, chance: random.Random) -> None:
    """Change one to three words of nodes or of the tree, most of them plausibly."""
    memory = made.memory
    nodes = made.leaves + made.inner
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        node = chance.choice(nodes)
        at = node + 8 * chance.randrange(32)
        if chance.random() < 0.1:
            at = made.tree + chance.choice((8, 16))
        old = memory.load(at)
        value = chance.choice(
            (
                0,
                TOP,
                old + 8 & TOP,
                old - 1 & TOP,
                old ^ 1 << chance.randrange(64),
                memory.load(chance.choice(nodes) + 8 * chance.randrange(32)),
                memory.load(node + 8 * chance.randrange(32)),
                chance.choice(nodes) | chance.choice((0x0C, 0x1C, 0x14, 0)),
                chance.getrandbits(64),
            )
        )
        memory.store(at, value)


@pytest.mark.parametrize("count", [3, 9, 20, 130])
@pytest.mark.parametrize("alloc", [True, False])
def test_both_checks_find_damage_or_neither_does(count: int, alloc: bool) -> None:
    """Random words of a tree overwritten, 200 times from the sound tree."""
    made = make(spaced(count), alloc=alloc, big_endian=count == 9)
    whole = StepCheck(made.memory, nodes=made.nodes)
    step = StepCheck(made.memory, nodes=made.nodes)
    chance = random.Random(count)
    found = 0
    for nth in range(200):
        mark = made.memory.mark()
        damage(made, chance)
        everything = whole.full([made.tree])
        touched = step.touched(mark, [made.tree])
        assert bool(everything) == bool(touched), (nth, everything[:3], touched[:3])
        found += bool(everything)
        made.memory.rewind(mark)
    assert 100 < found < 200


def test_a_step_check_sees_only_what_was_touched() -> None:
    """Damage from before the mark is not its business: the state at the mark was clean."""
    made = make(spaced(60))
    made.memory.store(made.pivot(made.leaves[1], 12), 5)
    mark = made.memory.mark()
    made.memory.store(made.slot(made.leaves[9], 1), 0x5550)
    step = StepCheck(made.memory, nodes=made.nodes)

    assert step.touched(mark, [made.tree]) == []
    assert step.node_count <= 3


def test_a_leaf_cut_off_is_lost() -> None:
    """The parent's slots close up over it, and nothing frees it."""
    made = make(spaced(60))
    memory, root = made.memory, made.inner[0]
    mark = memory.mark()
    end = memory.load(made.meta(root)) & 0xFF
    for i in range(2, end):
        for at in (made.slot, made.gap):
            memory.store(at(root, i), memory.load(at(root, i + 1)))
        memory.store(memory.load(made.slot(root, i)) & ~255, root | i << 3 | 6)
    found = StepCheck(memory, nodes=made.nodes).touched(mark, [made.tree])

    assert "MT-26" in {violation.invariant for violation in found}

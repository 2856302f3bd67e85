"""What the tests of this folder share: the two players, and loads that both are given."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

import pytest

from mmtwin.kernels.ktree import KernelTree, NoKernelSourceError
from mmtwin.kernels.ktree.compare import Player
from mmtwin.kernels.ktree.dump import Dump
from mmtwin.kernels.ktree.protocol import MAX, Op, Operation, encode
from mmtwin.kernels.ktree.target import NATIVE, Target


def kernel_tree(target: Target = NATIVE) -> KernelTree:
    """The kernel's tree; the test is skipped, with the reason, where it cannot be had."""
    try:
        return KernelTree(target)
    except NoKernelSourceError as error:
        pytest.skip(str(error))


def stores(flags: int, ranges: list[tuple[int, int, int]]) -> array[int]:
    """A fresh tree and stores of (first, last, value); value 0 is NULL."""
    operations = [Operation(Op.INIT, flags)]
    operations += [
        Operation(Op.STORE_RANGE, first, last, value << 1 | 1 if value else 0)
        for first, last, value in ranges
    ]
    return encode(operations)


def xorshift(modulus_of: Callable[[int], int]) -> Iterator[int]:
    """The generator of the random loads; asks for the modulus of each draw by its number."""
    state = 88172645463325252
    draw = 0
    while True:
        state ^= state << 13 & MAX
        state ^= state >> 7
        state ^= state << 17 & MAX
        yield (state >> 11) % modulus_of(draw)
        draw += 1


def random_load(domain: int, longest: int, flags: int, operations: int) -> array[int]:
    """Stores, stores of NULL and erases (6 : 3 : 1) as the golden digests have them."""
    draws = xorshift(lambda draw: (domain, longest, 10)[draw % 3])
    found = [Operation(Op.INIT, flags)]
    for number in range(operations):
        first, length, kind = next(draws), next(draws) + 1, next(draws)
        last = min(first + length - 1, domain - 1)
        if kind < 6:
            found.append(Operation(Op.STORE_RANGE, first, last, (number + 1) << 1 | 1))
        elif kind < 9:
            found.append(Operation(Op.STORE_RANGE, first, last, 0))
        else:
            found.append(Operation(Op.ERASE, first))
    return encode(found)


def final(player: Player, words: array[int]) -> Dump:
    """The tree after some operations; it is destroyed then."""
    player.run(words)
    dump = player.dump()
    player.run(encode([Operation(Op.DESTROY), Operation(Op.GRACE)]))
    return dump


def levels(dump: Dump) -> str:
    """Node counts from the root, as the golden tables write them."""
    return "/".join(map(str, dump.levels()))

"""mbind: which modes can have which flags."""

import errno

import pytest
from world import B, P, World

BALANCING = 0x2000


@pytest.mark.parametrize(
    ("mode", "old", "new"),
    [
        (1, -errno.EINVAL, -errno.EINVAL),
        (2, 0, 0),
        (3, -errno.EINVAL, -errno.EINVAL),
        (5, -errno.EINVAL, 0),
    ],
    ids=["preferred", "bind", "interleave", "preferred many"],
)
def test_balancing(world: World, mode: int, old: int, new: int) -> None:
    world.map(0, 1)
    done = world.space.sys_mbind(world.mm, B, P, mode | BALANCING, B, 2, 0, 1)
    assert done == (new if world.twin.profile.since(6, 10) else old)

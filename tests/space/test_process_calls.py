"""process_madvise as 6.1.192 in a guest and 6.18 answered."""

import pytest

from mmtwin.machine.profile import PROFILES
from mmtwin.space import flags as c
from mmtwin.twin import Twin

A, P = 0x10000000, 0x1000


@pytest.mark.parametrize(("profile", "error"), [("6.1", -14), ("6.18", -12)])
def test_a_range_too_long_is_cut_before_or_after_it_is_looked_at(profile: str, error: int) -> None:
    space = Twin(PROFILES[profile], ram=1 << 26).space
    mm = space.mm_alloc(space.task_alloc(0))
    space.sys_mmap(mm, A, P, 3, c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED, 0, 0)
    result = space.sys_process_madvise(mm, A, 1 << 47, c.MADV_COLD, 0)
    assert result == error


def test_what_may_be_advised_from_outside() -> None:
    space = Twin(PROFILES["6.1"], ram=1 << 26).space
    mm = space.mm_alloc(space.task_alloc(0))
    space.sys_mmap(mm, A, P, 3, c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED, 0, 0)
    assert space.sys_process_madvise(mm, A, P, c.MADV_COLD, 0) == P
    assert space.sys_process_madvise(mm, A, P, c.MADV_RANDOM, 0) == -22
    assert space.sys_process_madvise(mm, A, 0, c.MADV_RANDOM, 0) == -22
    assert space.sys_process_madvise(mm, A, P, c.MADV_COLD, 1) == -22

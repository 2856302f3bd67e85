"""UFFDIO_REGISTER and _UNREGISTER of a range above every area, as asked of real kernels."""

import errno

import pytest

from mmtwin.machine.profile import PROFILES
from mmtwin.replay.replay import Replay
from mmtwin.trace.generate import workload
from mmtwin.twin import Twin

ABOVE = 0x7FFFFFFFE000
PAGE = 4096


@pytest.mark.parametrize(("kernel", "answer"), [("6.18", -errno.EINVAL), ("6.1", -errno.ENOMEM)])
def test_a_range_above_every_area(kernel: str, answer: int) -> None:
    records = list(workload("jit", 0))[:1]
    replay = Replay(Twin(PROFILES[kernel]), records, compare=False)
    replay.run()
    space = replay.twin.space
    mm = replay.processes.mm(records[0].pid)
    stack = 0x7FFFFFFDE000
    assert space.sys_munmap(mm, stack, ABOVE + PAGE - stack) == 0
    assert space.uffdio_register(mm, 1, ABOVE, PAGE, 2) == answer
    assert space.uffdio_unregister(mm, 1, ABOVE, PAGE) == answer

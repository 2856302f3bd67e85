"""Single records carried out: calls that are rare in real traces."""

from __future__ import annotations

import errno

import pytest

from mmtwin.machine.profile import PROFILES
from mmtwin.replay.replay import Replay
from mmtwin.space.flags import MAP_ANONYMOUS, MAP_PRIVATE, PAGE_SIZE, PROT_READ
from mmtwin.trace.calls import MMAP, MSEAL, MUNMAP
from mmtwin.trace.generate import workload
from mmtwin.trace.records import Call, Record
from mmtwin.twin import Twin

NO_FILE = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("kernel", "sealed", "unmapped"),
    [("6.1", -errno.ENOSYS, 0), ("6.18", 0, -errno.EPERM)],
    ids=["6.1 has no mseal", "6.18"],
)
def test_a_sealed_area_stays(kernel: str, sealed: int, unmapped: int) -> None:
    image = next(workload("malloc", 0, seed=1))
    mapped = 0x10000000
    here = (mapped, PAGE_SIZE)
    flags = MAP_PRIVATE | MAP_ANONYMOUS
    records: list[Record] = [
        image,
        Call(2, image.pid, MMAP, (*here, PROT_READ, flags, NO_FILE, 0), ret=mapped),
        Call(3, image.pid, MSEAL, (*here, 0, 0, 0, 0), ret=sealed),
        Call(4, image.pid, MUNMAP, (*here, 0, 0, 0, 0), ret=unmapped),
    ]
    replay = Replay(Twin(PROFILES[kernel]), records)
    assert replay.run() == []
    assert (replay.counts.agreed, replay.counts.settled) == (4, 0)

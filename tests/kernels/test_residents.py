"""Which pages are there, read from smaps and from the twin's page tables."""

import pytest

from mmtwin.kernels.details import COUNTERS, counters_of_status, details_text
from mmtwin.kernels.residents import Residents, of_cached_file, residents, residents_of_smaps
from mmtwin.machine.profile import PROFILES
from mmtwin.space import flags as c
from mmtwin.trace.maps import parse_maps
from mmtwin.twin import Twin

SMAPS = """\
00400000-00402000 r-xp 00000000 fe:00 7                                  /agent
Rss:                   8 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
10000000-10004000 rw-p 00000000 00:00 0\x20
Rss:                  12 kB
Anonymous:             8 kB
AnonHugePages:         0 kB
20000000-20004000 rw-p 00000000 fe:00 9                                  /file
Rss:                  16 kB
Anonymous:             4 kB
AnonHugePages:         0 kB
7ffff7ff7000-7ffff7ffb000 r--p 00000000 00:00 0                          [vvar]
Rss:                   4 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
Rss:                   4 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
"""
IMAGE = """\
00400000-00402000 r-xp 00000000 fe:00 7                                  /agent
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]
"""
A, P, HUGE = 0x10000000, 0x1000, 0x200000
ANON = c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_FIXED
KEEP = (0x400000, 0x402000)


def test_what_smaps_says() -> None:
    found = list(residents_of_smaps(SMAPS, KEEP))
    assert found == [Residents(A, 3, 2, 0), Residents(0x20000000, None, 1, 0)]
    assert [str(one) for one in found] == [
        "10000000 Rss 3 Anonymous 2 AnonHugePages 0",
        "20000000 Rss - Anonymous 1 AnonHugePages 0",
    ]


def test_files_that_others_read_too() -> None:
    lines = SMAPS.splitlines()
    assert of_cached_file(lines[0])
    assert not of_cached_file(lines[4])
    assert not of_cached_file("1000-2000 rw-s 00000000 00:01 5   /dev/zero (deleted)")


@pytest.mark.parametrize("profile", ["6.1", "6.18"])
def test_what_the_twin_holds(profile: str) -> None:
    twin = Twin(PROFILES[profile], ram=1 << 28)
    space = twin.space
    space.view("sysctl", space.sysctl).thp_enabled = 2
    mm = space.load_image(space.task_alloc(0), parse_maps(IMAGE), start_brk=0x402000)
    space.sys_mmap(mm, A, 4 * P, 3, ANON, 0, 0)
    space.touch(mm, A, 2 * P, True)
    space.touch(mm, A + 2 * P, P, False)  # the zero page does not count
    space.sys_mmap(mm, 2 * A, 2 * HUGE, 3, ANON, 0, 0)
    space.touch(mm, 2 * A, P, True)
    space.sys_mmap(mm, 4 * A, 2 * HUGE, 3, ANON, 0, 0)
    space.touch(mm, 4 * A, P, False)  # nor does a huge one
    found = {one.start: one[1:] for one in residents(space, mm, space.proc_maps(mm), KEEP)}
    assert found == {
        A: (2, 2, 0),
        2 * A: (512, 512, 512),
        4 * A: (0, 0, 0),
        0x7FFFFFFDE000: (0, 0, 0),
    }


def test_counters() -> None:
    status = "".join(f"{name}:\t  8 kB\n" for name in (*COUNTERS[:-1], "VmExe", "VmLib"))
    counters = counters_of_status(status)
    assert counters == dict.fromkeys(COUNTERS[:-1], 2) | {"VmExe+VmLib": 4}
    assert details_text([], counters, [Residents(A, 1, 1, 0)]).splitlines()[-2:] == [
        "VmExe+VmLib 4 pages",
        "10000000 Rss 1 Anonymous 1 AnonHugePages 0",
    ]

"""smaps, pagemap and mincore, byte for byte as this machine's kernel tells them, where it is 6.18.

Not compared: numbers of inodes, frame numbers, VmRSS and its kin of a running process (it touches
pages of its own; per-cpu batches make the kernel's sums late), Referenced after the kernel's own
ageing, pages of real files (what of them is cached is the machine's affair).
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from host_smaps import END
from world import FIXED, RW, B, P, R, World

from mmtwin.space import flags as c

HOST = Path(__file__).with_name("host_smaps.py")
SHARED = c.MAP_SHARED | c.MAP_FIXED
SHARED_ANON = SHARED | c.MAP_ANONYMOUS
DOWN, FREE = c.MADV_DONTNEED, c.MADV_FREE
Op = list[object]

STORIES: dict[str, list[Op]] = {
    "touches": [["map", 0, 16, RW, FIXED], ["write", 0, 3], ["read", 5, 9], ["write", 8, 9]],
    "read-only": [["map", 0, 8, RW, FIXED], ["write", 0, 4], ["protect", 0, 8, R], ["read", 0, 8]],
    "none": [["map", 0, 8, RW, FIXED], ["write", 0, 4], ["protect", 1, 3, 0]],
    "hole": [["map", 0, 16, RW, FIXED], ["write", 0, 16], ["unmap", 4, 6]],
    "dontneed": [["map", 0, 16, RW, FIXED], ["write", 0, 16], ["advise", 4, 6, DOWN]],
    "shared": [["map", 0, 16, RW, SHARED_ANON], ["write", 0, 4], ["read", 8, 9]],
    "memfd": [["map", 0, 16, RW, SHARED, 1], ["write", 0, 4], ["read", 8, 9]],
    "memfd-private": [
        ["map", 0, 16, RW, SHARED, 1],
        ["write", 0, 8],
        ["map", 32, 48, RW, c.MAP_PRIVATE | c.MAP_FIXED, 1],
        ["write", 32, 34],
        ["read", 36, 37],
    ],
    "fork": [
        ["map", 0, 16, RW, FIXED],
        ["write", 0, 8],
        ["fork", [["write", 0, 2], ["read", 2, 4]]],
        ["write", 4, 6],
    ],
    "fork-shared": [
        ["map", 0, 16, RW, SHARED_ANON],
        ["write", 0, 8],
        ["fork", [["read", 0, 4]]],
    ],
    "three": [
        ["map", 0, 16, RW, FIXED],
        ["write", 0, 16],
        ["fork", [["write", 0, 4]]],
        ["fork", [["write", 2, 6]]],
        ["write", 8, 10],
    ],
    "moved": [["map", 0, 16, RW, FIXED], ["write", 2, 9], ["move", 0, 16, 2000]],
    "populated": [["map", 0, 16, RW, FIXED | c.MAP_POPULATE], ["map", 20, 24, R, FIXED | 0x8000]],
    "locked": [["map", 0, 16, RW, FIXED], ["lock", 0, 8], ["write", 9, 12]],
    "guards": [
        ["map", 0, 16, RW, FIXED],
        ["write", 0, 8],
        ["advise", 2, 4, c.MADV_GUARD_INSTALL],
        ["advise", 3, 4, c.MADV_GUARD_REMOVE],
    ],
    "populate-read": [
        ["map", 0, 16, RW, FIXED],
        ["advise", 0, 8, c.MADV_POPULATE_READ],
        ["advise", 4, 12, c.MADV_POPULATE_WRITE],
    ],
    "huge": [
        ["map", 0, 1024, RW, FIXED],
        ["advise", 0, 1024, c.MADV_HUGEPAGE],
        ["write", 3, 4],
        ["read", 600, 601],
    ],
    "huge-cut": [
        ["map", 0, 1024, RW, FIXED],
        ["advise", 0, 1024, c.MADV_HUGEPAGE],
        ["write", 3, 4],
        ["write", 700, 701],
        ["unmap", 10, 12],
        ["protect", 512, 600, R],
    ],
    "huge-fork": [
        ["map", 0, 512, RW, FIXED],
        ["advise", 0, 512, c.MADV_HUGEPAGE],
        ["write", 3, 4],
        ["fork", [["write", 7, 8]]],
    ],
}


def by_the_host(ops: list[Op]) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, str(HOST)],
        input=json.dumps(ops),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def carry_out(world: World, op: Op, file: int) -> int:
    name, first, last, *rest = op
    assert isinstance(first, int)
    assert isinstance(last, int)
    start, length = B + first * P, (last - first) * P
    space, mm = world.space, world.mm
    if name == "map":
        flags = int(str(rest[1]))
        done = world.map(first, last, int(str(rest[0])), flags, file if len(rest) > 2 else 0)
        return 0 if done == start else done
    if name in ("read", "write"):
        return int(space.touch(mm, start, length, name == "write"))
    if name == "move":
        to = B + int(str(rest[0])) * P
        done = space.sys_mremap(mm, start, length, length, 3, to)
        return 0 if done == to else done
    if name == "lock":
        return int(space.sys_mlock(mm, start, length))
    if name == "unmap":
        return world.unmap(first, last)
    if name == "protect":
        return world.protect(first, last, int(str(rest[0])))
    return world.advise(first, last, int(str(rest[0])))


def by_the_twin(ops: list[Op]) -> dict[str, object]:
    world = World("6.18")
    thp = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    words = thp.read_text() if thp.exists() else "[never]"
    world.sysctl(thp_enabled=2 if "[always]" in words else 1 if "[madvise]" in words else 0)
    file = world.open("/memfd:twin (deleted)", size=64 * P)
    results = []
    for op in ops:
        if op[0] == "fork":
            child = world.fork()
            inner = op[1]
            assert isinstance(inner, list)
            for step in inner:
                carry_out(child, step, file)
            results.append(0)
        else:
            results.append(carry_out(world, op, file))
    world.check()
    space, mm = world.space, world.mm
    mask = ~((1 << 55) - 1)
    flags = {}
    core = {}
    for page in range(END):
        word = space.pagemap_entry(mm, B + page * P) & mask
        if word:
            flags[str(page)] = word
        if space.sys_mincore(mm, B + page * P, P) == 0:
            core[str(page)] = space.mincore_vector(mm, B + page * P, P)[0]
    smaps = space.proc_smaps(mm)
    return {"results": results, "smaps": smaps, "pagemap": flags, "mincore": core}


def plain(smaps: object) -> list[str]:
    """Without device and inode numbers."""
    return re.sub(r" [0-9a-f]+:[0-9a-f]+ \d+ +", " ", str(smaps)).splitlines()


@pytest.mark.skipif(not os.uname().release.startswith("6.18"), reason="the kernel is no 6.18")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the machine is no x86-64")
@pytest.mark.parametrize("story", STORIES)
def test_the_host_tells_the_same(story: str) -> None:
    theirs, ours = by_the_host(STORIES[story]), by_the_twin(STORIES[story])
    assert ours["results"] == theirs["results"]
    assert plain(ours["smaps"]) == plain(theirs["smaps"])
    assert ours["pagemap"] == theirs["pagemap"]
    assert ours["mincore"] == theirs["mincore"]

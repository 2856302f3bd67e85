"""Random calls: the same seed the same run, nothing that hurts; shrinking; comparing."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from mmtwin.kernels.abi import TOP
from mmtwin.kernels.calls import Call
from mmtwin.kernels.compare import Comparison, Inodes, Outcome, first_difference, shown
from mmtwin.kernels.generate import Generator
from mmtwin.kernels.huge import is_huge
from mmtwin.kernels.maps import area_of, areas
from mmtwin.kernels.options import Options
from mmtwin.kernels.safety import bounded, reaches
from mmtwin.kernels.shrink import shrink
from mmtwin.kernels.smaps import Scope

MAPS = """\
00400000-00402000 r-xp 00000000 fe:00 7                                  /agent
00402000-0041c000 rw-p 00000000 00:00 0\x20
10000000-10004000 rw-p 00000000 00:00 0\x20
10004000-10006000 r--s 00001000 00:01 9                                  /dev/zero (deleted)
7ffff7ff7000-7ffff7ffb000 r--p 00000000 00:00 0                          [vvar]
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
"""
OPTIONS = Options(files=("/a", "/b"), segments=2)


def draw(seed: int, count: int) -> list[Call]:
    generator = Generator(Random(seed), OPTIONS)
    generator.start()
    calls = generator.opening()
    return calls + [generator.next({1: MAPS}) for _ in range(count)]


def test_the_same_seed_is_the_same_run() -> None:
    assert draw(5, 200) == draw(5, 200)
    assert draw(5, 200) != draw(6, 200)


def test_nothing_reaches_the_code_that_makes_the_calls() -> None:
    space = list(areas(MAPS))
    for call in draw(1, 3000):
        assert not reaches(call, OPTIONS.keep_start, OPTIONS.keep_end), call
        assert bounded(call, space, OPTIONS.keep_end, OPTIONS.machine.task_size), call


@pytest.mark.parametrize(
    ("call", "hits"),
    [
        (Call(1, "munmap", (0x3FF000, 0x2000)), True),
        (Call(1, "munmap", (0x3FE000, 0x1000)), False),
        (Call(1, "munmap", (0, 2**64 - 1)), True),
        (Call(1, "mremap", (0x10000000, 0x1000, 0x1000, 3, 0x41B000)), True),
        (Call(1, "mremap", (0x10000000, 0x1000, 0x1000, 1, 0x41B000)), False),
        (Call(1, "brk", (0x41D000,)), False),
        (Call(1, "mmap", (0, 1, 0, 0x78044032, 0, 0)), True),
        (Call(1, "mremap", (0x41E000, TOP - 0xFFF, TOP - 0x3FFF, 1, 0)), True),
        (Call(1, "mmap", (0, 1, 0, 0x40032, 0, 0)), False),
        (Call(1, "mremap", (0x10000000, 0x1000, 0x1000, 3, 0x3FE000)), True),
        (Call(1, "touch", (0x400000, 1, 0)), True),
    ],
)
def test_what_reaches_the_image(call: Call, hits: bool) -> None:
    assert reaches(call, 0x400000, 0x41C000) is hits


def test_every_kind_of_call_is_drawn() -> None:
    names = {call.name for seed in range(30) for call in draw(seed, 100)}
    wanted = "mmap munmap mprotect pkey_mprotect brk mremap madvise mlock mlock2 munlock mlockall"
    wanted += " munlockall msync mincore remap_file_pages prctl shmat shmdt touch fork setrlimit"
    wanted += " capset open memfd_create ftruncate"
    assert set(wanted.split()) <= names


def test_segments_of_huge_pages_are_drawn_with_a_pool() -> None:
    """They have the places behind the other segments; so many runs with a pool have some."""
    options = replace(OPTIONS, huge_pool=True)
    runs, attached = 0, set()
    for seed in range(60):
        generator = Generator(Random(seed), options)
        start = generator.start()
        runs += bool(start.huge_segments)
        assert start.huge_pages or not start.huge_segments
        calls = [generator.next({1: MAPS}) for _ in range(40 if start.huge_segments else 0)]
        places = {call.args[0] for call in calls if call.name == "shmat"}
        attached |= places
        assert places <= set(range(options.segments + len(start.huge_segments)))
    assert runs > 5
    assert attached >= {2, 3}


def test_areas_of_huge_pages_are_told_by_name_and_device() -> None:
    line = "30000000-30200000 rw-s 00000000 {} 5 {} (deleted)"
    told = [("00:0f", "/SYSV00000000"), ("00:01", "/SYSV00000000"), ("00:0f", "/anon_hugepage")]
    assert [is_huge(area_of(line.format(*one))) for one in told] == [True, False, True]


def test_shrinking() -> None:
    """What fails: an munmap of at least two pages after a fork by the same process."""
    calls = draw(3, 60)
    calls.insert(20, Call(1, "fork", (9,)))
    calls.append(Call(9, "munmap", (0x10000000, 0x5123)))

    def fails(tried: Sequence[Call]) -> bool:
        return any(c.name == "munmap" and c.args[1] >= 0x1000 for c in tried)

    least = shrink(calls, fails)
    assert [call.name for call in least] == ["munmap"]
    assert least[0].args == (0, 0x1000)


def test_the_parent_takes_over_the_childs_calls() -> None:
    calls = [Call(1, "fork", (2,)), Call(2, "munmap", (0, 0x1000))]

    def fails(tried: Sequence[Call]) -> bool:
        there = {1} | {call.args[0] for call in tried if call.name == "fork"}
        return tried[-1].name == "munmap" and tried[-1].slot in there

    assert shrink(calls, fails) == [Call(1, "munmap", (0, 0))]


def test_the_parent_takes_over_the_calls_of_a_child_of_its_child() -> None:
    calls = [
        Call(1, "fork", (2,)),
        Call(2, "fork", (3,)),
        Call(3, "munmap", (0, 0)),
    ]

    def fails(tried: Sequence[Call]) -> bool:
        there = {1}
        for call in tried:
            if call.slot not in there:
                return False
            if call.name == "fork":
                there.add(call.args[0])
        return tried[-1].name == "munmap"

    assert shrink(calls, fails) == [Call(1, "munmap", (0, 0))]


def test_numbers_of_nameless_objects_do_not_count_but_which_is_which_does() -> None:
    twin, kernel = Inodes(), Inodes()
    ours = "10000000-10001000 rw-s 00000000 00:01 1      /dev/zero (deleted)\n"
    theirs = ours.replace("00:01 1 ", "00:01 77")
    assert twin.plain(ours) == kernel.plain(theirs)
    assert twin.plain(ours) != twin.plain(ours.replace("00:01 1 ", "00:01 2 "))


def test_files_of_huge_pages_are_compared_by_identity_too() -> None:
    lines = [
        "20000000-20200000 rw-p 00000000 00:11 7 /anon_hugepage (deleted)\n",
        "20200000-20400000 rw-p 00200000 00:11 7 /anon_hugepage (deleted)\n",
        "20400000-20600000 rw-p 00000000 00:11 8 /anon_hugepage (deleted)\n",
    ]
    elsewhere = [line.replace("00:11 ", "00:0f 70") for line in lines]
    alike = [line.replace("00:11 8", "00:11 7") for line in lines]
    assert Inodes().plain("".join(lines)) == Inodes().plain("".join(elsewhere))
    assert Inodes().plain("".join(lines)) != Inodes().plain("".join(alike))


def test_what_is_compared() -> None:
    call = Call(1, "munmap", (0, 0))
    scope = Scope((0, 0))
    same = [Outcome(1, 0, "a\n")]
    assert Comparison(scope).check(0, call, same, same) is None
    for other, what in (
        ([Outcome(1, -22, "a\n")], "result"),
        ([Outcome(1, 0, "b\n")], "maps of process 1"),
        ([*same, *same], "processes"),
    ):
        found = Comparison(scope).check(3, call, same, other)
        assert found is not None
        assert (found.step, found.what) == (3, what)
        assert "munmap" in str(found)
    fork = Call(1, "fork", (2,))
    assert Comparison(scope).check(0, fork, [Outcome(1, 1, "")], [Outcome(1, 4711, "")]) is None


def test_small_things() -> None:
    assert shown(-22) == "-Invalid argument (-22)"
    assert shown(0x1000) == "0x1000"
    assert first_difference("a\nb\n", "a\nc\nd\n") == ("b", "c")
    assert first_difference("a\n", "a\nb\n") == ("", "b")
    assert [area.name for area in areas(MAPS)][-1] == "[stack]"

"""What of smaps, status, pagemap and mincore is compared, and which difference is told."""

import pytest

from mmtwin.kernels.calls import Call
from mmtwin.kernels.compare import Comparison, Outcome
from mmtwin.kernels.diff import words_of
from mmtwin.kernels.maps import areas
from mmtwin.kernels.smaps import (
    COUNTERS,
    Scope,
    committed,
    core_difference,
    counters,
    fields,
    pagemap_difference,
    records,
    smaps_difference,
    status_difference,
)

LINES = [
    "00400000-00402000 r-xp 00000000 fe:00 7                                  /agent",
    "10000000-10004000 rw-p 00000000 00:00 0 ",
    "20000000-20004000 rw-p 00000000 fe:00 9                                  /VmFlags: file",
    "30000000-30002000 rw-s 00000000 00:01 9                                  /memfd:a (deleted)",
    "7ffff7ff7000-7ffff7ffb000 r--p 00000000 00:00 0                          [vvar]",
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
]
MAPS = "".join(line + "\n" for line in LINES)
SCOPE = Scope((0x400000, 0x402000))
A, FILE, MEMFD = 1, 2, 3


def smaps(at: int = 0, **values: str) -> str:
    """The text, with some values of the area at place ``at``."""
    text = ""
    for place, line in enumerate(LINES):
        told = {"Size": "16 kB", "Rss": "8 kB", "Referenced": "8 kB", "Anonymous": "4 kB"}
        told |= {"VmFlags": "rd"} | (values if place == at else {})
        text += line + "\n" + "".join(f"{name}: {value} \n" for name, value in told.items())
    return text


def test_records_and_fields() -> None:
    found = list(records(smaps(A, Rss="12 kB")))
    assert len(found) == len(LINES)
    assert fields(found[A])["Rss"] == "12 kB"
    assert fields(found[FILE]) == {
        "Size": "16 kB",
        "Rss": "8 kB",
        "Referenced": "8 kB",
        "Anonymous": "4 kB",
        "VmFlags": "rd",
    }
    with pytest.raises(ValueError, match="not found"):
        list(records("1000-2000 rw-p 0 00:00 0 \nRss: 0 kB\n"))


@pytest.mark.parametrize(
    ("at", "name", "told"),
    [
        (0, "Rss", False),
        (0, "VmFlags", True),
        (A, "Rss", True),
        (A, "Referenced", False),
        (FILE, "Rss", False),
        (FILE, "Anonymous", True),
        (MEMFD, "Rss", True),
        (4, "Rss", False),
        (4, "Size", True),
        (5, "Rss", True),
    ],
)
def test_which_fields_count_where(at: int, name: str, told: bool) -> None:
    found = smaps_difference(smaps(), smaps(at, **{name: "99"}), MAPS, SCOPE)
    assert (found is not None) is told
    if found is not None:
        assert found[1].endswith(f"{name}: 99")


def test_counters() -> None:
    status = "".join(f"{name}:\t  8 kB\n" for name in (*COUNTERS, "VmExe", "VmLib"))
    assert counters(status) == dict.fromkeys(COUNTERS, 8) | {"VmExe+VmLib": 16}
    assert status_difference(status, status) is None
    other = status.replace("VmData:\t  8", "VmData:\t  9")
    assert status_difference(status, other) == ("VmData 8 kB", "VmData 9 kB")
    fewer_tables = status.replace("VmPTE:\t  8", "VmPTE:\t  4")
    assert status_difference(status, fewer_tables) == ("VmPTE 8 kB", "VmPTE 4 kB")
    assert committed("MemFree: 1 kB\nCommitted_AS:  40 kB\n") == 10


def test_pagemap() -> None:
    sizes = [area.pages for area in areas(MAPS)]
    stream = bytes(8 * sum(sizes))
    twin = words_of(stream, MAPS, "<")
    assert [(start, len(words)) for start, words in twin] == [
        (area.start, area.pages) for area in areas(MAPS)
    ]
    frame, present = 5, 1 << 63
    for at, told in ((0, False), (2, True), (6, False), (10, True), (12, False)):
        changed = stream[: 8 * at] + (present | frame).to_bytes(8, "little") + stream[8 * at + 8 :]
        kernel = words_of(changed, MAPS, "<")
        found = pagemap_difference(twin, kernel, MAPS, SCOPE)
        assert (found is not None) is told, at
        if at == 2:
            assert found == ("10000000 pagemap bits none", "10000000 pagemap bits 63")
    assert words_of(frame.to_bytes(8, "big") * sum(sizes), MAPS, ">") == twin


def test_mincore() -> None:
    assert core_difference(b"\1\0", b"\1\0", 0x10000000, MAPS, SCOPE) is None
    found = core_difference(b"\1\0", b"\1\1", 0x10000000, MAPS, SCOPE)
    assert found == ("10001000 in core: 0", "10001000 in core: 1")
    assert core_difference(b"\0", b"\1", 0x20000000, MAPS, SCOPE) is None


def test_the_comparison_says_what_differs() -> None:
    call = Call(1, "mincore", (0x10000000, 0x1000))
    same = Outcome(1, 0, MAPS, smaps(), "VmData: 4 kB\n", [], b"\0", 3)
    for other, what in (
        (Outcome(1, 0, MAPS, smaps(A, Rss="0 kB")), "smaps of process 1"),
        (Outcome(1, 0, MAPS, status="VmData: 8 kB\n"), "status of process 1"),
        (Outcome(1, 0, MAPS, core=b"\1"), "mincore of process 1"),
        (Outcome(1, 0, MAPS, charged=4), "charge"),
        (Outcome(1, 0, MAPS), None),
    ):
        found = Comparison(SCOPE).check(0, call, [same], [other])
        assert (None if found is None else found.what) == what

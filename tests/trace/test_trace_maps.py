"""The text of /proc/PID/maps."""

from itertools import pairwise

import pytest

from mmtwin.trace.errors import MapsError
from mmtwin.trace.maps import MapLine, parse_maps

HEAP = "55fa08dbc000-55fa08dbe000 rw-p 00000000 00:00 0                          [heap]\n"
NAMELESS = "200000000000-200000001000 rw-p 00000000 00:00 0 \n"


def test_empty_text_is_no_memory() -> None:
    assert parse_maps("") == []


def test_nameless() -> None:
    """A mapping without a name ends in the space after its inode."""
    assert parse_maps(NAMELESS) == [MapLine(0x200000000000, 0x200000001000, "rw-p", 0, 0, 0, 0, "")]


def test_own_process() -> None:
    """This very process's maps parse, and every line's end is the start of nothing before it."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        text = file.read()

    lines = parse_maps(text)

    assert len(lines) == text.count("\n")
    assert all(low.end <= high.start for low, high in pairwise(lines))


@pytest.mark.parametrize(
    "name",
    [
        "/tmp/a b  c",
        "/tmp/new\\012line",
        "/memfd:x (deleted)",
        "/tmp/ends in space ",
        "[anon:a name]",
        "anon_inode:[perf_event]",
        "/tmp/tab\there\r",
        "/tmp/ünï",
    ],
)
def test_odd_names_are_kept_as_printed(name: str) -> None:
    text = "7f0000000000-7f0000001000 r-xs 00002000 fe:100 42                        "
    assert parse_maps(f"{text}{name}\n")[0].name == name


def test_name_beyond_the_column() -> None:
    """A prefix that fills the columns is followed by one space."""
    text = "7fffffffe000-7ffffffff000 r-xp 7fffffff00000000 ffffff:ffffff 18446744073709551615 /x\n"
    line = parse_maps(text)[0]
    assert (line.offset, line.inode, line.name) == (0x7FFFFFFF00000000, 2**64 - 1, "/x")


def test_second_snapshot_shares_lines() -> None:
    """The same line gives the same object, so snapshots of a long trace cost little memory."""
    assert parse_maps(NAMELESS + HEAP)[1] is parse_maps(HEAP)[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAP[:-1], 1),
        (HEAP + HEAP[:30], 2),
        (HEAP + "\n", 2),
        ("\n", 1),
        (HEAP.replace("rw-p", "rwep"), 1),
        (HEAP.replace("55fa08dbe000", "55fa08dbc000"), 1),
        (HEAP.replace("55fa08dbe000", "55fa08dbe001"), 1),
        (HEAP.replace("55fa08dbe000", "55FA08DBE000"), 1),
        (HEAP.replace("55fa08dbe000", "٥٥fa08dbe000"), 1),
        (HEAP.replace("55fa08dbe000", "1" * 17), 1),
        (HEAP.replace("00:00 0 ", "00:00 99999999999999999999 "), 1),
        (HEAP.replace("00:00 0 ", "00:00 ٣ "), 1),
        (NAMELESS + NAMELESS[:-2] + "\n", 2),
        (HEAP.replace("[heap]", "[he\0ap]"), 1),
    ],
)
def test_what_no_kernel_prints(text: str, line: int) -> None:
    with pytest.raises(MapsError) as caught:
        parse_maps(text)
    assert caught.value.line == line
    assert "\n" not in str(caught.value)


def test_torn_snapshot_parses() -> None:
    """Other threads can merge mappings while the text is read: the same range shows twice."""
    grown = "200000000000-200000002000 rw-p 00000000 00:00 0 \n"
    lines = parse_maps(NAMELESS + grown)
    assert lines[-1].start == lines[-2].start

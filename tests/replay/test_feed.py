from collections.abc import Iterator

import pytest

from mmtwin.replay.feed import Feed
from mmtwin.trace.errors import TraceError
from mmtwin.trace.records import Gone, Record


def broken(count: int) -> Iterator[Record]:
    yield from (Gone(line=i, pid=1) for i in range(1, count + 1))
    raise TraceError("t", count + 1, "cut short")


def test_looking_ahead_leaves_records_in_their_turn() -> None:
    feed = Feed(Gone(line=i, pid=1) for i in range(1, 6))
    assert [r.line for r in feed.ahead(3)] == [1, 2, 3]
    turn = iter(feed)
    assert next(turn).line == 1
    assert [r.line for r in feed.ahead(9)] == [2, 3, 4, 5]
    assert [r.line for r in turn] == [2, 3, 4, 5]


def test_a_broken_trace_breaks_when_its_turn_comes() -> None:
    feed = Feed(broken(3))
    assert [r.line for r in feed.ahead(10)] == [1, 2, 3]
    turn = iter(feed)
    assert [next(turn).line for _ in range(3)] == [1, 2, 3]
    with pytest.raises(TraceError, match="t:4: cut short"):
        next(turn)

"""Every adapter does the same job: each one against a list with a value for each index."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmtwin.bench.peer import Peer
from mmtwin.bench.peers import MODULES, peer_class
from mmtwin.bench.work import Search, Stored, Wanted
from mmtwin.kernels.ktree import NoKernelSourceError

END = 120
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.integers(0, END - 2), st.integers(1, 40)),
        st.tuples(st.just("look"), st.integers(0, END - 1), st.just(0)),
        st.tuples(st.just("erase"), st.integers(0, END - 1), st.just(0)),
        st.tuples(st.just("fill"), st.just(0), st.integers(1, 30)),
        st.tuples(st.just("gap"), st.integers(0, END - 1), st.integers(2, 30)),
    ),
    max_size=30,
)


class Model:
    """A value for each index, 0 for none. Every store has a value of its own."""

    def __init__(self) -> None:
        self.values = [0] * END

    def ranges(self) -> list[Stored]:
        found: list[Stored] = []
        for index, value in enumerate(self.values):
            if value and found and found[-1].value == value and found[-1].stop == index:
                found[-1] = found[-1]._replace(stop=index + 1)
            elif value:
                found.append(Stored(index, index + 1, value))
        return found

    def store(self, start: int, stop: int, value: int) -> None:
        self.values[start:stop] = [value] * (stop - start)

    def free(self, start: int, size: int) -> bool:
        return start + size <= END and not any(self.values[start : start + size])

    def erase(self, key: int) -> None:
        (range_,) = (r for r in self.ranges() if r.start <= key < r.stop)
        self.store(range_.start, range_.stop, 0)


@pytest.fixture(params=MODULES)
def kind(request: pytest.FixtureRequest) -> type[Peer]:
    try:
        found = peer_class(request.param)
        found(1).close()
    except NoKernelSourceError as error:
        pytest.skip(str(error))
    return found


def play(peer: Peer, steps: list[tuple[str, int, int]]) -> Iterator[None]:
    model = Model()
    for number, (what, at, size) in enumerate(steps, 1):
        if what == "store":
            stored = Stored(at, min(at + size, END), number)
            peer.stores([stored])()
            model.store(*stored)
        elif what == "look" and model.values[at]:
            result = peer.lookups([at])()
            assert peer.own_clock or result == model.values[at]
        elif what == "look":
            if not peer.own_clock:
                with pytest.raises((LookupError, ValueError)):
                    peer.lookups([at])()
        elif what == "erase" and model.values[at]:
            peer.erases([at])()
            model.erase(at)
        elif what == "fill":
            place = next((p for p in range(END - size, -1, -1) if model.free(p, size)), None)
            if place is not None:
                found = peer.fills([Wanted(size, number)], END)()
                assert peer.own_clock or found == place
                model.store(place, place + size, number)
        elif what == "gap":
            # Linux 6.1 does not compare a window with the size when the tree is empty.
            at = min(at, END - size)
            place = next((p for p in range(at, END) if model.free(p, size)), None)
            found = peer.gaps([Search(at, size)], END)()
            assert peer.own_clock or found == place
        peer.iterates()()
        assert peer.ranges() == model.ranges()
        yield


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_an_adapter_does_what_the_model_does(
    kind: type[Peer], steps: list[tuple[str, int, int]]
) -> None:
    peer = kind(50)
    try:
        for _ in play(peer, steps):
            pass
    finally:
        peer.close()


def test_an_assignment_over_many_leaves_the_ends(kind: type[Peer]) -> None:
    peer = kind(50)
    peer.stores([Stored(10 * i, 10 * i + 8, i + 1) for i in range(10)])()
    peer.stores([Stored(24, 75, 99)])()
    assert [tuple(range_) for range_ in peer.ranges()] == [
        (0, 8, 1),
        (10, 18, 2),
        (20, 24, 3),
        (24, 75, 99),
        (75, 78, 8),
        (80, 88, 9),
        (90, 98, 10),
    ]
    peer.close()

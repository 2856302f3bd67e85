"""All range maps against each other: rounds, each in a process of its own.

A round takes every map in turn, and the turn begins with another one each time, so that what
else the machine does meets all alike. Each life is led in a forked child: the work is the parent's,
the heap starts the same for all, and what crashes or eats memory takes only itself along.
"""

from __future__ import annotations

import ctypes
import gc
import resource
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from time import process_time_ns
from typing import Any, TypeVar

from mmtwin.bench.life import Life, build_limit, lives
from mmtwin.bench.machine import facts_of_machine
from mmtwin.bench.peer import Peer
from mmtwin.bench.peers import peer_class
from mmtwin.bench.result import Contest, Standing
from mmtwin.bench.rows import Row
from mmtwin.bench.state import Kept, Settings, State, Weight
from mmtwin.bench.work import SEED, Work, range_of
from mmtwin.kernels.ktree import NoKernelSourceError

SLOW = 2.0
"""A map that needs more seconds for a round than this has fewer of them."""
FEW = 2
ROUNDS = {10_000: 5, 100_000: 5, 1_000_000: 3}
"""Rounds for up to so many ranges; one above."""
SMALLEST = 100
"""Ranges below which no slow map is tried any more."""
CHECKED = 100_000
"""Ranges up to which the maps are compared at the end of the first round."""
HELD = 50_000
"""Ranges that are held at least when memory is weighed."""
WEIGHED = 100_000
"""Ranges up to which memory is weighed, unless more is asked for: it hardly depends on them."""
PIECE = 50
"""Ranges stored between two looks at the clock."""
PAGE = resource.getpagesize()

T = TypeVar("T")
Told = Callable[[str], None]


class ChildDied(RuntimeError):
    """A forked child ended without an answer."""


def forked(function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """The result of a function that runs in a forked child."""
    context = get_context("fork")
    here, there = context.Pipe(duplex=False)

    def child(answer: Connection) -> None:
        try:
            answer.send((True, function(*arguments, **more)))
        except KeyboardInterrupt:
            return
        except Exception as error:
            answer.send((False, f"{type(error).__name__}: {error}"))

    process = context.Process(target=child, args=(there,), daemon=True)
    process.start()
    there.close()
    try:
        well, value = here.recv()
    except KeyboardInterrupt:
        process.terminate()
        process.join()
        raise
    except EOFError:
        process.join()
        raise ChildDied(f"it ended with status {process.exitcode}") from None
    finally:
        here.close()
    process.join()
    if not well:
        raise ChildDied(value)
    return value


def rounds_for(size: int) -> int:
    """How many rounds a size has."""
    for most, rounds in ROUNDS.items():
        if size <= most:
            return rounds
    return 1


def available(names: Sequence[str]) -> Iterator[tuple[str, type[Peer] | str]]:
    """Each name with its adapter, or with what is missing."""
    for name in names:
        try:
            kind = peer_class(name)
            forked(opened, kind)
        except ImportError as error:
            yield name, f"{error.name or error} is not installed (group bench)"
        except ChildDied as error:
            yield name, str(error).removeprefix(f"{NoKernelSourceError.__name__}: ")
        else:
            yield name, kind


def opened(kind: type[Peer]) -> None:
    """Whether a map can be made at all."""
    kind(1).close()


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def weighed(kind: type[Peer], size: int) -> float | None:
    """Bytes a range of maps built in random order; None if that takes too long.

    The values exist before, so they are not counted; keys that a map keeps are.
    """
    order = array("Q", Random(SEED).sample(range(size), size))
    values = list(range(1, size + 1))
    peers: list[Peer] = []
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    gc.collect()
    if trim is not None:
        trim(0)
    before, start = resident(), process_time_ns()
    limit = build_limit(size)
    while len(peers) * size < HELD and (not peers or process_time_ns() - start < limit // 2):
        peer = kind(size)
        peers.append(peer)
        for at in range(0, size, PIECE):
            ranges = [
                range_of(cell)._replace(value=values[cell]) for cell in order[at : at + PIECE]
            ]
            peer.stores(ranges)()
            del ranges
            if len(peers) == 1 and process_time_ns() - start > limit:
                return None
        exact = peer.bytes()
        if exact is not None:
            peer.close()
            return exact / size
    return (resident() - before) / (size * len(peers))


class Race:
    """One run: some range maps at some sizes.

    ``told`` hears what is being done, a line at a time. What ``state`` already has is not measured
    again; ``saved`` hears of everything new in it.
    """

    def __init__(
        self,
        names: Sequence[str],
        sizes: Sequence[int],
        told: Told,
        *,
        rows: Collection[Row] = tuple(Row),
        rounds: int | None = None,
        weighed: int = WEIGHED,
    ) -> None:
        self.told = told
        self.missing: dict[str, str] = {}
        self.kinds: dict[str, type[Peer]] = {}
        for name, kind in available(names):
            if isinstance(kind, str):
                self.missing[name] = kind
            else:
                self.kinds[name] = kind
        self.settings = Settings(
            sorted(sizes), list(self.kinds), list(rows), rounds, weighed, facts_of_machine()
        )
        self.state = State(self.settings)
        self.saved: Callable[[State], None] = lambda state: None
        self.contests: list[Contest] = []
        self.interrupted = False
        self._too_large: dict[str, int] = {}
        """the smallest size that was too slow for a map"""
        self._too_heavy: dict[str, int] = {}
        """the smallest size that took too long to weigh"""

    def run(self) -> list[Contest]:
        """Measure. Memory comes first, while the heap of this process is small.

        An interrupt ends it: what was measured so far is given, and ``interrupted`` is set.
        """
        try:
            self._run()
        except KeyboardInterrupt:
            self.interrupted = True
        for contest in self.contests:
            for standing in contest.standings:
                weight = self.state.weight(standing.name, standing.size)
                standing.bytes = weight.bytes if weight else None
        return self.contests

    def _run(self) -> None:
        asked = self.settings
        for size in asked.sizes:
            if Row.MEMORY in asked.rows and size <= asked.weighed:
                for name in self._able(size):
                    self._weigh(name, size)
        for size in asked.sizes:
            self.contests.append(Contest(size))
            self._fill(self.contests[-1], size, self._able(size))
            self._instead(self.contests[-1])

    def _able(self, size: int) -> list[str]:
        return [
            name
            for name, kind in self.kinds.items()
            if size <= kind.ceiling and size < self._too_large.get(name, size + 1)
        ]

    def _weigh(self, name: str, size: int) -> None:
        if size >= self._too_heavy.get(name, size + 1):
            return
        weight = self.state.weight(name, size)
        if weight is None:
            self.told(f"{size:,} ranges: memory of {self.kinds[name].name}")
            weight = Weight(name, size, forked(weighed, self.kinds[name], size))
            self.state.weights.append(weight)
            self.saved(self.state)
        if weight.bytes is None:
            self._too_heavy[name] = size

    def _instead(self, contest: Contest) -> None:
        """Whoever was too slow at this size tries smaller ones, unless they were measured."""
        for standing in list(contest.standings):
            size = standing.size
            if not standing.too_slow:
                continue
            self._too_large[standing.name] = size
            tried = standing
            sizes = self.settings.sizes
            while tried.too_slow and size // 10 >= SMALLEST and size // 10 not in sizes:
                size //= 10
                (tried,) = self._fill(contest, size, [standing.name])

    def _fill(self, contest: Contest, size: int, names: Sequence[str]) -> list[Standing]:
        """All rounds at one size, into a contest."""
        work = Lazy(size)
        standings = [Standing(name, self.kinds[name].name, size) for name in names]
        contest.standings += standings
        rounds = self.settings.rounds or rounds_for(size)
        for number in range(rounds):
            for standing in rotated(standings, number):
                slow = standing.seconds > SLOW and number >= FEW
                if standing.too_slow or standing.trouble or slow:
                    continue
                kept = self.state.kept(standing.name, size, number)
                if kept is None:
                    self.told(f"{size:,} ranges, round {number + 1} of {rounds}: {standing.title}")
                    kept = self._round(standing, work.get(), number)
                    self.state.lives.append(kept)
                    self.saved(self.state)
                if kept.trouble is None:
                    standing.add(kept.life())
                standing.trouble = kept.trouble
        return standings

    def _round(self, standing: Standing, work: Work, number: int) -> Kept:
        """One life of one map."""
        try:
            life: Life = forked(
                lives,
                self.kinds[standing.name],
                work,
                self.settings.rows,
                random=standing.complete(Row.RANDOM),
                digest=number == 0 and work.count <= CHECKED,
            )
        except ChildDied as error:
            return Kept(standing.name, work.count, number, trouble=str(error))
        return Kept.of(standing.name, work.count, number, life)


class Lazy:
    """The work at one size, made when it is first needed: a race that goes on may need none."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.work: Work | None = None

    def get(self) -> Work:
        """The work."""
        if self.work is None:
            self.work = Work(self.size)
        return self.work


def rotated(items: list[T], by: int) -> list[T]:
    """The same items, beginning with another one."""
    at = by % len(items) if items else 0
    return items[at:] + items[:at]

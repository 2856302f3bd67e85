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
from typing import Any

from mmtwin.bench.life import build_limit, lives
from mmtwin.bench.peer import Peer
from mmtwin.bench.peers import peer_class
from mmtwin.bench.result import Contest, Standing
from mmtwin.bench.rows import Row
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

    ``told`` hears what is being done, a line at a time.
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
        self.sizes = sorted(sizes)
        self.told = told
        self.rows = rows
        self.rounds = rounds
        self.weighed = weighed
        self.missing: dict[str, str] = {}
        self.kinds: dict[str, type[Peer]] = {}
        for name, kind in available(names):
            if isinstance(kind, str):
                self.missing[name] = kind
            else:
                self.kinds[name] = kind
        self.contests: list[Contest] = []
        self._too_large: dict[str, int] = {}
        """the smallest size that was too slow for a map"""
        self._too_heavy: dict[str, int] = {}
        """the smallest size that took too long to weigh"""

    def run(self) -> list[Contest]:
        """Measure. Memory comes first, while the heap of this process is small."""
        weights = {
            (name, size): self._weight(name, size)
            for size in self.sizes
            if Row.MEMORY in self.rows and size <= self.weighed
            for name in self._able(size)
        }
        for size in self.sizes:
            contest = self.contest(size, self._able(size))
            for standing in contest.standings:
                standing.bytes = weights.get((standing.name, standing.size))
            self.contests.append(contest)
            self._instead(contest)
        return self.contests

    def _able(self, size: int) -> list[str]:
        return [
            name
            for name, kind in self.kinds.items()
            if size <= kind.ceiling and size < self._too_large.get(name, size + 1)
        ]

    def _weight(self, name: str, size: int) -> float | None:
        if size >= self._too_heavy.get(name, size + 1):
            return None
        self.told(f"{size:,} ranges: memory of {self.kinds[name].name}")
        found: float | None = forked(weighed, self.kinds[name], size)
        if found is None:
            self._too_heavy[name] = size
        return found

    def _instead(self, contest: Contest) -> None:
        """Whoever was too slow at this size tries smaller ones, unless they were measured."""
        for standing in list(contest.standings):
            size = standing.size
            if not standing.too_slow:
                continue
            self._too_large[standing.name] = size
            while standing.too_slow and size // 10 >= SMALLEST and size // 10 not in self.sizes:
                size //= 10
                (standing,) = self.contest(size, [standing.name]).standings
                contest.standings.append(standing)

    def contest(self, size: int, names: Sequence[str]) -> Contest:
        """All rounds at one size."""
        work = Work(size)
        standings = {name: Standing(name, self.kinds[name].name, size) for name in names}
        rounds = self.rounds or rounds_for(size)
        lost: set[str] = set()
        for number in range(rounds):
            for name in rotated(list(names), number):
                standing = standings[name]
                slow = standing.seconds > SLOW and number >= FEW
                if standing.too_slow or standing.trouble or slow:
                    continue
                self.told(f"{size:,} ranges, round {number + 1} of {rounds}: {standing.title}")
                try:
                    life = forked(
                        lives,
                        self.kinds[name],
                        work,
                        self.rows,
                        random=name not in lost,
                        digest=number == 0 and size <= CHECKED,
                    )
                except ChildDied as error:
                    standing.trouble = str(error)
                    continue
                standing.add(life)
                if not standing.complete(Row.RANDOM):
                    lost.add(name)
        return Contest(size, list(standings.values()))


def rotated(names: list[str], by: int) -> list[str]:
    """The same names, beginning with another one."""
    at = by % len(names) if names else 0
    return names[at:] + names[:at]

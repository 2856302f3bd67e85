"""What one map goes through under the stopwatch."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mmtwin.bench.peer import Loop, Peer, Took, took
from mmtwin.bench.rows import Row
from mmtwin.bench.work import Stored, Work

SECOND = 1_000_000_000
CHUNK = 64
"""Operations of the second loop, at least; the first is one, each after them four times as long.
Maps that do many in one call begin with this many."""
BUILD_LIMITS = {10_000: 2 * SECOND, 100_000: 4 * SECOND, 1_000_000: 12 * SECOND}
"""Processor time for building a map of up to so many ranges; in proportion above."""
ROW_LIMIT = 3 * SECOND // 10
"""Processor time for a row that may be broken off."""
FILL_LIMIT = SECOND
"""Processor time for the row that changes the map and may not."""
ITERATED = 10_000
"""Ranges that are gone through at least, by going through small maps again."""
LIVES = 64
"""Most maps that one round takes for a figure."""
ENOUGH = 65_536
"""Ranges in all that a round builds."""
LIVES_LIMIT = SECOND // 4

PARTIAL = frozenset({Row.LOOKUP, Row.SPLIT, Row.SPAN, Row.ERASE, Row.GAP})
"""Rows whose first operations cost what all do; the others count only if they came to an end."""


@dataclass(slots=True)
class Reading:
    """What the stopwatch said of one row."""

    done: int = 0
    asked: int = 0
    took: Took = field(default_factory=Took)

    def add(self, other: Reading) -> None:
        """Count another reading of the same row in."""
        self.done += other.done
        self.asked += other.asked
        self.took += other.took

    @property
    def complete(self) -> bool:
        """Whether nothing was left out for want of time."""
        return self.done == self.asked

    @property
    def each(self) -> float:
        """Nanoseconds of the processor an operation."""
        return self.took.cpu / self.done if self.done else 0.0


Readings = dict[Row, Reading]


def paced(
    make: Callable[[Sequence[Any]], Loop],
    items: Sequence[Any],
    limit: int,
    size: int = 1,
    *,
    warm: int = 0,
) -> Reading:
    """Do the operations in growing pieces, of ``size`` at first, as many as fit into ``limit``
    (nanoseconds). The first ``warm`` operations do not count, nor do others that are done before a
    tenth of the limit is over."""
    first = 0
    spent = 0
    while first < warm and spent < limit // 10:
        spent += took(make(items[first : min(first + size, warm)])).cpu
        first = min(first + size, warm)
    reading = Reading(asked=len(items) - first)
    while reading.done < reading.asked and reading.took.cpu < limit:
        if reading.done:
            rest = (limit - reading.took.cpu) / max(reading.each, 1)
            size = max(1, min(max(4 * size, CHUNK), int(rest)))
        part = items[first + reading.done : first + reading.done + size]
        reading.took += took(make(part))
        reading.done += len(part)
    return reading


def row(
    peer: Peer, make: Callable[[Sequence[Any]], Loop], items: Sequence[Any], limit: int = ROW_LIMIT
) -> Reading:
    """A row on a map that is there. It is warmed up: what came before has driven code and tree out
    of the nearer caches, and a row of a small map is over before they are back."""
    size = CHUNK if peer.in_bulk else 1
    return paced(make, items, limit, size, warm=min(CHUNK, len(items) // 4))


def build_limit(count: int) -> int:
    """How long building a map may take, in nanoseconds of the processor."""
    for size, limit in BUILD_LIMITS.items():
        if count <= size:
            return limit
    return limit * count // size


def built(kind: type[Peer], order: Sequence[Stored]) -> tuple[Peer, Reading]:
    """A new map, with ranges stored in an order."""
    peer = kind(len(order))
    return peer, paced(peer.stores, order, build_limit(len(order)))


def live(peer: Peer, work: Work, rows: Collection[Row]) -> Readings:
    """What is done to a map of all ranges, in this order, as far as it is asked for."""
    found: Readings = {}
    gaps, fills = (partial(loop, end=work.end) for loop in (peer.gaps, peer.fills))
    if Row.LOOKUP in rows:
        found[Row.LOOKUP] = row(peer, peer.lookups, work.lookups)
    if Row.ITERATE in rows:
        found[Row.ITERATE] = Reading()
        for _ in range(max(1, ITERATED // work.count)):
            found[Row.ITERATE].add(Reading(work.count, work.count, took(peer.iterates())))
    if Row.GAP in rows:
        found[Row.GAP] = row(peer, gaps, work.gaps)
    if Row.SPLIT in rows:
        found[Row.SPLIT] = row(peer, peer.stores, work.split)
    if Row.SPAN in rows:
        found[Row.SPAN] = row(peer, peer.stores, work.span)
    if Row.ERASE in rows:
        found[Row.ERASE] = row(peer, peer.erases, work.erase)
    if Row.FILL in rows:
        found[Row.FILL] = row(peer, fills, work.fill, FILL_LIMIT)
    return found


@dataclass(frozen=True, slots=True)
class Life:
    """The readings of one round for one range map."""

    readings: Readings
    digest: int | None
    """says what the map held at the end; equal for two that did the same"""
    seconds: float
    """of the processor, spent under the stopwatch"""


def digest_of(ranges: Sequence[Stored]) -> int:
    """A number that tells two lists of ranges apart."""
    return hash(tuple(map(tuple, ranges)))


def one_life(
    kind: type[Peer], work: Work, rows: Collection[Row], random: bool, digest: bool
) -> Life:
    """Build in ascending order, build at random, go through all rows."""
    gc.collect()
    peer, ascending = built(kind, work.ascending)
    readings = {Row.ASCENDING: ascending}
    found: int | None = None
    if random and ascending.complete:
        peer.close()
        del peer
        peer, readings[Row.RANDOM] = built(kind, work.random)
        if not readings[Row.RANDOM].complete:
            peer.close()
            peer, _ = built(kind, work.ascending)
    if ascending.complete:
        readings.update(live(peer, work, rows))
        if digest and all(reading.complete for reading in readings.values()):
            found = digest_of(peer.ranges())
    peer.close()
    return Life(readings, found, sum(r.took.cpu for r in readings.values()) / SECOND)


def lives(
    kind: type[Peer],
    work: Work,
    rows: Collection[Row] = tuple(Row),
    *,
    random: bool = True,
    digest: bool = False,
) -> Life:
    """One round: as many lives as make a figure of a small map steady.

    ``random`` is False for a map that is known to be too slow for the random order; it is then
    built in ascending order for the other rows.
    """
    for cold in (work.ascending, work.random, work.lookups):
        for _ in cold:  # what a forked child shares with its parent is copied now, not later
            pass
    gc.disable()
    total = one_life(kind, work, rows, random, digest)
    for _ in range(min(LIVES, ENOUGH // work.count) - 1):
        if total.seconds * SECOND > LIVES_LIMIT:
            break
        more = one_life(kind, work, rows, random, digest=False)
        for kind_of_work, reading in more.readings.items():
            total.readings[kind_of_work].add(reading)
        total = Life(total.readings, total.digest, total.seconds + more.seconds)
    return total

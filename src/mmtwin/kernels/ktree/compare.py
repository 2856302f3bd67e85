"""The same operations to two trees, their results and dumps held against each other.

    python -m mmtwin.kernels.ktree.compare --ops 1000000 --seeds 1000 --log FILE

Every result of every operation is compared, and at every comparison point (``--interval``
operations apart, and at the end of a seed) every word of every node. At the end of a seed the
trees are destroyed, and the count of nodes in use must be equal and nothing. Exit status 0: all
equal; 1: they part, and the log says where and after which operations; 2: no kernel source here.
"""

from __future__ import annotations

import argparse
import sys
import time
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from mmtwin.kernels.ktree.dump import Dump
from mmtwin.kernels.ktree.generate import Family, family_of
from mmtwin.kernels.ktree.protocol import (
    OPERATION_WORDS,
    Op,
    Operation,
    encode,
    operation_at,
    result_at,
)
from mmtwin.kernels.ktree.server import KernelTree
from mmtwin.kernels.ktree.source import KernelTreeError
from mmtwin.kernels.ktree.target import TARGETS

INTERVAL = 40
"""Operations between two comparison points."""
TOLD = 20
"""How many operations before a difference the log shows."""

ENDING = encode(
    [Operation(Op.FAIL), Operation(Op.DESTROY), Operation(Op.GRACE), Operation(Op.COUNTS)]
)


class Player(Protocol):
    """A tree that carries out encoded operations (see ``protocol``)."""

    def run(self, words: array[int]) -> array[int]:
        """Carry out operations; the words of their results."""

    def dump(self, tree: int = 0) -> Dump:
        """The whole of a tree."""


@dataclass
class Difference:
    """Where two trees part."""

    operation: int
    """number of the operation within the script"""
    text: list[str]


@dataclass
class Tally:
    """What one script came to."""

    operations: int = 0
    points: int = 0
    """comparison points: whole trees compared word by word"""
    nodes: int = 0
    """most nodes seen at a point"""
    height: int = 0
    difference: Difference | None = None


def compare(first: Player, second: Player, words: array[int], interval: int) -> Tally:
    """Play a script on both, up to the first difference or the end."""
    tally = Tally()
    stride = interval * OPERATION_WORDS
    for start in range(0, len(words), stride):
        batch = words[start : start + stride]
        done = start // OPERATION_WORDS
        tally.difference = compare_results(first, second, batch, done)
        tally.operations = done + len(batch) // OPERATION_WORDS
        if tally.difference is None:
            tally.difference = compare_dumps(first, second, tally)
        if tally.difference is not None:
            return tally
    tally.difference = compare_endings(first, second, tally.operations)
    return tally


def compare_endings(first: Player, second: Player, done: int) -> Difference | None:
    """Destroy tree 0 on both; what is in use then is compared, and all that was ever handed out.

    Where the driver left a subtree alone (see ``is_spoiled`` in driver.c) its nodes stay in use.
    """
    mine, its = first.run(ENDING), second.run(ENDING)
    one, other = (result_at(words, len(ENDING) // OPERATION_WORDS - 1) for words in (mine, its))
    if other.min:
        other = other._replace(value=one.value, min=one.min)
    if one == other:
        return None
    return Difference(done, [f"at the end: {tuple(one)} against {tuple(other)}"])


def compare_results(
    first: Player, second: Player, batch: array[int], done: int
) -> Difference | None:
    """Play a batch on both and compare all results; ``done`` operations came before it."""
    mine, its = first.run(batch), second.run(batch)
    if mine == its:
        return None
    for number in range(len(batch) // OPERATION_WORDS):
        one, other = result_at(mine, number), result_at(its, number)
        if one != other:
            fields = [
                f"  {name}: {a:#x} against {b:#x}"
                for name, a, b in zip(one._fields, one, other, strict=True)
                if a != b
            ]
            return Difference(done + number, [f"result of {operation_at(batch, number)}", *fields])
    return Difference(done, [f"{len(mine)} result words against {len(its)}"])


def compare_dumps(first: Player, second: Player, tally: Tally) -> Difference | None:
    """Compare tree 0 of both, word by word."""
    mine, its = first.dump(), second.dump()
    tally.points += 1
    tally.nodes = max(tally.nodes, its.nodes)
    tally.height = max(tally.height, its.height)
    if mine == its:
        return None
    return Difference(tally.operations - 1, ["dump:", *mine.differences(its)])


def narrow(
    first: Player, second: Player, words: array[int], found: Difference, interval: int
) -> Difference:
    """The same difference with a comparison point after every operation around it."""
    start = found.operation // interval * interval
    for player in (first, second):
        player.run(words[: start * OPERATION_WORDS])
    end = (found.operation + interval) * OPERATION_WORDS
    tally = Tally(operations=start)
    for at in range(start * OPERATION_WORDS, min(end, len(words)), OPERATION_WORDS):
        batch = words[at : at + OPERATION_WORDS]
        difference = compare_results(first, second, batch, tally.operations)
        tally.operations += 1
        difference = difference or compare_dumps(first, second, tally)
        if difference is not None:
            return difference
    return found


def told(words: array[int], difference: Difference) -> list[str]:
    """The operations that lead to a difference, and the difference."""
    last = min(difference.operation, len(words) // OPERATION_WORDS - 1)
    lines = [
        f"    {number}: {operation_at(words, number)}"
        for number in range(max(0, last - TOLD), last + 1)
    ]
    return [*lines, *(f"    {line}" for line in difference.text)]


class Run:
    """A whole comparison: many seeds, one log. Every seed gets players of its own."""

    def __init__(
        self,
        twin: Callable[[], Player],
        kernel: Callable[[], AbstractContextManager[Player]],
        log: TextIO,
        interval: int = INTERVAL,
    ) -> None:
        self._twin = twin
        self._kernel = kernel
        self._log = log
        self._interval = interval
        self.total = Tally()
        self.failed: list[int] = []

    def seed(self, seed: int, family: Family, words: array[int]) -> bool:
        """Play one seed; True if the two are equal throughout."""
        with self._kernel() as kernel:
            tally = compare(self._twin(), kernel, words, self._interval)
        self.total.operations += tally.operations
        self.total.points += tally.points
        self.total.nodes = max(self.total.nodes, tally.nodes)
        self.total.height = max(self.total.height, tally.height)
        verdict = "equal" if tally.difference is None else "DIFFERENT"
        print(
            f"seed {seed} ({family.name}): {tally.operations} operations, {tally.points} dumps, "
            f"up to {tally.nodes} nodes, height {tally.height}: {verdict}",
            file=self._log,
        )
        if tally.difference is None:
            return True
        self.failed.append(seed)
        with self._kernel() as kernel:
            found = narrow(self._twin(), kernel, words, tally.difference, self._interval)
        print(*told(words, found), sep="\n", file=self._log)
        return False


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m mmtwin.kernels.ktree.compare", description=(__doc__ or "").split("\n")[0]
    )
    made.add_argument("--ops", type=int, default=1_000_000, help="operations in all")
    made.add_argument("--seeds", type=int, default=1000, help="how many seeds share them")
    made.add_argument("--first", type=int, default=0, help="the first seed")
    made.add_argument(
        "--target", choices=TARGETS, default="native", help="the machine to build the kernel's for"
    )
    made.add_argument("--interval", type=int, default=INTERVAL, help="operations between dumps")
    made.add_argument("--log", type=Path, help="file for the line of each seed")
    made.add_argument(
        "--stop", type=int, default=10, help="give up after so many seeds that differ"
    )
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; returns the exit status."""
    asked = parser().parse_args(arguments)
    from mmtwin.kernels.ktree.twin import TwinPlayer

    target = TARGETS[asked.target]
    try:
        KernelTree(target).close()
    except KernelTreeError as error:
        print(f"mmtwin: {error}", file=sys.stderr)
        return 2
    each = -(-asked.ops // asked.seeds)
    started = time.monotonic()
    log = asked.log.open("w") if asked.log else sys.stdout
    run = Run(lambda: TwinPlayer(target), lambda: KernelTree(target), log, asked.interval)
    for number, seed in enumerate(range(asked.first, asked.first + asked.seeds), 1):
        family = family_of(seed)
        run.seed(seed, family, family.script(seed, each, target.bits))
        if number % 50 == 0 or number == asked.seeds:
            print(
                f"{number} of {asked.seeds} seeds, {run.total.operations} operations, "
                f"{len(run.failed)} differ, {time.monotonic() - started:.0f} s",
                file=sys.stderr,
            )
        if len(run.failed) >= asked.stop:
            break
    verdict = (
        f"{run.total.operations} operations over {number} seeds, {run.total.points} dumps of up to "
        f"{run.total.nodes} nodes and height {run.total.height} compared in "
        f"{time.monotonic() - started:.0f} s: "
        + ("identical" if not run.failed else f"{len(run.failed)} seeds differ: {run.failed}")
    )
    print(verdict, file=log)
    if asked.log:
        log.close()
        print(verdict)
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())

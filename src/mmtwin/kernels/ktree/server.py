"""The kernel's tree as a Python object: a process that runs the driver."""

from __future__ import annotations

import subprocess
import sys
from array import array
from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple

from mmtwin.kernels.ktree import build
from mmtwin.kernels.ktree.dump import Dump
from mmtwin.kernels.ktree.protocol import (
    OPERATION_WORDS,
    RESULT_WORDS,
    Operation,
    Request,
    Result,
    Timed,
    encode,
    result_at,
)
from mmtwin.kernels.ktree.target import NATIVE, Target


class DriverDiedError(RuntimeError):
    """The driver ended in the middle of a request: the kernel's tree crashed, or it was killed."""


class Timing(NamedTuple):
    """What the stopwatch says."""

    nanoseconds: int
    """by the clock on the wall"""
    processor: int
    """nanoseconds of the processor"""
    operations: int
    checksum: int
    """equal for two maps that did the same work"""

    @property
    def each(self) -> float:
        """Nanoseconds an operation."""
        return self.nanoseconds / self.operations if self.operations else 0.0


class KernelTree:
    """Sixteen trees and sixteen states of the kernel's, in a process of their own.

    ``target`` is the machine it is built for.

    ``poison`` fills nodes with a pattern when they are handed out and given back; turn it off for
    measurements. Raises `NoKernelSourceError` when the tree cannot be built here, and from any call
    `DriverDiedError` when the process has ended.
    """

    def __init__(self, target: Target = NATIVE, *, poison: bool = True) -> None:
        self.target = target
        self._swapped = target.big_endian != (sys.byteorder == "big")
        self._process = subprocess.Popen(
            build.driver(target), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if not poison:
            self._send(Request.POISON, 0, array("Q"))

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()

    def __enter__(self) -> KernelTree:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, words: array[int]) -> array[int]:
        """Carry out encoded operations; the words of their results."""
        self._send(Request.OPERATIONS, 0, words)
        return self._receive(len(words) // OPERATION_WORDS * RESULT_WORDS)

    def do(self, operations: Iterable[Operation]) -> list[Result]:
        """Carry out operations; their results."""
        results = self.run(encode(operations))
        return [result_at(results, i) for i in range(len(results) // RESULT_WORDS)]

    def dump(self, tree: int = 0) -> Dump:
        """The whole of a tree."""
        self._send(Request.DUMP, tree, array("Q"))
        return Dump(self._receive(self._receive(1)[0]), self.target)

    def timed(self, loop: Timed, words: array[int], tree: int = 0) -> Timing:
        """Run a loop of work on a tree under the driver's stopwatch."""
        self._send(Request.TIMED, loop | tree << 8, words)
        return Timing(*self._receive(4))

    def _send(self, request: Request, argument: int, words: array[int]) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise DriverDiedError("the driver has no input")
        try:
            stdin.write(self._ordered(array("Q", (request, argument, len(words)))).tobytes())
            stdin.write(self._ordered(words).tobytes())
            stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error

    def _receive(self, count: int) -> array[int]:
        stdout = self._process.stdout
        data = stdout.read(count * 8) if stdout is not None else b""
        if len(data) != count * 8:
            raise self._died()
        words = array("Q")
        words.frombytes(data)
        return self._ordered(words)

    def _ordered(self, words: array[int]) -> array[int]:
        """Words in the driver's byte order, or back from it."""
        if not self._swapped:
            return words
        turned = words[:]
        turned.byteswap()
        return turned

    def _died(self) -> DriverDiedError:
        return DriverDiedError(f"the driver ended with status {self._process.wait()}")

"""System V segments that the agent's controller makes and holds, for workers to attach."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from mmtwin.kernels import abi
from mmtwin.kernels.host.wire import Answer

IPC_RMID: Final = 0
IPC_CREAT: Final = 0o1000
NO_SEGMENT: Final = -1


class Segments(ABC):
    """The segments of an agent, by their places; ``segments`` are the sizes in bytes of those that
    every run has."""

    def __init__(self, segments: Sequence[int]) -> None:
        self._segment_sizes = list(segments)
        self._segments: list[int] = []
        self._attached: list[int] = []
        """Where the controller has attached each segment."""
        self._used_segments = False

    @abstractmethod
    def _controller(
        self,
        name: str,
        *args: int,
        pointers: int = 0,
        payload: bytes = b"",
        back: bool = False,
        may_refuse: bool = False,
    ) -> Answer:
        """A system call of the controller itself."""

    def _make_segments(self) -> None:
        """Segments that live as long as the controller: attached there and marked removed."""
        self._segments.clear()
        self._attached.clear()
        for size in self._segment_sizes:
            made = self._controller("shmget", 0, size, IPC_CREAT | 0o600).result
            self._segments.append(made)
            self._attached.append(self._controller("shmat", made, 0, 0).result)
            self._controller("shmctl", made, IPC_RMID, 0)
        self._used_segments = False

    def make_huge_segments(self, wanted: Sequence[tuple[int, int]]) -> None:
        """More segments, of huge pages: bytes and shmget flags of each.

        One that cannot be had, or not be attached, takes a place in the list too, under a number
        that no segment has.
        """
        for size, flags in wanted:
            self._used_segments = True
            mode = IPC_CREAT | 0o600 | abi.SHM_HUGETLB | flags
            made = self._controller("shmget", 0, size, mode, may_refuse=True).result
            at = NO_SEGMENT
            if made >= 0:
                at = self._controller("shmat", made, 0, 0, may_refuse=True).result
                self._controller("shmctl", made, IPC_RMID, 0)
            self._segments.append(made if at >= 0 else NO_SEGMENT)
            if at >= 0:
                self._attached.append(at)

    def _renew_segments(self) -> None:
        """Fresh segments if any of them may have pages."""
        if self._used_segments:
            for at in self._attached:
                self._controller("shmdt", at)
            self._make_segments()

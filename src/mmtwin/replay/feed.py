"""The records to come, with a look ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from mmtwin.trace.errors import TraceError
from mmtwin.trace.records import Record


class Feed:
    """Iterates over records; those that come later can be looked at before their turn.

    An error of the trace is raised when its turn comes, not when a look ahead meets it.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = iter(records)
        self._held: deque[Record] = deque()
        self._error: TraceError | None = None

    def __iter__(self) -> Iterator[Record]:
        held = self._held
        while True:
            while held:
                yield held.popleft()
            if self._error is not None:
                raise self._error
            record = next(self._records, None)
            if record is None:
                return
            yield record

    def ahead(self, most: int) -> Iterator[Record]:
        """The next ``most`` records, or as many as there are, left in their turn."""
        for nth in range(most):
            if nth >= len(self._held) and not self._read():
                return
            yield self._held[nth]

    def _read(self) -> bool:
        """Hold one record more; False at the end or where the trace breaks off."""
        if self._error is not None:
            return False
        try:
            record = next(self._records, None)
        except TraceError as error:
            self._error = error
            return False
        if record is None:
            return False
        self._held.append(record)
        return True

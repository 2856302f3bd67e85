"""The errors of this floor."""

from __future__ import annotations


class TraceError(Exception):
    """A trace that cannot be used: corrupt, cut short, too large, or against the format.

    ``str()`` is ``FILE:LINE: reason``, fit for one line on standard error.
    """

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(file, line, reason)
        self.file = file
        """The trace's path as it was given."""
        self.line = line
        """The line at fault, from 1; the line after the last whole one if the file is cut short."""
        self.reason = reason
        """What is wrong, one line."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class MapsError(ValueError):
    """A text that is not a /proc/PID/maps."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        """The line of the maps text, from 1."""
        self.reason = reason
        """What is wrong, one line."""

    def __str__(self) -> str:
        return f"maps line {self.line}: {self.reason}"


class RecordError(Exception):
    """A program that cannot be recorded: not found, or ptrace is not permitted."""

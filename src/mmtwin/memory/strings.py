"""Names in memory: an unchanging table of strings, known to memory by number.

A path or an anonymous area's name is stored as the number that the table gave it. The table only
grows and a number never changes its meaning, so it is no state: a rewind leaves it alone.
"""


class Strings:
    """Numbers for strings; 0 is "no string"."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._strings: list[str] = [""]

    def number(self, string: str) -> int:
        """The number of ``string``, from 1; a new one at its first use."""
        found = self._numbers.get(string)
        if found is None:
            found = len(self._strings)
            self._strings.append(string)
            self._numbers[string] = found
        return found

    def string(self, number: int) -> str:
        """The string with that number; ``""`` for 0. :class:`IndexError` if there is none."""
        if number < 0:
            raise IndexError(number)
        return self._strings[number]

"""What is measured: one row for each kind of work on a range map."""

from __future__ import annotations

from enum import StrEnum


class Row(StrEnum):
    """A kind of work. All figures are nanoseconds for one operation, except `MEMORY`."""

    RANDOM = "random store"
    ASCENDING = "ascending store"
    LOOKUP = "lookup"
    ITERATE = "iterate"
    GAP = "gap search"
    SPLIT = "split"
    SPAN = "span 16"
    ERASE = "erase"
    FILL = "gap fill"
    MEMORY = "memory"


MEANING = {
    Row.RANDOM: "a map of N ranges built from nothing, in random order",
    Row.ASCENDING: "the same ranges, in ascending order",
    Row.LOOKUP: "the value at a random index that some range holds",
    Row.ITERATE: "start, end and value of every range, in order",
    Row.GAP: "the lowest gap of a given, rare size at or above a random index",
    Row.SPLIT: "an assignment inside a range, of which both ends stay",
    Row.SPAN: "an assignment over 16 ranges, the first and the last of them in part",
    Row.ERASE: "the whole range at a random index is removed",
    Row.FILL: "the highest gap of a given size is looked for, and filled",
    Row.MEMORY: "bytes a range, without the values themselves",
}

TIMED = tuple(row for row in Row if row is not Row.MEMORY)

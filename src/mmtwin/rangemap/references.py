"""The objects behind the entries of a range map.

A tree stores words, and an entry is the address of its object. Each slot that holds one owns a
reference to it: a range that is split owns two, and the object goes when its last slot is
overwritten. Compiled rooms have these functions from the package's ``__init__.pxd``; they count
the interpreter's own references, and the garbage collector is shown the slots of a tree. Where the
rooms run as plain Python a table holds the object of each entry, with its count.
"""

from __future__ import annotations

from typing import Any

Held = dict[int, list[Any]]
"""Object and number of slots, by entry."""


def keep(held: Held, value: object) -> int:
    """The entry of an object; one more slot is to hold it."""
    entry = id(value)
    held.setdefault(entry, [value, 0])[1] += 1
    return entry


def object_of(held: Held, entry: int) -> Any:
    """The object of an entry."""
    return held[entry][0]


def hold(held: Held, entry: int) -> None:
    """One more slot holds the entry."""
    held[entry][1] += 1


def release(held: Held, entry: int) -> object:
    """One slot less holds the entry.

    Returns the object, so that the caller decides when it dies: a finalizer may call back into the
    tree.
    """
    found = held[entry]
    found[1] -= 1
    if found[1] == 0:
        del held[entry]
    return found[0]


def hold_all(held: Held, _memory: object, _root_word: int) -> Held:
    """The references of a second tree that has all slots of a first one."""
    return {entry: list(found) for entry, found in held.items()}


def fetch_object(_entry: int) -> None:
    """Tell the processor that the object will be needed."""


def triple(
    _kept: tuple[int, int, Any] | None, start: int, last: int, value: object
) -> tuple[int, int, Any]:
    """What an iterator yields. Compiled, the tuple it has ``kept`` is filled again if nobody else
    holds it any more, as ``zip`` does."""
    return start, last, value


def release_all(_held: Held, _memory: object, _root_word: int) -> None:
    """All references of a tree that is no more: the table goes with it."""


def keep_whole(_kind: type) -> None:
    """Compiled: let the collector leave the parts of such objects alone until they end.

    A core needs its memory to give its entries back.
    """


def show_references(_kind: type) -> None:
    """Let the garbage collector see what the slots of a tree hold: it sees the table."""

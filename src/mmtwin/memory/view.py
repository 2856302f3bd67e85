"""Views: a structure in memory seen through its layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmtwin.memory.layout import Field, Layout
from mmtwin.memory.memory import Memory


class View:
    """The structure at ``address``: ``view.field`` reads, ``view.field = value`` writes.

    Holds the address, never the content: two views of one address are the same structure. An
    array member reads as a tuple and is written element by element with :meth:`put`.
    """

    __slots__ = ("_address", "_layout", "_memory")

    _memory: Memory
    _layout: Layout
    _address: int

    def __init__(self, memory: Memory, layout: Layout, address: int) -> None:
        object.__setattr__(self, "_memory", memory)
        object.__setattr__(self, "_layout", layout)
        object.__setattr__(self, "_address", address)

    @property
    def address(self) -> int:
        """Where the structure lies."""
        return self._address

    def __getattr__(self, name: str) -> Any:
        field = self._layout.fields.get(name)
        if field is None:
            raise AttributeError(f"struct {self._layout.name} has no member {name}")
        if field.count > 1:
            return tuple(self.get(name, i) for i in range(field.count))
        value = self.get(name)
        return self._memory.strings.string(value) if field.kind == "string" else value

    def __setattr__(self, name: str, value: int | str) -> None:
        if isinstance(value, str):
            value = self._memory.strings.number(value)
        self.put(name, value)

    def get(self, name: str, nth: int = 0) -> int:
        """The raw value of a member, or of its element ``nth``."""
        field = self._field(name, nth)
        address = self._address + field.offset + nth * field.size
        if field.size == 8:
            return self._memory.load(address)
        if field.size == 4:
            return self._memory.load32(address)
        return self._memory.load16(address) if field.size == 2 else self._memory.load8(address)

    def put(self, name: str, value: int, nth: int = 0) -> None:
        """Store the raw value of a member, or of its element ``nth``."""
        field = self._field(name, nth)
        address = self._address + field.offset + nth * field.size
        if field.size == 8:
            self._memory.store(address, value)
        elif field.size == 4:
            self._memory.store32(address, value)
        elif field.size == 2:
            self._memory.store16(address, value)
        else:
            self._memory.store8(address, value)

    def _field(self, name: str, nth: int) -> Field:
        field = self._layout.fields.get(name)
        if field is None:
            raise AttributeError(f"struct {self._layout.name} has no member {name}")
        if not 0 <= nth < field.count:
            raise IndexError(
                f"{self._layout.name}.{name} has {field.count} elements, not {nth + 1}"
            )
        return field

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name in self._layout.fields:
            yield name, getattr(self, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, View):
            return NotImplemented
        mine = (self._memory, self._layout, self._address)
        return mine == (other._memory, other._layout, other._address)

    def __hash__(self) -> int:
        return hash((id(self._memory), self._layout.name, self._address))

    def __repr__(self) -> str:
        members = ", ".join(
            f"{name}={value:#x}" if isinstance(value, int) else f"{name}={value!r}"
            for name, value in self
        )
        return f"<{self._layout.name} at {self._address:#x}: {members}>"

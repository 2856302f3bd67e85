"""Layouts: where the fields of a C structure lie, written once and read as documentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a structure.

    ``offset`` and ``size`` are bytes, ``count`` is 1 unless the member is an array. ``kind`` names
    what the bits are: ``"word"``, ``"pointer"``, ``"flags"`` or ``"string"`` (the number of an
    interned name).
    """

    name: str
    offset: int
    size: int
    doc: str
    kind: str = "word"
    count: int = 1

    def __post_init__(self) -> None:
        if self.size not in (1, 2, 4, 8):
            raise ValueError(f"{self.name}: a field is 1, 2, 4 or 8 bytes wide, not {self.size}")
        if self.offset % self.size:
            raise ValueError(f"{self.name}: offset {self.offset} is not aligned to {self.size}")

    @property
    def end(self) -> int:
        """The first byte after the field."""
        return self.offset + self.size * self.count


class Layout:
    """A C structure: its name, size in bytes and fields by name.

    ``source`` says where the offsets come from. Fields may overlap: a union.
    """

    def __init__(self, name: str, size: int, source: str, fields: Iterable[Field]) -> None:
        self.name = name
        self.size = size
        self.source = source
        self.fields: dict[str, Field] = {}
        for field in fields:
            if field.end > size:
                raise ValueError(
                    f"{name}.{field.name} ends at {field.end}, the structure at {size}"
                )
            if field.name in self.fields:
                raise ValueError(f"{name}.{field.name} is declared twice")
            self.fields[field.name] = field

    def offset(self, name: str) -> int:
        """Byte offset of a field; :class:`KeyError` if there is no such field."""
        return self.fields[name].offset

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def __str__(self) -> str:
        lines = [f"struct {self.name} {{ /* {self.size} bytes; {self.source} */"]
        for field in sorted(self.fields.values(), key=lambda f: (f.offset, f.end)):
            array = f"[{field.count}]" if field.count > 1 else ""
            lines.append(f"    {field.offset:4} {field.size} {field.name}{array}  {field.doc}")
        return "\n".join([*lines, "};"])

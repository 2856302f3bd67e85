"""One line of a trace, JSON to a record and back; ``ValueError`` for what is not of the form."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mmtwin.trace.calls import NAMES, OPCODES
from mmtwin.trace.maps import parse_maps
from mmtwin.trace.records import (
    FORMAT_VERSION,
    Call,
    Child,
    Exec,
    Gone,
    Host,
    How,
    Image,
    Limits,
    Record,
    Touch,
)

U64_MAX = 2**64 - 1
S64_MIN, S64_MAX = -(2**63), 2**63 - 1
TEXT_MAX = 4096
"""The longest path or name, in characters (PATH_MAX)."""

Pid = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Unsigned = Annotated[int, Meta(ge=0)]
SixArgs = tuple[Unsigned, Unsigned, Unsigned, Unsigned, Unsigned, Unsigned]


class Line(msgspec.Struct, gc=False):
    """Every key that a line may have; keys not named here are passed over."""

    pid: Pid
    call: str
    args: SixArgs | UnsetType = UNSET
    ret: int | UnsetType = UNSET
    file: str | UnsetType = UNSET
    child: Pid | UnsetType = UNSET
    how: How | UnsetType = UNSET
    addr: Unsigned | UnsetType = UNSET
    len: Unsigned | UnsetType = UNSET
    write: bool | UnsetType = UNSET
    open: Unsigned | UnsetType = UNSET
    name: str | UnsetType = UNSET
    flags: Unsigned | UnsetType = UNSET
    size: Unsigned | UnsetType = UNSET
    key: Unsigned | UnsetType = UNSET
    exe: str | UnsetType = UNSET
    image: Image | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET
    renamed: dict[str, str] | UnsetType = UNSET
    personality: Unsigned | UnsetType = UNSET
    ipc_lock: bool | UnsetType = UNSET
    former: Pid | UnsetType = UNSET
    host: Host | UnsetType = UNSET
    maps: str | UnsetType = UNSET


_decoder = msgspec.json.Decoder(Line)
_encoder = msgspec.json.Encoder()


def decode(text: bytes, number: int) -> Record:
    """The record of one line (without its newline), which is line ``number`` of its file.

    Raises ``ValueError`` with a one-line reason.
    """
    try:
        line = _decoder.decode(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    op = OPCODES.get(line.call)
    if op is not None:
        return _call(line, number, op)
    match line.call:
        case "exec":
            return _exec(line, number)
        case "child":
            return _child(line, number)
        case "gone":
            return Gone(number, line.pid)
        case "touch":
            return _touch(line, number)
    raise ValueError(f"unknown call {line.call[:40]!r}")


def _call(line: Line, number: int, op: int) -> Call:
    args = line.args
    if args is UNSET:
        raise ValueError(f"{line.call} without args")
    if max(args) > U64_MAX:
        raise ValueError("an argument does not fit 64 bits")
    call = Call(number, line.pid, op, args)
    if line.ret is not UNSET:
        if not S64_MIN <= line.ret <= S64_MAX:
            raise ValueError("ret does not fit 64 bits")
        call.ret = line.ret
    if line.maps is not UNSET:
        parse_maps(line.maps)
        call.maps = line.maps
    if line.file is not UNSET:
        call.file = _text(line.file, "file")
    if line.open is not UNSET:
        call.open = _u64(line.open, "open")
    if line.name is not UNSET:
        call.name = _text(line.name, "name")
    if line.flags is not UNSET:
        call.flags = _u64(line.flags, "flags")
    if line.size is not UNSET:
        call.size = _u64(line.size, "size")
    if line.key is not UNSET:
        call.key = _u64(line.key, "key")
    if line.limits is not UNSET:
        call.limits = _limits(line.limits)
    if line.renamed is not UNSET:
        call.renamed = {
            _text(old, "renamed"): _text(new, "renamed") for old, new in line.renamed.items()
        }
    return call


def _exec(line: Line, number: int) -> Exec:
    if line.maps is UNSET or not line.maps:
        raise ValueError("exec without maps")
    mappings = parse_maps(line.maps)
    for low, high in pairwise(mappings):
        if low.end > high.start:
            raise ValueError(f"exec maps out of order at {high.start:x}")
    record = Exec(number, line.pid, line.maps)
    if line.exe is not UNSET:
        record.exe = _text(line.exe, "exe")
    if line.image is not UNSET:
        _fields_fit(line.image, "image")
        record.image = line.image
    if line.limits is not UNSET:
        record.limits = _limits(line.limits)
    if line.personality is not UNSET:
        record.personality = _u64(line.personality, "personality")
    if line.ipc_lock is not UNSET:
        record.ipc_lock = line.ipc_lock
    if line.former is not UNSET:
        record.former = line.former
    if line.host is not UNSET:
        if line.host.format > FORMAT_VERSION:
            raise ValueError(f"format {line.host.format} is newer than {FORMAT_VERSION}")
        _fields_fit(line.host, "host")
        record.host = line.host
    return record


def _child(line: Line, number: int) -> Child:
    if line.child is UNSET or line.how is UNSET:
        raise ValueError("child without child or how")
    if line.child == line.pid:
        raise ValueError(f"thread {line.pid} is its own child")
    record = Child(number, line.pid, line.child, line.how)
    if line.flags is not UNSET:
        record.flags = _u64(line.flags, "flags")
    return record


def _touch(line: Line, number: int) -> Touch:
    if line.addr is UNSET or line.len is UNSET or line.write is UNSET:
        raise ValueError("touch without addr, len or write")
    if line.addr + line.len > U64_MAX + 1:
        raise ValueError("touch beyond the end of the address space")
    return Touch(number, line.pid, line.addr, line.len, line.write)


def _text(value: str, key: str) -> str:
    """A path or name, bounded and without NUL."""
    if len(value) > TEXT_MAX or "\0" in value:
        raise ValueError(f"{key} longer than {TEXT_MAX} characters or holding NUL")
    return value


def _u64(value: int, key: str) -> int:
    if value > U64_MAX:
        raise ValueError(f"{key} does not fit 64 bits")
    return value


def _fields_fit(part: Image | Host | Limits, key: str) -> None:
    """Every number of a nested object is unsigned 64-bit."""
    for field in part.__struct_fields__:
        value = getattr(part, field)
        if isinstance(value, int) and not 0 <= value <= U64_MAX:
            raise ValueError(f"{key}.{field} does not fit 64 bits")


def _limits(limits: Limits) -> Limits:
    _fields_fit(limits, "limits")
    return limits


def encode(record: Record) -> bytes:
    """The line of a record, without newline; keys in the order recorders write them."""
    line: dict[str, object] = {"pid": record.pid}
    match record:
        case Call():
            line["call"] = NAMES[record.op]
            line["args"] = record.args
        case Exec():
            line["call"] = "exec"
        case Child():
            line["call"] = "child"
            line["child"] = record.child
            line["how"] = record.how
        case Gone():
            line["call"] = "gone"
        case Touch():
            line["call"] = "touch"
            line["addr"] = record.addr
            line["len"] = record.len
            line["write"] = record.write
    for field in _OPTIONAL[type(record)]:
        value = getattr(record, field)
        if value is not None:
            line[field] = value
    return _encoder.encode(line)


_OPTIONAL: dict[type[Record], tuple[str, ...]] = {
    Call: ("ret", "file", "open", "name", "flags", "size", "key", "limits", "renamed", "maps"),
    Exec: ("exe", "image", "limits", "personality", "ipc_lock", "former", "host", "maps"),
    Child: ("flags",),
    Gone: (),
    Touch: (),
}

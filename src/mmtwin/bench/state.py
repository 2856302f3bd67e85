"""What a race has measured so far: kept in a file, so that the same command can go on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mmtwin.bench.life import Life, Reading
from mmtwin.bench.peer import Took
from mmtwin.bench.rows import Row


class StateError(Exception):
    """A state file cannot be used; the message says why."""


class Settings(msgspec.Struct, frozen=True):
    """What was asked for, and where it runs: figures of two machines do not mix."""

    sizes: list[int]
    peers: list[str]
    rows: list[Row]
    rounds: int | None
    weighed: int
    machine: dict[str, str]


class Kept(msgspec.Struct):
    """One round of one range map at one size; ``readings`` are operations done and asked for, and
    nanoseconds of the processor and on the wall. ``trouble`` says why there are none."""

    name: str
    size: int
    round: int
    readings: dict[Row, tuple[int, int, int, int]] = {}
    digest: int | None = None
    seconds: float = 0.0
    trouble: str | None = None

    @classmethod
    def of(cls, name: str, size: int, number: int, life: Life) -> Kept:
        """A life, to be written down."""
        readings = {
            row: (r.done, r.asked, r.took.cpu, r.took.wall) for row, r in life.readings.items()
        }
        return cls(name, size, number, readings, life.digest, life.seconds)

    def life(self) -> Life:
        """The life that was written down."""
        readings = {
            row: Reading(done, asked, Took(cpu, wall))
            for row, (done, asked, cpu, wall) in self.readings.items()
        }
        return Life(readings, self.digest, self.seconds)


class Weight(msgspec.Struct, frozen=True):
    """Bytes a range of one map at one size; None if it took too long to weigh."""

    name: str
    size: int
    bytes: float | None


class State(msgspec.Struct):
    """All of a race so far."""

    settings: Settings
    lives: list[Kept] = []
    weights: list[Weight] = []

    def kept(self, name: str, size: int, number: int) -> Kept | None:
        """A round, if it was measured."""
        key = (name, size, number)
        return next((k for k in self.lives if (k.name, k.size, k.round) == key), None)

    def weight(self, name: str, size: int) -> Weight | None:
        """A weight, if it was measured."""
        return next((w for w in self.weights if (w.name, w.size) == (name, size)), None)


def load(path: Path, settings: Settings) -> State:
    """The race in a file, or a fresh one if there is none yet.

    Raises StateError if the file is no state, or of another command or machine.
    """
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State(settings)
    except (OSError, msgspec.DecodeError) as error:
        raise StateError(f"{path}: {error}") from error
    for name in settings.__struct_fields__:
        kept, asked = getattr(state.settings, name), getattr(settings, name)
        if kept != asked:
            raise StateError(f"{path}: it was begun with {name} {kept}, not {asked}")
    return state


def save(path: Path, state: State) -> None:
    """Write the state; a reader never sees half of it."""
    scratch = path.with_name(path.name + ".new")
    scratch.write_bytes(msgspec.json.encode(state))
    scratch.replace(path)

"""Many runs, one seed after another: interrupted, kept in a file, gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from mmtwin.kernels.diff import Differ, Run


class State(msgspec.Struct):
    """How far a campaign has come; what a state file holds, as JSON.

    ``seed`` is the first run's, ``runs`` and ``calls`` are made so far, ``found`` the seeds of runs
    in which something differed, ``seconds`` the time that the runs took.
    """

    kernel: str
    release: str
    seed: int
    runs: int = 0
    calls: int = 0
    found: list[int] = []
    seconds: float = 0.0


class StateError(Exception):
    """A state file cannot be used; the message says why."""


def load(path: Path, fresh: State) -> State:
    """The campaign in a file, or ``fresh`` if there is none yet.

    Raises StateError if the file is no state or is of another kernel or another first seed.
    """
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return fresh
    except (OSError, msgspec.DecodeError) as error:
        raise StateError(f"{path}: {error}") from error
    for name in ("kernel", "release", "seed"):
        if getattr(kept, name) != getattr(fresh, name):
            raise StateError(
                f"{path}: this campaign's {name} is {getattr(kept, name)}, "
                f"not {getattr(fresh, name)}"
            )
    return kept


def save(path: Path, state: State) -> None:
    """Write the state; a reader never sees half of it."""
    scratch = path.with_name(path.name + ".new")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")
    scratch.replace(path)


def go_on(
    differ: Differ,
    state: State,
    calls: int,
    most: int,
    on_run: Callable[[State], None] | None = None,
) -> tuple[list[Run], bool]:
    """Runs until ``calls`` calls are made in all or ``most`` disagreements found in all.

    ``state`` is kept up to date; ``on_run`` is told after every run. The runs in which something
    differed, and whether an interrupt ended it; the run that it broke off does not count.
    """
    found: list[Run] = []
    try:
        while state.calls < calls and len(state.found) < most:
            begin = time.monotonic()
            run = differ.run(state.seed + state.runs)
            state.seconds += time.monotonic() - begin
            state.runs += 1
            state.calls += len(run.calls)
            if run.found is not None:
                state.found.append(run.seed)
                found.append(run)
            if on_run is not None:
                on_run(state)
    except KeyboardInterrupt:
        return found, True
    return found, False

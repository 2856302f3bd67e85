"""A real program run in a guest: its memory calls recorded there, its tree read after each.

The recorder is the guest's first process. It waits after every line of its trace, so that each line
comes with the tree that the kernel holds at that moment.
"""

from __future__ import annotations

import json
import select
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mmtwin.kernels.host.build import AgentError, compiled
from mmtwin.kernels.qemu.guests import Guest
from mmtwin.kernels.qemu.kernel import PATIENCE_SECONDS, launch
from mmtwin.kernels.qemu.packages import find_vmlinux
from mmtwin.kernels.qemu.trees import GuestMemory, GuestTree

SOURCE: Final = Path(__file__).parent / "native" / "recorder.c"
FLAGS: Final = ["-O2", "-Wall", "-Wextra", "-static"]
LAST: Final = ("exit_group", "gone")


def files_of(program: Path) -> dict[str, bytes]:
    """The program and the libraries that it is linked with, by their paths in the guest."""
    told = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    paths = [str(program)]
    for line in told.stdout.splitlines():
        words = [word for word in line.split() if word.startswith("/")]
        paths += words[-1:]
    return {path.lstrip("/"): Path(path).read_bytes() for path in paths}


def run_program(
    guest: Guest, command: Sequence[str], more: dict[str, bytes] | None = None
) -> Iterator[tuple[str, GuestTree | None]]:
    """Run a program in a guest: each line of its trace with the kernel's tree at that moment.

    ``command`` begins with the program's path here; it and its libraries are put into the guest,
    and so are the files in ``more``. The last line is the program's end. AgentError if it cannot be
    done, or if the guest falls silent.
    """
    program = Path(command[0]).resolve()
    try:
        content = {**files_of(program), **(more or {})}
    except OSError as error:
        raise AgentError(f"{program}: {error.strerror}") from error
    vmlinux = find_vmlinux(guest)
    content["init"] = compiled(SOURCE, FLAGS, guest.machine).read_bytes()
    content["command"] = "\n".join([str(program), *command[1:]]).encode()
    with tempfile.TemporaryDirectory(prefix="mmtwin-guest-") as scratch:
        child = launch(guest, content, Path(scratch), inspect=True)
        try:
            yield from _lines(child, Path(scratch), vmlinux)
        finally:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()


def _lines(
    child: subprocess.Popen[bytes], scratch: Path, vmlinux: Path
) -> Iterator[tuple[str, GuestTree | None]]:
    assert child.stdin is not None
    assert child.stdout is not None
    held = b""
    memory: GuestMemory | None = None
    while True:
        while b"\n" not in held:
            ready, _, _ = select.select([child.stdout], [], [], PATIENCE_SECONDS)
            more = child.stdout.read(1 << 16) if ready else b""
            if not more:
                said = (scratch / "console").read_text(errors="replace")[-500:]
                raise AgentError(f"the guest is silent; its console: {said!r}")
            held += more
        line, _, held = held.partition(b"\n")
        record = json.loads(line)
        if memory is None:
            memory = GuestMemory(scratch / "qmp", vmlinux)
        last = record["call"] in LAST
        tree = None if record["call"] == "gone" else memory.tree(record["pid"])
        yield line.decode(), tree
        if last:
            return
        child.stdin.write(b"g")

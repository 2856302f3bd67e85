"""QEMU's monitor: stopping a guest, dumping its memory, letting it run on.

Protocol: QMP, one JSON object a line over a Unix socket.
"""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from mmtwin.kernels.host.build import AgentError

PATIENCE_SECONDS = 120.0


class Monitor:
    """A connection to the monitor that listens at ``path``."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_SECONDS)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise AgentError(f"no monitor at {path}: {error.strerror}") from error
        self._lines = self._socket.makefile("rb")
        self._next()
        self.command("qmp_capabilities")

    def __enter__(self) -> Self:
        """This connection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the connection; the guest runs on."""
        self._lines.close()
        self._socket.close()

    def command(self, name: str, **arguments: object) -> Any:
        """What the monitor returns; AgentError if it refuses or is silent."""
        order = {"execute": name, "arguments": arguments}
        try:
            self._socket.sendall(msgspec.json.encode(order) + b"\n")
            while True:
                answer = self._next()
                if "error" in answer:
                    raise AgentError(f"qemu: {name}: {answer['error'].get('desc')}")
                if "return" in answer:
                    return answer["return"]
        except OSError as error:
            raise AgentError(f"qemu: {name}: {error}") from error

    def _next(self) -> dict[str, Any]:
        """The next message: an answer, an event or the greeting."""
        line = self._lines.readline()
        if not line:
            raise AgentError("qemu's monitor has ended")
        return msgspec.json.decode(line, type=dict[str, Any])

    def stop(self) -> None:
        """Stop the guest's processors."""
        self.command("stop")

    def go_on(self) -> None:
        """Let them run."""
        self.command("cont")

    def dump(self, path: Path) -> None:
        """Write the guest's memory to a file, as an ELF core of physical memory."""
        self.command("dump-guest-memory", paging=False, protocol=f"file:{path}")

"""This machine's kernel as an oracle: the agent as a child process."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mmtwin.kernels.host.agent import Agent
from mmtwin.kernels.host.build import AgentError, agent_program

PATIENCE_SECONDS: Final = 20.0


class HostKernel(Agent):
    """A controller and its workers on this machine's kernel; ``program`` is the built agent."""

    def __init__(self, *, program: Path | None = None, segments: Sequence[int] = ()) -> None:
        super().__init__(segments)
        self._program = program or agent_program()
        self._held = bytearray()
        self._child: subprocess.Popen[bytes] | None = None
        self._to_agent = self._from_agent = -1
        self._start()

    def close(self) -> None:
        """End the controller; its workers are killed with it."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()
        self._held.clear()

    def fresh(self) -> None:
        """A new controller: starting one costs less than ending every worker."""
        self.close()
        self._start()

    def _start(self) -> None:
        try:
            child = subprocess.Popen(
                [str(self._program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                process_group=0,
            )
        except OSError as error:
            raise AgentError(f"cannot run the agent {self._program}: {error.strerror}") from error
        if child.stdin is None or child.stdout is None:
            raise AgentError("the agent has no pipes")
        self._child = child
        self._to_agent, self._from_agent = child.stdin.fileno(), child.stdout.fileno()
        self._begin()

    def _write(self, orders: bytes) -> None:
        view = memoryview(orders)
        while view:
            try:
                view = view[os.write(self._to_agent, view) :]
            except BrokenPipeError as error:
                raise AgentError("the agent has ended") from error

    def _read(self, count: int) -> bytes:
        held = self._held
        while len(held) < count:
            ready, _, _ = select.select([self._from_agent], [], [], PATIENCE_SECONDS)
            if not ready:
                raise AgentError(f"the agent said nothing for {PATIENCE_SECONDS:.0f} seconds")
            more = os.read(self._from_agent, 1 << 16)
            if not more:
                raise AgentError("the agent has ended")
            held += more
        taken = bytes(held[:count])
        del held[:count]
        return taken

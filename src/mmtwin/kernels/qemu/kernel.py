"""A distribution's kernel in qemu, with the agent as its first process.

The kernel image comes from Debian's package, unpacked or not; nothing of it is installed. qemu
emulates the processor, so that the guest is the same on every machine.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mmtwin.kernels.host.agent import Agent
from mmtwin.kernels.host.build import AgentError, agent_program
from mmtwin.kernels.qemu.guests import Guest
from mmtwin.kernels.qemu.image import cpio
from mmtwin.kernels.qemu.packages import find_kernel, find_qemu

PATIENCE_SECONDS: Final = 240.0
"""An emulated machine on a busy one takes its time to boot."""
MEMORY_MEGABYTES: Final = 1024
"""From 512 on huge pages are there, as on any machine of today."""


def launch(
    guest: Guest,
    content: Mapping[str, bytes],
    scratch: Path,
    *,
    inspect: bool = False,
    megabytes: int = MEMORY_MEGABYTES,
) -> subprocess.Popen[bytes]:
    """A running guest whose port is this process's pipe; ``content`` is its root directory.

    The file ``init`` is what it runs. In ``scratch`` are its ``console`` and, with ``inspect``,
    the socket ``qmp``. AgentError if there is no qemu or no kernel.
    """
    kernel, qemu = find_kernel(guest), find_qemu(guest)
    files = dict(content)
    for number, module in enumerate(kernel.modules):
        files[f"modules/{number}"] = module.read_bytes()
    initrd = scratch / "initrd"
    initrd.write_bytes(cpio(files, "init"))
    command = [
        *qemu,
        *guest.options,
        *("-accel", "tcg", "-m", str(megabytes), "-smp", "1"),
        *("-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"),
        *("-kernel", str(kernel.image), "-initrd", str(initrd)),
        *("-append", f"console={guest.console} quiet panic=-1"),
        *("-serial", f"file:{scratch / 'console'}", "-chardev", "stdio,id=agent,signal=off"),
    ]
    for device in guest.port:
        command += ["-device", device]
    if inspect:
        command += ["-device", "vmcoreinfo", "-qmp", f"unix:{scratch / 'qmp'},server=on,wait=off"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, process_group=0
    )


class QemuKernel(Agent):
    """The guest; ``files`` are put into its root directory by name.

    With ``inspect`` a debugger can read its memory over ``qmp``, a socket of the QEMU Machine
    Protocol. ``megabytes`` is how much memory it has.
    """

    own_machine = True

    def __init__(
        self,
        guest: Guest,
        *,
        files: Mapping[str, bytes] | None = None,
        segments: Sequence[int] = (),
        inspect: bool = False,
        megabytes: int = MEMORY_MEGABYTES,
    ) -> None:
        super().__init__(segments, machine=guest.machine)
        program = agent_program(guest.machine)
        self._scratch = tempfile.TemporaryDirectory(prefix="mmtwin-guest-")
        self._held = bytearray()
        scratch = Path(self._scratch.name)
        self._console = scratch / "console"
        self.qmp = scratch / "qmp"
        content = {"init": program.read_bytes(), **(files or {})}
        self._child = launch(guest, content, scratch, inspect=inspect, megabytes=megabytes)
        try:
            self._answer_of_start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Switch the guest off."""
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()
        self._scratch.cleanup()

    def fresh(self) -> None:
        """Every worker exits; the guest runs on."""
        self._end_workers()
        self._renew_segments()

    def _write(self, orders: bytes) -> None:
        if self._child.stdin is None:
            raise AgentError("the guest has no serial port")
        view = memoryview(orders)
        while view:
            try:
                view = view[os.write(self._child.stdin.fileno(), view) :]
            except BrokenPipeError as error:
                raise AgentError("the guest has ended") from error

    def _read(self, count: int) -> bytes:
        if self._child.stdout is None:
            raise AgentError("the guest has no serial port")
        held, port = self._held, self._child.stdout.fileno()
        while len(held) < count:
            ready, _, _ = select.select([port], [], [], PATIENCE_SECONDS)
            more = os.read(port, 1 << 16) if ready else b""
            if not more:
                said = self._console.read_text(errors="replace")[-500:]
                raise AgentError(f"the guest is silent; its console: {said!r}")
            held += more
        taken = bytes(held[:count])
        del held[:count]
        return taken

"""A distribution's kernel in qemu, with the agent as its first process.

The kernel image comes from Debian's package, unpacked or not; nothing of it is installed. qemu
emulates the processor, so that the guest is the same on every machine.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mmtwin.kernels.host.agent import Agent
from mmtwin.kernels.host.build import AgentError, agent_program, cache_directory
from mmtwin.kernels.qemu.image import cpio

QEMU: Final = "qemu-system-x86_64"
QEMU_VARIABLE: Final = "MMTWIN_QEMU"
"""Environment variable: the qemu program, with arguments of its own after it if need be."""
KERNEL_VARIABLE: Final = "MMTWIN_GUEST_KERNEL"
"""Environment variable: a bzImage, or Debian's package of one."""
FETCHED: Final = ".oracle"
PACKAGE: Final = "linux-image-6.1.0-*-cloud-amd64"
PATIENCE_SECONDS: Final = 60.0
MEMORY_MEGABYTES: Final = 1024
"""From 512 on huge pages are there, as on any machine of today."""


def find_qemu() -> list[str]:
    """The command that starts qemu; AgentError says what to install."""
    asked = os.environ.get(QEMU_VARIABLE, QEMU).split()
    if shutil.which(asked[0]) is None:
        raise AgentError(f"{asked[0]} is not here: install qemu-system-x86, or set {QEMU_VARIABLE}")
    return asked


def find_kernel() -> Path:
    """A bzImage; AgentError says where one may come from."""
    asked = os.environ.get(KERNEL_VARIABLE)
    places = [Path(asked)] if asked else []
    for folder in () if asked else (Path.cwd(), *Path.cwd().parents):
        places += sorted((folder / FETCHED).glob(f"{PACKAGE}_*.deb"))
    for place in places:
        if place.suffix == ".deb" and place.is_file():
            return _unpacked(place)
        if place.is_file():
            return place
    raise AgentError(
        f"no kernel for the guest: run `make guest`, or set {KERNEL_VARIABLE} to a bzImage"
    )


def _unpacked(package: Path) -> Path:
    """The image inside a package, unpacked once into the cache."""
    target = cache_directory() / f"vmlinuz-{package.stem}"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        done = subprocess.run(
            ["dpkg-deb", "-x", str(package), scratch], capture_output=True, text=True, check=False
        )
        found = sorted((Path(scratch) / "boot").glob("vmlinuz-*"))
        if done.returncode or not found:
            raise AgentError(f"no kernel image in {package.name}: {done.stderr.strip()}")
        found[0].replace(target)
    return target


class QemuKernel(Agent):
    """The guest; ``files`` are put into its root directory by name."""

    own_machine = True

    def __init__(
        self, *, files: Mapping[str, bytes] | None = None, segments: Sequence[int] = ()
    ) -> None:
        super().__init__(segments)
        self._scratch = tempfile.TemporaryDirectory(prefix="mmtwin-guest-")
        self._held = bytearray()
        self._console = Path(self._scratch.name) / "console"
        initrd = Path(self._scratch.name) / "initrd"
        content = {"init": agent_program().read_bytes(), **(files or {})}
        initrd.write_bytes(cpio(content, "init"))
        command = [
            *find_qemu(),
            *("-accel", "tcg", "-m", str(MEMORY_MEGABYTES), "-smp", "1"),
            *("-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"),
            *("-kernel", str(find_kernel()), "-initrd", str(initrd)),
            *("-append", "console=ttyS0 quiet panic=-1"),
            *("-serial", f"file:{self._console}", "-serial", "stdio"),
        ]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        try:
            self._answer_of_start()
        except AgentError:
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
                said = self._console.read_text(errors="replace")[-500:] if not ready else ""
                raise AgentError(f"the guest is silent; its console: {said!r}")
            held += more
        taken = bytes(held[:count])
        del held[:count]
        return taken

"""Where a guest's kernel comes from: Debian's package, read without being installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmtwin.kernels.host.build import AgentError, NotHereError, cache_directory
from mmtwin.kernels.qemu.guests import Guest

QEMU_VARIABLE: Final = "MMTWIN_QEMU"
"""Environment variable: the qemu program, with arguments of its own after it if need be."""
KERNEL_VARIABLE: Final = "MMTWIN_GUEST_KERNEL"
"""Environment variable: a kernel image with its virtio console built in, or Debian's package."""
FETCHED: Final = ".oracle"


@dataclass(frozen=True, slots=True)
class GuestKernel:
    """A kernel image and the modules to load, in order."""

    image: Path
    modules: tuple[Path, ...] = ()


def find_qemu(guest: Guest) -> list[str]:
    """The command that starts qemu; NotHereError says what to install."""
    asked = os.environ.get(QEMU_VARIABLE, guest.qemu).split()
    if shutil.which(asked[0]) is None:
        raise NotHereError(
            f"{asked[0]} is not here: install {guest.qemu_package} (make guest-packages), "
            f"or set {QEMU_VARIABLE}"
        )
    return asked


def find_kernel(guest: Guest) -> GuestKernel:
    """The guest's kernel; NotHereError says where one may come from."""
    asked = os.environ.get(KERNEL_VARIABLE)
    places = [Path(asked)] if asked else []
    for folder in () if asked else (Path.cwd(), *Path.cwd().parents):
        places += sorted((folder / FETCHED).glob(f"{guest.package}_*.deb"))
    for place in places:
        if place.suffix == ".deb" and place.is_file():
            return _unpacked(place, guest)
        if place.is_file():
            return GuestKernel(place)
    raise NotHereError(
        f"no {guest.machine.name} kernel for the guest: run `make {guest.target}`, "
        f"or set {KERNEL_VARIABLE} to a kernel image"
    )


def find_vmlinux(guest: Guest) -> Path:
    """The guest's kernel with debug information; NotHereError says how to get it."""
    pattern = f"{guest.package}-dbg_*.deb"
    for folder in (Path.cwd(), *Path.cwd().parents):
        for package in sorted((folder / FETCHED).glob(pattern), reverse=True):
            return _unpacked_debug(package)
    raise NotHereError(f"no {pattern} with the guest's debug information: run `make guest-debug`")


def _unpacked_debug(package: Path) -> Path:
    """The one file that matters of a package of debug information, unpacked into the cache."""
    target = cache_directory() / f"{package.stem}-vmlinux"
    if not target.is_file():
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            archive = subprocess.Popen(
                ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
            )
            done = subprocess.run(
                ["tar", "-x", "-C", scratch, "--wildcards", "*/vmlinux-*"],
                stdin=archive.stdout,
                capture_output=True,
                text=True,
                check=False,
            )
            found = [
                path
                for path in Path(scratch).rglob("vmlinux-*")
                if path.is_file() and not path.is_symlink()
            ]
            if archive.wait() or done.returncode or not found:
                raise AgentError(f"no vmlinux in {package.name}: {done.stderr.strip()}")
            found[0].replace(target)
    return target


def _unpacked(package: Path, guest: Guest) -> GuestKernel:
    """The image and the modules inside a package, unpacked once into the cache."""
    target = cache_directory() / f"guest-{package.stem}-{len(guest.modules)}"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            # A kernel is some 30 MB; of its thousands of modules only these few are kept.
            done = subprocess.run(
                ["dpkg-deb", "-x", str(package), scratch],
                capture_output=True,
                text=True,
                check=False,
            )
            images = sorted((Path(scratch) / "boot").glob("vmlinuz-*"))
            if done.returncode or not images:
                raise AgentError(f"no kernel image in {package.name}: {done.stderr.strip()}")
            kept = Path(scratch) / "kept"
            kept.mkdir()
            images[0].replace(kept / "vmlinuz")
            for name in guest.modules:
                found = sorted((Path(scratch) / "lib").rglob(f"{name}.ko"))
                if not found:
                    raise AgentError(f"no module {name} in {package.name}")
                found[0].replace(kept / f"{name}.ko")
            kept.replace(target)
    return GuestKernel(target / "vmlinuz", tuple(target / f"{name}.ko" for name in guest.modules))

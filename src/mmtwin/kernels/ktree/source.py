"""Where the kernel's source is on this machine, and the few folders of it that are needed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "MMTWIN_LINUX_SOURCE"
"""Environment variable: an unpacked source tree, a ``.tar.xz`` of one, or Debian's ``.deb``."""

PACKAGE = "linux-source-6.1"
TARBALL = Path("/usr/src") / f"{PACKAGE}.tar.xz"
FETCHED = ".oracle"
"""Folder that ``make oracle`` downloads the package into."""

NEEDED = ("lib", "include", "tools")
TREE_SOURCE = Path("lib/maple_tree.c")


class KernelTreeError(RuntimeError):
    """The kernel's own tree cannot be had; the message says why."""


class NoKernelSourceError(KernelTreeError):
    """The kernel's source or a compiler is not on this machine; the message says what to do."""


def cache_folder() -> Path:
    """The folder for unpacked sources and built drivers: ``mmtwin`` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mmtwin"


def fingerprint(*parts: object) -> str:
    """Twelve hex digits that change when one of ``parts`` does."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]


def candidates() -> Iterator[Path]:
    """The places a source may be, in the order they are tried."""
    asked = os.environ.get(VARIABLE)
    if asked:
        yield Path(asked)
        return
    yield TARBALL
    here = Path.cwd()
    for folder in (here, *here.parents):
        yield from sorted((folder / FETCHED).glob(f"{PACKAGE}_*.deb"))


def kernel_source() -> Path:
    """The root of an unpacked source tree with at least ``lib``, ``include`` and ``tools``.

    Archives are unpacked once, into the cache. Raises `NoKernelSourceError`, in one line, when
    there is none.
    """
    for place in candidates():
        if (place / TREE_SOURCE).is_file():
            return place
        if place.is_file():
            return _unpacked(place)
    raise NoKernelSourceError(
        f"the kernel's source is not here: install the package {PACKAGE}, or run `make oracle`, "
        f"or set {VARIABLE}"
    )


def _unpacked(archive: Path) -> Path:
    """The tree inside ``archive``, unpacked into the cache unless it was before."""
    status = archive.stat()
    name = fingerprint(archive.resolve(), status.st_size, status.st_mtime_ns)
    target = cache_folder() / f"source-{name}"
    if (target / TREE_SOURCE).is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        folder = Path(scratch)
        tarball = _tarball_of(archive, folder) if archive.suffix == ".deb" else archive
        _run("tar", "-xf", tarball, "-C", folder, "--wildcards", *(f"*/{n}" for n in NEEDED))
        roots = [path.parent.parent for path in folder.glob(f"*/{TREE_SOURCE}")]
        if len(roots) != 1:
            raise KernelTreeError(f"{archive} does not hold one kernel source tree")
        # Another process may have been faster; its tree is as good.
        if not target.exists():
            shutil.move(roots[0], target)
    return target


def _tarball_of(package: Path, folder: Path) -> Path:
    """The source tarball inside Debian's package."""
    _run("dpkg-deb", "-x", package, folder / "package")
    return folder / "package" / TARBALL.relative_to("/")


def _run(*command: object) -> None:
    """Run a command; `KernelTreeError` with its last words if it fails or is missing."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoKernelSourceError(f"the command {words[0]} is not installed") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise KernelTreeError(f"{words[0]} failed: {lines[-1]}")

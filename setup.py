"""Builds the compiled rooms: every module with a ``.pxd`` of its own beside it.

The same files run uncompiled: ``MMTWIN_PURE=1`` at build time skips the compiler, at run time
it passes the compiled rooms over (see ``mmtwin/__init__.py``).
"""

import os
from pathlib import Path

from setuptools import Extension, setup

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "embedsignature": False,
    "auto_pickle": False,
    "emit_code_comments": False,
    "binding": False,
}
FLAGS = os.environ.get("MMTWIN_CFLAGS")
"""For all rooms, instead of the usual ones; ``MMTWIN_CFLAGS="-O0 -g0"`` builds in a third of the
time, for work on a room's behaviour."""


def flags(room: str) -> list[str]:
    """The compiler's flags for a room.

    Debug information and -O3 triple the time of a build and make no room faster. The many rooms of
    an address space together take a twelfth of a replay's time: -O1 is enough for them, and halves
    what the compiler needs.
    """
    usual = "-O1 -g0" if room.startswith("mmtwin.space.") else "-O2 -g0"
    return (usual if FLAGS is None else FLAGS).split()


def rooms() -> list[Extension]:
    """The extension modules: one for each ``.pxd`` under ``src``."""
    found = []
    for declaration in sorted(Path("src").rglob("*.pxd")):
        if declaration.name == "__init__.pxd":
            continue
        name = ".".join(declaration.relative_to("src").with_suffix("").parts)
        source = str(declaration.with_suffix(".py"))
        found.append(Extension(name, [source], extra_compile_args=flags(name)))
    return found


def compiled() -> list[Extension]:
    """The rooms, translated to C; none when a pure build is asked for."""
    if os.environ.get("MMTWIN_PURE"):
        return []
    from Cython.Build import cythonize

    return cythonize(rooms(), compiler_directives=DIRECTIVES, nthreads=os.cpu_count() or 1)


setup(ext_modules=compiled(), options={"build_ext": {"parallel": os.cpu_count()}})

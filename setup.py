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
}


def rooms() -> list[Extension]:
    """The extension modules: one for each ``.pxd`` under ``src``."""
    found = []
    for declaration in sorted(Path("src").rglob("*.pxd")):
        if declaration.name == "__init__.pxd":
            continue
        name = ".".join(declaration.relative_to("src").with_suffix("").parts)
        found.append(Extension(name, [str(declaration.with_suffix(".py"))]))
    return found


def compiled() -> list[Extension]:
    """The rooms, translated to C; none when a pure build is asked for."""
    if os.environ.get("MMTWIN_PURE"):
        return []
    from Cython.Build import cythonize

    return cythonize(rooms(), compiler_directives=DIRECTIVES, nthreads=os.cpu_count() or 1)


setup(ext_modules=compiled())

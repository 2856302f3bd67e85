"""Builds the compiled rooms: every module with a ``.pxd`` of its own beside it.

The same files run uncompiled: ``MMTWIN_PURE=1`` at build time skips the compiler, at run time
it passes the compiled rooms over (see ``mmtwin/__init__.py``).
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from setuptools import Extension, setup

if TYPE_CHECKING:
    from Cython.Compiler.Main import Context
    from Cython.Compiler.Options import CompilationOptions

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
SHARED = "mmtwin.space.v6_18.space"
"""The room whose declarations, with all that they need, most rooms need too."""


def flags(room: str) -> list[str]:
    """The compiler's flags for a room.

    Debug information and -O3 triple the time of a build and make no room faster. The many rooms of
    an address space together take a twelfth of a replay's time: -O1 is enough for them, and halves
    what the compiler needs.
    """
    usual = "-O1 -g0" if room.startswith("mmtwin.space.") else "-O2 -g0"
    return (usual if FLAGS is None else FLAGS).split()


def rooms() -> list[Path]:
    """The modules to be compiled: one for each ``.pxd`` under ``src``, relative to it."""
    found = sorted(Path().rglob("*.pxd"))
    return [path.with_suffix(".py") for path in found if path.name != "__init__.pxd"]


def translate(sources: list[Path]) -> None:
    """Write the C of all rooms that have changed since; to be called in ``src``.

    Four fifths of the time that Cython needs for a room go into the declarations of the eighty
    rooms below it. So they are read once, and each room is translated by a process that begins
    with them.
    """
    from Cython.Build.Dependencies import create_dependency_tree
    from Cython.Compiler import Errors
    from Cython.Compiler.Main import Context

    tree = create_dependency_tree(quiet=True)
    changed = [
        source for source in sources if tree.newest_dependency(str(source))[0] > written(source)
    ]
    if not changed:
        return
    Errors.init_thread()
    context = Context.from_options(options(changed[0]))
    context.find_module(SHARED)
    working: dict[int, Path] = {}
    while changed or working:
        while changed and len(working) < (os.cpu_count() or 1):
            source = changed.pop(0)
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                translate_one(context, source, tree.all_dependencies(str(source)))
            working[child] = source
        child, status = os.wait()
        source = working.pop(child)
        if status != 0:
            source.with_suffix(".c").unlink(missing_ok=True)
            raise SystemExit(f"{source}: cannot be translated")


def written(source: Path) -> float:
    """When a room's C was written, seconds since the epoch; 0 if it was not."""
    result = source.with_suffix(".c")
    return result.stat().st_mtime if result.exists() else 0.0


def module(source: Path) -> str:
    """A module's name, from its path below ``src``."""
    parts = source.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def options(source: Path) -> CompilationOptions:
    """What Cython is told for a room."""
    from Cython.Compiler.Options import CompilationOptions, default_options

    return CompilationOptions(
        default_options,
        compiler_directives=dict(DIRECTIVES),
        language_level=3,
        include_path=["."],
        output_file=str(source.with_suffix(".c")),
    )


def translate_one(context: Context, source: Path, needed: set[str]) -> None:
    """In a process of its own: write a room's C, with the inline functions of those ``.pxd`` only
    that are ``needed``. Does not return."""
    from Cython.Compiler.Main import compile_single

    failed = 1
    try:
        names = {module(Path(path)) for path in needed}
        context.pxds = {name: pxd for name, pxd in context.pxds.items() if name in names}
        context.options = options(source)
        result = compile_single(str(source), context.options, module(source), context=context)
        failed = result.num_errors
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1 if failed else 0)


def compiled() -> list[Extension]:
    """The rooms, translated to C; none when a pure build is asked for."""
    if os.environ.get("MMTWIN_PURE"):
        return []
    above = Path.cwd()
    os.chdir("src")
    try:
        sources = rooms()
        translate(sources)
    finally:
        os.chdir(above)
    return [
        Extension(
            module(source),
            [str("src" / source.with_suffix(".c"))],
            extra_compile_args=flags(module(source)),
        )
        for source in sources
    ]


setup(ext_modules=compiled(), options={"build_ext": {"parallel": os.cpu_count()}})

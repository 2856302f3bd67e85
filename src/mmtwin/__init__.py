"""An executable twin of Linux memory management.

The floors, from the ground up (a module imports only from its own floor and those below):
``memory``, ``machine``, ``pages``, ``maple``, ``space``, ``trace`` and ``twin``, ``check`` and
``regressions``, ``cli``.

The hot rooms are compiled when the package is built. With ``MMTWIN_PURE=1`` in the environment
the same files run as plain Python, for a debugger or a Python without a C compiler.
"""

from mmtwin._pure import run_uncompiled_if_asked

run_uncompiled_if_asked()

__version__ = "0.1.0"

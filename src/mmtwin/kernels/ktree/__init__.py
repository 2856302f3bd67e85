"""The kernel's own maple tree, compiled for user space, and what compares the twin's with it.

Nothing of the kernel is part of this package: ``source`` finds the source that the reader has on
the machine, ``build`` compiles it behind a driver of our own, ``server`` talks to the driver.
"""

from mmtwin.kernels.ktree.server import KernelTree
from mmtwin.kernels.ktree.source import NoKernelSourceError

__all__ = ["KernelTree", "NoKernelSourceError"]

"""prctl(PR_SET_VMA): names for anonymous memory."""

from __future__ import annotations

import errno

import cython
from cython import declare
from cython import longlong as i64
from cython import ulonglong as u64

from mmtwin.space import flags as c
from mmtwin.space.madvise import Madvise

if not cython.compiled:
    from mmtwin.pages.words import load

ANON_VMA_NAME = declare(u64, 120)
ANON_VMA_NAME_MAX_LEN = 80
"""Bytes of the longest name, the NUL that ends it included."""
FORBIDDEN = "\\`$[]"


class PrctlVma(Madvise):
    """``prctl_set_vma``."""

    def sys_prctl_set_vma(self, mm: u64, option: u64, addr: u64, size: u64, name: object) -> i64:
        """prctl(PR_SET_VMA, option, addr, size, name): 0 or a negative errno.

        ``name`` is a ``str`` without NUL, or None for a null pointer, which takes the name away.
        """
        if load(self.memory, self.sysctl + ANON_VMA_NAME) == 0:
            return -errno.EINVAL
        if option != c.PR_SET_VMA_ANON_NAME:
            return -errno.EINVAL
        number: u64 = 0
        if isinstance(name, str):
            if not self.anon_vma_name_valid(name):
                return -errno.EINVAL
            number = self.memory.strings.number(name)
        return self.madvise_set_anon_name(mm, addr, size, number)

    def anon_vma_name_valid(self, name: str) -> bool:
        """Short enough, and printable ASCII without what a shell or /proc reader trips over."""
        if len(name) >= ANON_VMA_NAME_MAX_LEN:
            return False
        return all(" " <= char <= "~" and char not in FORBIDDEN for char in name)

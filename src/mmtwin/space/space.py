"""The whole address-space engine, with the rules of Linux 6.1 (6.1.192)."""

from __future__ import annotations

from mmtwin.space.proc_pagemap import ProcPagemap


class Space(ProcPagemap):
    """Address spaces and every call on them, as Linux 6.1 has them.

    ``Space(memory, maple, caches, profile)``: the tree engine and the allocators are given; all
    state lies in ``memory``.
    """

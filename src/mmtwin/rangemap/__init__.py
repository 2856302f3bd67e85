"""A range map for Python programs, on the kernel's maple tree.

    from mmtwin import MapleTree

    t = MapleTree()
    t[0x1000:0x3000] = "heap"       # half-open, as Python slices are
    t[0x1800:0x2000] = "arena"      # overwrites, cuts and splits
    t[0x1900]                       # "arena"
    list(t)                         # (start, last, value), last inclusive
    t.allocate(0x1000, "new", low=0x1000, high=0x10000)

Slices and the arguments ``start, stop, low, high`` are half-open: the upper end is not part of the
range. The tuples that come out are ``(start, last, value)`` with an inclusive ``last``, because the
last index of all, 2**64 - 1, has no successor.
"""

from mmtwin.rangemap.reader import RangeReader
from mmtwin.rangemap.tree import MapleTree, NoRoom, Snapshot

__all__ = ["MapleTree", "NoRoom", "RangeReader", "Snapshot"]

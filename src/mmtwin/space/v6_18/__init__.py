"""What Linux 6.18 does otherwise than 6.1, a concern a file, on top of the 6.1 engine."""

from mmtwin.space.v6_18.space import Space618

__all__ = ["Space618"]

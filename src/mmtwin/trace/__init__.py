"""Traces: the memory calls of real programs, one JSON object a line.

``reader`` streams and validates a trace, ``maps`` reads the text of /proc/PID/maps, ``writer``
writes a trace, ``record`` makes one from a running program, ``generate`` from a seed.
The format is described in ``docs/trace-format.md``.
"""

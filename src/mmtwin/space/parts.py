"""The address space's way to parts of words, and to copies of objects.

Compiled rooms have the same functions inlined from the package's ``__init__.pxd``; these serve
where the rooms run as plain Python.
"""

from mmtwin.memory.memory import Memory

copy = Memory.copy
load8 = Memory.load8
load32 = Memory.load32
store8 = Memory.store8
store32 = Memory.store32

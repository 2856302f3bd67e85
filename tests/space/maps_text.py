"""Maps of fresh images as kernels printed them."""

from mmtwin.trace.maps import MapLine, parse_maps

STATIC = """\
00400000-00401000 r--p 00000000 fe:00 100                                /bin/static
00401000-00480000 r-xp 00001000 fe:00 100                                /bin/static
00480000-004a0000 r--p 00080000 fe:00 100                                /bin/static
004a0000-004b0000 rw-p 000a0000 fe:00 100                                /bin/static
004b0000-004b5000 rw-p 00000000 00:00 0                                  [heap]
7ffff7ff9000-7ffff7ffd000 r--p 00000000 00:00 0                          [vvar]
7ffff7ffd000-7ffff7fff000 r-xp 00000000 00:00 0                          [vdso]
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]
"""

DYNAMIC = """\
55daa1dfe000-55daa1e02000 r--p 00000000 fe:00 260180                     /usr/bin/dash
55daa1e02000-55daa1e15000 r-xp 00004000 fe:00 260180                     /usr/bin/dash
55daa1e15000-55daa1e1b000 r--p 00017000 fe:00 260180                     /usr/bin/dash
55daa1e1b000-55daa1e1e000 rw-p 0001c000 fe:00 260180                     /usr/bin/dash
55daa1e1e000-55daa1e20000 rw-p 00000000 00:00 0\x20
7f16b1026000-7f16b102a000 r--p 00000000 00:00 0                          [vvar]
7f16b102a000-7f16b102c000 r--p 00000000 00:00 0                          [vvar_vclock]
7f16b102c000-7f16b102e000 r-xp 00000000 00:00 0                          [vdso]
7f16b102e000-7f16b102f000 r--p 00000000 fe:00 338944                     /usr/lib/ld.so
7f16b102f000-7f16b1055000 r-xp 00001000 fe:00 338944                     /usr/lib/ld.so
7f16b1055000-7f16b105f000 r--p 00027000 fe:00 338944                     /usr/lib/ld.so
7f16b105f000-7f16b1063000 rw-p 00031000 fe:00 338944                     /usr/lib/ld.so
7ffe2064d000-7ffe2066e000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
"""

RANDOM_6_1 = """\
5631f0a00000-5631f0a05000 r-xp 00000000 fe:00 9                          /bin/x
5631f0a06000-5631f0a07000 rw-p 00005000 fe:00 9                          /bin/x
7f3300000000-7f3300020000 r-xp 00000000 fe:00 10                         /lib/ld.so
7f3300021000-7f3300023000 rw-p 00021000 fe:00 10                         /lib/ld.so
7ffe2064d000-7ffe2066e000 rw-p 00000000 00:00 0                          [stack]
7ffe20694000-7ffe20698000 r--p 00000000 00:00 0                          [vvar]
7ffe20698000-7ffe2069a000 r-xp 00000000 00:00 0                          [vdso]
"""


def lines(text: str) -> list[MapLine]:
    return parse_maps(text)

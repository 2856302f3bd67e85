"""The two letters of each bit of ``vm_flags`` that smaps prints (``show_smap_vma_flags``)."""

from __future__ import annotations

from typing import Final

LETTERS: Final = {
    0: "rd",
    1: "wr",
    2: "ex",
    3: "sh",
    4: "mr",
    5: "mw",
    6: "me",
    7: "ms",
    8: "gd",
    9: "um",
    10: "pf",
    11: "gu",
    12: "uw",
    13: "lo",
    14: "io",
    15: "sr",
    16: "rr",
    17: "dc",
    18: "de",
    19: "lf",
    20: "ac",
    21: "nr",
    22: "ht",
    23: "sf",
    24: "ar",
    25: "wf",
    26: "dd",
    27: "sd",
    28: "mm",
    29: "hg",
    30: "nh",
    31: "mg",
    40: "dp",
    41: "ui",
    42: "sl",
}
"""Linux 6.18."""
LETTERS_6_1: Final = {bit: code for bit, code in LETTERS.items() if bit < 40 and bit != 11} | {
    19: "??",
    37: "ui",
}
"""6.1 has no letters for VM_LOCKONFAULT, and VM_UFFD_MINOR is its bit 37."""

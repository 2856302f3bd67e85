"""How the checks reach words of memory, as they are and as they were at the mark.

Compiled rooms have the functions inlined from the package's ``__init__.pxd``; these serve where the
rooms run as plain Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmtwin.check.addresses import AddressSet
from mmtwin.check.overlay import Overlay, Words

if TYPE_CHECKING:
    from mmtwin.check.page_words import PageWords

PAGE = 4096
BLOCK = 256

was_word = Overlay.was
word_changed = Overlay.changed
block_of = Overlay.find
has = AddressSet.has


def touched(overlay: Overlay, index: int) -> bool:
    """Did the step store in the block that holds the word ``index`` of memory?"""
    return overlay.find(index) >= 0


def word_at(check: Words, address: int) -> int:
    """The word at an address of the direct map."""
    return check.w[(address - check.base) >> 3]


def was_at(check: Words, address: int) -> int:
    """What the word at an address of the direct map held at the mark."""
    return check.overlay.was((address - check.base) >> 3)


def word_then(check: Words, address: int, old: bool) -> int:
    """The word at an address of the direct map, now or at the mark."""
    return was_at(check, address) if old else word_at(check, address)


def held(check: Words, address: int) -> bool:
    """Do all 256 bytes from ``address`` lie in memory, past the page that is never used?"""
    return address >= check.base + PAGE and address - check.base <= check.size - BLOCK


def of_page(check: PageWords, pfn: int, offset: int) -> int:
    """A word of the struct page of a frame below ``frames``."""
    return check.w[(check.memmap + 64 * pfn + offset) >> 3]

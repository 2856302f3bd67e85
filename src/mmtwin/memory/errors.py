"""What goes wrong in memory itself."""


class BadAccess(Exception):
    """A load or store outside every window of the memory, or not aligned to its size.

    The kernel would take a fault it cannot handle. ``address`` is the address as used, ``size``
    the width in bytes, ``what`` is ``"load"`` or ``"store"``.
    """

    def __init__(self, address: int, size: int, what: str, why: str) -> None:
        super().__init__(f"{what} of {size} bytes at {address:#x}: {why}")
        self.address = address
        self.size = size
        self.what = what


class PoisonedAccess(BadAccess):
    """A load or store that the sanitizer refuses.

    ``kind`` is ``"use-after-free"``, ``"out-of-bounds"`` or ``"uninitialised"``; ``shadow`` is the
    shadow byte found, in KASAN's codes.
    """

    def __init__(self, address: int, size: int, what: str, kind: str, shadow: int) -> None:
        super().__init__(address, size, what, f"{kind} (shadow {shadow:#04x})")
        self.kind = kind
        self.shadow = shadow


class OutOfMemory(Exception):
    """Boot memory is used up: the simulated machine is too small for what is asked of it."""


class JournalForgotten(Exception):
    """A position lies before the oldest entry that the journal still keeps, or after its end."""

"""/proc/swaps: the swap area, its size and what of it is in use."""

from __future__ import annotations

from mmtwin.pages.pages import Pages

HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
SHORT = 10_000_000
"""A number of kB below takes one tab more."""
FIRST_PRIORITY = -2
"""What the kernel gives the first area that asks for none."""


def swaps(pages: Pages, name: str = "/swapfile") -> str:
    """The file; with a swap area that lies in the file ``name``, without one its head alone."""
    total = pages.total_swap_pages()
    if not total:
        return HEAD
    size, used = 4 * total, 4 * (total - pages.get_nr_swap_pages())
    blanks = " " * max(1, 40 - len(name))
    return f"{HEAD}{name}{blanks}file\t\t{size}\t{_tab(size)}{used}\t{_tab(used)}{FIRST_PRIORITY}\n"


def _tab(kilobytes: int) -> str:
    return "\t" if kilobytes < SHORT else ""

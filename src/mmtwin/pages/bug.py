"""What this layer's own assertions and reports say: which page, and why."""

from __future__ import annotations

from mmtwin.machine.bug import KernelBug, KernelWarning


class PageBug(KernelBug):
    """A ``VM_BUG_ON_PAGE`` fired: ``page`` is the struct page's address, ``pfn`` its frame."""

    def __init__(self, condition: str, where: str, page: int, pfn: int) -> None:
        super().__init__(f"{condition} (page {page:#x}, pfn {pfn:#x})", where)
        self.page = page
        self.pfn = pfn


class BadPage(PageBug):
    """``bad_page()``: a page was freed or handed out in a state it must not be in.

    ``reason`` is the kernel's own text. The kernel reports, leaks the page and goes on; the twin
    stops, with the page leaked.
    """

    def __init__(self, reason: str, where: str, page: int, pfn: int) -> None:
        super().__init__(f"Bad page state: {reason}", where, page, pfn)
        self.reason = reason


class PageWarning(KernelWarning):
    """A ``VM_WARN`` or ``WARN_ONCE`` about one page."""

    def __init__(self, condition: str, where: str, page: int, pfn: int) -> None:
        super().__init__(f"{condition} (page {page:#x}, pfn {pfn:#x})", where)
        self.page = page
        self.pfn = pfn

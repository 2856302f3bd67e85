"""Floor 2: physical pages and what is carved from them.

The page allocator is one object made of a chain of classes, one concern a file: ``memmap``,
``pageblock``, ``zone``, ``freelist``, ``buddy``, ``watermark``, ``fallback``, ``highatomic``,
``isolation``, ``prep``, ``pcplist``, ``page_alloc``, ``sysctl``, ``pages``. These have the rules of
6.1.192; :class:`~mmtwin.pages.v3_15.Pages315` and ``Pages618`` replace what their kernels do
otherwise. Methods carry the kernel's names, with one underscore where the kernel has two.
"""

"""A process that looks like the s390x guest's, in the twin."""

from mmtwin.check.checker import Checker
from mmtwin.machine.profile import PROFILES
from mmtwin.trace.maps import parse_maps
from mmtwin.twin import Twin

IMAGE = """\
01000000-0108a000 r-xp 00000000 00:02 5                                  /init
0108a000-0108e000 r--p 0008a000 00:02 5                                  /init
0108e000-01091000 rw-p 0008e000 00:02 5                                  /init
01091000-01096000 rw-p 00000000 00:00 0                                  [heap]
3fffffda000-3ffffffb000 rw-p 00000000 00:00 0                            [stack]
3ffffffc000-3ffffffe000 r--p 00000000 00:00 0                            [vvar]
3ffffffe000-40000000000 r-xp 00000000 00:00 0                            [vdso]
"""
ADDR_NO_RANDOMIZE = 0x40000
PRIVATE, SHARED, FIXED, NORESERVE = 0x22, 0x21, 0x10, 0x4000
REGION1, REGION2 = 1 << 53, 1 << 42
RW = 3
MAX = (1 << 64) - 1


class Machine:
    """A twin with one process that looks like the guest's, checked after every call."""

    def __init__(self, profile: str = "6.1-s390x") -> None:
        self.twin = Twin(PROFILES[profile], ram=1 << 28)
        self.space = self.twin.space
        self.task = self.space.task_alloc(0)
        self.space.view("task_struct", self.task).personality = ADDR_NO_RANDOMIZE
        self.mm = self.space.load_image(self.task, parse_maps(IMAGE), start_brk=0x1096000)
        self.add(1, self.task, self.mm)
        self.checker = Checker(self.twin)

    def add(self, pid: int, task: int, mm: int) -> None:
        """Make the thread known."""
        self.twin.memory.store(task + self.twin.layouts.task_struct.offset("mm"), mm)
        self.twin.pids.add(pid, task)

    def fork(self) -> int:
        """A child's address space."""
        task = self.space.task_alloc(self.task)
        mm = self.space.dup_mmap(self.mm, task)
        if mm > 0:
            self.add(len(list(self.twin.pids)) + 1, task, mm)
        return mm

    def mmap(self, addr: int, length: int, flags: int, mm: int = 0, file: int = 0) -> int:
        """The result, unsigned; everything is well afterwards."""
        mark = self.twin.begin_step()
        result = self.space.sys_mmap(mm or self.mm, addr, length, RW, flags, file, 0)
        assert self.checker.every(mark) == []
        return result & MAX

    def limit(self, mm: int = 0) -> int:
        """What the page tables reach."""
        return self.space.view("mm_struct", mm or self.mm).asce_limit

    def tables(self) -> int:
        """Pages that hold tables: one for a region or segment table, one for two page tables."""
        pages = self.twin.pages
        return sum(
            pages.page_mapcount(pages.pfn_to_page(pfn)) == self.space.table_type >> 32
            for pfn in range(pages.frames)
        )

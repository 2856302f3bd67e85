"""An address space to play with, in pages, on a whole twin whose state is checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmtwin.check.checker import Checker
from mmtwin.machine.gfp import NOFAIL
from mmtwin.machine.profile import profile
from mmtwin.memory.view import View
from mmtwin.space import flags as c
from mmtwin.twin import Twin

P = 0x1000
B = 0x1000_0000_0000
"""Where the tests map, page 0."""
R, W, X, NONE = c.PROT_READ, c.PROT_WRITE, c.PROT_EXEC, 0
RW, RWX = R | W, R | W | X
ANON = c.MAP_PRIVATE | c.MAP_ANONYMOUS
FIXED = ANON | c.MAP_FIXED


class Failing:
    """Lets ``left`` allocations through and fails the rest, from the caches named ``only``."""

    def __init__(self, left: int, only: str | None = None) -> None:
        self.left = left
        self.only = only

    def should_fail(self, name: str, gfp: int) -> bool:
        if self.only not in (None, name) or gfp & NOFAIL:
            return False
        self.left -= 1
        return self.left < 0


class World:
    """One process. Addresses are page numbers counted from ``B`` unless a name says otherwise."""

    def __init__(self, name: str, ram: int = 1 << 30, swap: int = 0) -> None:
        self.name = name
        self.twin = Twin(profile(name), ram=ram, swap=swap)
        self.space = self.twin.space
        self.space.view("sysctl", self.space.sysctl).vsyscall = 0
        self.checker = Checker(self.twin)
        self.pid = 1
        self.task, self.mm = self.twin.new_process(self.pid)

    @property
    def new(self) -> bool:
        """The rules of 6.18?"""
        return self.name.startswith("6.18")

    def adopt(self, task: int, mm: int) -> None:
        at = self.twin.layouts.task_struct.offset("mm")
        self.twin.memory.store(task + at, mm)

    def mm_view(self, mm: int | None = None) -> View:
        return self.space.view("mm_struct", mm or self.mm)

    def sysctl(self, **values: int) -> None:
        view = self.space.view("sysctl", self.space.sysctl)
        for key, value in values.items():
            setattr(view, key, value)

    def limit(self, which: int, soft: int) -> None:
        self.space.set_rlimit(self.mm, which, soft, c.RLIM_INFINITY)

    def drop_capabilities(self) -> None:
        cred = self.space.view("task_struct", self.task).get("cred")
        self.space.view("cred", cred).cap_effective = 0

    # Calls.

    def map(
        self, start: int, end: int, prot: int = RW, flags: int = FIXED, file: int = 0, off: int = 0
    ) -> int:
        return self.space.sys_mmap(
            self.mm, B + start * P, (end - start) * P, prot, flags, file, off * P
        )

    def anywhere(self, pages: int, prot: int = RW, flags: int = ANON, file: int = 0) -> int:
        """mmap without a hint: the address in bytes."""
        return self.space.sys_mmap(self.mm, 0, pages * P, prot, flags, file, 0)

    def unmap(self, start: int, end: int) -> int:
        return self.space.sys_munmap(self.mm, B + start * P, (end - start) * P)

    def protect(self, start: int, end: int, prot: int) -> int:
        return self.space.sys_mprotect(self.mm, B + start * P, (end - start) * P, prot)

    def advise(self, start: int, end: int, advice: int) -> int:
        return self.space.sys_madvise(self.mm, B + start * P, (end - start) * P, advice)

    def write(self, start: int, end: int) -> int:
        return self.space.touch(self.mm, B + start * P, (end - start) * P, True)

    def read(self, start: int, end: int) -> int:
        return self.space.touch(self.mm, B + start * P, (end - start) * P, False)

    def fork(self) -> World:
        """The child, on the same twin."""
        child = object.__new__(World)
        child.__dict__.update(self.__dict__)
        child.task = self.space.task_alloc(self.task)
        mm = self.space.dup_mmap(self.mm, child.task)
        assert mm > 0, mm
        child.mm = mm
        child.pid = 1 + max(pid for pid, _ in self.twin.pids)
        self.twin.pids.add(child.pid, child.task)
        child.adopt(child.task, mm)
        return child

    def exit(self) -> None:
        """The process ends."""
        self.twin.pids.remove(self.pid)
        self.space.mmput(self.mm)
        self.space.put_task(self.task)

    def open(self, path: str = "/lib/x.so", flags: int = c.O_RDWR, **more: int) -> int:
        return self.space.open_file(path, 254, 0, abs(hash(path)) % 10**6, flags, **more)

    # What is there.

    def vmas(self) -> list[View]:
        return [self.space.view("vm_area_struct", vma) for vma in self.space.vmas(self.mm)]

    def ranges(self) -> list[tuple[int, int]]:
        """The VMAs as page ranges, those near ``B`` only."""
        return [
            ((v.get("vm_start") - B) // P, (v.get("vm_end") - B) // P)
            for v in self.vmas()
            if B - 2**30 <= v.get("vm_start") < B + 2**40
        ]

    def vma(self, page: int) -> View:
        found = self.space.vma_lookup(self.mm, B + page * P)
        assert found, f"page {page} is not mapped"
        return self.space.view("vm_area_struct", found)

    def flags(self, page: int) -> int:
        return self.vma(page).get("vm_flags")

    def check(self, *except_for: str) -> None:
        """Every invariant holds; those named in ``except_for`` may not."""
        found = [v for v in self.checker.full() if v.invariant not in except_for]
        assert not found, "\n".join(str(violation) for violation in found)

    def in_use(self) -> dict[str, int]:
        """Objects that are out, by cache, and what is charged."""
        self.twin.maple.rcu_barrier()
        counts = {cache.name: cache.in_use() for cache in self.twin.caches.caches}
        counts["committed"] = self.space.view("sysctl", self.space.sysctl).get("vm_committed_as")
        return counts

    @contextmanager
    def failing(self, left: int, only: str | None = None) -> Iterator[Failing]:
        """Within the block allocations fail after ``left`` more."""
        injector = Failing(left, only)
        for cache in self.twin.caches.caches:
            cache.injector = injector
        try:
            yield injector
        finally:
            for cache in self.twin.caches.caches:
                cache.injector = None

"""A twin: one simulated machine, built from a profile and what is put back into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar

from mmtwin.machine.pids import ENTRY_SIZE, Pids
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.allocator import Injector
from mmtwin.memory.journal import Journal
from mmtwin.memory.memory import PAGE
from mmtwin.memory.sanitizer import SHADOW_SCALE, Sanitizer
from mmtwin.pages.layouts import STRUCT_PAGE_SIZE, VMEMMAP
from mmtwin.pages.pages import Pages, boot_memory
from mmtwin.pages.slab import SlabCaches
from mmtwin.pages.swap import swap_room
from mmtwin.pages.v3_15 import Pages315
from mmtwin.pages.v6_18 import Pages618
from mmtwin.pages.zone import s390_zones, x86_64_zones
from mmtwin.space.arm64 import SpaceArm64
from mmtwin.space.between_calls import BetweenCalls
from mmtwin.space.khugepaged import Khugepaged
from mmtwin.space.layouts import layouts_for
from mmtwin.space.oom_victims import OomVictims
from mmtwin.space.s390_tables import SpaceS390Tables
from mmtwin.space.space import Space
from mmtwin.space.v6_18 import Space618

RAM = 4 << 30
"""Bytes of physical memory; held lazily, so that only what is used costs anything."""
RAM_MIN = 4 << 20
BOOT_ROOM = 16 << 20
"""Bytes behind the ram for tables that boot makes: hash tables, the sysctls, zones."""

_Engine = TypeVar("_Engine", bound=type)


class Override(Protocol):
    """A historical bug that can be put back: a class that replaces methods of an engine."""

    @property
    def name(self) -> str:
        """The bug's name in the catalogue."""

    @property
    def layer(self) -> Literal["maple", "space"]:
        """Whose methods are replaced."""

    def override(self, profile: Profile) -> type:
        """The class with the old methods, for this kernel."""


def with_overrides(engine: _Engine, overrides: Sequence[type]) -> _Engine:
    """The engine class with the methods of ``overrides`` in front of its own, last one first."""
    if not overrides:
        return engine
    return type(engine.__name__, (*reversed(overrides), engine), {})  # type: ignore[return-value]


def space_for(profile: Profile) -> type[Space]:
    """The address-space engine with the rules of this kernel and machine."""
    if profile.machine == "s390x":
        return SpaceS390Tables
    if profile.machine == "arm64":
        return SpaceArm64
    return Space618 if profile.since(6, 12) else Space


class Twin:
    """One machine: memory, slab caches, the maple tree and address-space engines, its threads.

    ``regressions`` are composed into the engines; ``injector`` decides which slab allocations
    fail. ``keep_journal`` keeps every store since the start (otherwise only those since
    :meth:`begin_step`). ``sanitize`` watches for use after free, at a third of the speed or less.
    ``ram`` is the size of physical memory in bytes, of which the page allocator (``pages``) has all
    but the first frame; every slab cache gets its slabs from there. ``swap`` is the size of a swap
    area that is on from the beginning, 0 for none. :class:`ValueError` if they are not multiples of
    the page size, or the ram is less than 4 MiB. ``hugepages`` is vm.nr_hugepages at boot: so many
    pages of 2 MiB are taken for the pool, or as many as there are; s390x has none.
    """

    def __init__(
        self,
        profile: Profile,
        regressions: Sequence[Override] = (),
        *,
        injector: Injector | None = None,
        keep_journal: bool = False,
        sanitize: bool = False,
        ram: int = RAM,
        swap: int = 0,
        hugepages: int = 0,
    ) -> None:
        if ram < RAM_MIN or ram % PAGE:
            raise ValueError(f"ram {ram} is not a multiple of {PAGE}, at least {RAM_MIN}")
        if swap < 0 or swap % PAGE:
            raise ValueError(f"swap {swap} is not a multiple of {PAGE}")
        self.profile = profile
        self.regressions = tuple(regressions)
        # The sanitizer's shadow covers itself and the memory map too.
        room = BOOT_ROOM + swap_room(swap // PAGE)
        room += (ram + swap) // (SHADOW_SCALE - 2) + BOOT_ROOM if sanitize else 0
        self.memory = boot_memory(ram, room, big_endian=profile.big_endian)
        if sanitize:
            Sanitizer(self.memory)
        self.pages = self._boot_pages(ram)
        self.caches = SlabCaches(self.memory, self.pages)
        self.caches.create("maple_node", 256, 256, boot=profile.nodes_in_vmas)
        self.caches.create("pid", ENTRY_SIZE)
        self.layouts = layouts_for(profile.layout)
        for name, (size, align) in self.layouts.slabs().items():
            self.caches.create(name, size, align)
        maple = with_overrides(Maple, self._overrides("maple"))
        self.maple = maple(self.memory, self.caches.get("maple_node"), era=profile.maple_era)
        space = with_overrides(space_for(profile), self._overrides("space"))
        self.space = space(self.memory, self.maple, self.caches, profile)
        self.space.take_pages(self.pages)
        if swap:
            self.space.swapon(swap // PAGE)
        if profile.machine != "s390x":
            self.space.huge.set_nr_hugepages(hugepages)
        self.pids = Pids(self.memory, self.caches.get("pid"))
        self.khugepaged = Khugepaged(self.space, self.mms)
        self.victims = OomVictims(self.space, self.pids)
        self.pages.oom_hook = self.victims
        self.pages.on_failure = self.victims.on_failure
        self.keep_journal = keep_journal
        self.memory.journal = Journal(keep_all=keep_journal)
        self.between = BetweenCalls(
            self.memory, self.maple, self.caches, self.pages, self.victims, keep_journal
        )
        for cache in self.caches.caches:
            cache.injector = injector
            if cache.pages is not None:
                cache.context = self.space.context

    def _boot_pages(self, ram: int) -> Pages:
        """The page allocator of the profile's era.

        The memory map covers what boot keeps as well: addresses there lead to struct pages that
        say nothing.
        """
        memory = self.memory
        size = (memory.size // PAGE * STRUCT_PAGE_SIZE + PAGE - 1) & ~(PAGE - 1)
        memmap = memory.boot_alloc(size, PAGE)
        memory.add_window("vmemmap", VMEMMAP, size, memmap - memory.base)
        kind: type[Pages] = Pages
        if self.profile.since(6, 10):
            kind = Pages618
        elif not self.profile.since(4, 4):
            kind = Pages315
        zones = s390_zones if self.profile.machine == "s390x" else x86_64_zones
        return kind(memory, zones(1, ram // PAGE), memmap=memmap)

    def _overrides(self, layer: str) -> list[type]:
        return [r.override(self.profile) for r in self.regressions if r.layer == layer]

    def begin_step(self) -> int:
        """The journal's position before a step; see :meth:`BetweenCalls.begin`."""
        return self.between.begin()

    def new_process(self, pid: int) -> tuple[int, int]:
        """A process with an empty address space: its ``task_struct`` and ``mm_struct``."""
        task = self.space.task_alloc(0)
        mm = self.space.mm_alloc(task)
        self.space.arch_pick_mmap_layout(mm)
        self.memory.store(task + self.layouts.task_struct.offset("mm"), mm)
        self.pids.add(pid, task)
        return task, mm

    def mms(self) -> list[int]:
        """Addresses of the ``mm_struct`` in use, each once, oldest thread first."""
        mm_at = self.layouts.task_struct.offset("mm")
        found = (self.memory.load(task + mm_at) for _, task in self.pids)
        return list(dict.fromkeys(mm for mm in found if mm))

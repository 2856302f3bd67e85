"""The checks of a whole twin."""

from __future__ import annotations

from typing import Protocol

import cython
from cython import ulonglong as u64

from mmtwin.check.huge_pool import HugePoolCheck
from mmtwin.check.machine_entries import TRANSLATIONS
from mmtwin.check.page_step import PageStepCheck
from mmtwin.check.page_tables import PageTableCheck
from mmtwin.check.segments import SegmentCheck
from mmtwin.check.slabs import slab_violations
from mmtwin.check.step import STEP_RULES
from mmtwin.check.violation import Violation
from mmtwin.machine.pids import Pids
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.pages.pages import Pages
from mmtwin.pages.slab import SlabCaches
from mmtwin.space.layouts import Layouts
from mmtwin.space.space import Space

if not cython.compiled:
    from mmtwin.check.words import word_at


class Checked(Protocol):
    """What a checker reads of a twin."""

    memory: Memory
    profile: Profile
    caches: SlabCaches
    layouts: Layouts
    maple: Maple
    space: Space
    pids: Pids
    pages: Pages


class Checker:
    """Checks a twin's present state against every invariant that can be judged from it."""

    def __init__(self, twin: Checked) -> None:
        self.memory = twin.memory
        self.threads = twin.pids.head
        era = twin.maple.era
        self.spaces = PageTableCheck(
            twin.memory,
            twin.layouts,
            twin.caches,
            twin.space.sysctl,
            twin.space.page_facts(),
            translation=TRANSLATIONS[twin.profile.machine],
            root_at=era.root_offset,
            flags_at=era.flags_offset,
            old_metadata=era.gap_none != 0,
            edge_exempt=era.bulk,
            stale_offsets=twin.profile.since(6, 12),
            protection=twin.profile.protection,
            page_shift=twin.profile.page_size.bit_length() - 1,
            uffd_flags=twin.space.uffd_flags(),
            rcu_list=twin.maple.rcu_list,
            unprepared=twin.maple.unprepared,
        )
        self.pool = HugePoolCheck(twin)
        self.huge_pages, self.promises = self.pool.at_nr, self.pool.at_resv
        self.segments = SegmentCheck(twin)
        self.shmids = self.segments.head
        self.pages = PageStepCheck(
            twin.pages, reserve=twin.pages.era.name != "3.15", overlay=self.spaces.overlay
        )
        self.caches = twin.caches

    def full(self) -> list[Violation]:
        """Check everything. Cost: about 150 ns a VMA, and a look at every page ever written."""
        self.spaces.take_threads(self.threads)
        found = self.spaces.everything() + self.pages.full() + self.pool.full()
        return found + self.segments.full() + slab_violations(self.caches)

    def touched(self, mark: u64) -> list[Violation]:
        """Check what the stores since the journal's position ``mark`` can have broken.

        All was well at ``mark``. A finding is told in the words of the whole check, with absolute
        counts and all places, so that both name the same.
        """
        found = self.since(mark)
        if not found:
            return found
        told = self.full()
        told += [violation for violation in found if violation.invariant in STEP_RULES]
        return told or found

    def every(self, mark: u64) -> list[Violation]:
        """Check everything, and what only shows in how the words changed since ``mark``."""
        found = self.since(mark)
        rules = [violation for violation in found if violation.invariant in STEP_RULES]
        return self.full() + rules

    def since(self, mark: u64) -> list[Violation]:
        """What the stores since ``mark`` broke, as the step tells it: with differences."""
        self.spaces.take_threads(self.threads)
        found = self.spaces.since_mark(mark)
        pages = self.pages.touched_now()
        if pages:
            found = found + pages
        if word_at(self.spaces, self.huge_pages) != 0 or word_at(self.spaces, self.promises) != 0:
            found = found + self.pool.full()
        if word_at(self.spaces, self.shmids) != 0:
            found = found + self.segments.full()
        return found

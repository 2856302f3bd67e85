"""What happens in a machine between two steps: a grace period, and the daemons' turn."""

from __future__ import annotations

import cython
from cython import bint
from cython import ulonglong as u64

from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.pages.gfp_request import OOM_VICTIM
from mmtwin.pages.pages import Pages
from mmtwin.pages.slab import SlabCaches
from mmtwin.space.oom_victims import OomVictims

VICTIM = cython.declare(u64, OOM_VICTIM)


class BetweenCalls:
    """Ends one step of a machine and begins the next.

    ``checked_from`` is where the journal stood before the daemons of the last ``begin`` ran: what
    they do counts to the step where it is checked, not where the step is taken back.
    """

    def __init__(
        self,
        memory: Memory,
        maple: Maple,
        caches: SlabCaches,
        pages: Pages,
        victims: OomVictims,
        keep_journal: bint,
    ) -> None:
        self.memory = memory
        self.maple = maple
        self.caches = caches
        self.pages = pages
        self.victims = victims
        self.keep_journal = keep_journal
        self.checked_from = memory.mark()

    def begin(self) -> u64:
        """The journal's position before a step; drops what came before unless it is kept.

        No reader outlives a step, so a grace period ends here: nodes that waited for it are free,
        empty slabs go back to the page allocator. A victim of the OOM killer that was running is
        reaped, and daemons that were woken have their turn.
        """
        memory: Memory = self.memory
        self.maple.rcu_barrier()
        self.caches.give_back()
        if not self.keep_journal and memory.journal is not None:
            memory.journal.forget()
        self.checked_from = memory.mark()
        if self.pages.current & VICTIM != 0:
            self.victims.step_ends()
        if self.pages.daemons_woken():
            self.pages.run_daemons()
        return memory.mark()

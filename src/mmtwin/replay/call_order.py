"""In which order a call asks for tree nodes, takes locks and stores into the tree.

The locks lie in memory, so the journal knows when each was taken and dropped; the tree's methods
are listened to by an override. Nothing of the engines is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmtwin.machine.context import ANON_VMA_RWSEM, I_MMAP_RWSEM, SPINLOCK
from mmtwin.machine.profile import Profile
from mmtwin.maple.maple import Maple
from mmtwin.maple.state import MaState
from mmtwin.twin import Twin

What = Literal["preallocate", "lock", "unlock", "store"]
LOCKS = ((I_MMAP_RWSEM, "i_mmap_rwsem"), (ANON_VMA_RWSEM, "anon_vma rwsem"))
ANY_SPINLOCK = "spinlock"
"""Of these the machine keeps how many are held, not which."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a call does. ``position`` is the journal's.

    A store has its range ``first``..``last`` (inclusive) and its ``entry``, 0 for NULL; a lock its
    ``name``.
    """

    position: int
    what: What
    name: str = ""
    first: int = 0
    last: int = 0
    entry: int = 0


class CallOrder:
    """A twin whose calls are listened to from :meth:`begin` to :meth:`end`."""

    name = "call-order"
    layer: Literal["maple"] = "maple"

    def __init__(self, profile: Profile, *, ram: int = 1 << 28) -> None:
        self.heard: list[Event] = []
        self.twin = Twin(profile, [self], ram=ram, keep_journal=True)
        self.mark = self.twin.memory.mark()

    def override(self, profile: Profile) -> type:
        """The tree's engine, with ears."""
        return type("HeardMaple", (_Heard,), {"listener": self})

    def begin(self) -> None:
        """Listen from here on."""
        self.mark = self.twin.begin_step()
        self.heard.clear()

    def end(self) -> list[Event]:
        """What was heard since :meth:`begin`, in order."""
        events = [*self.heard, *self._locks()]
        return sorted(events, key=lambda event: event.position)

    def hear(self, what: What, mas: MaState, entry: int) -> None:
        """The tree is about to do something with this cursor's range."""
        position = self.twin.memory.mark()
        self.heard.append(Event(position, what, "", mas.index, mas.last, entry))

    def _locks(self) -> list[Event]:
        memory = self.twin.memory
        journal = memory.journal
        assert journal is not None
        index = (self.twin.space.context.word - memory.base) >> 3
        spots = [at for at in range(self.mark, memory.mark()) if journal.entry_index(at) == index]
        events = []
        for at in spots:
            with memory.at(at):
                before = memory.load(self.twin.space.context.word)
            with memory.at(at + 1):
                after = memory.load(self.twin.space.context.word)
            for bit, name in LOCKS:
                if (before ^ after) & bit:
                    events.append(Event(at, "lock" if after & bit else "unlock", name))
            if before // SPINLOCK != after // SPINLOCK:
                events.append(Event(at, "lock" if after > before else "unlock", ANY_SPINLOCK))
        return events


class _Heard(Maple):
    """The tree's engine, telling a listener what it is asked to do."""

    listener: CallOrder

    def mas_preallocate(self, mas: MaState, entry: int, gfp: int) -> int:
        """Set nodes aside for one store."""
        self.listener.hear("preallocate", mas, entry)
        return super().mas_preallocate(mas, entry, gfp)

    def mas_store_prealloc(self, mas: MaState, entry: int) -> None:
        """Store from the nodes set aside."""
        self.listener.hear("store", mas, entry)
        super().mas_store_prealloc(mas, entry)

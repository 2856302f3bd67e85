"""What allocation flags ask for, and the order in which zones are asked."""

from __future__ import annotations

from collections.abc import Sequence

import cython
from cython import declare
from cython import int as i32
from cython import ulonglong as u64

from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.memory.memory import Memory
from mmtwin.pages.era import PageEra
from mmtwin.pages.pcplist import Pcplists
from mmtwin.pages.zone import ZoneSpec

if not cython.compiled:
    from mmtwin.pages.words import load

ZONE_BITS = declare(u64, 0xF)
MOBILITY_BITS = declare(u64, 0x18)
ZONE_DMA = declare(i32, 0)
ZONE_DMA32 = declare(i32, 1)
ZONE_NORMAL = declare(i32, 2)
ZONE_MOVABLE = declare(i32, 3)

PF_MEMALLOC = 1
PF_MEMALLOC_NOFS = 2
PF_MEMALLOC_NOIO = 4
PF_MEMALLOC_PIN = 8
OOM_VICTIM = 16
RT_TASK = 32
PF_KSWAPD = 64
NOIO = declare(u64, PF_MEMALLOC_NOIO)
NOFS = declare(u64, PF_MEMALLOC_NOFS)
PIN = declare(u64, PF_MEMALLOC_PIN)


class GfpRequest(Pcplists):
    """The era's flags by name.

    ``current`` holds the scopes of the running task (``PF_MEMALLOC`` and the like of this module).
    """

    def __init__(
        self,
        memory: Memory,
        era: PageEra,
        memmap: u64,
        frames: u64,
        specs: Sequence[ZoneSpec],
        cpus: i32,
    ) -> None:
        super().__init__(memory, era, memmap, frames, specs, cpus)
        self.current = 0
        gfp = era.gfp
        self.gfp_high = gfp.bit("HIGH")
        self.gfp_io = gfp.bit("IO")
        self.gfp_fs = gfp.bit("FS")
        self.gfp_movable = gfp.bit("MOVABLE")
        self.gfp_reclaimable = gfp.bit("RECLAIMABLE")
        self.gfp_atomic = gfp.bit("ATOMIC")
        self.gfp_direct_reclaim = gfp.bit("DIRECT_RECLAIM") or gfp.bit("WAIT")
        self.gfp_kswapd_reclaim = gfp.bit("KSWAPD_RECLAIM")
        self.gfp_no_kswapd = gfp.bit("NO_KSWAPD")
        self.gfp_nowarn = gfp.bit("NOWARN")
        self.gfp_nofail = gfp.bit("NOFAIL")
        self.gfp_memalloc = gfp.bit("MEMALLOC")
        self.gfp_nomemalloc = gfp.bit("NOMEMALLOC")
        self.gfp_comp = gfp.bit("COMP")
        self.gfp_zero = gfp.bit("ZERO")
        self.gfp_thisnode = gfp.bit("THISNODE")
        self.gfp_cold = gfp.bit("COLD")
        self.gfp_noretry = gfp.bit("NORETRY")
        self.gfp_retry_mayfail = gfp.bit("RETRY_MAYFAIL") or gfp.bit("REPEAT")
        self.gfp_account = gfp.bit("ACCOUNT")
        self.gfp_write = gfp.bit("WRITE")

    def gfp_zone(self, gfp: u64) -> i32:
        """The highest zone that the request may use."""
        bits: u64 = gfp & ZONE_BITS
        if bits == 0 or bits == 2 or bits == 8:
            return ZONE_NORMAL
        if bits == 0xA:
            return ZONE_MOVABLE
        if bits == 4 or bits == 0xC:
            return ZONE_DMA32
        if bits == 1 or bits == 9:
            return ZONE_DMA
        raise KernelBug(f"(GFP_ZONE_BAD >> {bits:#x}) & 1", "gfp_zone")

    def gfp_migratetype(self, gfp: u64) -> i32:
        """The type of pages that the request wants."""
        if gfp & MOBILITY_BITS == MOBILITY_BITS:
            raise KernelWarning("MOVABLE and RECLAIMABLE asked for at once", "gfp_migratetype")
        if self.mobility_disabled():
            return self.mt_unmovable
        return (gfp & MOBILITY_BITS) >> 3

    def current_gfp_context(self, gfp: u64) -> u64:
        """The flags less what the running task's scopes forbid."""
        if self.current & NOIO != 0:
            gfp &= ~(self.gfp_io | self.gfp_fs)
        elif self.current & NOFS != 0:
            gfp &= ~self.gfp_fs
        if self.current & PIN != 0:
            gfp &= ~self.gfp_movable
        return gfp

    def next_zone(self, zoneref: u64, highest_zoneidx: i32) -> u64:
        """The first entry of a zonelist from ``zoneref`` on that the request may use."""
        zone: u64 = load(self.memory, zoneref)
        while zone != 0 and self.zone_idx(zone) > highest_zoneidx:
            zoneref += 8
            zone = load(self.memory, zoneref)
        return zoneref

    def zones_of(self, zonelist: int, highest_zoneidx: int) -> list[int]:
        """The zones that a request may use, in the order in which they are tried."""
        found = []
        zoneref = self.next_zone(zonelist, highest_zoneidx)
        while zone := load(self.memory, zoneref):
            found.append(zone)
            zoneref = self.next_zone(zoneref + 8, highest_zoneidx)
        return found

"""The marks and reserves that follow from memory's size and vm.*, at boot and at run time."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from mmtwin.memory.memory import Memory
from mmtwin.pages import layouts as c
from mmtwin.pages.contig import Contig
from mmtwin.pages.era import PageEra
from mmtwin.pages.zone import ZoneSpec

SWAP_CLUSTER_MAX = 32
BATCH_PAGES_MAX = 256
"""1 MiB of pages; batch sizes stop growing there."""


class Sysctl(Contig):
    """Watermarks, lowmem reserves, batch sizes; the handlers of vm.min_free_kbytes and others."""

    def __init__(
        self,
        memory: Memory,
        era: PageEra,
        memmap: int,
        frames: int,
        specs: Sequence[ZoneSpec],
        cpus: int,
    ) -> None:
        super().__init__(memory, era, memmap, frames, specs, cpus)
        self._put(c.SYSCTL_WATERMARK_SCALE, 10)
        self._put(c.SYSCTL_WATERMARK_BOOST, 15000)
        self._put(c.SYSCTL_SWAPPINESS, 60)
        for index, ratio in enumerate(era.lowmem_reserve_ratio):
            self._put(c.SYSCTL_LOWMEM_RATIO + 8 * index, ratio)

    def _get(self, offset: int) -> int:
        return self.memory.load(self.sysctl + offset)

    def _put(self, offset: int, value: int) -> None:
        self.memory.store(self.sysctl + offset, value)

    # Marks.

    def min_free_kbytes(self) -> int:
        """vm.min_free_kbytes."""
        return self._get(c.SYSCTL_MIN_FREE_KBYTES)

    def nr_free_buffer_pages(self) -> int:
        """Managed pages above the HIGH marks of the zones up to Normal."""
        total = 0
        for zone in self.populated_zones():
            if self.zone_idx(zone) <= 2:
                total += max(0, self.managed_pages(zone) - self.wmark_pages(zone, 2))
        return total

    def calculate_min_free_kbytes(self) -> None:
        """Set min_free_kbytes by the size of memory, unless a user asked for more."""
        wanted = isqrt(16 * 4 * self.nr_free_buffer_pages())
        if wanted > self._get(c.SYSCTL_USER_MIN_FREE_KBYTES):
            self._put(c.SYSCTL_MIN_FREE_KBYTES, min(max(wanted, 128), self.era.min_free_kbytes_max))

    def setup_per_zone_wmarks(self) -> None:
        """Set all marks from min_free_kbytes."""
        pages_min = self.min_free_kbytes() // 4
        zones = self.populated_zones()
        total = sum(self.managed_pages(zone) for zone in zones)
        for zone in zones:
            share = pages_min * self.managed_pages(zone) // total if total else 0
            self.set_zone_wmarks(zone, share)
        self.calculate_totalreserve_pages()
        self.zone_pcp_update()

    def set_zone_wmarks(self, zone: int, share: int) -> None:
        """Set a zone's marks; ``share`` is its part of min_free_kbytes, in pages."""
        managed = self.managed_pages(zone)
        least = self.zone_min_pages(zone, share)
        distance = max(share // 4, managed * self._get(c.SYSCTL_WATERMARK_SCALE) // 10000)
        self.memory.store(zone + c.ZONE_BOOST, 0)
        for nth in range(4):
            self.memory.store(zone + c.ZONE_WATERMARK + 8 * nth, least + nth * distance)

    def zone_min_pages(self, zone: int, share: int) -> int:
        """The MIN mark of a zone that has this share of min_free_kbytes."""
        return share

    def setup_per_zone_lowmem_reserve(self) -> None:
        """What each zone keeps from requests that could have used higher zones."""
        for node in range(self.nodes):
            for index in range(self.era.zones_max - 1):
                zone = self.zone_at(node, index)
                ratio = self._get(c.SYSCTL_LOWMEM_RATIO + 8 * index)
                upper = 0
                for above in range(index + 1, self.era.zones_max):
                    upper += self.managed_pages(self.zone_at(node, above))
                    reserve = upper // ratio if ratio and self.managed_pages(zone) else 0
                    self.memory.store(zone + c.ZONE_LOWMEM_RESERVE + 8 * above, reserve)
        self.calculate_totalreserve_pages()

    def calculate_totalreserve_pages(self) -> None:
        """Pages that nobody can count on: the largest reserves and the HIGH marks."""
        total = 0
        for zone in self.populated_zones():
            reserve = max(self.lowmem_reserve(zone, index) for index in range(5))
            high = self.memory.load(zone + c.ZONE_WATERMARK + 16)
            total += min(reserve + high, self.managed_pages(zone))
        self._put(c.SYSCTL_TOTALRESERVE, total)

    # Per-cpu lists.

    def zone_batchsize(self, zone: int) -> int:
        """How many pages per-cpu lists take at once: 2^n - 1."""
        batch = max(1, min(self.managed_pages(zone) >> 10, BATCH_PAGES_MAX) // 4)
        return (1 << ((batch + batch // 2).bit_length() - 1)) - 1

    def zone_highsize(self, zone: int, batch: int) -> int:
        """At how many pages per-cpu lists are drained."""
        fraction = self._get(c.SYSCTL_PAGELIST_FRACTION)
        if fraction:
            total = self.managed_pages(zone) // fraction
        else:
            total = self.memory.load(zone + c.ZONE_WATERMARK + 8)
        return max(total // max(1, self.cpus // self.nodes), batch * 4)

    def zone_pcp_update(self) -> None:
        """Set batch and high of all per-cpu lists."""
        for zone in self.populated_zones():
            batch = max(1, self.zone_batchsize(zone))
            high = self.zone_highsize(zone, batch)
            self.memory.store(zone + c.ZONE_PCP_BATCH, batch)
            self.memory.store(zone + c.ZONE_PCP_HIGH, high)
            for cpu in range(self.cpus):
                pcp = self.per_cpu_pages(zone, cpu)
                self.memory.store(pcp + c.PCP_BATCH, batch)
                self.memory.store(pcp + c.PCP_HIGH, high)

    # The handlers.

    def init_per_zone_wmark_min(self) -> None:
        """What boot does once all memory is free."""
        self.calculate_min_free_kbytes()
        self.setup_per_zone_wmarks()
        self.setup_per_zone_lowmem_reserve()

    def min_free_kbytes_sysctl(self, kbytes: int) -> None:
        """Write vm.min_free_kbytes."""
        if kbytes < 0:
            raise ValueError(f"min_free_kbytes {kbytes} is negative")
        self._put(c.SYSCTL_MIN_FREE_KBYTES, kbytes)
        self._put(c.SYSCTL_USER_MIN_FREE_KBYTES, kbytes)
        self.setup_per_zone_wmarks()

    def watermark_scale_factor_sysctl(self, factor: int) -> None:
        """Write vm.watermark_scale_factor: the distance of the marks in 1/10000 of a zone."""
        if not 1 <= factor <= 3000:
            raise ValueError(f"watermark_scale_factor {factor} is not within 1..3000")
        self._put(c.SYSCTL_WATERMARK_SCALE, factor)
        self.setup_per_zone_wmarks()

    def lowmem_reserve_ratio_sysctl(self, ratios: Sequence[int]) -> None:
        """Write vm.lowmem_reserve_ratio; 0 turns a zone's reserve off."""
        for index, ratio in enumerate(ratios):
            self._put(c.SYSCTL_LOWMEM_RATIO + 8 * index, ratio)
        self.setup_per_zone_lowmem_reserve()

    def percpu_pagelist_high_fraction_sysctl(self, fraction: int) -> None:
        """Write vm.percpu_pagelist_high_fraction; 0 means by the LOW mark."""
        self._put(c.SYSCTL_PAGELIST_FRACTION, fraction)
        self.zone_pcp_update()

    def swappiness_sysctl(self, value: int) -> None:
        """Write vm.swappiness: 0 spares anonymous pages, 100 treats them like those of files."""
        if not 0 <= value <= 200:
            raise ValueError(f"swappiness {value} is not within 0..200")
        self._put(c.SYSCTL_SWAPPINESS, value)

    def oom_sysctl(self, *, panic: bool = False, kill_allocating_task: bool = False) -> None:
        """Write vm.panic_on_oom and vm.oom_kill_allocating_task."""
        self._put(c.SYSCTL_PANIC_ON_OOM, int(panic))
        self._put(c.SYSCTL_OOM_KILL_ALLOCATING_TASK, int(kill_allocating_task))

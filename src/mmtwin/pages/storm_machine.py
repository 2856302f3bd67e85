"""The machine of long storms: two zones, a CMA area, swap; and putting a storm aside on disk."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmtwin.memory.memory import BOOT_CURSOR, PAGE
from mmtwin.pages.era import era
from mmtwin.pages.owner import SLOT_SIZE
from mmtwin.pages.pages import BOOT_ROOM, Pages, boot_memory
from mmtwin.pages.reserve import Reserve
from mmtwin.pages.storm import ALL_WEIGHTS, OWNER_SLOTS_MAX, Storm
from mmtwin.pages.zone import x86_64_zones

RAM = 80 << 20
"""Bytes of memory."""
SWAP_SLOTS = 4096
CMA_FIRST = 6 << 10
CMA_BLOCKS = 4
KBYTES_315 = (3600, 4000, 4400, 5000)
"""min_free_kbytes with which zone DMA32 keeps the two RESERVE blocks of one largest chunk."""
STATE_VERSION = 2


def storm_of(
    kind: type[Pages],
    seed: int,
    *,
    ram: int = RAM,
    pageblock_order: int = 9,
    weights: tuple[int, ...] = ALL_WEIGHTS,
    fill: float = 0.6,
) -> Storm:
    """A storm about to begin on a kernel's machine of ``ram`` bytes, which keeps a journal.

    The CMA area has three and a half blocks since 5.18, where a chunk of the largest order cannot
    mix types; before, it is whole chunks of the largest order. On 3.15 what is written to
    vm.min_free_kbytes leaves the RESERVE blocks alone.
    """
    old = issubclass(kind, Reserve)
    numbers = era(kind.era_name, pageblock_order=pageblock_order)
    room = BOOT_ROOM + PAGE * (SWAP_SLOTS + 64) + SLOT_SIZE * OWNER_SLOTS_MAX
    memory = boot_memory(ram, room, journal=True)
    block = 1 << pageblock_order
    blocks = CMA_BLOCKS if old else CMA_BLOCKS - 1
    area = (CMA_FIRST, CMA_FIRST + (blocks << 9))
    low, high = x86_64_zones(1, ram // PAGE)
    zones = [low, replace(high, reserved=(area,))]
    pages = kind(memory, zones, era=numbers, cpus=2, mobility=True)
    for pfn in range(*area, block):
        pages.init_cma_reserved_pageblock(pages.pfn_to_page(pfn))
    pages.init_per_zone_wmark_min()
    pages.swapon(SWAP_SLOTS)
    kbytes: tuple[int, ...] = (64, 1000, 2000, 4000, 16000, 32000)
    if old:
        kbytes = KBYTES_315
        pages.min_free_kbytes_sysctl(kbytes[0])
    return Storm(pages, seed, weights=weights, fill=fill, kbytes=kbytes, cma=area)


def put_aside(storm: Storm, path: Path, told: dict[str, Any]) -> None:
    """Write a storm between two events, and what its driver has to tell, to a file."""
    memory = storm.pages.memory
    written = [nth for nth in range(memory.size // PAGE) if memory.written[nth]]
    content = b"".join(memory.physical[nth * PAGE : (nth + 1) * PAGE] for nth in written)
    head = {
        "version": STATE_VERSION,
        "kernel": storm.pages.era_name,
        "seed": storm.seed,
        "boot": memory.load(memory.base + BOOT_CURSOR),
        "told": told,
        "pages": written,
        "cpu": storm.pages.cpu,
        "random": storm.choices.getstate(),
        "counts": storm.counts,
        "free_least": storm.free_least,
        "freed": storm.freed,
        "held": storm.held,
        "isolated": storm.isolated,
        "lent": storm.lent,
        "hoard": storm.hoard,
    }
    text = json.dumps(head).encode()
    beside = path.with_suffix(path.suffix + ".new")
    beside.write_bytes(zlib.compress(len(text).to_bytes(8, "big") + text + content, 1))
    beside.replace(path)


def taken_up(storm: Storm, path: Path) -> dict[str, Any]:
    """Bring a storm that was just made to where another was put aside; what its driver told.

    Raises :class:`ValueError` if the file is no storm of this kernel and seed, :class:`OSError`
    if it cannot be read.
    """
    try:
        data = zlib.decompress(path.read_bytes())
        size = 8 + int.from_bytes(data[:8], "big")
        head = json.loads(data[8:size])
    except (zlib.error, ValueError) as error:
        raise ValueError(f"{path} is no storm that was put aside: {error}") from error
    here = (STATE_VERSION, storm.pages.era_name, storm.seed)
    if (head["version"], head["kernel"], head["seed"]) != here:
        raise ValueError(f"{path} holds a storm of another kernel, seed or version")
    memory = storm.pages.memory
    if head["boot"] != memory.load(memory.base + BOOT_CURSOR):
        raise ValueError(f"{path} holds a storm on a machine that is laid out otherwise")
    for nth, number in enumerate(head["pages"]):
        at = size + nth * PAGE
        memory.physical[number * PAGE : (number + 1) * PAGE] = data[at : at + PAGE]
        memory.written[number] = 1
    storm.pages.cpu = head["cpu"]
    version, internal, gauss = head["random"]
    storm.choices.setstate((version, tuple(internal), gauss))
    storm.counts = head["counts"]
    storm.free_least = head["free_least"]
    storm.freed = head["freed"]
    storm.held = [(page, order) for page, order in head["held"]]
    storm.isolated = head["isolated"]
    storm.lent = [(first, last) for first, last in head["lent"]]
    storm.hoard = head["hoard"]
    told: dict[str, Any] = head["told"]
    return told

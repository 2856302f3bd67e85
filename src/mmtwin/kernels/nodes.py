"""Node for node: after random calls, the guest kernel's own trees against the twin's.

Each run ends with some processes alive, each at a state that random calls led to. Their trees are
read from the guest's memory and must equal the twin's: types, pivots, slots in use, gaps, metadata,
height and flags; an entry stands for the range of its VMA.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mmtwin.kernels.diff import FILES, SEGMENTS, Differ, Run
from mmtwin.kernels.machine import TwinMachine
from mmtwin.kernels.qemu.guests import guest
from mmtwin.kernels.qemu.kernel import QemuKernel
from mmtwin.kernels.qemu.packages import find_vmlinux
from mmtwin.kernels.qemu.program import run_program
from mmtwin.kernels.qemu.trees import GuestMemory, GuestTree
from mmtwin.machine.profile import profile
from mmtwin.maple.shape import Node, decode
from mmtwin.replay.finding import Counts, Finding
from mmtwin.replay.replay import Replay
from mmtwin.replay.trees import Areas, tree_difference
from mmtwin.trace.reader import read_trace
from mmtwin.twin import Twin

SHORT_RUN = 120
LONG_RUN = 1500
LONG_EVERY = 16


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """A process whose trees differ: where, as slots from the root, and in what."""

    run: Run
    slot: int
    path: tuple[int, ...]
    message: str

    def __str__(self) -> str:
        where = "root" + "".join(f"[{at}]" for at in self.path)
        return f"seed {self.run.seed}, process {self.slot}, {where}: {self.message}"


@dataclass(slots=True)
class NodeTotal:
    """What a comparison came to. ``deepest`` is the greatest height of a tree."""

    runs: int = 0
    calls: int = 0
    trees: int = 0
    nodes: int = 0
    areas: int = 0
    deepest: int = 0
    seconds: float = 0.0
    runs_found: list[Run] = field(default_factory=list)
    found: list[NodeDifference] = field(default_factory=list)


@contextmanager
def on_inspected_guest() -> Iterator[tuple[Differ, GuestMemory]]:
    """The twin, a guest and its memory; AgentError says what is missing."""
    kind = guest("x86_64")
    vmlinux = find_vmlinux(kind)
    kernel = QemuKernel(kind, files=FILES, segments=SEGMENTS, inspect=True)
    with Differ(kernel, [f"/{name}" for name in FILES]) as differ:
        yield differ, GuestMemory(kernel.qmp, vmlinux)


def twin_tree(twin: Twin, mm: int) -> tuple[Node | int, int, dict[int, tuple[int, int]]]:
    """The twin's tree of an address space, its ``ma_flags``, and the range of each VMA."""
    load = twin.memory.load
    tree = mm + twin.layouts.mm_struct.offset("mm_mt")
    root = decode(
        lambda node: [load(node + 8 * at) for at in range(32)],
        load(tree + twin.maple.era.root_offset),
        big_endian=twin.profile.big_endian,
    )
    areas = {}
    for vma in twin.space.vmas(mm):
        area = twin.space.view("vm_area_struct", vma)
        areas[vma] = (area.get("vm_start"), area.get("vm_end"))
    return root, twin.maple.flags(tree), areas


def same_tree(twin: Twin, mm: int, kernel: GuestTree) -> tuple[str, tuple[int, ...]] | None:
    """In what the twin's tree and the kernel's differ, and where; None if in nothing."""
    root, flags, areas = twin_tree(twin, mm)
    if flags != kernel.flags:
        return f"ma_flags {flags:#x} in the twin, {kernel.flags:#x} in the kernel", ()
    count = twin.space.view("mm_struct", mm).map_count
    if count != kernel.map_count:
        return f"map_count {count} in the twin, {kernel.map_count} in the kernel", ()
    known = Areas(areas, {entry: (area,) for entry, area in kernel.areas.items()})
    return tree_difference(root, kernel.root, known, exact=True)


def compare_nodes(
    differ: Differ,
    memory: GuestMemory,
    seed: int,
    calls: int,
    *,
    most: int = 1,
) -> NodeTotal:
    """Runs from ``seed`` on until ``calls`` calls are made, the living processes' trees after each.

    Ends early once ``most`` runs disagreed, in a call or in a node. Every sixteenth run is a long
    one, so that trees grow levels.
    """
    total = NodeTotal()
    begin = time.monotonic()
    while total.calls < calls and len(total.found) + len(total.runs_found) < most:
        at = seed + total.runs
        run = differ.run(at, LONG_RUN if at % LONG_EVERY == 0 else SHORT_RUN)
        total.runs += 1
        total.calls += len(run.calls)
        if run.found is not None:
            total.runs_found.append(run)
            continue
        _processes(differ, memory, run, total)
    total.seconds = time.monotonic() - begin
    return total


def _processes(differ: Differ, memory: GuestMemory, run: Run, total: NodeTotal) -> None:
    machine: TwinMachine = differ.machine
    for slot, process in sorted(machine.processes.items()):
        kernel = memory.tree(differ.kernel.pids[slot])
        total.trees += 1
        total.areas += len(kernel.areas)
        if isinstance(kernel.root, Node):
            total.nodes += sum(1 for _ in kernel.root.nodes())
        total.deepest = max(total.deepest, kernel.flags >> 2 & 31)
        difference = same_tree(machine.twin, process.mm, kernel)
        if difference is not None:
            message, path = difference
            total.found.append(NodeDifference(run, slot, path, message))


@dataclass(slots=True)
class ProgramTotal:
    """What the comparison with a program came to: the replay's counts and findings, the trees."""

    counts: Counts
    findings: list[Finding]
    nodes: int = 0
    areas: int = 0
    trees: int = 0
    deepest: int = 0
    found: list[str] = field(default_factory=list)


def compare_program(command: Sequence[str], keep: Path | None = None) -> ProgramTotal:
    """Run a program in the guest, replay what it did, compare the trees after every call.

    ``keep`` is where the trace is written, None for nowhere. AgentError if it cannot be done.
    """
    lines: list[str] = []
    trees: list[GuestTree | None] = []
    for line, tree in run_program(guest("x86_64"), command):
        lines.append(line)
        trees.append(tree)
    with tempfile.TemporaryDirectory(prefix="mmtwin-") as scratch:
        path = keep or Path(scratch) / "program.jsonl"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        replay = Replay(Twin(profile("6.1")), read_trace(str(path)))
        total = ProgramTotal(replay.counts, replay.findings)
        for record, tree in zip(replay.steps(), trees, strict=False):
            if tree is not None and not replay.died:
                _one_tree(replay, record.pid, tree, total)
    return total


def _one_tree(replay: Replay, pid: int, kernel: GuestTree, total: ProgramTotal) -> None:
    total.trees += 1
    total.areas += len(kernel.areas)
    total.nodes += 1 if isinstance(kernel.root, int) else sum(1 for _ in kernel.root.nodes())
    total.deepest = max(total.deepest, kernel.flags >> 2 & 31)
    difference = same_tree(replay.twin, replay.processes.mm(pid), kernel)
    if difference is not None:
        total.found.append(f"step {replay.step}: {difference[0]} at {difference[1]}")

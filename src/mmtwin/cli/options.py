"""The options of ``mmtwin replay`` and ``mmtwin diff``, and those that commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mmtwin.check.run import Check


class Parts(StrEnum):
    """In what two kernels may part."""

    RESULT = "result"
    MAPS = "maps"
    TREES = "trees"


class Kernel(StrEnum):
    """Which real kernel answers."""

    HOST = "host"
    QEMU = "qemu"


class Arch(StrEnum):
    """The guest's processor."""

    X86_64 = "x86_64"
    X86_64_LA57 = "x86_64-la57"
    S390X = "s390x"


Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output.")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Only the exit code.")]
Regressions: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="Put a historical bug back into the twin; can be repeated.")
]

# mmtwin replay

Trace: TypeAlias = Annotated[
    Path, typer.Argument(help="A trace: .jsonl, plain or as .gz, .xz, .zst.")
]
ProfileName: TypeAlias = Annotated[
    str, typer.Option(help="The kernel: 6.1 or 6.18; auto asks the trace.", show_default=True)
]
CheckHow: TypeAlias = Annotated[
    Check,
    typer.Option(
        help="What is checked: what each step touched, everything after each "
        "step, the journal afterwards, or nothing."
    ),
]
Failslab: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Make slab allocations fail: CACHE,nowait,after=N,times=N.", metavar="SPEC"),
]
Sanitize: TypeAlias = Annotated[
    bool, typer.Option("--sanitize", help="Watch for use after free (slow).")
]
Ram: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="The twin's physical memory, such as 64M or 2G; 4G if not given.", metavar="SIZE"
    ),
]
Swap: TypeAlias = Annotated[
    str | None,
    typer.Option(help="A swap area of that size, such as 64M; none if not given.", metavar="SIZE"),
]
HugePages: TypeAlias = Annotated[
    int, typer.Option(help="vm.nr_hugepages: 2 MiB pages for MAP_HUGETLB.", min=0)
]
Against: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--against",
        help="Carry it out under this profile too, side by side, and stop where they part. "
        "Nothing is checked then; bugs put back are in the first one only.",
        metavar="PROFILE",
    ),
]
Part: TypeAlias = Annotated[
    list[Parts] | None,
    typer.Option(help="With --against: part in this only; can be repeated."),
]
Report: TypeAlias = Annotated[Path | None, typer.Option(help="Write one self-contained page.")]

# mmtwin diff

OnKernel: TypeAlias = Annotated[
    Kernel, typer.Option(help="host: this machine's; qemu: Debian's 6.1.")
]
OnArch: TypeAlias = Annotated[Arch, typer.Option(help="With qemu: the guest's processor.")]
Calls: TypeAlias = Annotated[int, typer.Option(help="Calls to make, at least.", min=1)]
Seed: TypeAlias = Annotated[
    int, typer.Option(help="The first run's seed; each run takes the next.")
]
Most: TypeAlias = Annotated[int, typer.Option(help="Stop after so many disagreements.", min=1)]
Shrink: TypeAlias = Annotated[bool, typer.Option(help="Shrink what is found to a few calls.")]
HugePool: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--huge-pool",
        help="With host, as root: set vm.nr_hugepages in some runs; nobody else may use them.",
    ),
]
Collapse: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--collapse",
        help="With host: MADV_COLLAPSE of 2 MiB and more too; khugepaged may have "
        "a part in what is found. (A guest is always asked.)",
    ),
]
Nodes: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--nodes",
        help="With qemu: after each run, compare the processes' maple trees too, node for "
        "node, as they lie in the guest's memory.",
    ),
]
Program: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="With --nodes: run this command in the guest instead of random calls, replay "
        "what it did and compare its tree after every call.",
        metavar="COMMAND",
    ),
]
Pages: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--pages",
        help="With qemu: which frames the guest's page allocator hands out, foretold.",
    ),
]
Recording: TypeAlias = Annotated[
    Path | None, typer.Option(help="With --pages: such a recording instead of a guest.")
]
Save: TypeAlias = Annotated[
    Path | None, typer.Option(help="With --pages: keep what the guest did in a file (.xz).")
]
StateFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Keep how far it has come in this file, and go on from there."),
]
TracesIn: TypeAlias = Annotated[
    Path, typer.Option(help="Where the traces of disagreements are written.")
]

"""Drive a real kernel and the twin side by side with random calls; shrink what they differ on."""

from __future__ import annotations

import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final

from mmtwin.kernels.abi import (
    HUGE,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    TOP,
)
from mmtwin.kernels.calls import Call
from mmtwin.kernels.collapse import ARENA as COLLAPSE_ARENA
from mmtwin.kernels.collapse import HUGEPAGE
from mmtwin.kernels.compare import Comparison, Disagreement, Outcome
from mmtwin.kernels.generate import Generator
from mmtwin.kernels.host.agent import Agent, KernelDiedError
from mmtwin.kernels.host.build import AgentError, NotHereError
from mmtwin.kernels.host.facts import read_facts, why_not
from mmtwin.kernels.host.kernel import HostKernel
from mmtwin.kernels.host.wire import Answer, Report
from mmtwin.kernels.machine import TwinMachine
from mmtwin.kernels.maps import areas
from mmtwin.kernels.options import Options, Start
from mmtwin.kernels.qemu.guests import guest
from mmtwin.kernels.qemu.kernel import QemuKernel
from mmtwin.kernels.safety import reaches
from mmtwin.kernels.shrink import shrink
from mmtwin.kernels.smaps import FRAME_BITS, HEAD_PAGES, Scope, Words, committed, pool_lines
from mmtwin.machine.bug import KernelBug, KernelWarning
from mmtwin.machine.profile import profile
from mmtwin.memory.errors import BadAccess
from mmtwin.twin import Override

CALLS_A_RUN: Final = 40
DETAILS_EVERY: Final = 4
"""One run in so many compares smaps, status and pagemap too; they take the kernel longer."""
VM: Final = "/proc/sys/vm/"
KHUGEPAGED_SLEEP: Final = "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs"
KHUGEPAGED_ROUNDS: Final = "/sys/kernel/mm/transparent_hugepage/khugepaged/full_scans"
SLEEP_MOST: Final = (1 << 32) - 1
"""A guest's khugepaged is not to wake in the middle of a run (once it did: seed 101892)."""
POOL_TRIES: Final = 50
POOL_SECONDS: Final = 0.05
"""So often, and so long apart, it is looked whether the last run's huge pages are back."""
SEGMENTS: Final = (PAGE, 3 * PAGE, 8 * PAGE)
FILES: Final = {"f0": b"", "f1": b"x" * (3 * PAGE + 100), "f2": b"x" * (16 * PAGE)}


@dataclass(slots=True)
class Run:
    """One run: how it starts, its calls, whether details are compared, the first disagreement."""

    seed: int
    start: Start
    calls: list[Call]
    details: bool = False
    found: Disagreement | None = None


@dataclass(slots=True)
class Made:
    """What the kernel answered in the last comparison: the fresh image, each call's answers."""

    image: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: list[list[Answer]] = field(default_factory=list)


@dataclass(slots=True)
class Total:
    """What a comparison came to."""

    calls: int = 0
    runs: int = 0
    seconds: float = 0.0
    found: list[Run] = field(default_factory=list)


class Differ:
    """The two sides, set up alike; use as a context manager.

    ``paths`` are regular files that the kernel's processes can read and write. Raises AgentError
    if no profile can be held against the kernel.
    """

    def __init__(
        self,
        kernel: Agent,
        paths: Sequence[str],
        *,
        regressions: Sequence[Override] = (),
        huge_pool: bool = False,
        collapses: bool = False,
    ) -> None:
        self.kernel = kernel
        self.huge_pool = huge_pool
        self.collapses = collapses
        self.made = Made()
        try:
            self._set_up(paths, regressions)
        except BaseException:
            kernel.close()
            raise

    def _set_up(self, paths: Sequence[str], regressions: Sequence[Override]) -> None:
        kernel = self.kernel
        self.facts = facts = read_facts(kernel)
        reason = why_not(facts)
        if reason is not None or facts.profile is None:
            raise NotHereError(str(reason))
        if self.huge_pool and not kernel.own_machine and not facts.huge_sizes:
            raise NotHereError("there are no huge pages, or vm.nr_hugepages is set already")
        image = kernel.spawn()
        if kernel.own_machine and facts.thp != "never":
            self._put_khugepaged_to_sleep()
        known = {path: kernel.file_facts(path) for path in (*paths, "/dev/zero", "/dev/null", "/")}
        self.options = Options(
            files=tuple(paths),
            segments=len(SEGMENTS),
            keep_start=image.start,
            keep_end=image.end,
            capabilities=facts.capabilities,
            hard_limits={which: hard for which, (_, hard) in facts.limits.items()},
            own_machine=kernel.own_machine,
            seals=facts.release >= (6, 10, 0),
            watches=facts.userfaultfd,
            huge_sizes=facts.huge_sizes,
            huge_pool=self.huge_pool,
            collapses=self.collapses,
            machine=kernel.machine,
        )
        self.machine = TwinMachine(
            profile(facts.profile),
            facts,
            heap=image.end,
            file_facts=known.__getitem__,
            segments=SEGMENTS,
            regressions=regressions,
        )
        self.scope = Scope((image.start, image.end))

    def _put_khugepaged_to_sleep(self) -> None:
        """The first process that has memory for huge pages wakes a guest's khugepaged, whatever the
        time: let it go round once, so that it sleeps from then on (seed 150034)."""
        kernel = self.kernel
        kernel.write_text(KHUGEPAGED_SLEEP, str(SLEEP_MOST))
        flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        calls = [
            Call(1, "mmap", (COLLAPSE_ARENA, 2 * HUGE, 3, flags, TOP, 0)),
            Call(1, "touch", (COLLAPSE_ARENA, PAGE, 1)),
            Call(1, "madvise", (COLLAPSE_ARENA, 2 * HUGE, HUGEPAGE)),
        ]
        kernel.carry_out(calls, Report.MAPS)
        for _ in range(POOL_TRIES):
            if int(kernel.read_text(KHUGEPAGED_ROUNDS)) > 0:
                return
            time.sleep(POOL_SECONDS)
        raise AgentError("the guest's khugepaged does not scan")

    def __enter__(self) -> Differ:
        """Both sides."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the real processes; the machine is left without a pool, as it was found."""
        if self.huge_pool and not self.kernel.own_machine:
            self.kernel.fresh()
            self._set_pool(Start())
        self.kernel.close()

    def run(self, seed: int, calls: int = CALLS_A_RUN) -> Run:
        """One run of random calls on both sides."""
        generator = Generator(Random(seed), self.options)
        start = generator.start()
        details = seed % DETAILS_EVERY == 0 or start.huge_pages > 0 or generator.collapses
        run = Run(seed, start, [], details)
        queue = generator.opening()

        def next_call(maps: dict[int, str]) -> Call | None:
            if len(run.calls) >= calls or not maps:
                return None
            call = queue.pop(0) if queue else generator.next(maps)
            run.calls.append(call)
            return call

        run.found = self._compare(run.start, next_call, run.details)
        return run

    def rerun(
        self, start: Start, calls: Sequence[Call], *, details: bool = False
    ) -> Disagreement | None:
        """Make the given calls on both sides, without those of processes that are not there."""
        waiting = list(calls)

        def next_call(maps: dict[int, str]) -> Call | None:
            while waiting:
                call = waiting.pop(0)
                if call.slot not in maps or (call.name == "fork" and call.args[0] in maps):
                    continue
                if reaches(call, self.options.keep_start, self.options.keep_end):
                    continue
                if call.name == "uffdio_api" and not self.machine.is_watcher(
                    call.slot, call.args[0]
                ):
                    continue
                if call.name in ("uffdio_register", "uffdio_unregister") and (
                    not self.machine.watches(call.slot, call.args[0])
                ):
                    continue
                # Another file's size must stay as it is for the runs to come.
                sizes = call.name in ("ftruncate", "fcntl")
                if sizes and not self.machine.is_memfd(call.slot, call.args[0]):
                    continue
                return call
            return None

        return self._compare(start, next_call, details)

    def shrink(self, run: Run) -> Run:
        """The run made as short as it can be while the two sides still differ; as it is if they do
        not differ again."""
        if run.found is None:
            return run
        kind = run.found.kind()

        def fails(calls: Sequence[Call]) -> bool:
            found = self.rerun(run.start, calls, details=run.details)
            return found is not None and found.kind() == kind

        calls = shrink(run.calls[: run.found.step + 1], fails)
        found = self.rerun(run.start, calls, details=run.details)
        if found is None:
            return run
        return Run(run.seed, run.start, calls, run.details, found)

    def _compare(
        self,
        start: Start,
        next_call: Callable[[dict[int, str]], Call | None],
        details: bool,
    ) -> Disagreement | None:
        """The twin first, as far as there are calls; then the kernel; then call by call."""
        if self.kernel.own_machine:
            self.kernel.set_vm("overcommit_memory", 0)
        self.kernel.fresh()
        if self.kernel.own_machine:
            self.kernel.set_vm("max_map_count", start.max_map_count or self.facts.max_map_count)
        if self.huge_pool:
            self._set_pool(start)
        self.kernel.make_huge_segments(start.huge_segments)
        image = self.kernel.spawn(personality=start.personality, stack_limit=start.stack_limit)
        self.made = Made(image.maps)
        charged = 0
        if start.overcommit:
            charged = committed(self.kernel.read_text("/proc/meminfo"))
            self.kernel.set_vm("overcommit_kbytes", 4 * (charged + start.spare))
            self.kernel.set_vm("overcommit_memory", start.overcommit)
        maps = {1: self.machine.start(start, image.maps, charged)}
        comparison = Comparison(self.scope)
        begin = Call(1, "exec")
        found = comparison.check(0, begin, [Outcome(1, 0, maps[1])], [Outcome(1, 0, image.maps)])
        calls: list[Call] = []
        expected: list[list[Outcome]] = []
        failure = ""
        while found is None:
            call = next_call(maps)
            if call is None:
                break
            calls.append(call)
            try:
                outcomes = self.machine.carry_out(call, details=details)
            except (KernelBug, KernelWarning, BadAccess) as bug:
                failure = f"{type(bug).__name__}: {bug}"
                break
            expected.append(outcomes)
            for outcome in outcomes:
                maps[outcome.slot] = outcome.maps
            if call.name == "exit":
                del maps[call.slot]
            maps.pop(0, None)
        if found is None:
            found = self._against(start, calls, expected, comparison, details)
        if found is None and failure:
            found = Disagreement(len(calls) - 1, calls[-1], failure, "goes on", "BUG")
        return found

    def _set_pool(self, start: Start) -> None:
        """Give the kernel a fresh pool; AgentError if pages of the last one are still promised."""
        for _ in range(POOL_TRIES):
            self.kernel.write_text(f"{VM}nr_overcommit_hugepages", str(start.huge_surplus))
            self.kernel.write_text(f"{VM}nr_hugepages", str(start.huge_pages))
            found = pool_lines(self.kernel.read_text("/proc/meminfo"))
            counts = [int(line.split()[1]) for line in found.splitlines()]
            if counts == [start.huge_pages, start.huge_pages, 0, 0]:
                return
            time.sleep(POOL_SECONDS)
        raise AgentError(f"the pool of huge pages cannot be set up: {' '.join(found.split())}")

    def _against(
        self,
        start: Start,
        calls: list[Call],
        expected: list[list[Outcome]],
        comparison: Comparison,
        details: bool,
    ) -> Disagreement | None:
        reports, charges = Report.MAPS, False
        if details:
            reports |= Report.SMAPS | Report.STATUS | Report.PAGEMAP
            charges = self.kernel.own_machine and all(map(charges_at_once, calls))
            if charges or start.huge_pages:
                reports |= Report.MEMORY
        died = ""
        try:
            first, *answers = self.kernel.carry_out(
                [Call(1, "look"), *calls[: len(expected)]], reports
            )
        except KernelDiedError as error:
            first, *answers = error.done
            died = str(error)
        before = committed(first.memory or "") if charges else None
        at = 0
        for step, outcomes in enumerate(expected):
            call = calls[step]
            if at >= len(answers):
                return Disagreement(step, call, "lives", died, "the process")
            count = 2 if call.name == "fork" and answers[at].result > 0 else 1
            self.made.calls.append(call)
            self.made.answers.append(answers[at : at + count])
            order = self.kernel.machine.order
            kernel = [outcome_of(answer, before, order) for answer in answers[at : at + count]]
            at += count
            found = comparison.check(step, call, outcomes, kernel)
            if found is not None:
                return found
        return None


@contextmanager
def on_host(
    regressions: Sequence[Override] = (), *, huge_pool: bool = False, collapses: bool = False
) -> Iterator[Differ]:
    """The twin and this machine's kernel, with files of their own for the time of the comparison.

    ``huge_pool``: some runs begin with a pool of huge pages, which nobody else may use meanwhile.
    ``collapses``: some make huge pages, which this machine's khugepaged does too when it wakes.
    AgentError if it cannot be done here.
    """
    with tempfile.TemporaryDirectory(prefix="mmtwin-") as scratch:
        paths = []
        for name, content in FILES.items():
            path = Path(scratch) / name
            with path.open("wb", buffering=0) as file:
                # Page by page: so each is a folio of its own in the cache, as in the twin.
                for at in range(0, len(content), PAGE):
                    file.write(content[at : at + PAGE])
            paths.append(str(path))
        kernel = HostKernel(segments=SEGMENTS)
        with Differ(
            kernel, paths, regressions=regressions, huge_pool=huge_pool, collapses=collapses
        ) as differ:
            yield differ


@contextmanager
def on_qemu(regressions: Sequence[Override] = (), arch: str = "x86_64") -> Iterator[Differ]:
    """The twin and a guest's kernel; AgentError if there is no qemu or no kernel for it."""
    kernel = QemuKernel(guest(arch), files=FILES, segments=SEGMENTS)
    paths = [f"/{name}" for name in FILES]
    huge = kernel.machine.huge == HUGE
    with Differ(kernel, paths, regressions=regressions, huge_pool=huge, collapses=huge) as differ:
        yield differ


def charges_at_once(call: Call) -> bool:
    """Whether all that the call's memory will ever be charged is charged with it.

    Not so the pages of files in memory and of shared memory without a reserve: one by one, as they
    are touched.
    """
    if call.name == "mmap":
        flags = call.args[3]
        return not (flags & MAP_SHARED and flags & MAP_NORESERVE)
    return call.name not in ("open", "memfd_create")


def outcome_of(answer: Answer, before: int | None, order: str) -> Outcome:
    """What an answer of the agent says.

    ``before`` are the pages charged when the run began, None if they are not compared; ``order`` is
    struct's letter for the machine's byte order.
    """
    maps, memory = answer.maps or "", answer.memory or ""
    return Outcome(
        answer.slot,
        answer.result,
        maps,
        answer.smaps or "",
        answer.status or "",
        None if answer.pagemap is None else words_of(answer.pagemap, maps, order),
        answer.scratch,
        None if before is None or not memory else committed(memory) - before,
        pool_lines(memory),
    )


def words_of(pagemap: bytes, maps: str, order: str) -> Words:
    """The flags by area: its first words of pagemap without what lies below the flags."""
    found: Words = []
    words = [word >> FRAME_BITS for (word,) in struct.iter_unpack(order + "Q", pagemap)]
    at = 0
    for area in areas(maps):
        count = min(area.pages, HEAD_PAGES)
        found.append((area.start, words[at : at + count]))
        at += count
    return found


def compare(differ: Differ, seed: int, calls: int, most: int = 1) -> Total:
    """Runs from ``seed`` on until ``calls`` calls are made or ``most`` disagreements found."""
    report = Total()
    begin = time.monotonic()
    while report.calls < calls and len(report.found) < most:
        run = differ.run(seed + report.runs)
        report.runs += 1
        report.calls += len(run.calls)
        if run.found is not None:
            report.found.append(run)
    report.seconds = time.monotonic() - begin
    return report

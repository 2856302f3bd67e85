"""The first bad step of a run, found afterwards."""

from mmtwin.check.bisect import bisect
from mmtwin.check.violation import Violation
from mmtwin.memory.memory import Memory
from mmtwin.regressions import catalogue
from mmtwin.regressions.story import TreeBench


class Flag:
    """A check that finds something while the first word is not 0."""

    def __init__(self) -> None:
        self.memory = Memory(1 << 20, journal=True)
        self.at = self.memory.boot_alloc(64, 8)
        self.marks = [self.memory.mark()]
        self.fulls = 0

    def run(self, flags: str) -> None:
        """One step a letter: ``x`` leaves damage, ``.`` none (and repairs), ``-`` does nothing."""
        for nth, flag in enumerate(flags):
            if flag != "-":
                self.memory.store(self.at + 8, nth + 1)
                self.memory.store(self.at, int(flag == "x"))
            self.marks.append(self.memory.mark())

    def full(self) -> list[Violation]:
        self.fulls += 1
        return self.touched(0)

    def touched(self, mark: int) -> list[Violation]:
        if self.memory.load(self.at):
            return [Violation("MT-01", "maple_tree", self.at, "flag", "1", "0")]
        return []


def first_bad(flags: str) -> int | None:
    check = Flag()
    check.run(flags)
    present = check.memory.mark()
    bad = bisect(check, check.marks)
    assert check.memory.mark() == present
    assert check.fulls <= 2 + len(flags).bit_length()
    return None if bad is None else bad.step


def test_damage_that_stays() -> None:
    """The first letter x, wherever it is."""
    for first in range(20):
        assert first_bad("." * first + "x" * (20 - first)) == first


def test_damage_that_heals() -> None:
    """The end is clean, or bad again for another reason: the sweep finds the first all the same."""
    assert first_bad("...x......") == 3
    assert first_bad("..xx...x..xxxx") == 2
    assert first_bad(".x" * 8) == 1


def test_no_damage() -> None:
    """No step, steps that did nothing, steps that were good."""
    assert first_bad("") is None
    assert first_bad("-----") is None
    assert first_bad("..-..") is None


def test_a_step_that_did_nothing_is_not_to_blame() -> None:
    """Its state is that of the step before."""
    assert first_bad("..-x--") == 3


def test_where_it_was_found() -> None:
    """The positions around the step, the violations, and what the search cost."""
    check = Flag()
    check.run("....xxxx")
    bad = bisect(check, check.marks)

    assert bad is not None
    assert (bad.before, bad.after) == (check.marks[4], check.marks[5])
    assert [violation.invariant for violation in bad.violations] == ["MT-01"]
    assert bad.touched_checks == 5
    assert bad.full_checks <= 5


class BenchChecks:
    """A tree bench as ``bisect`` wants it."""

    def __init__(self, bench: TreeBench) -> None:
        self.bench = bench
        self.memory = bench.memory

    def full(self) -> list[Violation]:
        return self.bench.checks.full([self.bench.tree])

    def touched(self, mark: int) -> list[Violation]:
        return self.bench.checks.touched(mark, [self.bench.tree])


def test_three_ways_to_the_same_step() -> None:
    """stale-node-copy on a tree with much traffic: damage comes, heals and comes again."""
    bug = catalogue.get("stale-node-copy")
    steps = []
    for way in ("every", "touched", "bisect"):
        bench = bug.bench(put_back=True)
        assert isinstance(bench, TreeBench)
        checks = BenchChecks(bench)
        marks = [bench.memory.mark()]
        first = None
        for nth in range(300):
            low = nth * 7919 % 1000
            bench.store(low, low + nth % 40, nth % 3 and nth)
            marks.append(bench.memory.mark())
            if way == "every" and first is None and checks.full():
                first = nth
            if way == "touched" and first is None and checks.touched(marks[-2]):
                first = nth
        if way == "bisect":
            bad = bisect(checks, marks)
            first = None if bad is None else bad.step
        steps.append(first)

    assert steps[0] is not None
    assert steps == [steps[0]] * 3

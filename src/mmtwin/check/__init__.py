"""Floor 6: the invariants of every layer, and the three ways of checking them.

The interface, as a replay uses it::

    checker = Checker(twin)
    mark = twin.memory.mark()            # before a step
    ...                                  # the step
    checker.touched(mark)                # -> list[Violation]: what the step can have broken
    checker.full()                       # -> list[Violation]: everything, whatever was touched

    marks.append(twin.memory.mark())     # once a step; marks[0] is the state before step 0
    bisect(checker, marks)               # -> BadStep | None

``full`` and ``touched`` read the present state of memory and change nothing. They never raise on a
damaged state, never loop, and never trust the code that they check: nodes and VMAs are decoded
here anew. ``touched(mark)`` needs the journal's entries since ``mark`` and presumes that the state
at ``mark`` was clean; it reports if and only if ``full`` would report (:mod:`mmtwin.check.step`
says why), and what it returns then is what ``full`` returns. A few rules are about how words
change, not about the state; ``every(mark)`` is ``full`` with these.

``bisect`` needs a memory whose journal was kept since ``marks[0]``. It moves memory's present back
and forth and leaves it where it was. Step ``k`` is what happened between ``marks[k]`` and
``marks[k + 1]``; the answer is the first step after which a check fails, with the violations.

A tree alone, without address spaces, is checked by :class:`~mmtwin.check.step.StepCheck`; the rules
and their ids are listed in :mod:`mmtwin.check.invariants`.
"""

from mmtwin.check.bisect import bisect
from mmtwin.check.checker import Checker
from mmtwin.check.violation import BadStep, Violation

__all__ = ["BadStep", "Checker", "Violation", "bisect"]

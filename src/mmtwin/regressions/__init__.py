"""Floor 6: historical bugs that can be put back, one file each.

A regression replaces one method of an engine by the one that the bug had; a twin built with
``regressions=[catalogue.get(name)]`` has it. The engines themselves hold no trace of them. Each has
a story, the shortest way to it that is known, and is caught by a named invariant at the step of its
cause: the catalogue is a test of the checks.
"""

from mmtwin.regressions.regression import Regression

__all__ = ["Regression"]

"""Floor 6: historical bugs that can be put back, one file each.

A regression replaces one method of an engine by the one that the bug had; a twin built with
``regressions=[catalogue.get(name)]`` has it. The engines themselves hold no trace of them. Each is
caught by a named invariant at the step of its cause, which makes the catalogue a test of the checks.
"""

from mmtwin.regressions.regression import Regression

__all__ = ["Regression"]

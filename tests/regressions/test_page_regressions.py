"""Each historical bug of the page allocator is found when put back, and only then."""

import pytest

from mmtwin.regressions.page_bug import PageRegression
from mmtwin.regressions.page_catalogue import PAGE_REGRESSIONS

EVERY = pytest.mark.parametrize("bug", PAGE_REGRESSIONS.values(), ids=PAGE_REGRESSIONS)


@EVERY
def test_the_bug_is_found_by_the_invariant_it_breaks(bug: PageRegression) -> None:
    finding = bug.run()
    assert finding is not None
    assert finding.violations, finding.what
    broken = {violation.invariant for violation in finding.violations}
    assert bug.invariants[0] in broken
    assert broken <= set(bug.invariants) | {"PG-02", "PG-03", "PG-13", "PG-16"}


@EVERY
def test_without_the_bug_the_same_story_is_clean(bug: PageRegression) -> None:
    finding = bug.run(put_back=False)
    if bug.asserted:
        assert finding is not None
        assert not finding.violations
    else:
        assert finding is None


def test_there_are_enough_of_them() -> None:
    assert len(PAGE_REGRESSIONS) >= 12

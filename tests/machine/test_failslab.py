import pytest

from mmtwin.machine.failslab import FailSlab
from mmtwin.machine.gfp import GFP_KERNEL, GFP_NOWAIT


def test_only_the_named_cache_fails_and_only_without_sleeping() -> None:
    fail = FailSlab("maple_node", nowait=True)
    assert not fail.should_fail("vm_area_struct", GFP_NOWAIT)
    assert not fail.should_fail("maple_node", GFP_KERNEL)
    assert fail.should_fail("maple_node", GFP_NOWAIT)


def test_after_and_times_bound_the_failures() -> None:
    fail = FailSlab.parse("after=1,times=2")
    assert [fail.should_fail("x", 0) for _ in range(5)] == [False, True, True, False, False]
    assert (fail.seen, fail.failed) == (5, 2)


def test_text_names_what_it_does_not_understand() -> None:
    fail = FailSlab.parse("maple_node, nowait,times=1")
    assert (fail.cache, fail.nowait, fail.after, fail.times) == ("maple_node", True, 0, 1)
    with pytest.raises(ValueError, match="'after=x' is not"):
        FailSlab.parse("after=x")
    with pytest.raises(ValueError, match="'b' is not"):
        FailSlab.parse("a,b")

import pytest

from mmtwin.machine import gfp
from mmtwin.machine.bug import KernelBug
from mmtwin.machine.profile import profile


def test_gfp_masks_have_the_kernels_values() -> None:
    assert (gfp.GFP_KERNEL, gfp.GFP_NOWAIT, gfp.GFP_ATOMIC) == (0xCC0, 0x800, 0xA20)


def test_gfp_flags_print_as_kernels_print_them() -> None:
    assert gfp.gfp_name(gfp.GFP_NOWAIT | gfp.NOWARN) == "GFP_NOWAIT|__GFP_NOWARN"
    assert gfp.gfp_name(0) == "0"


def test_only_direct_reclaim_may_block() -> None:
    assert gfp.allows_blocking(gfp.GFP_KERNEL)
    assert not gfp.allows_blocking(gfp.GFP_NOWAIT)


def test_profiles_know_their_release() -> None:
    assert profile("6.18").since(6, 12)
    assert not profile("6.1").since(6, 2)
    assert profile("6.1").maple_era == "6.1"
    with pytest.raises(KeyError, match=r"there are 6\.1, .*6\.18"):
        profile("2.6")


def test_a_bug_says_what_and_where() -> None:
    assert str(KernelBug("mas_is_err(mas)", "mas_store_prealloc")) == (
        "kernel BUG in mas_store_prealloc: mas_is_err(mas)"
    )

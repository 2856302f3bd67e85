"""The twin against Debian's 6.1 kernel in qemu, where both are here."""

import pytest

from mmtwin.kernels.diff import compare, on_qemu
from mmtwin.kernels.host.build import AgentError
from mmtwin.kernels.qemu.guests import guest
from mmtwin.kernels.qemu.packages import find_kernel, find_qemu

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize(
    "calls", [400, pytest.param(20_000, marks=pytest.mark.deep)], ids=["short", "long"]
)
def test_random_calls_on_6_1(calls: int) -> None:
    try:
        find_qemu(guest("x86_64"))
        find_kernel(guest("x86_64"))
    except AgentError as error:
        pytest.skip(str(error))
    with on_qemu() as differ:
        assert differ.facts.profile == "6.1"
        total = compare(differ, seed=1, calls=calls)
        assert not total.found, str(differ.shrink(total.found[0]))

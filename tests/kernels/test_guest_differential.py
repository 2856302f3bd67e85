"""The twin against Debian's 6.1 kernel in qemu, where both are here."""

import pytest

from mmtwin.kernels.diff import compare, on_qemu
from mmtwin.kernels.host.build import AgentError, agent_program
from mmtwin.kernels.qemu.guests import guest
from mmtwin.kernels.qemu.packages import find_kernel, find_qemu
from mmtwin.kernels.strace import show

pytestmark = pytest.mark.oracle


GUESTS = {"x86_64": "6.1", "s390x": "6.1-s390x"}


@pytest.mark.parametrize("arch", GUESTS)
@pytest.mark.parametrize(
    "calls", [400, pytest.param(20_000, marks=pytest.mark.deep)], ids=["short", "long"]
)
def test_random_calls_on_6_1(arch: str, calls: int) -> None:
    try:
        find_qemu(guest(arch))
        find_kernel(guest(arch))
        agent_program(guest(arch).machine)
    except AgentError as error:
        pytest.skip(str(error))
    with on_qemu(arch=arch) as differ:
        assert differ.facts.profile == GUESTS[arch]
        total = compare(differ, seed=1, calls=calls)
        assert not total.found, show(differ.shrink(total.found[0]))

import time

import pytest

from mmtwin.machine.gfp import GFP_ATOMIC, GFP_NOWAIT
from mmtwin.machine.profile import profile
from mmtwin.pages.pages import Pages
from mmtwin.pages.v6_18 import Pages618
from mmtwin.twin import Twin


@pytest.mark.parametrize(("kernel", "kind"), [("6.1", Pages), ("6.18", Pages618)])
def test_a_twin_has_its_era_s_page_allocator_and_its_slabs_come_from_there(
    kernel: str, kind: type[Pages]
) -> None:
    twin = Twin(profile(kernel), ram=64 << 20)
    assert type(twin.pages) is kind
    assert twin.space.pages is twin.pages
    before = free(twin)
    vma = twin.space.vm_area_alloc(twin.space.mm_alloc(twin.space.task_alloc(0)))
    assert free(twin) < before
    cache = twin.caches.owner(vma)
    assert cache is not None
    assert cache.name == "vm_area_struct"


def test_a_twin_of_a_tebibyte_boots_at_once() -> None:
    Twin(profile("6.1"), ram=1 << 40)
    begun = time.process_time()
    Twin(profile("6.1"), ram=1 << 40)
    assert time.process_time() - begun < 0.5


def test_low_memory_refuses_nodes_to_those_who_may_not_wait() -> None:
    twin = Twin(profile("6.1"), ram=16 << 20)
    pages, nodes = twin.pages, twin.caches.get("maple_node")
    while pages.alloc_pages(GFP_NOWAIT | pages.gfp_nowarn, 0):
        pass
    while nodes.alloc(GFP_NOWAIT):
        pass
    assert nodes.alloc(GFP_ATOMIC)


@pytest.mark.parametrize("ram", [0, 4095, (64 << 20) + 1, 1 << 20])
def test_memory_is_whole_pages_and_not_too_small(ram: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        Twin(profile("6.1"), ram=ram)


def free(twin: Twin) -> int:
    """Pages of the twin that are neither in use nor on a per-cpu list."""
    return sum(twin.pages.nr_free_pages(zone) for zone in twin.pages.populated_zones())

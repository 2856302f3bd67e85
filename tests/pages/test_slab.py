from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtwin.check.slabs import slab_violations
from mmtwin.machine.bug import KernelWarning
from mmtwin.memory.memory import PAGE, Memory
from mmtwin.memory.sanitizer import Sanitizer
from mmtwin.pages import slab as s
from mmtwin.pages.pages import Pages
from mmtwin.pages.slab import VMEMMAP, SlabCache, SlabCaches, slab_order

KERNEL = 0xCC0
NODES = 16
"""Objects of 256 bytes in a slab of one page."""


def test_any_address_inside_an_object_leads_to_its_cache_and_base() -> None:
    caches = SlabCaches(Memory(1024 * PAGE))
    nodes = caches.create("maple_node", 256, 256)
    areas = caches.create("vm_area_struct", 152)
    node = [nodes.alloc(0) for _ in range(300)][217]
    area = [areas.alloc(0) for _ in range(900)][801]
    assert caches.owner(node + 255) is nodes
    assert caches.owner(area + 151) is areas
    assert caches.object_at(node + 99) == node
    assert caches.object_at(area + 151) == area
    assert caches.object_at(caches.memory.base) == 0
    assert caches.object_at(0x7000) == 0


def test_the_struct_page_of_a_slab_names_its_cache_through_vmemmap() -> None:
    memory = Memory(1024 * PAGE)
    caches = SlabCaches(memory)
    caches.create("other", 64)
    nodes = caches.create("maple_node", 256, 256)
    frame = (nodes.alloc(0) - memory.base) // PAGE
    assert memory.load(VMEMMAP + 64 * frame + 8) == nodes.number == 4


def test_a_cache_is_found_by_its_name() -> None:
    caches = SlabCaches(Memory(64 * PAGE))
    nodes = caches.create("maple_node", 256, 256)
    assert caches.get("maple_node") is nodes
    with pytest.raises(KeyError):
        caches.get("anon_vma")
    with pytest.raises(ValueError, match="already"):
        caches.create("maple_node", 256)


def test_no_page_is_shared_by_two_caches() -> None:
    """A run that began in the middle of a page made the objects of the cache before it orphans."""
    memory = Memory(1024 * PAGE)
    caches = SlabCaches(memory)
    small = caches.create("small", 40)
    large = caches.create("large", 192)
    mine = []
    for _ in range(3000):
        mine.append((small.alloc(0), small))
        mine.append((large.alloc(0), large))
    assert all(caches.owner(address) is cache for address, cache in mine)
    assert all(caches.object_at(address + 39) == address for address, _ in mine)


def test_slabs_from_the_page_allocator_run_out_when_the_watermarks_say_so() -> None:
    pages = Pages.of_ram(32 << 20)
    caches = SlabCaches(pages.memory, pages)
    nodes = caches.create("maple_node", 256, 256)
    nowait, kernel = 0x2800, 0xCC0
    first = nodes.alloc(nowait)
    assert pages.memory.load(pages.virt_to_page(first) + 8) == nodes.number
    assert caches.object_at(first + 100) == first
    taken = [first]
    while address := nodes.alloc(nowait):
        taken.append(address)
    free = sum(pages.nr_free_pages(zone) for zone in pages.populated_zones())
    zones = [pages.zone_view(zone) for zone in pages.populated_zones()]
    least = sum(zone.get("_watermark", 0) - zone.get("pcp_batch") for zone in zones)
    assert free >= least, "GFP_NOWAIT stops at the MIN mark, less what a cpu takes at once"
    assert nodes.alloc(pages.era.gfp.value("GFP_ATOMIC")), "GFP_ATOMIC may go below"
    assert nodes.in_use() == len(taken) + 1
    assert nodes.alloc(kernel | 0x20000), "and MEMALLOC to the last page"
    nodes.free(taken.pop())
    assert nodes.alloc(nowait)


@pytest.mark.parametrize(
    ("size", "order"), [(256, 0), (64, 0), (152, 0), (1024, 2), (4096, 3), (40000, 4)]
)
def test_slabs_are_as_large_as_slub_would_make_them(size: int, order: int) -> None:
    assert slab_order(size) == order


def machine(
    size: int = 256, ram: int = 32, *, journal: bool = False
) -> tuple[SlabCaches, SlabCache]:
    pages = Pages.of_ram(ram << 20, journal=journal)
    caches = SlabCaches(pages.memory, pages)
    return caches, caches.create("maple_node", size, size)


def held(caches: SlabCaches) -> int:
    """Pages of slabs, as the node counts them; those that are not free have to be as many."""
    pages = caches.pages
    assert pages is not None
    pages.drain_all_pages(0)
    zones = pages.populated_zones()
    slabs = int(pages.node_page_state(0, "slab_unreclaimable"))
    managed = sum(pages.managed_pages(zone) for zone in zones)
    assert sum(pages.nr_free_pages(zone) for zone in zones) == managed - slabs
    return slabs


def test_empty_slabs_go_back_but_for_the_cpu_s_and_the_fewest_partial_ones() -> None:
    caches, nodes = machine()
    taken = [nodes.alloc(KERNEL) for _ in range(40 * NODES)]
    assert held(caches) == 40
    assert nodes.min_partial == 5
    for address in taken:
        nodes.free(address)
    assert not nodes.in_use()
    assert held(caches) == 40, "until a grace period is over"
    caches.give_back()
    assert held(caches) == 5
    assert not slab_violations(caches)
    assert caches.object_at(taken[20 * NODES]) == 0
    assert caches.object_at(taken[0]) == taken[0]


def test_an_object_of_another_slab_is_used_again_when_the_cpu_s_is_used_up() -> None:
    caches, nodes = machine()
    taken = [nodes.alloc(KERNEL) for _ in range(2 * NODES + 4)]
    for address in (taken[3], taken[5], taken[20], taken[33]):
        nodes.free(address)
    assert nodes.alloc(KERNEL) == taken[33], "the cpu's slab, last in, first out"
    rest = [nodes.alloc(KERNEL) for _ in range(12)]
    assert rest == [taken[32] + 256 * nth for nth in range(4, NODES)]
    assert [nodes.alloc(KERNEL) for _ in range(3)] == [taken[5], taken[3], taken[20]]
    assert not slab_violations(caches)


def test_a_slab_that_waits_to_go_back_serves_before_a_new_one_is_made() -> None:
    caches, nodes = machine()
    taken = [nodes.alloc(KERNEL) for _ in range(20 * NODES)]
    for address in taken:
        nodes.free(address)
    again = {nodes.alloc(KERNEL) for _ in range(20 * NODES)}
    assert again == set(taken)
    assert held(caches) == 20
    caches.give_back()
    assert held(caches) == 20


def test_large_slabs_go_back_as_they_came() -> None:
    caches, big = machine(size=1024)
    taken = [big.alloc(KERNEL) for _ in range(160)]
    assert held(caches) == 40
    for address in taken:
        big.free(address)
    caches.give_back()
    assert held(caches) == 5 * 4


def test_pages_come_back_when_memory_is_short() -> None:
    caches, nodes = machine(ram=16)
    other = caches.create("vm_area_struct", 152)
    taken = []
    while address := nodes.alloc(0x2800):
        taken.append(address)
    assert not other.alloc(0x2800)
    for address in taken[::2]:
        nodes.free(address)
    caches.give_back()
    assert not other.alloc(0x2800), "each slab still holds objects"
    for address in taken[1::2]:
        nodes.free(address)
    caches.give_back()
    count = 0
    while other.alloc(0x2800):
        count += 1
    assert count > len(taken)
    assert not slab_violations(caches)


def test_what_goes_back_is_wiped() -> None:
    caches, nodes = machine()
    taken = [nodes.alloc(KERNEL) for _ in range(20 * NODES)]
    for address in taken:
        caches.memory.store(address + 8, 7)
        nodes.free(address)
    assert caches.memory.load(taken[-NODES - 1] + 8) == 7
    caches.give_back()
    assert not any(caches.memory.load(at) for at in range(taken[-2 * NODES], taken[-NODES], 8))


def test_an_object_of_another_cache_is_not_taken() -> None:
    caches, nodes = machine()
    other = caches.create("vm_area_struct", 152)
    with pytest.raises(KernelWarning, match="Wrong slab cache"):
        nodes.free(other.alloc(KERNEL))
    with pytest.raises(KernelWarning, match="Wrong slab cache"):
        nodes.free(0x1000)


def test_a_sanitizer_judges_a_slab_only_as_long_as_it_is_one() -> None:
    pages = Pages.of_ram(16 << 20, room=4 << 20)
    Sanitizer(pages.memory)
    caches = SlabCaches(pages.memory, pages)
    nodes = caches.create("maple_node", 256, 256)
    taken = [nodes.alloc(KERNEL) for _ in range(10 * NODES)]
    for address in taken:
        nodes.free(address)
    caches.give_back()
    assert pages.memory.load(taken[8 * NODES]) == 0
    assert len({nodes.alloc(KERNEL) for _ in range(10 * NODES)}) == 10 * NODES


def test_a_journal_brings_back_slabs_that_went() -> None:
    caches, nodes = machine(journal=True)
    memory = caches.memory
    taken = [nodes.alloc(KERNEL) for _ in range(20 * NODES)]
    mark = memory.mark()
    for address in taken:
        nodes.free(address)
    caches.give_back()
    memory.go(mark)
    assert nodes.in_use() == len(taken)
    assert not slab_violations(caches)
    assert all(caches.object_at(address) == address for address in taken)


@settings(max_examples=40, deadline=None)
@given(
    size=st.sampled_from([64, 256, 1000]),
    steps=st.lists(st.integers(0, 400) | st.just(-1), min_size=1, max_size=40),
    seed=st.randoms(use_true_random=False),
)
def test_slabs_against_a_set_of_objects(size: int, steps: list[int], seed: Random) -> None:
    """Each step fills the cache to so many objects, or lets a grace period pass (-1)."""
    caches, cache = machine(size)
    live: set[int] = set()
    for step in steps:
        if step < 0:
            caches.give_back()
        while len(live) < step:
            address = cache.alloc(KERNEL)
            assert caches.object_at(address) == address
            assert address not in live
            live.add(address)
        order = sorted(live)
        seed.shuffle(order)
        while 0 <= step < len(live):
            address = order.pop()
            live.remove(address)
            cache.free(address)
        assert cache.in_use() == len(live)
        assert all(caches.object_at(address) == address for address in live)
        assert not slab_violations(caches)
    caches.give_back()
    slabs = {caches.memory.load(cache.head_of(at) + s.SLAB_FIRST) for at in live}
    assert held(caches) >> cache.order <= len(slabs) + cache.min_partial + 1


@pytest.mark.parametrize(
    ("field", "delta", "said"),
    [
        (s.SLAB_COUNTERS, 1, "partial slab"),
        (s.SLAB_FREELIST, 8, "partial slab"),
        (s.SLAB_PREV, 64, "partial slab"),
    ],
)
def test_damage_to_a_slab_is_found(field: int, delta: int, said: str) -> None:
    caches, nodes = machine()
    taken = [nodes.alloc(KERNEL) for _ in range(10 * NODES)]
    for address in taken[::3]:
        nodes.free(address)
    assert not slab_violations(caches)
    at = nodes.head_of(taken[0]) + field
    caches.memory.store(at, caches.memory.load(at) + delta)
    assert any(one.invariant == "PG-24" and said in one.field for one in slab_violations(caches))


@pytest.mark.parametrize(
    ("word", "value"),
    [(s.AT_NR_PARTIAL, 3), (s.AT_IN_USE, 1), (s.AT_PARTIAL_LAST, 0), (s.AT_FREE_LIST, 0x1000)],
)
def test_damage_to_a_cache_is_found(word: int, value: int) -> None:
    caches, nodes = machine()
    taken = [nodes.alloc(KERNEL) for _ in range(10 * NODES)]
    for address in taken[::3]:
        nodes.free(address)
    caches.memory.store(nodes.control + word, value)
    assert slab_violations(caches)

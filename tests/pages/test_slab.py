import pytest

from mmtwin.memory.memory import PAGE, Memory
from mmtwin.pages.pages import Pages
from mmtwin.pages.slab import VMEMMAP, SlabCaches, slab_order


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

import pytest

from mmtwin.memory.memory import PAGE, Memory
from mmtwin.pages.slab import VMEMMAP, SlabCaches


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
    assert memory.load(VMEMMAP + 64 * frame + 8) == nodes.number == 2


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

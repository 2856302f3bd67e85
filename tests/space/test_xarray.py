"""The xarray against a dictionary."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import Memory
from mmtwin.space.xarray import NODE_SIZE, XArray

NONE = (1 << 64) - 1
INDEX = st.one_of(
    st.integers(0, 200), st.sampled_from([63, 64, 4095, 4096, 1 << 18, (1 << 52) - 1, 1 << 60])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(INDEX, st.booleans()), max_size=80))
def test_stores_and_erasures(steps: list[tuple[int, bool]]) -> None:
    memory = Memory(1 << 24)
    nodes = Arena(memory, NODE_SIZE, 8, "radix_tree_node")
    array = XArray(memory, nodes)
    head = memory.boot_alloc(8, 8)
    model: dict[int, int] = {}
    for count, (index, keep) in enumerate(steps):
        if keep:
            entry = count << 4 | 8 if count % 2 else count << 1 | 1
            assert array.store(head, index, entry)
            model[index] = entry
        else:
            assert array.erase(head, index) == model.pop(index, 0)
        for key in (index, index + 1, 0, 64):
            assert array.load(head, key) == model.get(key, 0)
        later = [key for key in model if key >= index]
        assert array.find(head, index, NONE - 1) == min(later, default=NONE)
    for index in list(model):
        array.erase(head, index)
    assert memory.load(head) == 0
    assert nodes.in_use() == 0

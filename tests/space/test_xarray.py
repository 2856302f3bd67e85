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


HUGE = 512
STEP = st.tuples(
    st.sampled_from(["store", "erase", "store_order", "split"]),
    st.sampled_from([0, 1, 5]),
    st.sampled_from([0, 1, 63, 64, 200, 511]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_entries_of_many_indexes(steps: list[tuple[str, int, int]]) -> None:
    memory = Memory(1 << 24)
    nodes = Arena(memory, NODE_SIZE, 8, "radix_tree_node")
    array = XArray(memory, nodes)
    head = memory.boot_alloc(8, 8)
    model: dict[int, int] = {}
    whole: dict[int, int] = {}
    for count, (what, huge, rest) in enumerate(steps, 1):
        first = huge * HUGE
        members = range(first, first + HUGE)
        if what == "store_order" and huge not in whole:
            whole[huge] = count << 20
            assert array.store_order(head, first, 9, whole[huge])
            model.update(dict.fromkeys(members, whole[huge]))
        elif what == "split" and huge in whole:
            entry = whole.pop(huge)
            assert array.split(head, first, 9, entry, 64)
            model.update({index: entry + 64 * (index - first) for index in members})
        elif what == "erase":
            assert array.erase(head, first + rest) == model.get(first + rest, 0)
            gone = members if whole.pop(huge, 0) else [first + rest]
            for index in gone:
                model.pop(index, None)
        elif what == "store" and huge not in whole:
            assert array.store(head, first + rest, count << 4)
            model[first + rest] = count << 4
        for key in (first, first + rest, first + HUGE - 1, first + HUGE):
            assert array.load(head, key) == model.get(key, 0)
        later = [key for key in model if key >= first + rest]
        assert array.find(head, first + rest, NONE - 1) == min(later, default=NONE)
    for index in list(model):
        array.erase(head, index)
    assert memory.load(head) == 0
    assert nodes.in_use() == 0


def test_without_memory_nothing_is_split() -> None:
    memory = Memory(1 << 24)
    nodes = Arena(memory, NODE_SIZE, 8, "radix_tree_node")
    array = XArray(memory, nodes)
    head = memory.boot_alloc(8, 8)
    assert array.store_order(head, HUGE, 9, 1 << 20)
    used = nodes.in_use()

    class Failing:
        left = 5

        def should_fail(self, name: str, gfp: int) -> bool:
            self.left -= 1
            return self.left < 0

    nodes.injector = Failing()
    assert not array.split(head, HUGE, 9, 1 << 20, 64)
    assert nodes.in_use() == used
    assert [array.load(head, index) for index in (511, 512, 1023, 1024)] == [0, 1 << 20, 1 << 20, 0]

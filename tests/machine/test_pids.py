from hypothesis import given
from hypothesis import strategies as st

from mmtwin.machine.pids import ENTRY_SIZE, Pids
from mmtwin.memory.allocator import Arena
from mmtwin.memory.memory import PAGE, Memory


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5).map(lambda n: n * 256 + n % 2))))
def test_threads_are_found_by_id_and_listed_oldest_first(moves: list[tuple[bool, int]]) -> None:
    memory = Memory(64 * PAGE, journal=True)
    pids = Pids(memory, Arena(memory, ENTRY_SIZE, 8, "pid"))
    model: dict[int, int] = {}
    for add, pid in moves:
        if add and pid not in model:
            model[pid] = pid * 8
            pids.add(pid, pid * 8)
        elif not add and pid in model:
            del model[pid]
            pids.remove(pid)
        assert list(pids) == list(model.items())
        assert all(pids.find(n * 256 + n % 2) == model.get(n * 256 + n % 2, 0) for n in range(6))
    memory.rewind(0)
    assert list(pids) == []

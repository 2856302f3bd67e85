import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtwin.memory import journal as journal_module
from mmtwin.memory.allocator import Arena
from mmtwin.memory.errors import BadAccess, JournalForgotten, OutOfMemory
from mmtwin.memory.memory import DIRECT_MAP, PAGE, Memory

TOP = 0xFFFFFFFFFFFFFFFF


def memory(pages: int = 64, **options: bool) -> Memory:
    return Memory(pages * PAGE, **options)


def test_a_word_reads_back_what_was_stored() -> None:
    m = memory()
    m.store(DIRECT_MAP + PAGE, TOP)
    assert m.load(DIRECT_MAP + PAGE) == TOP
    assert m.load(DIRECT_MAP + PAGE + 8) == 0


@pytest.mark.parametrize("address", [0, 0x5000, DIRECT_MAP - 8, DIRECT_MAP + 64 * PAGE, TOP - 7])
def test_an_address_outside_memory_is_a_bad_access(address: int) -> None:
    m = memory()
    with pytest.raises(BadAccess, match="no memory is mapped there"):
        m.load(address)
    with pytest.raises(BadAccess) as caught:
        m.store(address, 1)
    assert caught.value.address == address
    assert caught.value.what == "store"


def test_an_unaligned_word_is_a_bad_access() -> None:
    m = memory()
    with pytest.raises(BadAccess, match="not aligned"):
        m.load(DIRECT_MAP + PAGE + 4)
    with pytest.raises(BadAccess, match="not aligned"):
        m.load32(DIRECT_MAP + PAGE + 2)


def test_little_endian_fields_lie_low_end_first() -> None:
    m = memory()
    m.store(DIRECT_MAP + PAGE, 0x0807060504030201)
    assert [m.load8(DIRECT_MAP + PAGE + i) for i in range(8)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert m.load16(DIRECT_MAP + PAGE + 2) == 0x0403
    assert m.load32(DIRECT_MAP + PAGE + 4) == 0x08070605


def test_big_endian_metadata_is_the_fault_address_of_thread_003() -> None:
    """End 14 in the first byte of the last slot reads as 0e00000000000000 on s390."""
    m = memory(big_endian=True)
    m.store8(DIRECT_MAP + PAGE + 248, 14)
    assert m.load(DIRECT_MAP + PAGE + 248) == 0x0E00000000000000


@given(st.lists(st.tuples(st.sampled_from([1, 2, 4, 8]), st.integers(0, 63), st.integers(0, TOP))))
def test_fields_of_all_sizes_agree_with_bytes(writes: list[tuple[int, int, int]]) -> None:
    for order in ("little", "big"):
        m = memory(4, big_endian=order == "big")
        model = bytearray(64)
        for size, at, value in writes:
            at -= at % size
            value &= (1 << 8 * size) - 1
            model[at : at + size] = value.to_bytes(size, order)  # type: ignore[arg-type]
            address = DIRECT_MAP + PAGE + at
            {1: m.store8, 2: m.store16, 4: m.store32, 8: m.store}[size](address, value)
        for at in range(0, 64, 8):
            expected = int.from_bytes(model[at : at + 8], order)  # type: ignore[arg-type]
            assert m.load(DIRECT_MAP + PAGE + at) == expected


def test_a_window_shows_the_same_words() -> None:
    m = memory()
    m.add_window("vmemmap", 0xFFFFEA0000000000, PAGE, 2 * PAGE)
    m.store(0xFFFFEA0000000010, 77)
    assert m.load(DIRECT_MAP + 2 * PAGE + 16) == 77
    with pytest.raises(BadAccess):
        m.load(0xFFFFEA0000000000 + PAGE)


def test_boot_memory_ends_in_one_error_and_comes_back_on_rewind() -> None:
    m = memory(8, journal=True)
    start = m.mark()
    first = m.boot_alloc(100, 64)
    assert first % 64 == 0
    with pytest.raises(OutOfMemory, match="boot memory is used up"):
        m.boot_alloc(8 * PAGE, 8)
    m.rewind(start)
    assert m.boot_alloc(100, 64) == first


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3)), max_size=80),
    st.lists(st.integers(0, 80), max_size=12),
)
def test_every_past_state_can_be_read_and_come_back_from(
    writes: list[tuple[int, int]], visits: list[int]
) -> None:
    m = memory(4, journal=True)
    words = [DIRECT_MAP + PAGE + 8 * i for i in range(16)]
    states = [(m.mark(), [m.load(w) for w in words])]
    for word, value in writes:
        m.store(words[word], value)
        states.append((m.mark(), [m.load(w) for w in words]))
    for visit in visits:
        position, expected = states[visit % len(states)]
        m.go(position)
        assert [m.load(w) for w in words] == expected
    position, expected = states[-1]
    m.go(position)
    assert [m.load(w) for w in words] == expected


def test_a_store_from_the_past_forgets_the_future() -> None:
    m = memory(journal=True)
    a = DIRECT_MAP + PAGE
    m.store(a, 1)
    middle = m.mark()
    m.store(a, 2)
    end = m.mark()
    m.rewind(middle)
    m.store(a, 3)
    m.store(a, 4)
    m.rewind(middle)
    assert m.load(a) == 1
    m.advance(end)
    assert m.load(a) == 3


def test_the_past_can_be_read_in_passing() -> None:
    m = memory(journal=True)
    a = DIRECT_MAP + PAGE
    m.store(a, 1)
    past = m.mark()
    m.store(a, 2)
    with m.at(past):
        assert m.load(a) == 1
    assert m.load(a) == 2


def test_a_long_journal_spills_and_comes_back() -> None:
    m = memory(journal=True)
    a = DIRECT_MAP + PAGE
    count = 2 * journal_module.CHUNK + 100
    marks = {}
    for i in range(1, count + 1):
        m.store(a + 8 * (i % 64), i)
        if i % (count // 7) == 0:
            marks[i] = m.mark()
    for i in [*marks, *reversed(marks)]:
        m.go(marks[i])
        assert m.load(a + 8 * (i % 64)) == i
        assert m.load(a + 8 * ((i - 63) % 64)) == i - 63
    first = min(marks)
    m.go(marks[first])
    m.store(a, 5)
    end = m.mark()
    assert end == marks[first] + 1
    m.rewind(0)
    assert m.load(a + 8) == 0
    m.advance(end)
    assert m.load(a) == 5


def test_forgetting_keeps_the_present_and_refuses_the_past() -> None:
    m = memory(journal=True)
    a = DIRECT_MAP + PAGE
    m.store(a, 1)
    past = m.mark()
    m.store(a, 2)
    assert m.journal is not None
    m.journal.forget()
    assert m.load(a) == 2
    with pytest.raises(JournalForgotten, match="not within"):
        m.rewind(past)


def test_a_snapshot_brings_every_word_back() -> None:
    m = memory()
    m.store(DIRECT_MAP + PAGE, 1)
    snapshot = m.snapshot()
    m.store(DIRECT_MAP + PAGE, 2)
    m.store(DIRECT_MAP + 20 * PAGE, 3)
    m.restore(snapshot)
    assert m.load(DIRECT_MAP + PAGE) == 1
    assert m.load(DIRECT_MAP + 20 * PAGE) == 0


def test_a_terabyte_is_held_lazily() -> None:
    m = Memory(1 << 40)
    last = DIRECT_MAP + (1 << 40) - 8
    m.store(last, 9)
    assert m.load(last) == 9
    assert len(m.snapshot()) == 2


def test_an_arena_hands_out_distinct_aligned_objects() -> None:
    m = memory(256, journal=True)
    arena = Arena(m, 256, 256, "maple_node")
    start = m.mark()
    first = [arena.alloc(0) for _ in range(300)]
    assert len(set(first)) == 300
    assert all(address % 256 == 0 for address in first)
    assert arena.in_use() == 300
    arena.free(first[7])
    assert arena.alloc(0) == first[7]
    m.rewind(start)
    assert arena.in_use() == 0
    assert arena.alloc(0) == first[0]


def test_an_injector_makes_an_allocation_fail() -> None:
    class Third:
        count = 0

        def should_fail(self, name: str, gfp: int) -> bool:
            assert name == "thing"
            self.count += 1
            return self.count == 3

    arena = Arena(memory(256), 64, 8, "thing")
    arena.injector = Third()
    assert [arena.alloc(0x800) != 0 for _ in range(4)] == [True, True, False, True]
    assert arena.in_use() == 3

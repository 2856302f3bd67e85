import pytest

from mmtwin.memory.layout import Field, Layout
from mmtwin.memory.memory import DIRECT_MAP, PAGE, Memory
from mmtwin.memory.view import View

THING = Layout(
    "thing",
    64,
    "this test",
    [
        Field("start", 0, 8, "first byte"),
        Field("count", 8, 4, "how many"),
        Field("kind", 12, 1, "which"),
        Field("name", 16, 8, "what it is called", kind="string"),
        Field("slots", 24, 8, "where", count=4),
    ],
)


def test_a_view_reads_and_writes_through_to_memory() -> None:
    m = Memory(4 * PAGE)
    one = View(m, THING, DIRECT_MAP + PAGE)
    other = View(m, THING, DIRECT_MAP + PAGE)
    one.start = 0x1000
    one.count = 3
    one.kind = 255
    one.name = "heap"
    one.put("slots", 9, 2)
    assert (other.start, other.count, other.kind, other.name) == (0x1000, 3, 255, "heap")
    assert other.slots == (0, 0, 9, 0)
    assert one == other
    assert "count=0x3" in repr(other)


def test_a_view_refuses_what_the_layout_does_not_have() -> None:
    view = View(Memory(4 * PAGE), THING, DIRECT_MAP + PAGE)
    with pytest.raises(AttributeError, match="struct thing has no member size"):
        _ = view.size
    with pytest.raises(AttributeError, match="struct thing has no member size"):
        view.size = 4
    with pytest.raises(IndexError):
        view.get("slots", 4)


def test_a_layout_reads_as_a_declaration() -> None:
    assert str(THING).splitlines()[0] == "struct thing { /* 64 bytes; this test */"
    assert "      24 8 slots[4]  where" in str(THING)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([Field("a", 60, 4, ""), Field("b", 64, 8, "")], "ends at 72"),
        ([Field("a", 0, 8, ""), Field("a", 8, 8, "")], "declared twice"),
    ],
)
def test_a_wrong_layout_is_refused(fields: list[Field], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Layout("wrong", 64, "nowhere", fields)


def test_a_field_must_be_aligned() -> None:
    with pytest.raises(ValueError, match="not aligned"):
        Field("a", 4, 8, "")

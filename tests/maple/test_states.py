"""What each call leaves behind in the cursor, in the manner of 6.1 and of 6.8 and later."""

from __future__ import annotations

import pytest
from maple_trees import ALLOC, TOP, Tree, value

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.state import (
    MA_ACTIVE,
    MA_NONE,
    MA_OVERFLOW,
    MA_ROOT,
    MA_START,
    MA_UNDERFLOW,
    MaState,
)

EBUSY, EINVAL = -16, -22


def empty(era: str = "6.1") -> Tree:
    return Tree(ALLOC, era)


def direct(era: str = "6.1") -> Tree:
    tree = Tree(ALLOC, era)
    tree.store(0, 0, 7)
    return tree


def leaf(era: str = "6.1") -> Tree:
    tree = Tree(ALLOC, era)
    tree.store(10, 19, 1)
    tree.store(30, 39, 2)
    return tree


def span(mas: MaState) -> tuple[int, int]:
    return mas.index, mas.last


class TestFirstManner:
    """6.1: no overflow; the state's node doubles as its status."""

    def test_walk_in_an_empty_tree(self) -> None:
        tree = empty()
        for index in (0, 5, TOP):
            mas = tree.state(index)
            assert tree.maple.mas_walk(mas) == 0
            assert mas.is_none()
            assert mas.node_word() == 9
            assert span(mas) == (0, TOP)

    def test_room_in_an_empty_tree(self) -> None:
        tree = empty()
        mas = tree.state()
        assert tree.maple.mas_empty_area(mas, 0, 99, 10) == 0
        assert (mas.status, *span(mas)) == (MA_NONE, 0, 9)
        mas.set(0)
        assert tree.maple.mas_empty_area_rev(mas, 0, 99, 10) == 0
        assert (mas.status, *span(mas)) == (MA_NONE, 90, 99)

    def test_walk_in_a_direct_tree(self) -> None:
        tree = direct()
        mas = tree.state(0)
        assert tree.maple.mas_walk(mas) == value(7)
        assert (mas.status, mas.node_word(), *span(mas)) == (MA_ROOT, 5, 0, 0)
        mas.set(5)
        assert tree.maple.mas_walk(mas) == 0
        assert (mas.status, *span(mas)) == (MA_ROOT, 1, TOP)

    def test_steps_in_a_direct_tree(self) -> None:
        tree = direct()
        mas = tree.state(0)
        assert tree.maple.mas_next(mas, TOP) == 0
        assert (mas.status, *span(mas)) == (MA_ROOT, 1, TOP)
        mas = tree.state(5)
        assert tree.maple.mas_prev(mas, 0) == value(7)
        assert (mas.status, *span(mas)) == (MA_ROOT, 0, 0)
        assert tree.maple.mas_prev(mas, 0) == 0
        assert (mas.status, *span(mas)) == (MA_NONE, 0, 0)

    def test_room_beside_a_direct_entry(self) -> None:
        tree = direct()
        mas = tree.state()
        assert tree.maple.mas_empty_area(mas, 0, 99, 10) == 0
        assert (mas.status, *span(mas)) == (MA_ROOT, 1, 10)
        mas.set(0)
        assert tree.maple.mas_empty_area_rev(mas, 0, 99, 100) == EBUSY

    @pytest.mark.parametrize(
        ("index", "number", "offset", "first", "last"),
        [(15, 1, 1, 10, 19), (25, None, 2, 20, 29), (100, None, 4, 40, TOP)],
    )
    def test_walk_in_a_leaf(
        self, index: int, number: int | None, offset: int, first: int, last: int
    ) -> None:
        tree = leaf()
        mas = tree.state(index)
        assert tree.number(tree.maple.mas_walk(mas)) == number
        assert (mas.status, mas.offset, *span(mas)) == (MA_ACTIVE, offset, first, last)

    def test_find_creeps_at_the_end(self) -> None:
        tree = leaf()
        mas = tree.state(0)
        assert tree.maple.mas_find(mas, TOP) == value(1)
        assert span(mas) == (10, 19)
        assert tree.maple.mas_find(mas, TOP) == value(2)
        assert span(mas) == (30, 39)
        offsets = []
        for _ in range(3):
            assert tree.maple.mas_find(mas, TOP) == 0
            assert (mas.status, *span(mas)) == (MA_ACTIVE, TOP, TOP)
            offsets.append(mas.offset)
        assert offsets == [4, 5, 6]

    def test_find_with_a_limit(self) -> None:
        tree = leaf()
        mas = tree.state(0)
        assert tree.maple.mas_find(mas, 9) == 0
        assert span(mas) == (9, 9)
        assert tree.maple.mas_find(mas, 10) == value(1)
        assert span(mas) == (10, 19)

    def test_find_beyond_its_limit_does_not_start(self) -> None:
        tree = leaf()
        mas = tree.state(50)
        assert tree.maple.mas_find(mas, 40) == 0
        assert (mas.status, *span(mas)) == (MA_START, 50, 50)

    def test_next_past_the_end_stays(self) -> None:
        tree = leaf()
        mas = tree.state(30)
        tree.maple.mas_walk(mas)
        node = mas.node
        assert tree.maple.mas_next(mas, 1000) == 0
        assert (mas.status, mas.node, *span(mas)) == (MA_ACTIVE, node, 1000, 1000)

    def test_prev_before_the_first(self) -> None:
        tree = leaf()
        mas = tree.state(15)
        assert tree.maple.mas_prev(mas, 3) == 0
        assert (mas.status, *span(mas)) == (MA_NONE, 3, 3)
        assert tree.maple.mas_next(mas, TOP) == value(1)

    def test_prev_stops_at_its_limit(self) -> None:
        tree = leaf()
        mas = tree.state(25)
        assert tree.maple.mas_prev(mas, 20) == 0
        assert (mas.status, *span(mas)) == (MA_ACTIVE, 20, 20)

    def test_pause_goes_on_behind_the_range(self) -> None:
        tree = leaf()
        mas = tree.state(0)
        tree.maple.mas_find(mas, TOP)
        mas.pause()
        assert mas.is_paused()
        assert mas.node_word() == 17
        assert tree.maple.mas_find(mas, TOP) == value(2)
        mas.pause()
        assert tree.maple.mas_find_rev(mas, 0) == value(1)

    def test_room_in_a_leaf(self) -> None:
        tree = leaf()
        mas = tree.state()
        assert tree.maple.mas_empty_area(mas, 5, 99, 10) == 0
        assert span(mas) == (20, 29)
        mas.set(0)
        assert tree.maple.mas_empty_area(mas, 0, 25, 11) == EBUSY
        assert mas.error() == EBUSY
        mas.set(0)
        assert tree.maple.mas_empty_area_rev(mas, 0, 39, 10) == 0
        assert span(mas) == (20, 29)
        assert tree.maple.mas_store_gfp(mas, value(3), GFP_KERNEL) == 0
        assert str(tree) == "L[-@9 1@19 3@29 2@39 -@M]"

    def test_erase(self) -> None:
        tree = leaf()
        mas = tree.state(15)
        assert tree.maple.mas_erase(mas) == value(1)
        assert span(mas) == (0, 29)
        tree = leaf()
        mas = tree.state(25)
        assert tree.maple.mas_erase(mas) == 0
        assert (mas.offset, *span(mas)) == (2, 20, 29)

    def test_store_over_several_returns_the_first(self) -> None:
        tree = leaf()
        mas = tree.state(15, 34)
        assert tree.maple.mas_store(mas, value(9)) == value(1)
        assert (mas.status, *span(mas)) == (MA_ACTIVE, 15, 34)
        tree.maple.mas_destroy(mas)

    def test_store_of_null_widens(self) -> None:
        tree = leaf()
        mas = tree.state(15, 19)
        tree.maple.mas_store(mas, 0)
        assert span(mas) == (15, 29)
        tree.maple.mas_destroy(mas)

    def test_store_of_a_direct_root_starts_again(self) -> None:
        tree = empty()
        mas = tree.state(0)
        assert tree.maple.mas_store_gfp(mas, value(1), GFP_KERNEL) == 0
        assert mas.is_start()

    def test_a_window_of_one_index_is_refused(self) -> None:
        assert leaf().maple.mas_empty_area(MaState(0), 5, 5, 1) == EINVAL
        assert leaf("6.18").maple.mas_empty_area(MaState(0), 6, 5, 1) == EINVAL


def three(era: str) -> Tree:
    tree = Tree(0, era)
    for start in (0x1000, 0x2000, 0x3000):
        tree.store(start, start + 0x500, start >> 12)
    return tree


NAMES = {"A": MA_ACTIVE, "O": MA_OVERFLOW, "U": MA_UNDERFLOW, "N": MA_NONE, "R": MA_ROOT}


def follow(tree: Tree, mas: MaState, script: str) -> None:
    """Each line: a call and its limit, the number returned or -, first, last, status."""
    for line in script.strip().splitlines():
        call, limit, number, first, last, status = line.split()
        bound = TOP if limit == "M" else int(limit, 16)
        if call == "set":
            mas.set(bound)
            continue
        if call == "pause":
            mas.pause()
            continue
        if call == "none":
            mas.status = MA_NONE
            continue
        entry = (
            tree.maple.mas_walk(mas)
            if call == "walk"
            else getattr(tree.maple, f"mas_{call}")(mas, bound)
        )
        assert tree.number(entry) == (None if number == "-" else int(number)), line
        if first != "*":
            ends = int(first, 16), TOP if last == "M" else int(last, 16)
            assert (f"{mas.index:x}", f"{mas.last:x}") == (f"{ends[0]:x}", f"{ends[1]:x}"), line
        assert mas.status == NAMES[status], line


@pytest.mark.parametrize("era", ["6.8", "6.12", "6.18"])
class TestBounded:
    """6.8 and later: overflow and underflow."""

    def test_next_and_prev(self, era: str) -> None:
        tree = three(era)
        follow(
            tree,
            tree.state(0),
            """
            next M 1 1000 1500 A
            next 2100 2 2000 2500 A
            next 2999 - 2501 2fff O
            next M 3 3000 3500 A
            next M - 3501 M O
            next M - 3501 M O
            prev 0 3 3000 3500 A
            prev 0 2 2000 2500 A
            """,
        )

    def test_underflow(self, era: str) -> None:
        tree = three(era)
        follow(
            tree,
            tree.state(0x1000),
            """
            walk 0 1 1000 1500 A
            prev 1200 - 1000 1500 U
            prev 100 - 0 fff U
            prev 100 - 0 fff U
            next M 1 1000 1500 A
            """,
        )

    def test_find(self, era: str) -> None:
        tree = three(era)
        follow(
            tree,
            tree.state(0),
            """
            find M 1 1000 1500 A
            find M 2 2000 2500 A
            find 2700 - 2501 2fff A
            find 5000 3 3000 3500 A
            find M - 3501 M A
            find M - 3501 M A
            find_rev 0 3 3000 3500 A
            find_rev 0 2 2000 2500 A
            pause 0 - * * -
            find_rev 0 1 1000 1500 A
            find_rev 0 - 0 fff U
            """,
        )

    def test_find_after_a_pause_and_an_underflow(self, era: str) -> None:
        tree = three(era)
        follow(
            tree,
            tree.state(0),
            """
            find M 1 1000 1500 A
            prev 1000 - 1000 1500 U
            find M 1 1000 1500 A
            set 2000 - * * -
            walk 0 2 2000 2500 A
            prev 1600 - 1501 1fff U
            prev 0 1 1000 1500 A
            """,
        )

    def test_from_none(self, era: str) -> None:
        tree = three(era)
        mas = tree.state(0)
        mas.status = MA_NONE
        follow(tree, mas, "next M 1 1000 1500 A")
        mas.status = MA_NONE
        follow(tree, mas, "next M 2 2000 2500 A")

    @pytest.mark.parametrize("status", [None, "pause", "none"])
    def test_walk_to_a_gap(self, era: str, status: str | None) -> None:
        tree = three(era)
        mas = tree.state(0x1600)
        if status == "pause":
            mas.pause()
        elif status == "none":
            mas.status = MA_NONE
        follow(tree, mas, "walk 0 - 1501 1fff A")

    def test_a_direct_tree(self, era: str) -> None:
        tree = direct(era)
        follow(tree, tree.state(0), "prev 0 - 0 0 U")
        follow(tree, tree.state(10), "prev 0 7 0 0 R")
        follow(tree, tree.state(0), "next M - 1 M N")
        follow(tree, tree.state(10), "next M - 1 M N")
        follow(
            tree,
            tree.state(0),
            """
            find M 7 0 0 R
            find M - 1 M N
            find M - 1 M N
            find_rev 0 7 0 0 R
            find_rev 0 - 0 0 N
            """,
        )
        follow(tree, tree.state(10), "walk 0 - 1 M N")
        follow(tree, tree.state(0), "walk 0 7 0 0 R")

    def test_ranges_show_the_gaps(self, era: str) -> None:
        tree = three(era)
        follow(
            tree,
            tree.state(0),
            """
            find_range M 1 1000 1500 A
            next_range M - 1501 1fff A
            next_range M 2 2000 2500 A
            prev_range 0 - 1501 1fff A
            prev_range 0 1 1000 1500 A
            find_range_rev 0 - 0 fff A
            find_range_rev 0 - 0 fff U
            """,
        )

    def test_a_state_that_left_its_node_starts_again(self, era: str) -> None:
        """An overflowed state whose index was changed must not trust its old node."""
        tree = Tree(0, era)
        for i in range(100):
            tree.store(i * 10, i * 10 + 4, i)
        mas = tree.state(0)
        tree.maple.mas_walk(mas)
        assert tree.maple.mas_next(mas, 5) == 0
        assert mas.status == MA_OVERFLOW
        mas.index = mas.last = 700
        assert tree.number(tree.maple.mas_prev(mas, 0)) == 70

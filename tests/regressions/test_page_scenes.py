"""What a finding of the page allocator tells: the steps up to it, and where the page lies."""

from mmtwin.regressions import run
from mmtwin.regressions.page_bug import FIRST


def test_a_misplaced_page_is_shown_with_its_chunk_and_blocks() -> None:
    caught = run.run(run.get("reserve-merged-buddies"))
    assert caught is not None
    assert caught.steps == ("the reserve is one free block",)
    lines = caught.scene.splitlines()
    assert lines[0].endswith(f"pfn {FIRST:#x}, count 0, cached type 2 (Movable)")
    assert lines[1] == f"in the free chunk {FIRST:#x}, order 10, on list Movable"
    assert lines[2] == f"pageblocks: {FIRST:#x} Reserve, {FIRST + 512:#x} Movable"
    assert "rmqueue_bulk" in caught.more
    assert "block type 3, cached type 2" in caught.more


def test_the_storm_shows_it_too() -> None:
    caught = run.run(run.get("reserve-sysctl-storm"))
    assert caught is not None
    assert "of the storm" in caught.what
    assert "pageblocks" in caught.scene


def test_what_breaks_a_zone_shows_no_page() -> None:
    caught = run.run(run.get("page-highatomic-double-decrease"))
    assert caught is not None
    assert (len(caught.steps), caught.scene) == (4, "")

"""The benchmark of forks: what it forks is what it says."""

from mmtwin.bench.fork import fork_milliseconds, rows


def test_every_kernel_has_a_row_with_and_without_pages() -> None:
    found = list(rows(areas=600))
    assert [row["profile"] for row in found] == ["6.1", "6.18"]
    assert all(float(str(row["written_ms"])) > 0 for row in found)


def test_more_areas_take_longer() -> None:
    assert fork_milliseconds("6.18", 200, True) > fork_milliseconds("6.18", 20, True)

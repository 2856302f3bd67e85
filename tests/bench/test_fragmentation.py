"""Fragmentation over time: what a sample says, its table and its picture."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from rich.console import Console
from typer.testing import CliRunner

from mmtwin.bench import pages as by_pages
from mmtwin.bench.fragmentation import Ownership, Sample, over_time
from mmtwin.cli import commands
from mmtwin.cli.app import app
from mmtwin.pages.pages import Pages
from mmtwin.view.fragmentation import picture, table


def test_a_sample_counts_free_pages_and_mixed_blocks() -> None:
    pages = Pages.of_ram(16 << 20)
    ownership = Ownership(pages)
    kernel, movable = pages.era.gfp.value("GFP_KERNEL"), pages.era.gfp.value("GFP_HIGHUSER_MOVABLE")
    page = pages.alloc_pages(movable, 0)
    before = ownership.sample(1)
    assert not any(before.mixed.values())
    block = pages.pageblock_nr_pages
    # The block changes its type while the page is in use.
    pages.set_pageblock_migratetype(page, pages.mt_unmovable)
    after = ownership.sample(2)
    assert after.mixed["Unmovable"] == 1
    assert sum(after.blocks.values()) == (16 << 20) // (4096 * block)
    assert sum(after.free) == sum(map(pages.nr_free_pages, pages.populated_zones()))
    pages.free_pages(page, 0)
    assert not any(ownership.sample(3).mixed.values())
    assert pages.alloc_pages(kernel, 0)


def test_the_index_is_what_cannot_serve_the_order() -> None:
    sample = Sample(0, (10, 20, 40, 0, 0, 0, 0, 0, 0, 130, 0), {}, {})
    assert sample.unusable(0) == 0.0
    assert sample.unusable(2) == 30 / 200
    assert sample.unusable(9) == 70 / 200
    assert Sample(0, (0,) * 11, {}, {}).unusable(9) == 0.0


def test_the_picture_is_well_formed_and_the_table_fits() -> None:
    samples = over_time(Pages.of_ram(16 << 20), 1, 300, 6)
    assert [sample.events for sample in samples] == [0, 50, 100, 150, 200, 250, 300]
    root = ET.fromstring(picture(samples, "a <title> & more"))
    assert root.tag.endswith("svg")
    assert len(root.findall(".//{*}polygon")) == 6
    assert len(root.findall(".//{*}polyline")) == 4
    console = Console(width=80, record=True)
    console.print(table(samples))
    assert max(map(len, console.export_text().splitlines())) <= 80


def test_a_short_storm_is_timed_and_clean() -> None:
    for profile in by_pages.STORMS:
        run = by_pages.storm(profile, 1, 300)
        assert run.broken == ""
        assert run.events == sum(run.counts.values()) == 300
        assert run.work > 0


def test_the_command_draws(tmp_path: Path) -> None:
    if not app.registered_commands:
        commands.register(app)
    place = tmp_path / "picture.svg"
    arguments = ["bench", "pages", "--events", "200", "--megabytes", "16", "--fragmentation"]
    result = CliRunner().invoke(app, [*arguments, str(place), "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert len(document["samples"]) == 17
    assert place.read_text().startswith("<svg")
    assert CliRunner().invoke(app, [*arguments, "/nowhere/at/all.svg"]).exit_code == 2
    assert CliRunner().invoke(app, ["bench", "pages", "--profile", "2.4"]).exit_code == 2

"""Fragmentation over time: a table for the terminal and a picture (SVG)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rich.table import Table

from mmtwin.bench.fragmentation import Sample
from mmtwin.view.console import number

PAGEBLOCK_ORDER = 9
BANDS = ((0, 0), (1, 2), (3, 5), (6, 8), (9, 9), (10, 10))
"""Orders shown together, first to last."""
COLOURS = ("#8c2d04", "#cc4c02", "#ec7014", "#fec44f", "#7fbf7b", "#1b7837")
LINE_COLOURS = {"Unmovable": "#762a83", "Movable": "#1b7837", "Reclaimable": "#2166ac"}
WIDTH, HEIGHT = 860, 560
LEFT, RIGHT, PANEL, GAP, TOP = 62, 150, 200, 62, 46


def _band(first: int, last: int) -> str:
    return f"order {first}" if first == last else f"orders {first}-{last}"


def table(samples: Sequence[Sample]) -> Table:
    """A row for each sample: shares of the free pages by order, the index, mixed blocks."""
    shown = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    shown.add_column("events", justify="right")
    shown.add_column("free MiB", justify="right")
    for first, last in BANDS:
        shown.add_column(f"{first}" if first == last else f"{first}-{last}", justify="right")
    shown.add_column("unusable", justify="right")
    for name in LINE_COLOURS:
        shown.add_column(f"mixed {name[0]}", justify="right")
    for sample in samples:
        total = sum(sample.free) or 1
        shown.add_row(
            number(sample.events),
            number(sum(sample.free) * 4 // 1024),
            *(f"{sum(sample.free[a : b + 1]) / total:.0%}" for a, b in BANDS),
            f"{sample.unusable(PAGEBLOCK_ORDER):.3f}",
            *(f"{sample.mixed[name]}/{sample.blocks[name]}" for name in LINE_COLOURS),
        )
    return shown


def picture(samples: Sequence[Sample], title: str) -> str:
    """Two panels over the events: what the free pages are made of, and how mixed the blocks are."""
    inner = WIDTH - LEFT - RIGHT
    most = samples[-1].events or 1
    xs = [LEFT + inner * sample.events / most for sample in samples]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">'
    )
    parts = [
        head,
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        *_areas(samples, xs, TOP),
        *_lines(samples, xs, TOP + PANEL + GAP),
    ]
    for panel in (TOP, TOP + PANEL + GAP):
        parts += _frame(panel, most, inner)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _y(top: float, share: float) -> float:
    return top + PANEL * (1 - share)


def _frame(top: int, most: int, inner: int) -> list[str]:
    parts = [
        f'<rect x="{LEFT}" y="{top}" width="{inner}" height="{PANEL}" fill="none" stroke="#444"/>'
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(top, share)
        parts.append(f'<line x1="{LEFT - 4}" y1="{y}" x2="{LEFT}" y2="{y}" stroke="#444"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{share:.0%}</text>')
    for part in range(5):
        x = LEFT + inner * part / 4
        parts.append(
            f'<text x="{x}" y="{top + PANEL + 16}" text-anchor="middle">{most * part // 4:,}</text>'
        )
    parts.append(
        f'<text x="{LEFT + inner / 2}" y="{top + PANEL + 34}" text-anchor="middle">events</text>'
    )
    return parts


def _areas(samples: Sequence[Sample], xs: Sequence[float], top: int) -> list[str]:
    """The shares of the free pages by order, stacked: small chunks below."""
    parts = [f'<text x="{LEFT}" y="{top - 8}">free pages by the order of their chunk</text>']
    below = [0.0] * len(samples)
    for (first, last), colour in zip(BANDS, COLOURS, strict=True):
        above = [
            low + sum(sample.free[first : last + 1]) / (sum(sample.free) or 1)
            for low, sample in zip(below, samples, strict=True)
        ]
        points = [
            *zip(xs, above, strict=True),
            *reversed(list(zip(xs, below, strict=True))),
        ]
        path = " ".join(f"{x:.1f},{_y(top, share):.1f}" for x, share in points)
        parts.append(f'<polygon points="{path}" fill="{colour}"/>')
        below = above
    for nth, ((first, last), colour) in enumerate(zip(BANDS, COLOURS, strict=True)):
        parts += _key(top + PANEL - 18 - 20 * nth, colour, _band(first, last))
    return parts


def _lines(samples: Sequence[Sample], xs: Sequence[float], top: int) -> list[str]:
    """The share of mixed blocks of each type, and the unusable free space index."""
    told = "blocks that hold pages of another type; free memory that cannot serve a pageblock"
    parts = [f'<text x="{LEFT}" y="{top - 8}">{told}</text>']
    curves = [
        (
            f"mixed {name}",
            colour,
            [sample.mixed[name] / (sample.blocks[name] or 1) for sample in samples],
            "",
        )
        for name, colour in LINE_COLOURS.items()
    ]
    unusable = [sample.unusable(PAGEBLOCK_ORDER) for sample in samples]
    curves.append(("unusable", "#444", unusable, ' stroke-dasharray="5 3"'))
    for nth, (name, colour, shares, dash) in enumerate(curves):
        path = " ".join(
            f"{x:.1f},{_y(top, share):.1f}" for x, share in zip(xs, shares, strict=True)
        )
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
        parts += _key(top + 4 + 20 * nth, colour, name)
    return parts


def _key(y: float, colour: str, name: str) -> list[str]:
    x = WIDTH - RIGHT + 12
    return [
        f'<rect x="{x}" y="{y}" width="14" height="12" fill="{colour}"/>',
        f'<text x="{x + 20}" y="{y + 10}">{escape(name)}</text>',
    ]

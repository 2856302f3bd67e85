"""Random addresses and lengths where they hurt: at borders, inside areas, in small holes."""

from __future__ import annotations

from random import Random
from typing import Final

from mmtwin.kernels.abi import HUGE, PAGE, TOP
from mmtwin.kernels.host.machines import Machine
from mmtwin.kernels.maps import Area

ARENA: Final = 0x10000000
"""Where fixed addresses are drawn from: few pages, so that mappings become neighbours."""
ARENA_PAGES: Final = 48
HUGE_ARENA: Final = 0x20000000


def odd_addresses(machine: Machine) -> tuple[int, ...]:
    """Addresses where kernels take care: the ends of what can be mapped or asked for."""
    last = machine.task_size
    return (
        0,
        PAGE,
        0x8000,
        0xF000,
        0x10000,
        0x40000000,
        0x80000000 - PAGE,
        *(border + PAGE * more for border in machine.borders for more in (-1, 0, 1)),
        last - PAGE,
        last,
        (last + PAGE) & TOP,
        1 << 63,
        TOP - PAGE + 1,
        TOP,
    )


def odd_lengths(machine: Machine) -> tuple[int, ...]:
    """Lengths in bytes that overflow, vanish when rounded or just fit."""
    last = machine.task_size
    return (
        0,
        1,
        PAGE - 1,
        PAGE + 1,
        HUGE - PAGE,
        HUGE,
        HUGE + PAGE,
        2 * HUGE,
        last,
        last - PAGE,
        (last + PAGE) & TOP,
        1 << 63,
        TOP - PAGE + 1,
        TOP - PAGE + 2,
        TOP,
    )


class Ranges:
    """Draws addresses and lengths in bytes; every number is unsigned and below 2^64."""

    def __init__(self, random: Random, huge: bool, machine: Machine) -> None:
        self.random = random
        self.huge = huge
        self.machine = machine
        self.odd_addresses = odd_addresses(machine)
        self.odd_lengths = odd_lengths(machine)

    def address(self, space: list[Area]) -> int:
        """A page address: an area's border or inside, or one of the arena's pages; rarely odd."""
        random = self.random
        draw = random.random()
        if draw < 0.02:
            return random.choice(self.odd_addresses)
        if draw < 0.04 and self.machine.borders:
            border = random.choice(self.machine.borders)
            return border + PAGE * random.randint(-4, 4)
        if draw < 0.06 and self.huge:
            return HUGE_ARENA + random.randrange(0, 4 * HUGE // PAGE, 128) * PAGE
        if draw < 0.40 or not space:
            return ARENA + random.randrange(ARENA_PAGES) * PAGE
        area = random.choice(space)
        draw = random.random()
        if draw < 0.3:
            at = area.start
        elif draw < 0.45:
            at = area.end
        elif draw < 0.55:
            at = area.start - PAGE * random.randint(1, 3)
        elif draw < 0.60:
            at = area.end + PAGE * random.randint(1, 3)
        elif draw < 0.62:
            at = area.start - 256 * PAGE + PAGE * random.randint(-2, 2)
        else:
            at = area.start + PAGE * random.randrange(min(area.pages, 64))
        return max(at, 0) & TOP

    def inside(self, space: list[Area]) -> int:
        """A page address inside some area (any address if there is none)."""
        if not space:
            return self.address(space)
        area = self.random.choice(space)
        return area.start + PAGE * self.random.randrange(min(area.pages, 64))

    def spoil(self, value: int) -> int:
        """``value``, rarely a few bytes off."""
        if self.random.random() < 0.02:
            return (value + self.random.choice([1, 8, 0x10, PAGE - 1, PAGE // 2])) & TOP
        return value

    def length(self, at: int, space: list[Area]) -> int:
        """A length for a range at ``at``: some pages, or up to an area's border; rarely odd."""
        random = self.random
        draw = random.random()
        if draw < 0.03:
            return random.choice(self.odd_lengths)
        if draw < 0.06 and self.huge:
            return random.choice([HUGE, HUGE, 2 * HUGE, HUGE + PAGE, HUGE // 2])
        if draw < 0.40:
            later = [area.end for area in space if area.end > at]
            later += [area.start for area in space if area.start > at]
            near = sorted(border for border in later if border - at <= 128 * PAGE)[:6]
            if near:
                return random.choice(near) - at
        return PAGE * random.choice([1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 7, 8, 12])

    def small_length(self) -> int:
        """A length for a mapping whose place the kernel chooses."""
        random = self.random
        if random.random() < 0.03:
            return random.choice(self.odd_lengths)
        if random.random() < 0.05 and self.huge:
            return random.choice([HUGE, 2 * HUGE, HUGE + PAGE, HUGE - PAGE])
        return PAGE * random.choice([1, 1, 1, 2, 2, 3, 4, 6])

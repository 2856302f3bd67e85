"""What a step changed, as the checks see it."""

import pytest

from mmtwin.check.addresses import AddressSet
from mmtwin.check.overlay import Overlay
from mmtwin.check.tally import Tally
from mmtwin.memory.memory import Memory


def test_an_overlay_holds_the_words_as_they_were_at_the_mark() -> None:
    """Of several stores to a word the oldest value counts."""
    memory = Memory(1 << 20, journal=True)
    at = memory.boot_alloc(1024, 256)
    memory.store(at, 1)
    mark = memory.mark()
    for value in (2, 3, 4):
        memory.store(at, value)
    memory.store(at + 512, 9)
    overlay = Overlay(memory)
    overlay.load(mark)
    index = (at - memory.base) >> 3

    assert overlay.count == 2
    assert overlay.was(index) == 1
    assert overlay.was(index + 1) == 0
    assert overlay.was(index + 64) == 0
    assert overlay.changed(index)
    assert not overlay.changed(index + 1)
    assert overlay.find(index + 32) == -1


def test_an_overlay_of_many_blocks() -> None:
    """More than it has room for at first; a second load forgets the first."""
    memory = Memory(4 << 20, journal=True)
    at = memory.boot_alloc(1 << 20, 256)
    mark = memory.mark()
    for block in range(1000):
        memory.store(at + 256 * block, block + 1)
    overlay = Overlay(memory)
    overlay.load(mark)
    first = (at - memory.base) >> 3

    assert overlay.count == 1000
    assert all(overlay.was(first + 32 * block) == 0 for block in range(1000))
    overlay.load(memory.mark())
    assert overlay.count == 0
    assert overlay.was(first) == 1


def test_an_overlay_needs_a_journal() -> None:
    """Without one nobody knows what changed."""
    with pytest.raises(ValueError, match="journal"):
        Overlay(Memory(1 << 20)).load(0)


def test_an_address_set() -> None:
    """Members until cleared; grows."""
    addresses = AddressSet()
    for address in range(0x1000, 0x1000 + 8 * 2000, 8):
        assert addresses.add(address)
        assert not addresses.add(address)

    assert len(addresses) == 2000
    assert addresses.has(0x1008)
    assert 0x1004 not in addresses
    addresses.clear()
    assert not addresses.has(0x1008)


def test_a_tally() -> None:
    """Rows in the order in which the addresses came, sums that may go below zero."""
    tally = Tally()
    for address in range(0x1000, 0x1000 + 256 * 300, 256):
        tally.bump(address, 2, -3)
        tally.bump(address, 2, 1)

    assert tally.count == 300
    assert tally.address(17) == 0x1000 + 256 * 17
    assert {tally.sum(tally.row(tally.address(nth)), 2) for nth in range(300)} == {-2}
    tally.clear()
    assert tally.count == 0
    assert tally.sum(tally.row(0x1000), 2) == 0

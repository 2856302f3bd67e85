import pytest

from mmtwin.memory.allocator import Arena
from mmtwin.memory.errors import PoisonedAccess
from mmtwin.memory.memory import PAGE, Memory
from mmtwin.memory.sanitizer import POISON, Sanitizer


def watched(*, uninitialised: bool = False) -> tuple[Memory, Arena]:
    memory = Memory(256 * PAGE, journal=True)
    Sanitizer(memory, uninitialised=uninitialised)
    return memory, Arena(memory, 128, 128, "thing")


def test_a_load_after_free_is_refused_with_its_kind() -> None:
    memory, arena = watched()
    address = arena.alloc(0)
    memory.store(address, 5)
    assert memory.load(address) == 5
    arena.free(address)
    with pytest.raises(PoisonedAccess, match="use-after-free") as caught:
        memory.load(address)
    assert caught.value.kind == "use-after-free"
    with pytest.raises(PoisonedAccess, match="use-after-free"):
        memory.store32(address + 4, 1)


def test_a_freed_object_is_filled_with_poison() -> None:
    memory, arena = watched()
    address = arena.alloc(0)
    arena.free(address)
    memory.watch(None)
    assert memory.load(address) == POISON
    assert memory.load(address + 120) == POISON


def test_an_object_handed_out_again_may_be_used() -> None:
    memory, arena = watched()
    address = arena.alloc(0)
    arena.free(address)
    assert arena.alloc(0) == address
    memory.store(address, 1)
    assert memory.load(address) == 1


def test_memory_not_handed_out_is_out_of_bounds() -> None:
    memory, arena = watched()
    address = arena.alloc(0)
    with pytest.raises(PoisonedAccess, match="out-of-bounds"):
        memory.load(address + 128)


def test_a_word_never_stored_is_uninitialised_when_asked_for() -> None:
    memory, arena = watched(uninitialised=True)
    address = arena.alloc(0)
    with pytest.raises(PoisonedAccess, match="uninitialised"):
        memory.load(address + 8)
    memory.store(address + 8, 0)
    assert memory.load(address + 8) == 0


def test_the_shadow_moves_with_the_present() -> None:
    memory, arena = watched()
    address = arena.alloc(0)
    memory.store(address, 7)
    alive = memory.mark()
    arena.free(address)
    with memory.at(alive):
        assert memory.load(address) == 7
    with pytest.raises(PoisonedAccess):
        memory.load(address)

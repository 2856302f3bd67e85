"""A reader and a writer on one tree, interleaved at will.

The writer runs first, and the journal has its stores in order. Moving the present along the journal
is then the writer at work, as far and as slowly as one likes: also between two loads of a reader.
Loads and stores are seen in program order, as on a machine with a strong memory model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maple_trees import ALLOC, RCU, Tree, value
from model import Map

from mmtwin.machine.gfp import GFP_KERNEL
from mmtwin.maple.maple import Maple
from mmtwin.memory.memory import Memory
from mmtwin.memory.sanitizer import Sanitizer

PATIENCE = 400
"""More loads than any reader here makes that meets a dead node once or twice."""

Step = tuple[int, int, int | None]
"""A store: first, last, number or None."""

Found = list[tuple[int, int, int | None]]
"""What a reader says: ranges (first, last, number or None) in the order it met them."""


class Turns:
    """Watches the reader's loads and moves the writer on before some of them.

    ``turns`` are (number of the load, journal position), the loads counted from 0. A reader that
    has made ``patience`` loads without an answer is waiting for the writer, who then moves on by
    one of ``later`` at every load; ``waiting`` counts such readers. Everything is passed on to the
    sanitizer.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.sanitizer = Sanitizer(memory)
        self.loads = 0
        self.turns: list[tuple[int, int]] = []
        self.patience = 1 << 60
        self.later: list[int] = []
        self.reader: object = None
        self.waiting: Counter[object] = Counter()
        memory.watch(self)

    def on_load(self, address: int, size: int) -> None:
        if not self.sanitizer.busy:
            if self.turns and self.turns[0][0] == self.loads:
                self.memory.go(self.turns.pop(0)[1])
            if self.loads == self.patience:
                self.waiting[self.reader] += 1
            if self.loads >= self.patience and self.later:
                self.memory.go(self.later.pop(0))
            self.loads += 1
        self.sanitizer.on_load(address, size)

    def on_store(self, address: int, size: int) -> None:
        self.sanitizer.on_store(address, size)

    def on_reserve(self, address: int, size: int) -> None:
        self.sanitizer.on_reserve(address, size)

    def on_release(self, address: int, size: int) -> None:
        self.sanitizer.on_release(address, size)

    def on_alloc(self, address: int, size: int) -> None:
        self.sanitizer.on_alloc(address, size)

    def on_free(self, address: int, size: int) -> None:
        self.sanitizer.on_free(address, size)


class Watched(Tree):
    """A tree with a journal, every access of which is watched."""

    def __init__(self, flags: int, era: str, engine: type[Maple] = Maple) -> None:
        memory = Memory(1 << 21, journal=True)
        self.turns = Turns(memory)
        super().__init__(flags, era, engine=engine, memory=memory)

    def word(self, number: int) -> int:
        """Word ``number`` of physical memory, unwatched."""
        return int.from_bytes(self.memory.physical[8 * number : 8 * number + 8], "little")


@dataclass
class Scene:
    """A tree before, between and after the writer's steps.

    ``positions[n]`` is where version ``n`` is complete; ``versions[n]`` its content. ``points`` are
    the positions at which a reader can tell the states apart.
    """

    tree: Watched
    positions: list[int]
    versions: list[Map]
    points: list[int]


def scene(
    ranges: Sequence[Step],
    steps: Sequence[Step],
    *,
    era: str,
    flags: int = ALLOC | RCU,
    engine: type[Maple] = Maple,
    barrier: bool = False,
) -> Scene:
    """Build a tree of ``ranges``, then let the writer carry out ``steps``.

    No grace period ends, unless ``barrier`` asks for what no kernel does: end it while readers are
    still there.
    """
    tree, content = Watched(flags, era, engine), Map()
    for first, last, number in ranges:
        assert tree.store(first, last, number) == 0
        content.store(first, last, number)
    tree.maple.rcu_barrier()
    reachable = reachable_words(tree)
    positions, versions = [tree.memory.mark()], [content]
    for first, last, number in steps:
        entry = 0 if number is None else value(number)
        assert tree.maple.mtree_store_range(tree.address, first, last, entry, GFP_KERNEL) == 0
        content = Map()
        content.slots = list(versions[-1].slots)
        content.store(first, last, number)
        if barrier:
            tree.maple.rcu_barrier()
        positions.append(tree.memory.mark())
        versions.append(content)
    return Scene(tree, positions, versions, visible_points(tree, positions, reachable))


def reachable_words(tree: Watched) -> set[int]:
    """The numbers of all words of the tree's struct and nodes, where a reader may look."""
    base = tree.memory.base
    found = {(tree.address - base + at) >> 3 for at in (0, 8, 16)}
    root = tree.maple.root(tree.address)
    waiting = [(root & ~2, tree.top)] if root & 3 == 2 and root > 4096 else []
    while waiting:
        enode, high = waiting.pop()
        node, kind = enode & ~255, enode >> 3 & 15
        found.update(range((node - base) >> 3, (node - base + 256) >> 3))
        if kind > 1:
            end = tree.maple.ma_data_end(node, kind, high)
            for at in range(end + 1):
                last = high if at == end else tree.maple.pivot(node, at)
                waiting.append((tree.maple.slot(node, kind, at), last))
    return found


def visible_points(tree: Watched, positions: list[int], reachable: set[int]) -> list[int]:
    """The first position, and every one behind a store that a reader may notice.

    A store to a word that no reader can reach, in a node that is not yet published or in the
    allocator, tells nobody anything: the states before and after it are one. A node becomes
    reachable when its address is stored to a word that is.
    """
    memory, base = tree.memory, tree.memory.base
    journal = memory.journal
    assert journal is not None
    points = [positions[0]]
    for at in range(positions[0], positions[-1]):
        if journal.entry_index(at) not in reachable:
            continue
        points.append(at + 1)
        memory.go(at + 1)
        node = tree.word(journal.entry_index(at)) & ~255
        words = range((node - base) >> 3, (node - base + 256) >> 3)
        if base <= node < base + memory.size and words[0] not in reachable:
            reachable.update(words)
    memory.go(positions[-1])
    return sorted({*points, *positions})


# Readers. Each looks at ``low`` to ``high`` (inclusive) as far as it can be told to.


def load(tree: Watched, low: int, high: int) -> Found:
    return [(low, low, tree.load(low))]


def walk(tree: Watched, low: int, high: int) -> Found:
    mas = tree.state(low)
    entry = tree.maple.mas_walk(mas)
    return [(mas.index, mas.last, tree.number(entry))]


def forwards(tree: Watched, low: int, high: int) -> Found:
    mas, found = tree.state(low), []
    while entry := tree.maple.mas_find(mas, high):
        found.append((mas.index, mas.last, tree.number(entry)))
    return found


def backwards(tree: Watched, low: int, high: int) -> Found:
    mas, found = tree.state(high), []
    while entry := tree.maple.mas_prev(mas, low):
        found.append((mas.index, mas.last, tree.number(entry)))
    return found


def find_back(tree: Watched, low: int, high: int) -> Found:
    mas, found = tree.state(high), []
    while entry := tree.maple.mas_find_rev(mas, low):
        found.append((mas.index, mas.last, tree.number(entry)))
    return found


Reader = Callable[[Watched, int, int], Found]
Look = tuple[Reader, int, int]
POINT_READERS = (load, walk)
READERS = (load, walk, forwards, backwards, find_back)


def run(scene: Scene, look: Look, turns: Sequence[tuple[int, int]]) -> int:
    """Let a reader run, the writer moving on before its loads as ``turns`` say; the first turn is
    where it begins. Returns the number of loads; AssertionError if it saw what never was."""
    tree, memory = scene.tree, scene.tree.memory
    reader, low, high = look
    memory.go(turns[0][1])
    tree.turns.turns = list(turns[1:])
    tree.turns.loads = 0
    tree.turns.patience = PATIENCE
    tree.turns.reader = reader
    tree.turns.later = [at for at in scene.points if at > turns[-1][1]]
    found = reader(tree, low, high)
    loads = tree.turns.loads
    tree.turns.turns, tree.turns.patience = [], 1 << 60
    judge(scene, look, turns[0][1], memory.mark(), found)
    return loads


def judge(scene: Scene, look: Look, begin: int, end: int, found: Found) -> None:
    """Each range found was in one of those versions that were there meanwhile, wherever one looks
    in it; and what was there all the time was found, once, in order."""
    reader, low, high = look
    first = max(n for n, at in enumerate(scene.positions) if at <= begin)
    last = min(n for n, at in enumerate(scene.positions) if at >= end)
    # A store that changes nothing completes where it begins: either version will do.
    versions = scene.versions[min(first, last) : max(first, last) + 1]
    for a, b, number in found:
        for at in {a, b, low} if a <= low <= b else {a, b}:
            seen = {version.at(at)[2] for version in versions}
            assert number in seen, f"{look}: {a}-{b} {number}, but at {at} there was {seen}"
    if reader in POINT_READERS:
        return
    always = set(versions[0].entries()).intersection(*(v.entries() for v in versions[1:]))
    if reader is find_back:
        # mas_find_rev() does not go back to a direct entry, with or without a writer.
        always = {entry for entry in always if entry[1] != 0}
    top = high - 1 if reader is backwards else high
    due = sorted(
        (a, b, n)
        for a, b, n in always
        if b >= low and (b <= top if reader is backwards else a <= top)
    )
    if reader is not forwards:
        due.reverse()
    met = [entry for entry in found if entry in always]
    assert met == due, f"{look}: {met} instead of {due}"

"""Operation sequences for the comparison: random and adversarial, each fixed by its seed.

A family is a way of making trouble: dense small domains where every path of a store is met within
a few hundred operations, wide ones, what a memory map does, states that walk and write, failing
allocations, and so on. All sequences are legal uses of the 6.1 interface: a state is not used
across a change that it did not make itself, and the two calls that are broken in 6.1
(mtree_alloc_range and its reverse) are left out.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from random import Random

from mmtwin.kernels.ktree.protocol import MAX, Gfp, Op

ALLOC_RANGE = 0x01
USE_RCU = 0x02
LOCK_EXTERN = 0x300
ZERO_ENTRY = 0x406
"""XA_ZERO_ENTRY: may be stored, hidden by the plain loads."""

PAGE = 4096
USER_TOP = {64: 0x7FFFFFFFF000, 32: 0xC0000000}
"""Where user addresses end, by word size."""
STEPS = 6
"""Most steps of a state's walk: a find past the end creeps in 6.1, and must stay in the node."""


class Script:
    """Collects operations. Entries are numbered, so that no two stores look alike."""

    def __init__(self, random: Random, domain: int, longest: int, bits: int) -> None:
        self.random = random
        self.top = (1 << bits) - 1
        """the last index of a tree"""
        self.user_top = USER_TOP[bits]
        self.domain = self.top if domain == MAX else min(domain, (self.top >> 4) + 1)
        """ranges lie in 0..domain-1"""
        self.longest = max(1, longest * self.domain // domain)
        """most indexes of the usual range"""
        self.words = array("Q")
        self.stored = 0
        self.gfp = Gfp.KERNEL
        self.rarity = random.choice((40, 300, 3000))
        """one range in so many / 4 is long or reaches an edge; rare ones let the tree grow tall"""

    def add(
        self, op: Op, a: int = 0, b: int = 0, c: int = 0, d: int = 0, tree: int = 0, state: int = 0
    ) -> None:
        """Append one operation with the allocation flags of the moment."""
        self.words.extend((op | tree << 8 | state << 16 | self.gfp << 24, a, b, c, d))

    def entry(self) -> int:
        """A fresh value entry."""
        self.stored += 1
        return self.stored << 1 | 1

    def odd_entry(self) -> int:
        """A fresh entry of any kind a tree may hold: value, pointer, low bits 10, zero entry."""
        kind = self.random.randrange(8)
        self.stored += 1
        if kind == 0:
            return ZERO_ENTRY
        if kind == 1:
            return 0x100000 + (self.stored << 2) | 2
        if kind < 5:
            return 0x100000 + (self.stored << 2)
        return self.stored << 1 | 1


class Family:
    """A kind of sequence: how it picks ranges and what it does with them."""

    def __init__(
        self,
        name: str,
        domain: int,
        longest: int,
        moves: Callable[[Script, Family], None],
        filled: int = 0,
    ) -> None:
        self.name = name
        self.domain = domain
        """ranges lie in 0..domain-1, where a tree is that large"""
        self.longest = longest
        self.moves = moves
        self.filled = filled
        """most ranges that lie in the tree before the first move"""

    def range(self, script: Script) -> tuple[int, int]:
        """A range of the domain, both ends inclusive; at times single, long, or up to the edges."""
        random = script.random
        first = random.randrange(script.domain)
        length = random.randrange(script.longest) + 1 if random.randrange(6) else 1
        kind = random.randrange(script.rarity)
        if kind == 0:
            length *= 20
        last = min(first + length - 1, script.domain - 1)
        if kind == 1:
            first = 0
        elif kind == 2:
            last = script.top
        elif kind == 3 and script.domain < 1 << 24:
            first, last = script.top - last, script.top - first
        return first, last

    def script(self, seed: int, operations: int, bits: int = 64) -> array[int]:
        """At least ``operations`` operations on tree 0, from empty; the same for the same seed.

        ``bits`` is the word size of the machine.
        """
        random = Random(f"{self.name} {seed}")
        script = Script(random, self.domain, self.longest, bits)
        flags = random.choice((0, USE_RCU, ALLOC_RANGE, ALLOC_RANGE | USE_RCU))
        script.add(Op.INIT, flags)
        gap(script, self)
        if self.filled:
            fill(script, self)
        begun = len(script.words)
        while len(script.words) < begun + 5 * operations:
            self.moves(script, self)
        return script.words


def empty_window(script: Script) -> tuple[int, int, int]:
    """A window (inclusive) and a size to look for in it.

    Never up to the highest index: there 6.1.192's search from the top computes a length of 0 for
    a slot that begins at 0, and misses the room in it.
    """
    random, domain = script.random, script.domain
    low, high = sorted((random.randrange(domain), random.randrange(domain)))
    if random.randrange(6) == 0:
        low = 0
    if random.randrange(6) == 0:
        high = script.top - 1
    return low, high, random.randrange(1, max(2, min(high - low + 2, domain // 4 + 1)))


def fill(script: Script, family: Family) -> None:
    """Many ranges in order, up, down or at random, with or without gaps between them."""
    random = script.random
    count = random.randrange(family.filled // 4, family.filled)
    step = script.domain // count
    places = list(range(count))
    order = random.randrange(3)
    if order == 1:
        places.reverse()
    elif order == 2:
        random.shuffle(places)
    length = random.choice((step, step // 2, 1)) or 1
    for place in places:
        script.add(Op.STORE_RANGE, place * step, place * step + length - 1, script.entry())


def spans(script: Script, family: Family) -> None:
    """Stores over many ranges at once, up to half of the domain; at times it is filled again."""
    random = script.random
    if random.randrange(family.filled) == 0:
        fill(script, family)
    first = random.randrange(script.domain)
    length = 1 << random.randrange(script.domain.bit_length() - 1)
    last = min(script.top, first + random.randrange(length) + length // 4)
    script.add(Op.STORE_RANGE, first, last, script.entry() if random.randrange(3) else 0)


def tall(script: Script, family: Family) -> None:
    """The usual blend on a tall tree, with a wide overwrite now and then, and a fresh filling."""
    kind = script.random.randrange(4000)
    if kind == 0:
        fill(script, family)
    elif kind < 60:
        spans(script, family)
    else:
        mixed(script, family)


def store(script: Script, family: Family) -> None:
    """A store of a fresh entry."""
    script.add(Op.STORE_RANGE, *family.range(script), script.entry())


def store_null(script: Script, family: Family) -> None:
    """A store of NULL."""
    script.add(Op.STORE_RANGE, *family.range(script))


def erase(script: Script, family: Family) -> None:
    """Erases whatever range holds an index."""
    script.add(Op.ERASE, script.random.randrange(script.domain))


def insert(script: Script, family: Family) -> None:
    """An insert, which fails where anything lies."""
    first, last = family.range(script)
    script.add(Op.INSERT_RANGE, first, last, script.entry() if script.random.randrange(9) else 0)


def look(script: Script, family: Family) -> None:
    """The plain readers."""
    random = script.random
    index, other = random.randrange(script.domain), random.randrange(script.domain)
    script.add(Op.LOAD, index)
    kind = random.randrange(4)
    if kind == 0:
        script.add(Op.FIND, index, random.choice((other, MAX)))
    elif kind == 1:
        script.add(Op.NEXT, index, random.choice((other, MAX)))
    elif kind == 2:
        script.add(Op.PREV, index, random.choice((other, 0)))
    else:
        script.add(Op.FIND_AFTER, random.choice((index, 0, MAX)), MAX)


def gap(script: Script, family: Family) -> None:
    """A search for an empty window, at times filled through the same state."""
    random = script.random
    low, high, size = empty_window(script)
    script.add(Op.MAS_INIT)
    if random.randrange(2):
        script.add(random.choice((Op.MAS_EMPTY_AREA, Op.MAS_EMPTY_AREA_REV)), low, high, size)
    else:
        op = random.choice((Op.MAS_FILL, Op.MAS_FILL_REV))
        script.add(op, low, high, script.entry(), size)
        script.add(Op.MAS_DESTROY)


def walk(script: Script, family: Family) -> None:
    """A state that walks some steps, forwards or backwards, with changes of mind."""
    random = script.random
    index = random.randrange(script.domain)
    script.add(Op.MAS_INIT, index, index)
    forward = random.randrange(2)
    for _ in range(random.randrange(1, STEPS)):
        kind = random.randrange(12)
        limit = random.choice((MAX, MAX, random.randrange(script.domain)))
        if kind < 4:
            script.add(Op.MAS_FIND if forward else Op.MAS_FIND_REV, limit if forward else 0)
        elif kind < 8:
            script.add(Op.MAS_NEXT if forward else Op.MAS_PREV, limit if forward else 0)
        elif kind == 8:
            script.add(Op.MAS_PAUSE)
        elif kind == 9:
            script.add(Op.MAS_RESET)
            script.add(Op.MAS_WALK)
        else:
            forward = 1 - forward


def state_write(script: Script, family: Family) -> None:
    """Writes through a state: stores, stores that go on from where it stands, erases."""
    random = script.random
    first, last = family.range(script)
    script.add(Op.MAS_INIT, first, last)
    for _ in range(random.randrange(1, 4)):
        kind = random.randrange(8)
        entry = script.entry() if random.randrange(4) else 0
        if kind < 3:
            script.add(Op.MAS_STORE_GFP, c=entry)
        elif kind == 3:
            script.add(Op.MAS_ERASE)
        elif kind == 4:
            script.add(Op.MAS_STORE, c=entry)
            script.add(Op.MAS_NOMEM)
            script.add(Op.MAS_DESTROY)
        elif kind == 5:
            script.add(Op.MAS_PREALLOCATE, c=entry)
            script.add(Op.MAS_STORE_PREALLOC, c=entry)
        elif kind == 6:
            script.add(Op.MAS_PREALLOCATE, c=entry)
            script.add(Op.MAS_DESTROY)
        first, last = family.range(script)
        script.add(Op.MAS_SET, first, last)


def mixed(script: Script, family: Family) -> None:
    """The usual blend: mostly writes, some of everything else."""
    kind = script.random.randrange(100)
    if kind < 40:
        store(script, family)
    elif kind < 58:
        store_null(script, family)
    elif kind < 66:
        erase(script, family)
    elif kind < 70:
        insert(script, family)
    elif kind < 76:
        look(script, family)
    elif kind < 84:
        gap(script, family)
    elif kind < 92:
        walk(script, family)
    else:
        state_write(script, family)


def writes(script: Script, family: Family) -> None:
    """Nothing but writes."""
    kind = script.random.randrange(20)
    (store if kind < 12 else store_null if kind < 18 else erase)(script, family)


def growing_and_shrinking(script: Script, family: Family) -> None:
    """Long runs in one direction: the tree gains levels, then loses them."""
    random = script.random
    at = random.randrange(script.domain)
    step = random.choice((1, 2, 3, 10))
    down = random.randrange(2)
    filled = random.randrange(3) > 0
    for _ in range(random.randrange(10, 60)):
        last = at + random.randrange(step)
        script.add(Op.STORE_RANGE, at, last, script.entry() if filled else 0)
        at = at - step if down and at >= step else at + step
    if random.randrange(3) == 0:
        first, last = family.range(script)
        script.add(Op.STORE_RANGE, first, min(script.top, last + script.domain // 3))


def odd_entries(script: Script, family: Family) -> None:
    """Pointers, zero entries and entries with low bits 10, often at index 0."""
    random = script.random
    kind = random.randrange(10)
    if kind < 3:
        script.add(Op.STORE_RANGE, 0, random.choice((0, 0, 1, 5, MAX)), script.odd_entry())
    elif kind < 7:
        script.add(Op.STORE_RANGE, *family.range(script), script.odd_entry())
    elif kind == 7:
        script.add(Op.STORE_RANGE, 0, random.choice((0, 3, script.domain, MAX)))
    else:
        mixed(script, family)


def rcu_toggles(script: Script, family: Family) -> None:
    """The usual blend with RCU mode going on and off and grace periods in between."""
    random = script.random
    if random.randrange(12) == 0:
        script.add(Op.SET_RCU, random.randrange(2))
    elif random.randrange(12) == 0:
        script.add(Op.GRACE)
    else:
        mixed(script, family)


def failing(script: Script, family: Family) -> None:
    """Allocations that fail: the n-th from now, or all, with and without a retry.

    Not "all from the n-th on": 6.1 tries again as long as it holds any node, for ever.
    """
    random = script.random
    script.gfp = random.choice((Gfp.NOWAIT, Gfp.KERNEL, Gfp.ATOMIC))
    nth = random.randrange(1, 9)
    script.add(Op.FAIL, nth, nth == 1 and random.randrange(2))
    first, last = family.range(script)
    kind = random.randrange(6)
    if kind < 2:
        script.add(Op.STORE_RANGE, first, last, script.entry())
    elif kind == 2:
        script.add(Op.STORE_RANGE, first, last)
    elif kind == 3:
        script.add(Op.INSERT_RANGE, first, last, script.entry())
    elif kind == 4:
        script.add(Op.MAS_INIT, first, last)
        script.add(Op.MAS_PREALLOCATE, c=3)
        script.add(Op.MAS_DESTROY)
    else:
        script.add(Op.MAS_INIT, first, last)
        script.add(Op.MAS_STORE_GFP, c=script.entry())
        script.add(Op.MAS_DESTROY)
    script.add(Op.FAIL, 0)
    script.gfp = Gfp.KERNEL
    for _ in range(3):
        mixed(script, family)


def memory_map(script: Script, family: Family) -> None:
    """What a process does to its map: mmap, munmap, mprotect, brk, stack growth, fork, exit."""
    random = script.random
    size = PAGE * random.choice((1, 1, 1, 2, 4, 16, 33, random.randrange(1, 3000)))
    kind = random.randrange(20)
    where = script.user_top - PAGE * random.randrange(1, 20000)
    if kind < 9:
        script.add(Op.MAS_INIT)
        script.add(Op.MAS_FILL_REV, PAGE, script.user_top - 1, script.entry(), size)
        script.add(Op.MAS_DESTROY)
    elif kind < 12:
        script.add(Op.STORE_RANGE, where, where + size - 1)
    elif kind < 15:
        script.add(Op.STORE_RANGE, where, where + size - 1, script.entry())
    elif kind < 17:
        script.add(Op.MAS_INIT, where, where)
        script.add(Op.MAS_REPLACE, script.user_top, 0, script.entry())
        script.add(Op.MAS_DESTROY)
    elif kind == 17:
        script.add(Op.FIND, where, MAX)
    elif kind == 18:
        script.add(Op.ERASE, where)
    elif random.randrange(10) == 0:
        fork(script)


def fork(script: Script) -> None:
    """A second tree filled in order with room set aside beforehand, looked at, and destroyed.

    Never less room than is used: 6.1 then runs out of nodes in the middle of a split and crashes.
    """
    random = script.random
    count = random.randrange(1, 200)
    script.add(Op.INIT, random.choice((0, ALLOC_RANGE, ALLOC_RANGE | LOCK_EXTERN)), tree=1)
    script.add(Op.MAS_INIT, tree=1, state=1)
    script.add(Op.MAS_EXPECTED, random.choice((count, count, count + 20, 3 * count)), state=1)
    at = PAGE * random.randrange(3)
    for _ in range(count):
        size = PAGE * random.randrange(1, 9)
        script.add(
            Op.MAS_SET if random.randrange(30) == 0 else Op.MAS_KEEP, at, at + size - 1, state=1
        )
        script.add(Op.MAS_STORE, c=script.entry(), state=1)
        at += size + PAGE * random.choice((0, 0, 1, 50))
    script.add(Op.MAS_DESTROY, state=1)
    script.add(Op.MAS_INIT, tree=1, state=1)
    script.add(Op.MAS_EMPTY_AREA, 0, at + 4 * PAGE, PAGE, state=1)
    script.add(Op.DESTROY, tree=1)


FAMILIES = (
    Family("tiny", 24, 6, mixed),
    Family("small", 200, 12, mixed),
    Family("small writes", 400, 20, writes),
    Family("medium", 4000, 30, mixed),
    Family("runs", 3000, 20, growing_and_shrinking),
    Family("odd entries", 150, 10, odd_entries),
    Family("rcu", 500, 20, rcu_toggles),
    Family("failing", 300, 15, failing),
    Family("memory map", USER_TOP[64], 64 * PAGE, memory_map),
    Family("wide", 1 << 36, 1 << 22, mixed),
    Family("whole", MAX, 1 << 58, mixed),
    Family("medium writes", 20000, 40, writes),
    Family("tall", 40000, 12, tall, filled=4000),
    Family("tall spans", 10000, 12, spans, filled=2000),
    Family("tall runs", 30000, 30, growing_and_shrinking, filled=1500),
)


def family_of(seed: int) -> Family:
    """The family that a seed belongs to."""
    return FAMILIES[seed % len(FAMILIES)]


def scripts(seeds: range, operations: int) -> Iterator[tuple[int, Family, array[int]]]:
    """The scripts of some seeds, each of at least ``operations`` operations."""
    for seed in seeds:
        family = family_of(seed)
        yield seed, family, family.script(seed, operations)

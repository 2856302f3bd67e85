"""Address spaces: the step check and the whole check find the same damage, or neither any."""

import random
from collections.abc import Iterator

import pytest

from mmtwin.check.step import STEP_RULES
from mmtwin.memory.layout import Layout
from mmtwin.regressions.story import READ, RW, SpaceBench

Kinds = dict[str, tuple[list[int], Layout | None]]


def fork(bench: SpaceBench) -> str:
    """A child that stays."""
    task = bench.space.task_alloc(bench.task)
    mm = bench.space.dup_mmap(bench.mm, task)
    at = bench.twin.layouts.task_struct.offset("mm")
    bench.memory.store(task + at, mm)
    bench.twin.pids.add(2, task)
    return "fork"


def life(bench: SpaceBench) -> Iterator[str]:
    """Areas of all kinds come, change and go."""
    file = bench.space.open_file("/lib/x.so", 254, 0, 7, 2)
    yield bench.map(0, 8)
    yield bench.write(0, 8)
    yield bench.map(20, 30, READ, file=file)
    yield bench.protect(2, 4, READ)
    yield bench.map(40, 44, RW, 0x1 ^ 0x2 | 0x10)
    yield fork(bench)
    yield bench.write(5, 6)
    yield bench.lock(6, 8)
    yield bench.protect(22, 24, RW)
    yield bench.write(22, 24)
    for page in range(50, 110, 3):
        yield bench.map(page, page + 2, (READ, RW)[page % 2])
    yield bench.protect(2, 4, RW)
    yield bench.unmap(1, 23)
    yield bench.remap(40, 42, 120)
    for page in range(50, 110, 6):
        yield bench.unmap(page, page + 1)


def objects(bench: SpaceBench) -> Kinds:
    """Every structure that a rule reads, by kind."""
    load, layouts = bench.memory.load, bench.twin.layouts
    mms = bench.twin.mms()
    vmas = [vma for mm in mms for vma in bench.space.vmas(mm)]
    chain = layouts.vm_area_struct.offset("anon_vma_chain_next")
    links, anons, inodes = [], set(), set()
    for vma in vmas:
        link = load(vma + chain)
        while link != vma + chain:
            links.append(link - 16)
            anons.add(load(link - 8))
            link = load(link)
        file = load(vma + layouts.vm_area_struct.offset("vm_file"))
        if file:
            inodes.add(load(file + layouts.file.offset("f_inode")))
    nodes: list[int] = []
    for mm in mms:
        collect(bench, load(mm + layouts.mm_struct.offset("mm_mt") + 8), nodes)
    return {
        "vma": (vmas, layouts.vm_area_struct),
        "mm": (mms, layouts.mm_struct),
        "link": (links, layouts.anon_vma_chain),
        "anon_vma": (sorted(anons), layouts.anon_vma),
        "inode": (sorted(inodes), layouts.inode),
        "node": (nodes, None),
    }


def collect(bench: SpaceBench, enode: int, nodes: list[int]) -> None:
    """The nodes of a sound tree."""
    kind = (enode >> 3) & 15
    if enode & 7 < 4:
        return
    nodes.append(enode & ~255)
    if kind > 1:
        for slot in range(10):
            collect(bench, bench.memory.load((enode & ~255) + 80 + 8 * slot), nodes)


def damage(bench: SpaceBench, chance: random.Random, kinds: Kinds) -> str:
    """Change one word of one structure; which."""
    kind = chance.choice([name for name in kinds if kinds[name][0]])
    found, layout = kinds[kind]
    address = chance.choice(found)
    if layout is None:
        at = address + 8 * chance.randrange(32)
    else:
        at = address + chance.choice(list(layout.fields.values())).offset & ~7
    old = bench.memory.load(at)
    value = chance.choice(
        (
            0,
            (1 << 64) - 1,
            old + 0x1000 & (1 << 64) - 1,
            old - 1 & (1 << 64) - 1,
            old ^ 1 << chance.randrange(64),
            chance.choice(chance.choice([k for k, _ in kinds.values() if k])),
            bench.memory.load(chance.choice(found) + at - address),
        )
    )
    bench.memory.store(at, value)
    return f"{kind} {address:#x}+{at - address:#x}: {old:#x} -> {value:#x}"


@pytest.mark.parametrize("kernel", ["6.1", "6.18"])
def test_both_checks_find_damage_or_neither_does(kernel: str) -> None:
    """After each step of a life one or two words are damaged, beside what the step did."""
    bench = SpaceBench(kernel, [])
    memory, spaces = bench.memory, bench.checker.spaces
    chance = random.Random(kernel)
    found = 0
    for what in life(bench):
        present = memory.mark()
        assert spaces.touched(bench.mark, bench.twin.mms()) == []
        assert spaces.full(bench.twin.mms()) == []
        for _ in range(6):
            kinds = objects(bench)
            done = [damage(bench, chance, kinds) for _ in range(chance.choice((1, 1, 2)))]
            mark = chance.choice((bench.mark, present))
            whole = list(spaces.full(bench.twin.mms()))
            changed = spaces.touched(mark, bench.twin.mms())
            touched = [violation for violation in changed if violation.invariant not in STEP_RULES]
            assert bool(whole) == bool(touched), (what, done, whole[:3], touched[:3])
            found += bool(whole)
            memory.rewind(present)
        bench.mark = memory.mark()
    assert found > 100

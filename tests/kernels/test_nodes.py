"""Node for node: what counts as a difference; a guest, where one can be had."""

import copy

import pytest
from typer.testing import CliRunner

from mmtwin.cli import app, commands
from mmtwin.kernels import nodes
from mmtwin.kernels.host.build import NotHereError
from mmtwin.kernels.nodes import same_tree, twin_tree
from mmtwin.kernels.qemu.trees import GuestTree
from mmtwin.machine.profile import profile
from mmtwin.maple.shape import Node
from mmtwin.twin import Twin

RW, ANON, FIXED = 3, 0x22, 0x10
P = 0x1000


def sides() -> tuple[Twin, int, GuestTree]:
    """A twin with forty areas, and a kernel's tree that equals its own."""
    twin = Twin(profile("6.1"), ram=1 << 28)
    mm = twin.space.mm_alloc(twin.space.task_alloc(0))
    twin.space.arch_pick_mmap_layout(mm)
    for at in range(40):
        twin.space.sys_mmap(mm, 0x10000000 + 2 * at * P, P, RW, ANON | FIXED, 0, 0)
    root, flags, areas = twin_tree(twin, mm)
    return twin, mm, GuestTree(copy.deepcopy(root), flags, 40, dict(areas))


def test_equal_trees_differ_in_nothing():
    twin, mm, kernel = sides()
    assert isinstance(kernel.root, Node)
    assert same_tree(twin, mm, kernel) is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda kernel, leaf: leaf.pivots.__setitem__(3, leaf.pivots[3] + P), "pivots"),
        (lambda kernel, leaf: leaf.slots.__setitem__(1, 0), "area"),
        (lambda kernel, leaf: leaf.pivots.pop() and leaf.slots.pop(), "slots in use"),
        (lambda kernel, leaf: setattr(leaf, "meta_end", 1), "metadata"),
        (lambda kernel, leaf: setattr(leaf, "kind", 2), "node here"),
        (lambda kernel, leaf: kernel.root.gaps.__setitem__(0, 7), "gaps"),
        (lambda kernel, leaf: setattr(kernel.root, "widest", 1), "largest gap"),
        (lambda kernel, leaf: setattr(kernel, "flags", 0x303), "ma_flags"),
        (lambda kernel, leaf: setattr(kernel, "map_count", 41), "map_count"),
        (lambda kernel, leaf: kernel.areas.__setitem__(leaf.slots[1], (0, P)), "area"),
    ],
)
def test_every_kind_of_difference_is_seen(change, word):
    twin, mm, kernel = sides()
    leaf = kernel.root.slots[0]
    change(kernel, leaf)
    difference = same_tree(twin, mm, kernel)
    assert difference is not None
    assert word in difference[0]


def invoke(*words: str):
    """The command's end."""
    if not app.app.registered_commands:
        commands.register(app.app)
    return CliRunner().invoke(app.app, ["diff", *words])


def test_what_cannot_be_asked_for_is_said():
    assert invoke("--nodes", "--kernel", "host").exit_code == 2
    assert invoke("--program", "true").exit_code == 2
    told = invoke("--nodes", "--kernel", "qemu", "--program", "/no/such")
    assert told.exit_code == 2
    assert "/no/such is no program" in told.stderr


@pytest.mark.oracle
@pytest.mark.one_mode
def test_a_guests_trees_equal_the_twins():
    try:
        with nodes.on_inspected_guest() as (differ, memory):
            total = nodes.compare_nodes(differ, memory, 1, 400)
    except NotHereError as error:
        pytest.skip(str(error))
    assert (total.found, total.runs_found) == ([], [])
    assert total.trees >= total.runs

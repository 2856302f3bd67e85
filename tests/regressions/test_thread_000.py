"""Thread 000, told to the end: who runs out of memory in a store, and who must not wait."""

import pytest

from mmtwin.machine.bug import KernelWarning
from mmtwin.machine.context import ANON_VMA_RWSEM, Context
from mmtwin.machine.gfp import GFP_KERNEL, GFP_NOFS, GFP_NOWAIT
from mmtwin.memory.memory import Memory
from mmtwin.regressions import run
from mmtwin.regressions.story import SpaceBench
from mmtwin.regressions.thread_000 import LINUX_5_15, RAM, STORIES, merge_under_pressure


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_each_scenario_ends_as_the_thread_tells(story: run.ThreadStory) -> None:
    caught = run.run(run.get(story.name))
    assert run.as_told(story, caught)


def test_the_second_store_runs_out_in_mas_store_prealloc() -> None:
    caught = run.run(run.get("low-memory-spent"))
    assert caught is not None
    assert caught.step == 5
    assert caught.message == "kernel BUG in mas_store_prealloc: mas_is_err(mas)"


def test_nodes_that_sleep_wait_for_a_lock_that_is_held() -> None:
    caught = run.run(run.get("low-memory-sleeping-nodes"))
    assert caught is not None
    assert "fs_reclaim" in caught.message
    assert "&anon_vma->rwsem" in caught.message


@pytest.mark.parametrize("kernel", ["6.1", LINUX_5_15], ids=["6.1", "5.15"])
def test_the_merge_succeeds_because_reclaim_helps_before_the_locks(kernel: object) -> None:
    bench = SpaceBench(kernel, [], ram=RAM)  # type: ignore[arg-type]
    said = list(merge_under_pressure(bench))
    assert said[-1] == "mprotect pages 6..8 to 1"
    events = bench.twin.pages.vm_event
    freed = events("pgsteal_direct") + events("pgsteal_kswapd")
    assert (freed > 0) == (kernel == "6.1")


def test_what_may_be_asked_for_in_which_context() -> None:
    context = Context(Memory(1 << 16))
    context.might_alloc(GFP_KERNEL, "test")
    context.enter_atomic()
    context.might_alloc(GFP_NOWAIT, "test")
    with pytest.raises(KernelWarning, match="invalid context"):
        context.might_alloc(GFP_NOFS, "test")
    context.leave_atomic()
    context.lock(ANON_VMA_RWSEM)
    context.might_alloc(GFP_NOFS, "test")
    with pytest.raises(KernelWarning, match="fs_reclaim"):
        context.might_alloc(GFP_KERNEL, "test")
    context.unlock(ANON_VMA_RWSEM)
    context.might_alloc(GFP_KERNEL, "test")

"""Calls a second: how the rows of ``mmtwin bench replay`` come about."""

from mmtwin.bench.replay import rows, together
from mmtwin.check.run import Check
from mmtwin.trace.generate import workload
from mmtwin.trace.records import Call


def test_the_generated_workloads_together_pay_for_what_is_no_call() -> None:
    found = [(kind, list(workload(kind, 60, seed=1))) for kind in ("malloc", "loader")]
    found.append(("a trace", found[0][1]))
    made = list(rows(iter(found), [Check.OFF]))
    both = together(made, [Check.OFF])
    assert both["calls"] == sum(isinstance(r, Call) for _, rs in found[:2] for r in rs) == 120
    assert both["steps"] == sum(len(records) for _, records in found[:2]) > 120
    seconds = sum(row["off"]["seconds"] for row in made[:2])
    assert both["off"]["calls_a_second"] == round(both["calls"] / seconds)
    assert both["off"]["steps_a_second"] == round(both["steps"] / seconds)

"""A run that was interrupted keeps what it did and never says that all was well."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmtwin.check.run import Check, Run
from mmtwin.machine.profile import PROFILES
from mmtwin.trace.generate import workload
from mmtwin.trace.writer import TraceWriter
from modes import COMPILED


@pytest.mark.parametrize("check", [Check.OFF, Check.TOUCHED, Check.BISECT])
def test_interrupted_is_not_ok(check):
    def on_step(step):
        if step == 20:
            raise KeyboardInterrupt

    result = Run(lambda: workload("jit", 100), PROFILES["6.18"], check=check, on_step=on_step).run()
    assert result.interrupted
    assert not result.ok
    assert not result.findings
    assert 19 <= result.counts.calls <= 21


def test_a_signal_ends_the_command_with_130_and_an_honest_document(tmp_path):
    trace = tmp_path / "long.jsonl.zst"
    with TraceWriter(trace) as writer:
        for record in workload("jit", 300_000):
            writer.write(record)
    begun = trace.stat().st_size // (20 if COMPILED else 150)
    command = [sys.executable, "-m", "mmtwin", "replay", str(trace), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_interrupts
    ) as replay:
        while read_of(replay.pid, trace) < begun:
            assert replay.poll() is None
            time.sleep(0.05)
        replay.send_signal(signal.SIGINT)
        out, err = replay.communicate(timeout=60)
    assert replay.returncode == 130
    assert b"Traceback" not in err
    document = json.loads(out)
    assert document["interrupted"]
    assert not document["ok"]


def heed_interrupts():
    """A suite that runs in the background has started with interrupts ignored; a child would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def read_of(pid, trace):
    """How many bytes of the trace a process has read; 0 where it is not open."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.readlink(link) == str(trace):
                info = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
                return int(info.split()[1])
        except FileNotFoundError:  # closed meanwhile
            continue
    return 0

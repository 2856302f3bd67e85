"""The commands as a user runs them: exit codes, one document, one line of error."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmtwin.data import recorded_compiler
from mmtwin.kernels.diff import on_host
from mmtwin.kernels.host.build import NotHereError

DATA = Path(__file__).parent.parent / "data"
SORT = str(DATA / "sort-big.jsonl.xz")


def mmtwin(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmtwin", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )


def test_a_clean_replay_ends_with_0_and_one_document() -> None:
    ran = mmtwin("replay", "--json", SORT)
    assert (ran.returncode, ran.stderr) == (0, "")
    document = json.loads(ran.stdout)
    assert document["schema"] == 1
    assert document["command"] == "replay"
    assert document["profile"] == "6.18"
    assert document["ok"] is True
    assert document["findings"] == []
    counts = document["counts"]
    assert (counts["calls"], counts["agreed"], counts["disagreed"]) == (174, 174, 0)


def test_a_finding_ends_with_1_and_tells_the_first_bad_step() -> None:
    trace = str(recorded_compiler())
    ran = mmtwin("replay", "--json", "--regression", "stale-node-copy", trace)
    assert (ran.returncode, ran.stderr) == (1, "")
    document = json.loads(ran.stdout)
    (finding, *_) = document["findings"]
    assert finding["kind"] == "invariant"
    assert finding["invariant"] == "MT-09"
    assert finding["regressions"] == ["stale-node-copy"]
    assert finding["evidence"]["before"]["slots"]
    assert document["damage"]["later"] > 0


@pytest.mark.one_mode
def test_the_summary_fits_80_columns_without_colour() -> None:
    ran = mmtwin("replay", "--regression", "stale-node-copy", str(recorded_compiler()))
    assert "FIRST BAD STEP  MT-09" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


@pytest.mark.one_mode
def test_a_page_is_written_whole(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ran = mmtwin("replay", "--quiet", "--report", str(page), SORT)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    text = page.read_text("utf-8")
    assert text.lstrip().lower().startswith("<!doctype html>")
    assert "ok: nothing found" in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.one_mode
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["replay", "/nonexistent.jsonl"], "/nonexistent.jsonl"),
        (["replay", "--regression", "no-such", SORT], "no such regression"),
        (["replay", "--profile", "2.6", SORT], "no such profile"),
        (["replay", "--failslab", "x=y=z", SORT], "--failslab"),
        (["bugs", "show", "no-such"], "no such bug"),
        (["bench", "maple", "--peers", "maple,no-such"], "no such range map no-such"),
        (["bench", "maple", "--sizes", "1e3,many"], "--sizes"),
        (["bench", "maple", "--sizes", "10"], "at least 100"),
        (["bench", "maple", "--rows", "no-such"], "--rows"),
        (["record", "--", "/nonexistent-program"], "nonexistent-program"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = mmtwin(*arguments)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert reason in ran.stderr


@pytest.mark.one_mode
@pytest.mark.parametrize(
    "content", [b"", b"{", b"\0" * 100, b'{"pid":1,"call":"gone"}\n', b"\xfd7zXZ\x00rubbish"]
)
def test_a_broken_trace_names_file_line_and_reason(content: bytes, tmp_path: Path) -> None:
    trace = tmp_path / "broken.jsonl"
    trace.write_bytes(content)
    ran = mmtwin("replay", str(trace))
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"mmtwin: {trace}:1: ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.one_mode
def test_unknown_options_and_commands_are_bad_usage() -> None:
    assert mmtwin("replay", "--nonsense", SORT).returncode == 2
    assert mmtwin("nonsense").returncode == 2


@pytest.mark.one_mode
def test_the_catalogue_lists_and_shows_every_bug() -> None:
    document = json.loads(mmtwin("bugs", "list", "--json").stdout)
    names = [bug["name"] for bug in document["bugs"]]
    assert {"stale-node-copy", "prealloc-spent"} <= set(names)
    shown = mmtwin("bugs", "show", "stale-node-copy")
    assert shown.returncode == 0
    assert "MT-09" in shown.stdout


@pytest.mark.one_mode
def test_the_demo_shows_what_it_promises() -> None:
    ran = mmtwin("demo")
    assert ran.returncode == 0
    assert ran.stdout.count("FIRST BAD STEP") == 2
    assert "ok: nothing found" in ran.stdout


def test_what_was_recorded_replays(tmp_path: Path) -> None:
    trace = tmp_path / "true.jsonl.xz"
    made = mmtwin("record", "--maps", "-o", str(trace), "--", "/bin/ls", "/")
    if "not permitted" in made.stderr or "x86-64" in made.stderr:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0
    counts = json.loads(mmtwin("replay", "--json", str(trace)).stdout)["counts"]
    assert counts["calls"] > 15
    assert counts["disagreed"] == 0


@pytest.mark.one_mode
def test_every_bug_of_the_catalogue_is_caught_as_it_says() -> None:
    ran = mmtwin("bugs", "run", "--all", "--json")
    document = json.loads(ran.stdout)
    assert document["missed"] == []
    assert ran.returncode == 0
    assert document["counts"]["bugs"] >= 40


@pytest.mark.one_mode
def test_a_bug_that_is_found_ends_with_1() -> None:
    ran = mmtwin("bugs", "run", "stale-node-copy", "--json")
    assert ran.returncode == 1
    (finding,) = json.loads(ran.stdout)["findings"]
    assert (finding["invariant"], finding["expected"]) == ("MT-09", True)


@pytest.mark.one_mode
def test_a_bug_is_found_at_random_too() -> None:
    """As the catalogue says; where there is no such search, one line says so."""
    ran = mmtwin("bugs", "run", "null-into-empty", "--random")
    assert ran.returncode == 1
    assert "MT-13 after 19 random operations" in ran.stdout
    assert "after 19 operations" in mmtwin("bugs", "show", "null-into-empty").stdout

    refused = mmtwin("bugs", "run", "reserve-sysctl-storm", "--random")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def comparable() -> None:
    """This machine's kernel is one that the twin knows, and there is a compiler for the agent."""
    try:
        with on_host():
            return
    except NotHereError as error:
        pytest.skip(str(error))


@pytest.mark.one_mode
@pytest.mark.usefixtures("comparable")
def test_diff_keeps_its_state_and_tells_what_it_leaves_out(tmp_path: Path) -> None:
    arguments = ["diff", "--json", "--seed", "5", "--state", str(tmp_path / "state")]
    ran = mmtwin(*arguments, "--calls", "40")
    again = mmtwin(*arguments, "--calls", "80")
    for count, done in ((40, ran), (80, again)):
        assert (done.returncode, done.stderr) == (0, "")
        document = json.loads(done.stdout)
        assert document["counts"] == {"calls": count, "runs": count // 40, "disagreed": 0}
        assert document["not_compared"]
        assert document["interrupted"] is False
    other = mmtwin("diff", "--seed", "6", "--state", str(tmp_path / "state"))
    assert other.returncode == 2
    assert "seed is 5, not 6" in other.stderr


@pytest.mark.one_mode
@pytest.mark.usefixtures("comparable")
def test_diff_writes_a_trace_that_replays(tmp_path: Path) -> None:
    """A bug put back into the twin alone: the trace holds what the kernel said."""
    bug = ["--regression", "munmap-search-limit"]
    where = ["--seed", "19", "--calls", "40", "--traces", str(tmp_path)]
    ran = mmtwin("diff", *bug, *where)
    assert ran.returncode == 1
    assert "munmap(0x10012000, 28*PAGE)" in ran.stdout
    trace = str(tmp_path / "diff-host-19.jsonl")
    assert trace in ran.stdout
    assert mmtwin("replay", "--quiet", trace).returncode == 0
    assert mmtwin("replay", "--quiet", *bug, trace).returncode == 1


@pytest.mark.one_mode
@pytest.mark.usefixtures("comparable")
def test_what_a_command_has_started_ends_with_it(tmp_path: Path) -> None:
    """A request to end is an interrupt: the agent's processes go too."""
    command = ["diff", "--calls", "100000000", "--traces", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-m", "mmtwin", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        started = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        agents: list[str] = []
        while child.poll() is None and not agents:
            time.sleep(0.05)
            agents = started.read_text().split() if started.exists() else []
        assert agents
        child.terminate()
        assert child.wait(timeout=60) == 130
    for agent in agents:
        until = time.monotonic() + 20
        while Path(f"/proc/{agent}").exists():
            assert time.monotonic() < until, "the agent runs on"
            time.sleep(0.05)

"""The repository itself: floors, file sizes, and what must not be in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES_MAX = 480


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [path for name in listed if (path := ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    binary = {".xz", ".gz", ".zst", ".png"}
    return [(path, path.read_text("utf-8")) for path in tracked() if path.suffix not in binary]


def test_no_file_is_too_long_to_be_one_concept() -> None:
    long = [
        (path.name, text.count("\n"))
        for path, text in texts()
        if path.suffix == ".py" and text.count("\n") > LINES_MAX
    ]
    assert not long


def test_no_path_of_a_machine_and_no_registry_is_named() -> None:
    pattern = re.compile("/" + "work/|/" + "root/|https?://" + r"\S*/(simple|packages)\b")
    found = [
        f"{path.name}:{number}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


def test_every_compiled_room_runs_uncompiled_when_asked() -> None:
    code = "import mmtwin.memory.memory as m, cython; print(m.__file__, cython.compiled)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"MMTWIN_PURE": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == [str(ROOT / "src/mmtwin/memory/memory.py"), "False"]


def test_every_package_says_what_it_is() -> None:
    silent = [
        path.parent.name
        for path in (ROOT / "src").rglob("__init__.py")
        if not path.read_text("utf-8").startswith('"""')
    ]
    assert not silent


def test_the_lock_names_no_registry() -> None:
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][\w.]*", line) for line in lines)


def test_no_constant_of_a_compiled_room_is_without_use() -> None:
    """The linters see no dead names at a module's top; a room's constants serve that room."""
    unused = []
    for path, text in texts():
        if path.suffix != ".py" or ROOT / "src" not in path.parents:
            continue
        names = re.findall(r"^([A-Z][A-Z0-9_]*)(?:: [^=\n]*)? = (?:cython\.)?declare\(", text, re.M)
        unused += [
            f"{path.name}: {name}" for name in names if len(re.findall(rf"\b{name}\b", text)) == 1
        ]
    assert not unused

"""The registry."""

import importlib
import re

from mmtwin.check.invariants import REGISTRY, invariant


def test_every_invariant_is_complete() -> None:
    """Stable ids, one-line statements, a source each."""
    for name, rule in REGISTRY.items():
        assert rule.id == name
        assert re.fullmatch(r"(MT|VM)-\d\d", name)
        assert rule.statement.endswith(".")
        assert "\n" not in rule.statement
        assert rule.source
        assert (rule.layer == "maple") == name.startswith("MT")
    assert invariant("MT-09").how == "state"


def test_every_judge_exists_and_names_its_invariant() -> None:
    """The function that the registry names is there, in a module that reports the id."""
    for rule in REGISTRY.values():
        room, kind, method = rule.judge.split(".")
        module = importlib.import_module(f"mmtwin.check.{room}")
        assert getattr(module, kind)
        with open(module.__file__.split(".cpython")[0].removesuffix(".py") + ".py") as source:
            text = source.read()
        assert f"def {method}(" in text
        assert f'"{rule.id}"' in text

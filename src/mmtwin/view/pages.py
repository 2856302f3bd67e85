"""Documentation pages that are made from the code."""

from __future__ import annotations

from mmtwin.check import invariants
from mmtwin.check.page_words import RULES

_JUDGED = (
    "*state* rules are judged from memory alone, by the whole check and by the check of what a "
    "step touched; *step* rules from what a step wrote; *behaviour* rules by asking the tree and "
    "comparing with its leaves."
)


def invariants_page() -> str:
    """docs/invariants.md."""
    lines = [
        "# Invariants",
        "",
        "Every rule has an id that does not change.",
        _JUDGED,
        "This page is made from the registry (`mmtwin.check.invariants`).",
        "",
        "| id | rule | judged from | in the kernel | judged by |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {rule.id} | {_cell(rule.statement)} | {rule.how} | {_cell(rule.source)} "
        f"| `{rule.judge}` |"
        for rule in invariants.REGISTRY.values()
    ]
    lines += [
        "",
        "## The page allocator",
        "",
        "Judged from memory alone (`mmtwin.check.page_words.RULES`).",
        "",
        "| id | rule |",
        "|---|---|",
    ]
    lines += [f"| {name} | {_cell(rule)}. |" for name, rule in RULES.items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

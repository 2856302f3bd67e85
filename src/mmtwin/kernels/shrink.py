"""Makes a failing list of calls as short and plain as it can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mmtwin.kernels.abi import PAGE
from mmtwin.kernels.calls import Call

SET_UP = frozenset(
    (
        "open",
        "memfd_create",
        "ftruncate",
        "fcntl",
        "capset",
        "personality",
        "fork",
        "exit",
        "userfaultfd",
        "uffdio_api",
    )
)
"""Calls whose numbers are left as they are."""

Fails = Callable[[Sequence[Call]], bool]


def without_parts(calls: list[Call], fails: Fails) -> list[Call]:
    """Leave out ever smaller runs of calls while what remains still fails."""
    size = max(len(calls) // 2, 1)
    while True:
        start = 0
        while start < len(calls):
            fewer = calls[:start] + calls[start + size :]
            if fewer and fails(fewer):
                calls = fewer
            else:
                start += size
        if size == 1:
            return calls
        size //= 2


def without_forks(calls: list[Call], fails: Fails) -> list[Call]:
    """Let the parent make its child's calls, while the list still fails."""
    at = 0
    while at < len(calls):
        call = calls[at]
        if call.name == "fork":
            (child,) = call.args
            fewer = calls[:at] + [
                replace(later, slot=call.slot) if later.slot == child else later
                for later in calls[at + 1 :]
            ]
            if fewer and fails(fewer):
                calls = fewer
                continue
        at += 1
    return calls


def simpler(value: int) -> list[int]:
    """Plainer numbers to try for an argument, the plainest first."""
    tries = [0, PAGE]
    if value > PAGE:
        tries += [value & ~(PAGE - 1)]
    if value < 1 << 24:
        tries += [value & ~(1 << bit) for bit in range(24) if value >> bit & 1]
    return [number for number in tries if 0 <= number < value]


def plainer(calls: list[Call], fails: Fails) -> list[Call]:
    """Replace each argument by plainer ones while the list still fails."""
    for index in range(len(calls)):
        if calls[index].name in SET_UP:
            continue
        for place in range(len(calls[index].args)):
            call = calls[index]
            for value in simpler(call.args[place]):
                args = (*call.args[:place], value, *call.args[place + 1 :])
                tried = [*calls[:index], replace(call, args=args), *calls[index + 1 :]]
                if fails(tried):
                    calls = tried
                    break
    return calls


def shrink(calls: Sequence[Call], fails: Fails) -> list[Call]:
    """A short list that still fails, made from ``calls`` (which must fail)."""
    least = without_parts(list(calls), fails)
    while True:
        tried = without_parts(plainer(without_forks(least, fails), fails), fails)
        if tried == least:
            return least
        least = tried

"""failslab: allocations that fail on purpose, as the kernel's fault injection makes them."""

from __future__ import annotations

from mmtwin.machine import gfp as gfp_flags


class FailSlab:
    """Decides which slab allocations fail.

    ``cache`` names the cache (None: every cache); with ``nowait`` only allocations that may not
    sleep fail, which is how low memory looks to a caller that holds a spinlock. Allocations with
    __GFP_NOFAIL never do. The first
    ``after`` allocations that match pass, then ``times`` of them fail (None: all).

    ``seen`` and ``failed`` count what matched and what was refused.
    """

    def __init__(
        self,
        cache: str | None = None,
        *,
        nowait: bool = False,
        after: int = 0,
        times: int | None = None,
    ) -> None:
        self.cache = cache
        self.nowait = nowait
        self.after = after
        self.times = times
        self.seen = 0
        self.failed = 0

    def should_fail(self, name: str, gfp: int) -> bool:
        """Whether this allocation from the cache ``name`` fails."""
        if self.cache is not None and name != self.cache:
            return False
        if gfp & gfp_flags.NOFAIL:
            return False
        if self.nowait and gfp_flags.allows_blocking(gfp):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.failed >= self.times):
            return False
        self.failed += 1
        return True

    @classmethod
    def parse(cls, text: str) -> FailSlab:
        """Read ``maple_node,nowait,after=3,times=1``; any part may be left out.

        :class:`ValueError` names the part that is not understood.
        """
        cache: str | None = None
        numbers: dict[str, int] = {}
        nowait = False
        for part in filter(None, (part.strip() for part in text.split(","))):
            key, equals, value = part.partition("=")
            if part == "nowait":
                nowait = True
            elif equals and key in ("after", "times") and value.isdecimal():
                numbers[key] = int(value)
            elif not equals and cache is None:
                cache = part
            else:
                raise ValueError(f"{part!r} is not a cache, nowait, after=N or times=N")
        return cls(cache, nowait=nowait, after=numbers.get("after", 0), times=numbers.get("times"))

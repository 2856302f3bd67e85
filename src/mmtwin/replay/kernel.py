"""Which kernel a trace was recorded on, told by the trace itself."""

from __future__ import annotations

import re

from mmtwin.trace.records import Exec, Record


def profile_of(first: Record) -> tuple[str, str]:
    """The profile to replay a trace under, and the evidence, from the trace's first record.

    A recorder's ``host`` key is believed; without one the special mappings tell: ``[vvar_vclock]``
    exists since 6.13.
    """
    if isinstance(first, Exec):
        if first.host is not None:
            found = re.match(r"(\d+)\.(\d+)", first.host.kernel)
            if found:
                release = (int(found[1]), int(found[2]))
                if first.host.machine == "s390x":
                    name = "6.1-s390x" if release >= (6, 1) else "5.18-rc6"
                    return name, f"recorded on {first.host.kernel}"
                name = "6.18" if release >= (6, 12) else "6.1"
                if first.host.machine == "x86_64-la57":
                    name += "-la57"
                return name, f"recorded on {first.host.kernel}"
        if "[vvar_vclock]" in first.maps:
            return "6.18", "[vvar_vclock] is mapped"
    return "6.1", "no [vvar_vclock] is mapped"

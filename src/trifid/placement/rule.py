"""What a rule says of a host for a VM.

A rule is asked once for a VM and a view, and answers with a judge of hosts, so that what is the same for all hosts is
found out once; it answers nothing where it does not concern the VM.
"""

from collections.abc import Callable

import msgspec

from trifid.placement.view import HostView, View, WaitingVm


class Verdict(msgspec.Struct, frozen=True):
    """What a rule says of a host.

    Attributes:
        text: why, with the numbers.
        change: the smallest change that would make it hold, to be followed by "it would fit on HOST"; empty when it
            holds, or nothing would do.
        lack: how far it is from holding: 0 = it holds, 1 = nothing of what it asks is there.
    """

    holds: bool
    text: str
    change: str = ""
    lack: float = 0.0


Judge = Callable[[HostView], Verdict | None]


class Rule(msgspec.Struct, frozen=True):
    """A rule of placement.

    Attributes:
        name: what tables call it.
        judge: returns what judges hosts for a VM; None when the rule does not concern the VM.
    """

    name: str
    judge: Callable[[WaitingVm, View], Judge | None]


HOLDS = Verdict(True, "")

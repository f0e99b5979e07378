"""How a lease that is over is ended: it is asked to shut down, and cut off only when it was asked long enough ago.

A lease that is first seen long after its end was not watched until then, or a clock is wrong, or its DURATION was
written a moment ago.  What ends a VM cannot be taken back, so there is time to find out.
"""

import msgspec

from trifid.core.template.lease import moment_text
from trifid.placement.lease_rules import LATE_S_MAX, Pace
from trifid.placement.view import PlacedVm

ACTIVE, SUSPENDED, POWEROFF = 3, 5, 8
RUNNING, SHUTDOWN, UNKNOWN = 3, 12, 16
"""STATEs and LCM_STATEs of VMs (reference/lifecycle.md §1)."""

TERMINATE, CUT_OFF = "terminate", "terminate-hard"


class Ending(msgspec.Struct, frozen=True):
    """What is remembered of a lease that is over; both epoch seconds.

    Attributes:
        seen_at: when it was first seen to be over.
        asked_at: when it was first asked to shut down; None = not yet, as far as is known.
    """

    seen_at: int
    asked_at: int | None = None


class Next(msgspec.Struct, frozen=True):
    """What to do to a lease that is over.

    Attributes:
        word: of one.vm.action; empty = nothing now.
        look_at: when to look again, epoch seconds.
        why: why nothing is done yet, for its owner.
    """

    word: str
    look_at: int
    why: str = ""


def next_of(vm: PlacedVm, end: int, now: int, pace: Pace, known: Ending | None) -> Next:
    """Return what to do at `now` to a lease that was over at `end`.

    Args:
        known: what is remembered; None = it is seen to be over for the first time.
    """
    known = known or Ending(now)
    due = known.seen_at + pace.late_s if known.seen_at > end + LATE_S_MAX else end
    if now < due:
        since, at = moment_text(end), moment_text(due)
        why = f"Its time was over at {since} (UTC): it is terminated at {at} (UTC), unless HAIZEA gives it more"
        return Next("", due, why)
    cut_at = (now if known.asked_at is None else known.asked_at) + pace.overtime_s
    if known.asked_at is not None and cut_at <= now:
        can_be_cut = _can_be_asked(vm) or is_shutting_down(vm)
        return Next(CUT_OFF if can_be_cut else "", cut_at)
    return Next(TERMINATE if _can_be_asked(vm) else "", cut_at)


def is_shutting_down(vm: PlacedVm) -> bool:
    """Tell whether somebody has asked a VM to shut down, and it has not done so yet."""
    return (vm.state, vm.lcm_state) == (ACTIVE, SHUTDOWN)


def _can_be_asked(vm: PlacedVm) -> bool:
    return vm.state in (SUSPENDED, POWEROFF) or (vm.state, vm.lcm_state) in ((ACTIVE, RUNNING), (ACTIVE, UNKNOWN))

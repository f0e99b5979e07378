"""Why a lease that was suspended for others does not go on yet, in words."""

from collections.abc import Collection

from trifid.core.template.lease import moment_text
from trifid.placement import lease_rules as rules
from trifid.placement.timeline import FOREVER, Timeline, Use, fits
from trifid.placement.view import MONITORED

VMS_NAMED_MAX = 5


def why_it_rests(use: Use, line: Timeline, now: int, for_s: int) -> str:
    """Return why one that was suspended does not go on: when it will, or who has its room for an unknown time.

    Args:
        for_s: how long it must have room to go on.
    """
    name = line.host.name
    if line.host.state != MONITORED:
        return f"Suspended for others; it goes on when {name} is monitored again"
    at = line.back_at(use.vm_id, now, for_s)
    if at == now:
        return f"Suspended for others; it goes on on {name} as soon as those leave that are in its room"
    if at is not None:
        return f"Suspended for others; it goes on on {name} after {moment_text(at)} (UTC)"
    free = line.in_the_end(now)
    if fits(use.needs, free):
        before = [one.vm_id for one in line.in_order() if (one.began, one.vm_id) < (use.began, use.vm_id)]
        return f"Suspended for others; it goes on on {name} after {_vms(before)}, there before it"
    ending = {one.vm_id for one in line.movable} | {one.vm_id for one in line.fixed if one.end < FOREVER}
    endless = (line.host.vm_ids | {one.vm_id for one in line.fixed}) - ending
    beside = f"free beside {_vms(endless)} without an end" if endless else f"free on {name}"
    return f"Suspended for others; it cannot go on on {name}: {rules.needs_text(use.needs, free, beside)}"


def _vms(vm_ids: Collection[int]) -> str:
    named = [f"VM {vm_id}" for vm_id in sorted(vm_ids)[:VMS_NAMED_MAX]]
    more = [f"{len(vm_ids) - len(named)} more"] if len(vm_ids) > len(named) else []
    *first, last = named + more
    return f"{', '.join(first)} and {last}" if first else last

"""What leases in time leave to VMs: for ordinary placement, and for whoever explains it or tries it out."""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from trifid.core.template.lease import Kind
from trifid.core.vm.record import Needs
from trifid.errors import BadTemplate
from trifid.placement import lease_rules as rules
from trifid.placement.lease_rules import DEFAULT_PACE, Pace
from trifid.placement.leases import Choice, Chooser, kept_beside, timelines, with_free
from trifid.placement.plan import Plan
from trifid.placement.timeline import FOREVER, Timeline, lesser
from trifid.placement.view import HostView, Kept, View, WaitingVm


def chooser(view: View, placer: Callable[[View], Plan]) -> Chooser:
    """Return what chooses among hosts by ordinary placement.

    Args:
        view: everything but the VMs and hosts that it is asked about.
    """

    def choose(vm: WaitingVm, hosts: Sequence[HostView]) -> Choice:
        plan = placer(replace(view, vms=(vm,), hosts=tuple(hosts)))
        if plan.placements:
            return Choice(plan.placements[0][1], plan.placements[0][2])
        return Choice(why=plan.refusals.get(vm.id, "no host takes it"))

    return choose


def has_leases(view: View) -> bool:
    """Tell whether leases leave less to others than is free."""
    return any(vm.lease is not None for vm in view.vms) or any(vm.lease is not None for vm in view.placed)


def without_kept(hosts: Sequence[HostView], kept: Mapping[int, Kept]) -> tuple[HostView, ...]:
    """Return hosts without what must be left free there."""
    return tuple(_less(host, kept[host.id]) if host.id in kept else host for host in hosts)


def beside_leases(vm: WaitingVm, view: View, placer: Callable[[View], Plan], pace: Pace = DEFAULT_PACE) -> View:
    """Return the view with hosts of which only that is free which a VM may use: beside the leases of all others.

    For one that has an end, or shall start later, that is what is free all of its time.

    Args:
        view: its `placed` must have every lease that was started.
    """
    others = replace(view, vms=tuple(one for one in view.vms if one.id != vm.id))
    if not has_leases(others):
        return view
    lines = timelines(others, chooser(others, placer), pace)
    look = _look(vm, view.now, pace)
    return replace(view, hosts=tuple(_seen(lines[host.id], look) for host in view.hosts))


def _seen(line: Timeline, look: Callable[[Timeline], Needs]) -> HostView:
    if not line.fixed and not line.movable:
        return line.host
    allowed = look(line)
    kept = kept_beside(line.host, allowed, line.promises())
    return replace(with_free(line.host, allowed), kept=kept)


def _look(vm: WaitingVm, now: int, pace: Pace) -> Callable[[Timeline], Needs]:
    """Return what tells how much of a host a VM may use."""
    try:
        terms = rules.terms(vm.lease, vm.since) if vm.lease is not None and vm.host_id < 0 else None
    except BadTemplate:
        terms = None
    if vm.lease is None or terms is None:
        return lambda line: line.free_for_endless(now)
    duration_s = FOREVER if terms.duration_s is None else terms.duration_s
    if terms.kind is Kind.BEST_EFFORT:
        stays_s = duration_s
        if terms.is_preemptible:
            stays_s = min(stays_s, pace.stays_s(rules.needs(vm).memory_mib))
        elif stays_s == FOREVER:
            return lambda line: line.free_for_endless(now)
        return lambda line: lesser(line.free, line.free_for_others(now, now + stays_s))
    begin = vm.lease.mark.start if rules.is_accepted(terms, vm.lease.mark) else terms.start or now
    start, end = max(begin, now), begin + duration_s
    if terms.is_preemptible:
        return lambda line: line.free_for_others(start, end)
    return lambda line: line.free_for_reserved(start, end)


def _less(host: HostView, kept: Kept) -> HostView:
    return replace(
        host,
        free_cpu_percent=host.free_cpu_percent - kept.cpu_percent,
        free_memory_kib=host.free_memory_kib - kept.memory_mib * 1024,
        kept=kept,
    )

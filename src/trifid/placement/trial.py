"""A batch tried out on a view: which VMs would get a place, where, and what the others lack.

VMs whose place was said beforehand come first; the others are placed as the scheduler would place them, together with
those that wait anyway.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import accumulate

import msgspec
from msgspec.structs import replace

from trifid.placement.explain import explain, judges_of
from trifid.placement.lease_room import chooser, has_leases, without_kept
from trifid.placement.lease_rules import ACCEPTED, DEFAULT_PACE, Pace
from trifid.placement.leases import Decisions, decide
from trifid.placement.place import place
from trifid.placement.plan import Plan
from trifid.placement.view import View, WaitingVm
from trifid.placement.what_if import after

EXPLAINED_MAX = 20
"""Kinds of VMs that get no place and are explained; the others are told the scheduler's reason only."""

EXPLAINED_CHARACTERS_MAX = 20_000
"""Characters of the requirements of these, since each comparison is looked at for each host."""

NOWHERE = -1


class Asked(msgspec.Struct, frozen=True):
    """A VM that somebody would place.

    Attributes:
        host_id, datastore_id: where, when that was said; NOWHERE = wherever the scheduler would put it.
    """

    vm: WaitingVm
    host_id: int = NOWHERE
    datastore_id: int = NOWHERE


class Outcome(msgspec.Struct, frozen=True):
    """What would become of a VM.

    Attributes:
        host_id, datastore_id: where it would go, NOWHERE = it would wait.
        why: why it would wait.
        change: the smallest change with which it would fit; empty when nothing is known that would do.
        notes: what a host that was named does not keep of what the scheduler would ask.
    """

    host_id: int = NOWHERE
    datastore_id: int = NOWHERE
    why: str = ""
    change: str = ""
    notes: tuple[str, ...] = ()


def try_out(
    view: View,
    batch: Collection[Asked],
    policy: str = "striping",
    datastore_policy: str = "striping",
    pace: Pace = DEFAULT_PACE,
) -> dict[int, Outcome]:
    """Return what would become of each VM of a batch, by its id.

    Args:
        view: as it is; the VMs that wait in it compete with those of the batch.
            Its `placed` must have every lease that was started.
        policy, datastore_policy: as of `place`.
        pace: how fast VMs come and go, for leases in time.
    """

    def placer(seen: View) -> Plan:
        return place(seen, policy, datastore_policy)

    fixed = [one for one in batch if one.host_id != NOWHERE]
    free = [one.vm for one in batch if one.host_id == NOWHERE]
    found: dict[int, Outcome] = {}
    beside = replace(view, hosts=without_kept(view.hosts, _decided(view, placer, pace).held_back))
    for one in fixed:
        found[one.vm.id] = Outcome(one.host_id, one.datastore_id, notes=_notes(one, beside))
        put = [(one.vm, one.host_id, one.datastore_id)]
        view, beside = after(view, put), after(beside, put)
    asked_ids = {one.vm.id for one in batch}
    waiting = (*(vm for vm in view.vms if vm.id not in asked_ids), *free)
    by_id = {vm.id: vm for vm in waiting}
    done = _decided(replace(view, vms=waiting), placer, pace)
    found.update((vm_id, outcome) for vm_id, outcome in _of_leases(done).items() if vm_id in asked_ids)
    view = replace(view, vms=tuple(done.others), hosts=without_kept(view.hosts, done.held_back))
    plan = placer(view)
    for vm_id, host_id, datastore_id in plan.placements:
        if vm_id in asked_ids:
            found[vm_id] = Outcome(host_id, datastore_id)
    left = [vm for vm in free if vm.id not in found]
    later = after(view, [(by_id[vm_id], host_id, datastore_id) for vm_id, host_id, datastore_id in plan.placements])
    changes = _changes(left, later, policy, datastore_policy)
    for vm in left:
        found[vm.id] = Outcome(why=plan.refusals.get(vm.id, ""), change=changes.get(_kind(vm), ""))
    return found


def _decided(view: View, placer: Callable[[View], Plan], pace: Pace) -> Decisions:
    """Return what would be done for leases in time; where there are none, everything is left to placement."""
    if not has_leases(view):
        return Decisions(others=list(view.vms))
    return decide(view, chooser(view, placer), pace)


def _of_leases(done: Decisions) -> dict[int, Outcome]:
    """Return what would become of the leases that are not left to ordinary placement."""
    found = {vm_id: Outcome(why=why) for vm_id, why in (*done.waiting.items(), *done.rejected.items())}
    for vm_id, mark in done.marks.items():
        if mark.state == ACCEPTED:
            found[vm_id] = Outcome(mark.host_id, notes=tuple(filter(None, [done.waiting.get(vm_id)])))
    found.update((vm_id, Outcome(host_id, datastore_id)) for vm_id, host_id, datastore_id in done.starts)
    return found


def _notes(asked: Asked, view: View) -> tuple[str, ...]:
    """Return what a host does not keep of the rules, for a VM that would go there all the same."""
    host = next((host for host in view.hosts if host.id == asked.host_id), None)
    if host is None:
        return ()
    told = [(name, judge(host)) for name, judge in judges_of(asked.vm, view)]
    return tuple(f"{name}: {verdict.text}" for name, verdict in told if verdict is not None and not verdict.holds)


def _changes(vms: Sequence[WaitingVm], view: View, policy: str, datastore_policy: str) -> dict[WaitingVm, str]:
    kinds = list(dict.fromkeys(_kind(vm) for vm in vms))[:EXPLAINED_MAX]
    lengths = accumulate(len(kind.requirement.text) for kind in kinds)
    some = [kind for kind, length in zip(kinds, lengths, strict=True) if length <= EXPLAINED_CHARACTERS_MAX]
    return {kind: explain(kind, view, policy, datastore_policy).change for kind in some}


def _kind(vm: WaitingVm) -> WaitingVm:
    """Return a VM without what makes it differ from others like it."""
    return replace(vm, id=NOWHERE, name="", message="", since=0)

"""A batch tried out on a view: which VMs would get a place, where, and what the others lack.

VMs whose place was said beforehand come first; the others are placed as the scheduler would place them, together with
those that wait anyway.
"""

from collections.abc import Collection, Sequence

import msgspec
from msgspec.structs import replace

from trifid.placement.explain import explain, judges_of
from trifid.placement.place import place
from trifid.placement.view import View, WaitingVm
from trifid.placement.what_if import after

EXPLAINED_MAX = 20
"""Kinds of VMs that get no place and are explained; the others are told the scheduler's reason only."""

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
    view: View, batch: Collection[Asked], policy: str = "striping", datastore_policy: str = "striping"
) -> dict[int, Outcome]:
    """Return what would become of each VM of a batch, by its id.

    Args:
        view: as it is; the VMs that wait in it compete with those of the batch.
        policy, datastore_policy: as of `place`.
    """
    fixed = [one for one in batch if one.host_id != NOWHERE]
    free = [one.vm for one in batch if one.host_id == NOWHERE]
    found: dict[int, Outcome] = {}
    for one in fixed:
        found[one.vm.id] = Outcome(one.host_id, one.datastore_id, notes=_notes(one, view))
        view = after(view, [(one.vm, one.host_id, one.datastore_id)])
    asked_ids = {one.vm.id for one in batch}
    waiting = (*(vm for vm in view.vms if vm.id not in asked_ids), *free)
    by_id = {vm.id: vm for vm in waiting}
    plan = place(replace(view, vms=waiting), policy, datastore_policy)
    for vm_id, host_id, datastore_id in plan.placements:
        if vm_id in asked_ids:
            found[vm_id] = Outcome(host_id, datastore_id)
    left = [vm for vm in free if vm.id not in found]
    later = after(view, [(by_id[vm_id], host_id, datastore_id) for vm_id, host_id, datastore_id in plan.placements])
    changes = _changes(left, later, policy, datastore_policy)
    for vm in left:
        found[vm.id] = Outcome(why=plan.refusals.get(vm.id, ""), change=changes.get(_kind(vm), ""))
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
    return {kind: explain(kind, view, policy, datastore_policy).change for kind in kinds}


def _kind(vm: WaitingVm) -> WaitingVm:
    """Return a VM without what makes it differ from others like it."""
    return replace(vm, id=NOWHERE, name="", message="", since=0)

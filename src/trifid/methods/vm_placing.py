"""one.vm.deploy, one.vm.migrate and trifid.vm.place: a VM comes to a host, or moves to another one."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.ledger import check_room
from trifid.core.template.amend import DECISION
from trifid.core.vm import events
from trifid.core.vm.files import UNSHARED
from trifid.core.vm.host_devices import refuse_moved_devices
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.core.vm.transfer import format_of
from trifid.engine.clusters import host_in_cluster, refuse_apart
from trifid.engine.host_rights import refuse_barred
from trifid.engine.life import happen
from trifid.engine.limits import limits_of, refuse_restricted
from trifid.engine.system_datastore import space_on, system_datastore
from trifid.engine.transaction import Draft
from trifid.engine.vm_groups import refuse_against_rules
from trifid.errors import BadRequest, Refused
from trifid.methods.auto_networks import with_all_networks
from trifid.methods.common import parse_update
from trifid.methods.reconcile import domain_named, take_over
from trifid.methods.registry import Call, method
from trifid.methods.vm_requests import find_vm as _find
from trifid.placement.decision import TEXT_LENGTH_MAX as DECISION_LENGTH_MAX

MIGRATE_SAVE, MIGRATE_OFF_HARD = 0, 2
_KINDS_OF_MIGRATION: dict[int, type[events.Deploy]] = {
    MIGRATE_SAVE: events.MigrateSave,
    1: events.MigrateOff,
    MIGRATE_OFF_HARD: events.MigrateOffHard,
}


@method("one.vm.deploy")
async def deploy(
    call: Call, vm_id: int, host_id: int, enforce: bool = False, datastore_id: int = -1, template: str = ""
) -> int:
    """Run a waiting VM on a host; with `enforce` only if it has room and the VM's group allows it.

    The template may choose networks for NICs with NETWORK_MODE=auto, `NIC = [ NIC_ID = 0, NETWORK_ID = 3 ]`; those that
    it does not name get the best that there are.  A VM whose template names a domain that runs there already
    (DEPLOY_ID) takes that over instead.
    """
    wild = await domain_named(call, vm_id, host_id)

    def command(draft: Draft) -> int:
        vm = _find(draft, vm_id)
        check(call.caller, Right.ADMIN, "VM", vm)
        if template.strip():
            refuse_restricted(call.caller, parse_update(template), limits_of(call.engine.config))
        vm = with_all_networks(call, draft, vm, host_id, template)
        if wild is not None:
            return take_over(call, draft, vm, draft.host(host_id), wild)
        return deploy_in(call, draft, vm, host_id, enforce=enforce, datastore_id=datastore_id)

    return await call.ask(command)


def deploy_in(call: Call, draft: Draft, vm: VM, host_id: int, *, enforce: bool, datastore_id: int) -> int:
    """Run a waiting VM on a host inside a draft; see one.vm.deploy."""
    request = events.Deploy(**_place(call, draft, vm, host_id, enforce, datastore_id))
    happen(draft, vm, request, call.moment(draft.now))
    return vm.id


def _place(call: Call, draft: Draft, vm: VM, host_id: int, enforce: bool, datastore_id: int) -> dict[str, Any]:
    """Return the fields of a placement after checking that the host may, can and has room."""
    host = draft.host(host_id)
    check(call.caller, Right.MANAGE, "HOST", host)
    if not host.takes_vms:
        known = f": {host.template.single('ERROR')}" if host.template.single("ERROR") else ""
        raise Refused(f"host {host.name} [{host_id}] is {host.state.name}, it must be MONITORED{known}", host_id)
    refuse_apart(draft, vm, host)
    if enforce:
        check_room(host_in_cluster(draft, host), draft.share(host_id), vm.needs)
        refuse_against_rules(draft, vm, host)
    room = space_on(call.engine.monitoring, call.engine.documents.space_of) if enforce else None
    datastore = system_datastore(draft, call.caller, vm, host, datastore_id, room)
    return {
        "host_id": host_id,
        "hostname": host.name,
        "cluster_id": host.cluster_id,
        "vmm": host.vmm,
        "tm": datastore.tm_mad,
        "datastore_id": datastore.id,
    }


@method("one.vm.migrate")
async def migrate(
    call: Call, vm_id: int, host_id: int, live: bool, enforce: bool = False, datastore_id: int = -1, kind: int = 0
) -> int:
    """Move a VM to another host: live, saved and restored, or (type 1, 2) switched off and on; as it is if it is off.

    Live is for a running VM, any other is moved cold.  Where hosts do not share their datastores (transfer driver ssh)
    the disks of a VM that moves live are copied while it runs.
    """
    if kind not in _KINDS_OF_MIGRATION:
        raise Refused(f"Wrong migration type {kind}, it must be 0 save, 1 poweroff or 2 poweroff-hard", vm_id)

    def command(draft: Draft) -> int:
        return move(call, draft, vm_id, host_id, live=live, enforce=enforce, datastore_id=datastore_id, kind=kind)

    return await call.ask(command)


def move(
    call: Call,
    draft: Draft,
    vm_id: int,
    host_id: int,
    *,
    live: bool,
    enforce: bool,
    datastore_id: int,
    kind: int,
    or_cold: bool = False,
) -> int:
    """Move a VM to another host inside a draft; see one.vm.migrate.

    Args:
        or_cold: what cannot move live because its disks are not there moves cold.
    """
    vm = _find(draft, vm_id)
    check(call.caller, Right.ADMIN, "VM", vm)
    wanted = _migration(vm, live, kind)
    on_its_way = vm.state is VmState.SAVE_MIGRATE_OFF and wanted is events.MigrateOffHard
    if vm.history and (vm.current.host_id == host_id) is not on_its_way:
        is_at = f"on its way to host {vm.current.hostname}" if on_its_way else f"already on host {vm.current.hostname}"
        advice = "name that one" if on_its_way else "choose another"
        raise Refused(f"VM {vm_id} is {is_at} [{vm.current.host_id}]: {advice}", vm_id)
    place = _place(call, draft, vm, host_id, enforce and not on_its_way, datastore_id)
    if vm.history and vm.current.vmm != place["vmm"]:
        raise Refused(f"VM {vm_id} runs with driver {vm.current.vmm}, host [{host_id}] has {place['vmm']}", vm_id)
    if wanted is events.MigrateLive and not _has_its_disks(vm, place):
        wanted = _KINDS_OF_MIGRATION[kind] if or_cold else _with_its_disks(vm, place)
    refuse_moved_devices(vm, wanted)
    happen(draft, vm, wanted(**place), call.moment(draft.now))
    return vm_id


def _has_its_disks(vm: VM, place: dict[str, Any]) -> bool:
    """Tell whether the VM's disks are where it would move to, as a live migration needs it."""
    return vm.current.datastore_id == place["datastore_id"] and place["tm"] not in UNSHARED


def _with_its_disks(vm: VM, place: dict[str, Any]) -> type[events.Deploy]:
    """Return the live migration to where the VM's disks are not; raises Refused when they cannot come along."""
    here, there = vm.current.datastore_id, place["datastore_id"]
    if here != there:
        why = (
            f"it is in datastore {here} of {vm.current.hostname}, the target would be datastore {there} of "
            f"{place['hostname']}, and live it stays in its datastore"
        )
    elif vm.template.vectors("SNAPSHOT"):
        why = "its disks would have to come along, and its snapshots would not: delete them"
    elif with_snapshots := sorted(_snapshots_inside(vm)):
        disks = ", ".join(map(str, with_snapshots))
        why = f"its disks would have to come along, and the snapshots of DISK {disks} would not: delete them"
    else:
        return events.MigrateCopy
    raise Refused(f"VM {vm.id} cannot move live: {why}, or move it cold", vm.id)


def _snapshots_inside(vm: VM) -> Iterator[int]:
    """Yield the numbers of disks that keep snapshots inside their images: only what is on top is copied live."""
    formats = {disk["DISK_ID"]: format_of(disk) for disk in vm.template.vectors("DISK")}
    for of in vm.disk_snapshots:
        if of.snapshots and formats.get(str(of.disk_id)) == "qcow2":
            yield of.disk_id


@method("trifid.vm.migrate_cancel")
async def migrate_cancel(call: Call, vm_id: int) -> int:
    """Let a VM that moves live stay where it is.

    What was copied to the target is removed.  A VM that has arrived by then stays there: its hosts are asked.
    """

    def command(draft: Draft) -> int:
        vm = _find(draft, vm_id)
        check(call.caller, Right.ADMIN, "VM", vm)
        happen(draft, vm, events.MigrateCancel(), call.moment(draft.now))
        return vm_id

    return await call.ask(command)


@method("trifid.vm.place")
async def place(call: Call, vm_id: int, host_id: int, datastore_id: int = -1, why: str = "", networks: str = "") -> int:
    """Do what a scheduler decided: deploy a waiting VM, or move one marked for it, if its host has room.

    A running VM moves live if its disks are on the target as well and the configuration does not say otherwise
    (live_reschedules); else it is saved and restored there.

    A scheduler decides on what it has read a moment ago.  Meanwhile the VM may have been put on hold, or the
    mark taken away: then this is refused, where deploy and migrate, the words of people, would do it.  So it is when
    others of its VM group have come to the host, or left it.

    With `why`, one line of at most 1000 characters, the decision is kept with the VM as SCHED_DECISION, in place of
    the one before.  `networks` are those that were chosen for NICs with NETWORK_MODE=auto, as deploy takes them.
    """
    if len(why) > DECISION_LENGTH_MAX or not why.isprintable():
        raise BadRequest(f"why must be one line of at most {DECISION_LENGTH_MAX} characters, has {len(why)}")

    def command(draft: Draft) -> int:
        _carry_out(call, draft, vm_id, host_id, datastore_id, networks)
        vm = draft.vm(vm_id)
        told = vm.user_template.replacing(DECISION, why) if why else vm.user_template.without(DECISION)
        if told != vm.user_template:
            draft.put(replace(vm, user_template=told))
        return vm_id

    return await call.ask(command)


def _carry_out(call: Call, draft: Draft, vm_id: int, host_id: int, datastore_id: int, networks: str) -> int:
    vm = _find(draft, vm_id)
    check(call.caller, Right.ADMIN, "VM", vm)
    if (host := draft.find_host(host_id)) is not None:
        check(call.caller, Right.MANAGE, "HOST", host)
        refuse_barred(draft, vm, host)
    vm = with_all_networks(call, draft, vm, host_id, networks)
    if vm.state.state == VmState.PENDING:
        return deploy_in(call, draft, vm, host_id, enforce=True, datastore_id=datastore_id)
    if not vm.resched:
        here = vm.state.printable
        raise Refused(f"VM {vm_id} is {here}: it neither waits for a host nor is it marked to be moved", vm_id)
    return move(
        call,
        draft,
        vm_id,
        host_id,
        live=call.engine.config.scheduler.live_reschedules,
        enforce=True,
        datastore_id=datastore_id,
        kind=MIGRATE_SAVE,
        or_cold=True,
    )


def _migration(vm: VM, live: bool, kind: int) -> type[events.Deploy]:
    """Return the request that a migration is; what is only for a running VM becomes cold for any other."""
    if vm.state is VmState.RUNNING and live:
        return events.MigrateLive
    if vm.state is VmState.RUNNING or (vm.state is VmState.SAVE_MIGRATE_OFF and kind == MIGRATE_OFF_HARD):
        return _KINDS_OF_MIGRATION[kind]
    return events.MigrateSave

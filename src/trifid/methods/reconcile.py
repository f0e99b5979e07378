"""What hypervisors really run: trifid.host.resync shows and mends differences, import_vm takes wild domains over."""

import asyncio

import msgspec
from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.host import Host
from trifid.core.image.datastore import SYSTEM_ID
from trifid.core.template.prepare import needs_of
from trifid.core.vm.events import ImportRunning
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.core.wild import Wild
from trifid.engine.first_permissions import first_permissions
from trifid.engine.life import happen
from trifid.engine.reconcile import Difference, differences, mend
from trifid.engine.transaction import Draft
from trifid.errors import NotFound, Refused
from trifid.methods.common import name_checked, read
from trifid.methods.registry import Call, method

NO_VM = -1
MOVING_S = 1.1
"""Stamps are seconds: so much later it is certain that a VM that just moved is seen as it is since then."""


@method("trifid.host.resync")
async def resync(call: Call, host_id: int, apply: bool = False, vm_id: int = NO_VM) -> str:
    """Look at a host anew and answer as JSON how its VMs differ from what is believed, and its wild domains.

    The host's driver is asked for all its domains.  Without `apply` nothing is made of that answer; with it the VMs
    become what they were seen to be: what runs is adopted, what is off is POWEROFF.  No domain is touched.  With
    `vm_id` only that VM is compared.  Monitoring mends the same differences by itself with its next report.

    `{"host": 0, "name": "node1", "differences": [{"vm_id": 3, "name": "web", "believed": "POWEROFF", "seen":
    "RUNNING", "becomes": "RUNNING", "why": ""}], "wilds": [{"name": "db", "uuid": "…", "state": "RUNNING", "vcpus":
    1, "memory_kib": 65536, "vm_id": -1}]}`.  Where `becomes` is empty, `why` tells why nothing is mended.
    """
    host = _administered(call, host_id)
    monitoring, turns = call.engine.monitoring, call.engine.turns
    picture = await monitoring.look(host)
    found = differences(turns.memory, picture, monitoring.is_open)
    if any(monitoring.is_open(one.vm_id, picture.at) for one in found):
        await asyncio.sleep(MOVING_S)
        picture = await monitoring.look(host)
        found = differences(turns.memory, picture, monitoring.is_open)
    if vm_id != NO_VM:
        found = [one for one in found if one.vm_id == vm_id]
    if apply and any(one.becomes for one in found):
        steps = {one.vm_id: turns.memory.vms[one.vm_id].step for one in found}
        found = await call.ask(lambda draft: mend(draft, picture, found, steps))
    return _report(host, found, picture.wilds or ())


def _administered(call: Call, host_id: int) -> Host:
    host = read(call.engine.turns.memory.hosts, "hosts", host_id)
    check(call.caller, Right.ADMIN, "HOST", host)
    return host


def _report(host: Host, found: list[Difference], wilds: tuple[Wild, ...]) -> str:
    return msgspec.json.encode({"host": host.id, "name": host.name, "differences": found, "wilds": wilds}).decode()


@method("trifid.host.import_vm")
async def import_vm(call: Call, host_id: int, name: str) -> int:
    """Make a VM of a wild domain that runs on a host, by the hypervisor's name for it, and answer the VM's id.

    No driver does anything: the VM is RUNNING at once, the caller's, with IMPORTED=YES and the domain's size.  It can
    be rebooted, powered off, resumed and terminated; whatever needs its disks is refused, and they are never deleted.
    """
    host = _administered(call, host_id)
    check(call.caller, Right.CREATE, "VM")
    wild = _wanted(host, name, (await call.engine.monitoring.look(host)).wilds or ())
    transfer = call.engine.config.engine.transfer

    def command(draft: Draft) -> int:
        now = draft.find_host(host_id)
        if now is None:
            raise NotFound("host", host_id)
        _refuse_another(draft, host_id, wild)
        vm = _vm_of(call, draft, wild)
        draft.put(vm)
        draft.note("VM", vm.id, call.caller, "imported", new=vm.state.name, text=f"{wild.name} on {now.name}")
        return happen(draft, vm, _taken_over(now, transfer, wild), call.moment(draft.now)).id

    return await call.ask(command)


def _taken_over(host: Host, transfer: str, wild: Wild) -> ImportRunning:
    return ImportRunning(
        host_id=host.id,
        hostname=host.name,
        cluster_id=host.cluster_id,
        vmm=host.vmm,
        tm=transfer,
        datastore_id=SYSTEM_ID,
        deploy_id=wild.name,
    )


async def domain_named(call: Call, vm_id: int, host_id: int) -> Wild | None:
    """Return the wild domain that a waiting VM was submitted for, as today's `onehost importvm` does it: by DEPLOY_ID.

    None for any other VM.

    Raises:
        NotFound, NotAllowed, Refused: the caller does not administer the host, or it has no such domain that runs.
    """
    vm = call.engine.turns.memory.vms.get(vm_id)
    name = vm.user_template.single("DEPLOY_ID") if vm is not None and not vm.history else ""
    if not name:
        return None
    host = _administered(call, host_id)
    return _wanted(host, name, (await call.engine.monitoring.look(host)).wilds or ())


def take_over(call: Call, draft: Draft, vm: VM, host: Host, wild: Wild) -> int:
    """Make a waiting VM the wild domain that it was submitted for; raises Refused."""
    _refuse_another(draft, host.id, wild)
    if vm.template.vectors("DISK"):
        raise Refused(f"VM {vm.id} has disks of its own, domain {wild.name} has its own too: submit it without", vm.id)
    vm = replace(vm, template=vm.template.having(("IMPORTED", "YES")))
    draft.put(vm)
    transfer = call.engine.config.engine.transfer
    return happen(draft, vm, _taken_over(host, transfer, wild), call.moment(draft.now)).id


def _wanted(host: Host, name: str, wilds: tuple[Wild, ...]) -> Wild:
    """Return the wild domain of a name; raises Refused."""
    for one in wilds:
        if one.name == name:
            if one.state == "RUNNING":
                return one
            raise Refused(f"domain {name} on host {host.name} [{host.id}] is {one.state}, it must be RUNNING", host.id)
    known = ", ".join(one.name for one in wilds)[:300] or "none"
    raise Refused(f"host {host.name} [{host.id}] has no wild domain {name}; it has: {known}", host.id)


def _refuse_another(draft: Draft, host_id: int, wild: Wild) -> None:
    """Raise Refused when the domain belongs to a VM that there is, which may use the same disks elsewhere."""
    for vm in draft.each("vms"):
        is_there = bool(vm.history) and vm.current.host_id == host_id and vm.deploy_id == wild.name
        if vm.state is not VmState.DONE and (is_there or vm.id == wild.vm_id):
            raise Refused(f"domain {wild.name} is VM {vm.id}, {vm.state.printable}: it cannot be another one", vm.id)


def _vm_of(call: Call, draft: Draft, wild: Wild) -> VM:
    """Return the VM that a domain becomes; held, so that nobody else takes it before it runs."""
    vm_id = draft.next_id("vm")
    template = wild.template.having(("IMPORTED", "YES"), ("VMID", str(vm_id)))
    return VM(
        id=vm_id,
        uid=call.caller.uid,
        gid=call.caller.gid,
        permissions=first_permissions(draft, call.caller),
        name=_name(wild, vm_id),
        state=VmState.HOLD,
        needs=needs_of(template),
        stime=draft.now,
        template=template,
    )


def _name(wild: Wild, vm_id: int) -> str:
    """Return the domain's name, or that of a VM without one when it cannot be a VM's name."""
    try:
        return name_checked(wild.name)
    except Refused:
        return f"one-{vm_id}"

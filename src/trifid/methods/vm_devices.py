"""one.vm.attach, detach, attachnic, detachnic: disks and NICs come and go."""

from msgspec.structs import replace

from trifid.core.access import Caller
from trifid.core.template.model import Template
from trifid.core.vm import events
from trifid.core.vm.files import files_of_disks, why_not_brought
from trifid.core.vm.record import VM
from trifid.engine.context import with_context
from trifid.engine.limits import limits_of, refuse_restricted
from trifid.engine.more import more_disk, more_nic
from trifid.engine.transaction import Draft
from trifid.engine.used_images import snapshots_of_images
from trifid.errors import Refused
from trifid.methods.auto_networks import network_for
from trifid.methods.registry import Call, method
from trifid.methods.vm_requests import requested, the_vector


def disk_of(vm: VM, disk_id: int) -> dict[str, str]:
    """Return a disk of a VM; raises Refused when it has none with that id."""
    return _device(vm, "DISK", disk_id)


def nic_of(vm: VM, nic_id: int) -> dict[str, str]:
    """Return a NIC of a VM; raises Refused when it has none with that id."""
    return _device(vm, "NIC", nic_id)


def _device(vm: VM, name: str, number: int) -> dict[str, str]:
    vectors = vm.template.vectors(name)
    for one in vectors:
        if one.get(f"{name}_ID") == str(number):
            return one
    ids = ", ".join(one.get(f"{name}_ID", "") for one in vectors) or "none"
    raise Refused(f"{name} with {name}_ID {number} does not exist: VM {vm.id} has {ids}", vm.id)


def _refuse_restricted(call: Call, name: str, vector: dict[str, str]) -> None:
    refuse_restricted(call.caller, Template(((name, vector),)), limits_of(call.engine.config))


def _refuse_not_brought(vm: VM, disk: dict[str, str]) -> None:
    """Raise Refused for a disk that the transfer driver of the VM's datastore cannot bring to its host."""
    tm = vm.current.tm if vm.history else ""
    if why := why_not_brought(files_of_disks([disk]), tm):
        raise Refused(f"the system datastore of VM {vm.id} {why}", vm.id)


@method("one.vm.attach")
async def attach(call: Call, vm_id: int, template: str) -> int:
    """Give a VM another disk, `DISK = [ … ]`, running or powered off."""
    disk = the_vector(template, "DISK")

    def make(draft: Draft, vm: VM) -> events.Request:
        _refuse_restricted(call, "DISK", disk)
        made = more_disk(draft, vm, disk, call.caller)
        _refuse_not_brought(vm, made)
        brought = snapshots_of_images(draft, Template((("DISK", made),)))
        return events.AttachDisk(disk=made, snapshots=brought[0] if brought else None)

    return (await requested(call, vm_id, make)).id


@method("one.vm.detach")
async def detach(call: Call, vm_id: int, disk_id: int) -> int:
    """Take a disk away from a VM, running or powered off; with SAVE=yes it is kept on the front-end."""

    def make(draft: Draft, vm: VM) -> events.Request:
        if str(disk_id) == vm.template.vector("CONTEXT").get("DISK_ID"):
            raise Refused(f"DISK {disk_id} of VM {vm.id} is its context, which stays", vm.id)
        disk_of(vm, disk_id)
        return events.DetachDisk(disk_id=disk_id)

    return (await requested(call, vm_id, make)).id


@method("one.vm.attachnic")
async def attach_nic(call: Call, vm_id: int, template: str) -> int:
    """Give a VM another NIC, `NIC = [ … ]`, with an address of its network, running or powered off.

    With NETWORK_MODE=auto it gets the best network that there is where the VM is.
    """
    nic = the_vector(template, "NIC")

    def make(draft: Draft, vm: VM) -> events.Request:
        _refuse_restricted(call, "NIC", nic)
        made = more_nic(draft, vm, nic, call.caller, lambda new: network_for(call, draft, vm, new))
        return events.AttachNic(nic=made, context=_told(draft, vm, made, call.caller))

    return (await requested(call, vm_id, make)).id


def _told(draft: Draft, vm: VM, nic: dict[str, str], caller: Caller) -> dict[str, str]:
    """Return the variables of CONTEXT that tell a guest of its NICs, if it wants to be told."""
    if vm.template.vector("CONTEXT").get("NETWORK", "").upper() != "YES":
        return {}
    asked = vm.template.having(("NIC", nic)).replacing("CONTEXT", {"NETWORK": "YES"})
    return with_context(draft, replace(vm, template=asked), caller).vector("CONTEXT")


@method("one.vm.detachnic")
async def detach_nic(call: Call, vm_id: int, nic_id: int) -> int:
    """Take a NIC away from a VM, running or powered off; its address is free again."""

    def make(draft: Draft, vm: VM) -> events.Request:
        nic_of(vm, nic_id)
        return events.DetachNic(nic_id=nic_id)

    return (await requested(call, vm_id, make)).id

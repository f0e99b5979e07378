"""In which system datastore a VM's files lie on its host."""

from trifid.core.access import Caller, Right, check
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore, DatastoreState, DatastoreType
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.engine.transaction import Draft
from trifid.errors import Refused

ANY = -1
_FRESH = (VmState.PENDING, VmState.HOLD)
"""Where a VM has no files yet."""
_VOLUMES = "lvm"
"""The kind of datastores whose images only its own transfer driver can use, and which can use no others."""


def system_datastore(draft: Draft, caller: Caller, vm: VM, host: Host, wanted: int) -> Datastore:
    """Return the system datastore for a VM on a host.

    Args:
        wanted: its id; ANY = where the VM's files are already, else the first that fits.

    Raises:
        NotFound: there is no such datastore.
        NotAllowed: the caller may not use it.
        Refused: it does not fit, or none does; says why.
    """
    if wanted != ANY:
        datastore = draft.datastore(wanted)
        check(caller, Right.USE, "DATASTORE", datastore)
        if why := _why_not(draft, vm, host, datastore):
            raise Refused(f"datastore {datastore.name} [{datastore.id}] {why}", vm.id)
        return datastore
    if vm.history and vm.state not in _FRESH:
        here = draft.find_datastore(vm.current.datastore_id)
        if here is not None and not _why_not(draft, vm, host, here):
            return here
    unfit = []
    datastores: list[Datastore] = sorted(draft.each("datastores"), key=lambda one: one.id)
    for datastore in datastores:
        if datastore.type is DatastoreType.SYSTEM:
            why = _why_not(draft, vm, host, datastore)
            if not why:
                return datastore
            unfit.append(f"{datastore.name} [{datastore.id}] {why}")
    raise Refused(f"no system datastore fits: {'; '.join(unfit) or 'there is none, make one with onedatastore'}", vm.id)


def _why_not(draft: Draft, vm: VM, host: Host, datastore: Datastore) -> str:
    """Return why a datastore does not fit, for people; empty when it does."""
    if datastore.type is not DatastoreType.SYSTEM:
        return f"is of type {datastore.type.name}, VMs run from SYSTEM ones"
    is_here = bool(vm.history) and vm.current.datastore_id == datastore.id
    if datastore.state is not DatastoreState.READY and not is_here:
        return f'is {datastore.state.name}: "onedatastore enable {datastore.id}"'
    if host.cluster_id not in datastore.cluster_ids:
        return f"is not of the cluster of host {host.name}"
    if vm.history and vm.state not in _FRESH and vm.current.tm != datastore.tm_mad:
        return f"is served by transfer driver {datastore.tm_mad}, the VM's files by {vm.current.tm}: they cannot move"
    for disk in vm.template.vectors("DISK"):
        number = disk.get("DATASTORE_ID", "")
        of_image = draft.find_datastore(int(number)) if number.isdecimal() else None
        if of_image is not None and (of_image.ds_mad == _VOLUMES) != (datastore.tm_mad == _VOLUMES):
            return (
                f"is served by {datastore.tm_mad}, which cannot bring images of datastore {of_image.name} "
                f"[{of_image.id}] ({of_image.ds_mad})"
            )
    return ""

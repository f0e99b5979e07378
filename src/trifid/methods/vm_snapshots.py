"""one.vm.snapshot*, one.vm.disksnapshot* and disksaveas: a whole machine, or one disk, as it was."""

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.image.datastore import Datastore
from trifid.core.vm import events
from trifid.core.vm.changes import snapshots_of
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.engine.images import base_path
from trifid.engine.saved_disks import image_of_disk
from trifid.engine.transaction import Draft
from trifid.errors import Refused
from trifid.methods.common import changed, name_checked
from trifid.methods.registry import Call, method
from trifid.methods.vm_devices import disk_of
from trifid.methods.vm_requests import MakeRequest, find_vm, requested

_NO_SNAPSHOTS = ("CDROM", "FLOPPY")
"""Types of disks that cannot change, or that no driver can keep."""


NO_SNAPSHOT = -1


# -- the whole machine ---------------------------------------------------------------------------------


def creating(name: str) -> MakeRequest:
    """Return what makes the request for a snapshot; raises Refused for a name that cannot be one.

    What is kept in a persistent image outlives the VM, and nobody else could remove it.
    """
    checked = name_checked(name) if name.strip() else ""

    def make(draft: Draft, vm: VM) -> events.Request:
        for disk in vm.template.vectors("DISK"):
            if disk.get("PERSISTENT") == "YES":
                raise Refused(
                    f"DISK {disk.get('DISK_ID')} of VM {vm.id} is persistent image {disk.get('IMAGE')}, in which a "
                    f"snapshot of the whole machine would stay: keep single disks, "
                    f'"onevm disk-snapshot-create {vm.id} {disk.get("DISK_ID")} NAME"',
                    vm.id,
                )
        return events.SnapshotCreate(name=checked)

    return make


def reverting(snapshot_id: int) -> MakeRequest:
    """Return what makes the request to go back to a snapshot."""

    def make(draft: Draft, vm: VM) -> events.Request:
        _refuse_missing(vm, snapshot_id)
        return events.SnapshotRevert(snapshot_id=snapshot_id)

    return make


def deleting(snapshot_id: int) -> MakeRequest:
    """Return what makes the request to forget a snapshot."""

    def make(draft: Draft, vm: VM) -> events.Request:
        _refuse_missing(vm, snapshot_id)
        return events.SnapshotDelete(snapshot_id=snapshot_id)

    return make


def _refuse_missing(vm: VM, snapshot_id: int) -> None:
    present = [one.get("SNAPSHOT_ID", "") for one in vm.template.vectors("SNAPSHOT")]
    if str(snapshot_id) not in present:
        ids = ", ".join(present) or "none"
        raise Refused(f"Snapshot {snapshot_id} does not exist: VM {vm.id} has {ids}", vm.id)


@method("one.vm.snapshotcreate")
async def create(call: Call, vm_id: int, name: str) -> int:
    """Keep a running VM as it is, memory and disks, and answer the id of the snapshot."""
    vm = await requested(call, vm_id, creating(name))
    return max(int(one["SNAPSHOT_ID"]) for one in vm.template.vectors("SNAPSHOT"))


@method("one.vm.snapshotrevert")
async def revert(call: Call, vm_id: int, snapshot_id: int) -> int:
    """Bring a running VM back to what it was in a snapshot."""
    return (await requested(call, vm_id, reverting(snapshot_id))).id


@method("one.vm.snapshotdelete")
async def delete(call: Call, vm_id: int, snapshot_id: int) -> int:
    """Forget a snapshot of a running VM."""
    return (await requested(call, vm_id, deleting(snapshot_id))).id


# -- one disk ------------------------------------------------------------------------------------------


def disk_creating(disk_id: int, name: str) -> MakeRequest:
    """Return what makes the request for a snapshot of a disk; raises Refused for a name that cannot be one."""
    checked = name_checked(name) if name.strip() else ""

    def make(draft: Draft, vm: VM) -> events.Request:
        disk = disk_of(vm, disk_id)
        kind = disk.get("TYPE", "").upper()
        if kind in _NO_SNAPSHOTS or disk.get("READONLY", "").upper() == "YES":
            raise Refused(
                f"DISK {disk_id} of VM {vm.id} cannot be kept in snapshots: it is read-only or a {kind}", vm.id
            )
        return events.DiskSnapshotCreate(disk_id=disk_id, name=checked)

    return make


def disk_reverting(disk_id: int, snapshot_id: int) -> MakeRequest:
    """Return what makes the request to bring a disk back to a snapshot."""

    def make(draft: Draft, vm: VM) -> events.Request:
        _refuse_missing_of_disk(vm, disk_id, snapshot_id)
        return events.DiskSnapshotRevert(disk_id=disk_id, snapshot_id=snapshot_id)

    return make


def disk_deleting(disk_id: int, snapshot_id: int) -> MakeRequest:
    """Return what makes the request to forget a snapshot of a disk."""

    def make(draft: Draft, vm: VM) -> events.Request:
        _refuse_missing_of_disk(vm, disk_id, snapshot_id)
        return events.DiskSnapshotDelete(disk_id=disk_id, snapshot_id=snapshot_id)

    return make


def _refuse_missing_of_disk(vm: VM, disk_id: int, snapshot_id: int) -> None:
    disk_of(vm, disk_id)
    present = [one.id for one in snapshots_of(vm, disk_id).snapshots]
    if snapshot_id not in present:
        ids = ", ".join(map(str, present)) or "none"
        raise Refused(f"Snapshot {snapshot_id} does not exist: DISK {disk_id} of VM {vm.id} has {ids}", vm.id)


@method("one.vm.disksnapshotcreate")
async def disk_create(call: Call, vm_id: int, disk_id: int, name: str) -> int:
    """Keep a disk as it is (running, powered off, suspended), and answer the id of the snapshot."""
    vm = await requested(call, vm_id, disk_creating(disk_id, name))
    return max(one.id for one in snapshots_of(vm, disk_id).snapshots)


@method("one.vm.disksnapshotrevert")
async def disk_revert(call: Call, vm_id: int, disk_id: int, snapshot_id: int) -> int:
    """Bring a disk of a VM that is powered off back to what it was in a snapshot."""
    return (await requested(call, vm_id, disk_reverting(disk_id, snapshot_id))).id


@method("one.vm.disksnapshotdelete")
async def disk_delete(call: Call, vm_id: int, disk_id: int, snapshot_id: int) -> int:
    """Forget a snapshot of a disk (running, powered off, suspended)."""
    return (await requested(call, vm_id, disk_deleting(disk_id, snapshot_id))).id


@method("one.vm.disksnapshotrename")
async def disk_rename(call: Call, vm_id: int, disk_id: int, snapshot_id: int, name: str) -> int:
    """Give a snapshot of a disk another name."""
    new = name_checked(name)

    def change(draft: Draft, vm: VM) -> VM:
        _refuse_missing_of_disk(vm, disk_id, snapshot_id)
        return replace(
            vm,
            disk_snapshots=tuple(
                replace(
                    of,
                    snapshots=tuple(replace(one, name=new) if one.id == snapshot_id else one for one in of.snapshots),
                )
                if of.disk_id == disk_id
                else of
                for of in vm.disk_snapshots
            ),
        )

    return await changed(call, "VM", vm_id, Right.MANAGE, "snapshot renamed", change, find_vm)


@method("one.vm.disksaveas")
async def disk_save_as(call: Call, vm_id: int, disk_id: int, name: str, kind: str, snapshot_id: int) -> int:
    """Make an image of a disk, as it is (snapshot -1) or was, and answer the id of the image.

    A running VM goes on meanwhile; of one that is powered off or suspended, snapshots can be taken as well.  The
    image lies where the disk's own image does, else in the default datastore.  Type "" = that of the disk's image.
    """
    check(call.caller, Right.CREATE, "IMAGE")
    new = name_checked(name)
    made: list[int] = []

    def base_path_of(datastore: Datastore) -> str:
        return base_path(call.engine.datastores, datastore)

    def make(draft: Draft, vm: VM) -> events.Request:
        disk = disk_of(vm, disk_id)
        if snapshot_id != NO_SNAPSHOT:
            _refuse_missing_of_disk(vm, disk_id, snapshot_id)
            if vm.state is VmState.RUNNING:
                raise Refused(f"VM {vm.id} is RUNNING: power it off first, to save a snapshot of its disk", vm.id)
        image = image_of_disk(
            draft,
            vm,
            disk,
            call.caller,
            name=new,
            kind=kind,
            base_path_of=base_path_of,
            space_of=call.engine.documents.space_of,
        )
        draft.put(image)
        draft.note("IMAGE", image.id, call.caller, "allocated", new=image.state.name, text=f"of VM {vm.id}: {new}")
        made.append(image.id)
        return events.DiskSaveas(disk_id=disk_id, image_id=image.id, source=image.source, snapshot_id=snapshot_id)

    await requested(call, vm_id, make)
    return made[0]

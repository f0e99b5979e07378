"""Local effects on a VM's devices: what a request asks is marked, then settled or undone by the answer.

Drivers see the marks in the VM's document: ATTACH=YES on the disk or NIC that comes or goes, ACTION on a
snapshot, RESIZE=YES on a disk (reference/drivers.md §2.3, lifecycle.md §5.2).
"""

from collections.abc import Callable

from msgspec.structs import replace

from trifid.core.template.model import Template, Value
from trifid.core.vm.effects import Moment
from trifid.core.vm.events import (
    AttachDisk,
    AttachNic,
    DetachDisk,
    DetachNic,
    DiskResize,
    DiskSaveas,
    DiskSnapshotCreate,
    DiskSnapshotDelete,
    DiskSnapshotRevert,
    Done,
    Event,
    ImagesThere,
    Resize,
    SnapshotCreate,
    SnapshotDelete,
    SnapshotRevert,
    UpdateConf,
)
from trifid.core.vm.record import VM, DiskSnapshot, DiskSnapshots, Needs

Vector = dict[str, str]
RESIZE_PREV = "RESIZE_PREV"
"""A vector of the old CPU, MEMORY and VCPU while a driver changes them."""


def _edited(vm: VM, name: str, edit: Callable[[Vector], Vector | None]) -> VM:
    """Return the VM with every vector `name` edited; None takes it out."""
    pairs: list[tuple[str, Value]] = []
    for pair_name, value in vm.template:
        if pair_name == name and isinstance(value, dict):
            edited = edit(value)
            if edited is not None:
                pairs.append((name, edited))
        else:
            pairs.append((pair_name, value))
    return replace(vm, template=Template(tuple(pairs)))


def _marked(key: str, value: str, mark: str) -> Callable[[Vector], Vector]:
    return lambda vector: {**vector, mark: "YES"} if vector.get(key) == value else vector


def _settled(vector: Vector) -> Vector:
    return {key: value for key, value in vector.items() if key != "ATTACH"}


def _dropped(vector: Vector) -> Vector | None:
    return None if vector.get("ATTACH") == "YES" else vector


# -- disks ---------------------------------------------------------------------------------------------


def add_disk(vm: VM, event: Event, moment: Moment) -> VM:
    """Add the disk, marked."""
    assert isinstance(event, AttachDisk)
    template = vm.template.having(("DISK", {**event.disk, "ATTACH": "YES"}))
    snapshots = (*vm.disk_snapshots, event.snapshots) if event.snapshots else vm.disk_snapshots
    return replace(
        vm,
        template=template,
        disk_snapshots=snapshots,
        next_disk_id=max(vm.next_disk_id, int(event.disk["DISK_ID"]) + 1),
    )


def mark_disk(vm: VM, event: Event, moment: Moment) -> VM:
    """Mark the disk that shall go."""
    assert isinstance(event, DetachDisk)
    return _edited(vm, "DISK", _marked("DISK_ID", str(event.disk_id), "ATTACH"))


def settle_disk(vm: VM, event: Event, moment: Moment) -> VM:
    """The marked disk stays."""
    return _edited(vm, "DISK", _settled)


def drop_disk(vm: VM, event: Event, moment: Moment) -> VM:
    """The marked disk is gone, and its snapshots."""
    gone = {int(disk["DISK_ID"]) for disk in vm.template.vectors("DISK") if disk.get("ATTACH") == "YES"}
    kept = tuple(of for of in vm.disk_snapshots if of.disk_id not in gone)
    return replace(_edited(vm, "DISK", _dropped), disk_snapshots=kept)


def let_disk_go(vm: VM, event: Event, moment: Moment) -> VM:
    """The domain has let the marked disk go, but not all was done for its file: one that is to be kept stays listed."""
    is_kept = any(d.get("ATTACH") == "YES" and d.get("SAVE") == "YES" for d in vm.template.vectors("DISK"))
    return (settle_disk if is_kept else drop_disk)(vm, event, moment)


def mark_saveas(vm: VM, event: Event, moment: Moment) -> VM:
    """Mark the disk that becomes an image."""
    assert isinstance(event, DiskSaveas)
    mark = {
        "SAVEAS": "YES",
        "SAVEAS_IMAGE": str(event.image_id),
        "SAVEAS_SNAPSHOT": str(event.snapshot_id),
        "SAVEAS_SOURCE": event.source,
    }
    return _edited(vm, "DISK", lambda disk: {**disk, **mark} if disk["DISK_ID"] == str(event.disk_id) else disk)


def settle_saveas(vm: VM, event: Event, moment: Moment) -> VM:
    """No disk becomes an image any more."""
    return _edited(vm, "DISK", lambda disk: {k: v for k, v in disk.items() if not k.startswith("SAVEAS")})


def take_images(vm: VM, event: Event, moment: Moment) -> VM:
    """The disks are completed with what their images hold."""
    assert isinstance(event, ImagesThere)
    return replace(vm, template=vm.template.replacing("DISK", *event.disks))


def resize_disk(vm: VM, event: Event, moment: Moment) -> VM:
    """Give the disk its new size, marked, and remember the old one."""
    assert isinstance(event, DiskResize)
    wanted, size = str(event.disk_id), str(event.size_mib)

    def edit(disk: Vector) -> Vector:
        if disk.get("DISK_ID") != wanted:
            return disk
        return {**disk, "SIZE": size, "SIZE_PREV": disk.get("SIZE", ""), "RESIZE": "YES"}

    return _edited(vm, "DISK", edit)


def settle_disk_size(vm: VM, event: Event, moment: Moment) -> VM:
    """The new size holds."""
    return _edited(vm, "DISK", lambda disk: {k: v for k, v in disk.items() if k not in ("SIZE_PREV", "RESIZE")})


def grow_later(vm: VM, event: Event, moment: Moment) -> VM:
    """Give the disk of a VM that is away from its host its new size: it grows when its file is back on one."""
    assert isinstance(event, DiskResize)
    wanted, size = str(event.disk_id), str(event.size_mib)
    return _edited(vm, "DISK", lambda d: {**d, "SIZE": size, "GROW": "YES"} if d.get("DISK_ID") == wanted else d)


def has_grown(vm: VM, event: Event, moment: Moment) -> VM:
    """All disks have the sizes that they shall have."""
    return _edited(vm, "DISK", lambda disk: {key: value for key, value in disk.items() if key != "GROW"})


def undo_disk_size(vm: VM, event: Event, moment: Moment) -> VM:
    """The old size holds."""

    def edit(disk: Vector) -> Vector:
        if disk.get("RESIZE") != "YES":
            return disk
        kept = {k: v for k, v in disk.items() if k not in ("SIZE", "SIZE_PREV", "RESIZE")}
        return {**kept, "SIZE": disk["SIZE_PREV"]} if disk.get("SIZE_PREV") else kept

    return _edited(vm, "DISK", edit)


# -- NICs ----------------------------------------------------------------------------------------------


def add_nic(vm: VM, event: Event, moment: Moment) -> VM:
    """Add the NIC, marked."""
    assert isinstance(event, AttachNic)
    template = vm.template.having(("NIC", {**event.nic, "ATTACH": "YES"}))
    if event.context:
        template = template.replacing("CONTEXT", {**template.vector("CONTEXT"), **event.context})
    return replace(vm, template=template)


def mark_nic(vm: VM, event: Event, moment: Moment) -> VM:
    """Mark the NIC that shall go."""
    assert isinstance(event, DetachNic)
    return _edited(vm, "NIC", _marked("NIC_ID", str(event.nic_id), "ATTACH"))


def settle_nic(vm: VM, event: Event, moment: Moment) -> VM:
    """The marked NIC stays."""
    return _edited(vm, "NIC", _settled)


def drop_nic(vm: VM, event: Event, moment: Moment) -> VM:
    """The marked NIC is gone."""
    return _edited(vm, "NIC", _dropped)


# -- snapshots of the whole machine --------------------------------------------------------------------


def add_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """Add the snapshot, marked."""
    assert isinstance(event, SnapshotCreate)
    number = 1 + max((int(one["SNAPSHOT_ID"]) for one in vm.template.vectors("SNAPSHOT")), default=-1)
    made = {
        "ACTION": "CREATE",
        # never twice the same: one whose making or deletion failed only in word is not met again
        "HYPERVISOR_ID": f"snap-{number}-{vm.step}",
        "NAME": event.name or f"snapshot-{number}",
        "SNAPSHOT_ID": str(number),
        "SYSTEM_DISK_SIZE": "0",
        "TIME": str(moment.now),
    }
    return replace(vm, template=vm.template.having(("SNAPSHOT", made)))


def mark_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """Mark the snapshot that a driver works on."""
    assert isinstance(event, SnapshotRevert | SnapshotDelete)
    wanted, action = str(event.snapshot_id), "REVERT" if isinstance(event, SnapshotRevert) else "DELETE"
    return _edited(vm, "SNAPSHOT", lambda one: {**one, "ACTION": action} if one["SNAPSHOT_ID"] == wanted else one)


def settle_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """The marked snapshot is there; a driver may have told the hypervisor's name for it."""
    told = event.info if isinstance(event, Done) else ""

    def edit(one: Vector) -> Vector:
        if "ACTION" not in one:
            return one
        kept = {key: value for key, value in one.items() if key != "ACTION"}
        return {**kept, "HYPERVISOR_ID": told} if told and one["ACTION"] == "CREATE" else kept

    return _edited(vm, "SNAPSHOT", edit)


def activate_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """The machine is as it was in the marked snapshot."""

    def edit(one: Vector) -> Vector:
        kept = {key: value for key, value in one.items() if key not in ("ACTION", "ACTIVE")}
        return {**kept, "ACTIVE": "YES"} if "ACTION" in one else kept

    return _edited(vm, "SNAPSHOT", edit)


def drop_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """The marked snapshot is gone."""
    return _edited(vm, "SNAPSHOT", lambda one: None if "ACTION" in one else one)


# -- snapshots of one disk -----------------------------------------------------------------------------


def snapshots_of(vm: VM, disk_id: int) -> DiskSnapshots:
    """Return the snapshots of a disk."""
    return next((of for of in vm.disk_snapshots if of.disk_id == disk_id), DiskSnapshots(disk_id))


def _with_snapshots(vm: VM, changed: DiskSnapshots) -> VM:
    others = tuple(of for of in vm.disk_snapshots if of.disk_id != changed.disk_id)
    return replace(vm, disk_snapshots=(*others, changed))


def add_disk_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """Add the snapshot, pending."""
    assert isinstance(event, DiskSnapshotCreate)
    of = snapshots_of(vm, event.disk_id)
    disk = next(one for one in vm.template.vectors("DISK") if one["DISK_ID"] == str(event.disk_id))
    size_mib = int(disk["SIZE"]) if disk.get("SIZE", "").isdigit() else 0
    made = DiskSnapshot(
        of.next_id, event.name or f"snapshot-{of.next_id}", moment.now, size_mib, of.active, pending="create"
    )
    return _with_snapshots(vm, replace(of, next_id=of.next_id + 1, snapshots=(*of.snapshots, made)))


def mark_disk_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """Mark the snapshot that a driver works on."""
    assert isinstance(event, DiskSnapshotRevert | DiskSnapshotDelete)
    pending = "revert" if isinstance(event, DiskSnapshotRevert) else "delete"
    of = snapshots_of(vm, event.disk_id)
    marked = tuple(replace(one, pending=pending) if one.id == event.snapshot_id else one for one in of.snapshots)
    return _with_snapshots(vm, replace(of, snapshots=marked))


def _after_pending(vm: VM, change: Callable[[DiskSnapshots, DiskSnapshot], DiskSnapshots]) -> VM:
    for of in vm.disk_snapshots:
        for one in of.snapshots:
            if one.pending:
                return _with_snapshots(vm, change(of, one))
    return vm


def _without_pending(of: DiskSnapshots) -> tuple[DiskSnapshot, ...]:
    return tuple(replace(one, pending="") for one in of.snapshots)


def settle_disk_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """The pending snapshot is there; one that was just made is the active one."""

    def change(of: DiskSnapshots, one: DiskSnapshot) -> DiskSnapshots:
        active = one.id if one.pending == "create" else of.active
        return replace(of, active=active, snapshots=_without_pending(of))

    return _after_pending(vm, change)


def activate_disk_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """The disk is as it was in the pending snapshot."""
    return _after_pending(vm, lambda of, one: replace(of, active=one.id, snapshots=_without_pending(of)))


def drop_disk_snapshot(vm: VM, event: Event, moment: Moment) -> VM:
    """The pending snapshot is gone; its children are its parent's."""

    def change(of: DiskSnapshots, gone: DiskSnapshot) -> DiskSnapshots:
        left = tuple(
            replace(one, parent=gone.parent if one.parent == gone.id else one.parent)
            for one in of.snapshots
            if one.id != gone.id
        )
        return replace(of, active=gone.parent if of.active == gone.id else of.active, snapshots=left)

    return _after_pending(vm, change)


# -- size and configuration ----------------------------------------------------------------------------


def resize(vm: VM, event: Event, moment: Moment) -> VM:
    """Ask the new size of the host, and remember the old one."""
    assert isinstance(event, Resize)
    old: Vector = {name: vm.template.single(name) for name in ("CPU", "MEMORY", "VCPU")}
    template = vm.template.without(RESIZE_PREV)
    for name, value in event.attributes.items():
        template = template.replacing(name, value)
    prev: Vector = {**old, "CPU_PERCENT": str(vm.needs.cpu_percent), "MEMORY_MIB": str(vm.needs.memory_mib)}
    return replace(vm, needs=event.needs, template=template.having((RESIZE_PREV, prev)))


def settle_resize(vm: VM, event: Event, moment: Moment) -> VM:
    """The new size holds."""
    return replace(vm, template=vm.template.without(RESIZE_PREV))


def undo_resize(vm: VM, event: Event, moment: Moment) -> VM:
    """The old size holds."""
    prev = vm.template.vector(RESIZE_PREV)
    template = vm.template.without(RESIZE_PREV)
    for name in ("CPU", "MEMORY", "VCPU"):
        template = template.replacing(name, prev[name]) if prev.get(name) else template.without(name)
    return replace(vm, needs=Needs(int(prev["CPU_PERCENT"]), int(prev["MEMORY_MIB"])), template=template)


def configure(vm: VM, event: Event, moment: Moment) -> VM:
    """Take the template as it shall be."""
    assert isinstance(event, UpdateConf)
    return replace(vm, template=event.template, files=vm.files if event.files is None else event.files)


def nothing(vm: VM, event: Event, moment: Moment) -> VM:
    """Leave it as it is: what was asked holds already."""
    return vm


# -- the end -------------------------------------------------------------------------------------------


def settle_all(vm: VM, event: Event, moment: Moment) -> VM:
    """Nothing is under way any more: the VM ends.  What came or was to go is its own, should it begin again."""
    vm = settle_saveas(vm, event, moment)
    vm = settle_resize(settle_disk_size(settle_disk(settle_nic(vm, event, moment), event, moment), event, moment),
                       event, moment)  # fmt: skip
    unmade = any(one.get("ACTION") == "CREATE" for one in vm.template.vectors("SNAPSHOT"))
    vm = (drop_snapshot if unmade else settle_snapshot)(vm, event, moment)
    unmade = any(one.pending == "create" for of in vm.disk_snapshots for one in of.snapshots)
    return (drop_disk_snapshot if unmade else settle_disk_snapshot)(vm, event, moment)

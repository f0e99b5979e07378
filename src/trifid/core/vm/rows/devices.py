"""A machine is changed while it lives: disks, NICs, snapshots, size, configuration."""

from trifid.core.vm import changes as change
from trifid.core.vm import effects as do
from trifid.core.vm.effects import release_leases
from trifid.core.vm.events import (
    AttachDisk,
    AttachNic,
    Delete,
    DetachDisk,
    DetachNic,
    DiskResize,
    DiskSnapshotCreate,
    DiskSnapshotDelete,
    DiskSnapshotRevert,
    Done,
    Failed,
    Resize,
    SnapshotCreate,
    SnapshotDelete,
    SnapshotRevert,
    UpdateConf,
)
from trifid.core.vm.row import (
    Row,
    attach_disk,
    attach_files,
    attach_nic,
    cancel,
    detach_disk,
    detach_files,
    detach_nic,
    disk_forget,
    disk_snapshot,
    drop_files,
    forget,
    resize,
    resize_disk,
    resize_file,
    revert,
    row,
    snap_create,
    snap_delete,
    snap_revert,
    snapshot,
)
from trifid.core.vm.states import VmState as S

AT_REST = (S.PENDING, S.HOLD, S.POWEROFF, S.UNDEPLOYED)
"""Where a new size is a matter of the record alone."""
CONFIGURABLE = (*AT_REST, S.PROLOG_FAILURE, S.BOOT_FAILURE)

# fmt: off
ROWS: tuple[Row, ...] = (
    # a disk comes, a disk goes: running
    row(S.RUNNING, AttachDisk, S.HOTPLUG,        change.add_disk, do.asked, attach_files),
    row(S.HOTPLUG, Done,       S.HOTPLUG_ATTACH, attach_disk),
    row(S.HOTPLUG, Failed,     S.HOTPLUG_DROP,   do.tell_owner, drop_files),
    row(S.HOTPLUG, Delete,     S.CLEANUP_DELETE, do.asked, cancel),
    row(S.HOTPLUG_ATTACH, Done,   S.RUNNING,        change.settle_disk, do.next_stay, do.forget_error),
    row(S.HOTPLUG_ATTACH, Failed, S.HOTPLUG_UNDO,   do.tell_owner, detach_disk),
    row(S.HOTPLUG_ATTACH, Delete, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.HOTPLUG_UNDO,   Done,   S.HOTPLUG_DROP,   drop_files),
    row(S.HOTPLUG_UNDO,   Failed, S.RUNNING,        change.settle_disk, do.next_stay),
    row(S.HOTPLUG_UNDO,   Delete, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.HOTPLUG_DROP,   Done,   S.RUNNING,        change.drop_disk, do.not_asked),
    row(S.HOTPLUG_DROP,   Failed, S.RUNNING,        change.drop_disk, do.not_asked),
    row(S.HOTPLUG_DROP,   Delete, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.RUNNING, DetachDisk, S.HOTPLUG_DETACH, change.mark_disk, do.asked, detach_disk),
    row(S.HOTPLUG_DETACH, Done,   S.HOTPLUG_EPILOG, detach_files),
    row(S.HOTPLUG_DETACH, Failed, S.RUNNING,        change.settle_disk, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_DETACH, Delete, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.HOTPLUG_EPILOG, Done,   S.RUNNING,        change.drop_disk, do.next_stay, do.forget_error),
    row(S.HOTPLUG_EPILOG, Failed, S.RUNNING,        change.settle_disk, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_EPILOG, Delete, S.CLEANUP_DELETE, do.asked, cancel),

    # a disk comes, a disk goes: powered off
    row(S.POWEROFF, AttachDisk, S.HOTPLUG_PROLOG_POWEROFF, change.add_disk, attach_files),
    row(S.HOTPLUG_PROLOG_POWEROFF, Done,   S.POWEROFF, change.settle_disk, do.forget_error),
    row(S.HOTPLUG_PROLOG_POWEROFF, Failed, S.HOTPLUG_DROP_POWEROFF, do.tell_owner, drop_files),
    row(S.HOTPLUG_DROP_POWEROFF,   Done,   S.POWEROFF, change.drop_disk),
    row(S.HOTPLUG_DROP_POWEROFF,   Failed, S.POWEROFF, change.drop_disk),
    row(S.POWEROFF, DetachDisk, S.HOTPLUG_EPILOG_POWEROFF, change.mark_disk, detach_files),
    row(S.HOTPLUG_EPILOG_POWEROFF, Done,   S.POWEROFF, change.drop_disk, do.forget_error),
    row(S.HOTPLUG_EPILOG_POWEROFF, Failed, S.POWEROFF, change.settle_disk, do.tell_owner),

    # a NIC comes, a NIC goes
    row(S.RUNNING,  AttachNic, S.HOTPLUG_NIC, change.add_nic, do.asked, attach_nic),
    row(S.HOTPLUG_NIC, Done,   S.RUNNING,          change.settle_nic, do.next_stay, do.forget_error),
    row(S.HOTPLUG_NIC, Failed, S.HOTPLUG_NIC_UNDO, do.tell_owner, detach_nic),
    row(S.HOTPLUG_NIC, Delete, S.CLEANUP_DELETE,   do.asked, cancel),
    row(S.HOTPLUG_NIC_UNDO, Done,   S.RUNNING,        change.drop_nic, do.not_asked, release_leases),
    row(S.HOTPLUG_NIC_UNDO, Failed, S.RUNNING,        change.settle_nic, do.next_stay),
    row(S.HOTPLUG_NIC_UNDO, Delete, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.RUNNING,  DetachNic, S.HOTPLUG_NIC_DETACH, change.mark_nic, do.asked, detach_nic),
    row(S.HOTPLUG_NIC_DETACH, Done,   S.RUNNING,        change.drop_nic, do.next_stay, do.forget_error, release_leases),
    row(S.HOTPLUG_NIC_DETACH, Failed, S.RUNNING,        change.settle_nic, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_NIC_DETACH, Delete, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.POWEROFF, AttachNic, S.POWEROFF, change.add_nic, change.settle_nic),
    row(S.POWEROFF, DetachNic, S.POWEROFF, change.mark_nic, change.drop_nic, release_leases),

    # the whole machine, kept and brought back
    row(S.RUNNING, SnapshotCreate, S.HOTPLUG_SNAPSHOT,        change.add_snapshot, do.asked, snapshot),
    row(S.RUNNING, SnapshotRevert, S.HOTPLUG_SNAPSHOT_REVERT, change.mark_snapshot, do.asked, revert),
    row(S.RUNNING, SnapshotDelete, S.HOTPLUG_SNAPSHOT_DELETE, change.mark_snapshot, do.asked, forget),
    row(S.HOTPLUG_SNAPSHOT,        Done,   S.RUNNING,        change.settle_snapshot, do.next_stay, do.forget_error),
    row(S.HOTPLUG_SNAPSHOT,        Failed, S.RUNNING,        change.drop_snapshot, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_SNAPSHOT,        Delete, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.HOTPLUG_SNAPSHOT_REVERT, Done,   S.RUNNING,        change.activate_snapshot, do.next_stay, do.forget_error),
    row(S.HOTPLUG_SNAPSHOT_REVERT, Failed, S.RUNNING,        change.settle_snapshot, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_SNAPSHOT_REVERT, Delete, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.HOTPLUG_SNAPSHOT_DELETE, Done,   S.RUNNING,        change.drop_snapshot, do.next_stay, do.forget_error),
    row(S.HOTPLUG_SNAPSHOT_DELETE, Failed, S.RUNNING,        change.settle_snapshot, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_SNAPSHOT_DELETE, Delete, S.CLEANUP_DELETE, do.asked, cancel),

    # one disk, kept and brought back
    row(S.RUNNING, DiskSnapshotCreate, S.DISK_SNAPSHOT, change.add_disk_snapshot, do.asked, disk_snapshot),
    row(S.DISK_SNAPSHOT, Done,   S.RUNNING, change.settle_disk_snapshot, do.next_stay, do.forget_error),
    row(S.DISK_SNAPSHOT, Failed, S.RUNNING, change.drop_disk_snapshot, do.not_asked, do.tell_owner),
    row(S.RUNNING, DiskSnapshotDelete, S.DISK_SNAPSHOT_DELETE, change.mark_disk_snapshot, do.asked, disk_forget),
    row(S.DISK_SNAPSHOT_DELETE, Done,   S.RUNNING, change.drop_disk_snapshot, do.next_stay, do.forget_error),
    row(S.DISK_SNAPSHOT_DELETE, Failed, S.RUNNING, change.settle_disk_snapshot, do.not_asked, do.tell_owner),
    row(S.POWEROFF, DiskSnapshotCreate, S.DISK_SNAPSHOT_POWEROFF, change.add_disk_snapshot, snap_create),
    row(S.DISK_SNAPSHOT_POWEROFF, Done,   S.POWEROFF, change.settle_disk_snapshot, do.forget_error),
    row(S.DISK_SNAPSHOT_POWEROFF, Failed, S.POWEROFF, change.drop_disk_snapshot, do.tell_owner),
    row(S.POWEROFF, DiskSnapshotDelete, S.DISK_SNAPSHOT_DELETE_POWEROFF, change.mark_disk_snapshot, snap_delete),
    row(S.DISK_SNAPSHOT_DELETE_POWEROFF, Done,   S.POWEROFF, change.drop_disk_snapshot, do.forget_error),
    row(S.DISK_SNAPSHOT_DELETE_POWEROFF, Failed, S.POWEROFF, change.settle_disk_snapshot, do.tell_owner),
    row(S.POWEROFF, DiskSnapshotRevert, S.DISK_SNAPSHOT_REVERT_POWEROFF, change.mark_disk_snapshot, snap_revert),
    row(S.DISK_SNAPSHOT_REVERT_POWEROFF, Done,   S.POWEROFF, change.activate_disk_snapshot, do.forget_error),
    row(S.DISK_SNAPSHOT_REVERT_POWEROFF, Failed, S.POWEROFF, change.settle_disk_snapshot, do.tell_owner),
    row(S.SUSPENDED, DiskSnapshotCreate, S.DISK_SNAPSHOT_SUSPENDED, change.add_disk_snapshot, snap_create),
    row(S.DISK_SNAPSHOT_SUSPENDED, Done,   S.SUSPENDED, change.settle_disk_snapshot, do.forget_error),
    row(S.DISK_SNAPSHOT_SUSPENDED, Failed, S.SUSPENDED, change.drop_disk_snapshot, do.tell_owner),
    row(S.SUSPENDED, DiskSnapshotDelete, S.DISK_SNAPSHOT_DELETE_SUSPENDED, change.mark_disk_snapshot, snap_delete),
    row(S.DISK_SNAPSHOT_DELETE_SUSPENDED, Done,   S.SUSPENDED, change.drop_disk_snapshot, do.forget_error),
    row(S.DISK_SNAPSHOT_DELETE_SUSPENDED, Failed, S.SUSPENDED, change.settle_disk_snapshot, do.tell_owner),

    # larger and smaller
    row(S.RUNNING, Resize, S.HOTPLUG_RESIZE, change.resize, do.asked, resize),
    row(S.HOTPLUG_RESIZE, Done,   S.RUNNING,        change.settle_resize, do.next_stay, do.forget_error),
    row(S.HOTPLUG_RESIZE, Failed, S.RUNNING,        change.undo_resize, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_RESIZE, Delete, S.CLEANUP_DELETE, do.asked, cancel),
    *(row(state, Resize, state, change.resize, change.settle_resize) for state in AT_REST),
    row(S.RUNNING, DiskResize, S.DISK_RESIZE, change.resize_disk, do.asked, resize_disk),
    row(S.DISK_RESIZE, Done,   S.RUNNING,        change.settle_disk_size, do.next_stay, do.forget_error),
    row(S.DISK_RESIZE, Failed, S.RUNNING,        change.undo_disk_size, do.not_asked, do.tell_owner),
    row(S.DISK_RESIZE, Delete, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.POWEROFF, DiskResize, S.DISK_RESIZE_POWEROFF, change.resize_disk, resize_file),
    row(S.DISK_RESIZE_POWEROFF, Done,   S.POWEROFF, change.settle_disk_size, do.forget_error),
    row(S.DISK_RESIZE_POWEROFF, Failed, S.POWEROFF, change.undo_disk_size, do.tell_owner),

    # what it is told at its next boot
    *(row(state, UpdateConf, state, change.configure) for state in CONFIGURABLE),
)
# fmt: on

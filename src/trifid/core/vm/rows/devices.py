"""A machine is changed while it lives: disks, NICs, snapshots, size, configuration."""

from trifid.core.vm import changes as change
from trifid.core.vm import effects as do
from trifid.core.vm.effects import Ask, Local, release_leases
from trifid.core.vm.events import (
    Absent,
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
    Failed,
    Found,
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
    copy_disk,
    detach_disk,
    detach_files,
    detach_nic,
    disk_forget,
    disk_snapshot,
    drop_files,
    forget,
    look,
    resize,
    resize_disk,
    resize_file,
    revert,
    row,
    save_as,
    snap_create,
    snap_delete,
    snap_revert,
    snapshot,
    write_context,
)
from trifid.core.vm.states import VmState as S

AT_REST = (S.PENDING, S.HOLD, S.POWEROFF, S.UNDEPLOYED, S.PENDING_UNDEPLOYED, S.HOLD_UNDEPLOYED)
"""Where a new size is a matter of the record alone."""
AWAY = (S.UNDEPLOYED, S.PENDING_UNDEPLOYED, S.HOLD_UNDEPLOYED)
CONFIGURABLE = (*(state for state in AT_REST if state is not S.POWEROFF), S.PROLOG_FAILURE)


def _off_first(
    start: S,
    event: type[Event],
    looking: S,
    working: S,
    ask: Ask,
    mark: Local,
    settle: Local,
    undo: Local,
    failed: Local | None = None,
) -> tuple[Row, ...]:
    """Return the rows of work on a resting VM's files: its host must first say that no domain has them open.

    Args:
        undo: when the work was not begun.
        failed: when it was; `undo` by default.
    """
    return (
        row(start, event, looking, mark, look),
        row(looking, Absent, working, ask),
        row(looking, Found, S.RUNNING, undo, do.reopen_if_closed, do.take_deploy_id),
        row(looking, Failed, start, undo, do.tell_owner),
        row(working, Done, start, settle, do.forget_error),
        row(working, Failed, start, failed or undo, do.tell_owner),
    )


# fmt: off
ROWS: tuple[Row, ...] = (
    # a disk comes, a disk goes: running
    row(S.RUNNING, AttachDisk, S.HOTPLUG,        change.add_disk, do.asked, attach_files),
    row(S.HOTPLUG, Done,       S.HOTPLUG_ATTACH, attach_disk),
    row(S.HOTPLUG, Failed,     S.HOTPLUG_DROP,   do.tell_owner, drop_files),
    row(S.HOTPLUG_ATTACH, Done,   S.RUNNING,        change.settle_disk, do.next_stay, do.forget_error),
    row(S.HOTPLUG_ATTACH, Failed, S.HOTPLUG_UNDO,   do.tell_owner, detach_disk),
    row(S.HOTPLUG_UNDO,   Done,   S.HOTPLUG_DROP,   drop_files),
    row(S.HOTPLUG_UNDO,   Failed, S.RUNNING,        change.settle_disk, do.next_stay),
    row(S.HOTPLUG_DROP,   Done,   S.RUNNING,        change.drop_disk, do.not_asked),
    row(S.HOTPLUG_DROP,   Failed, S.RUNNING,        change.drop_disk, do.not_asked),
    row(S.RUNNING, DetachDisk, S.HOTPLUG_DETACH, change.mark_disk, do.asked, detach_disk),
    row(S.HOTPLUG_DETACH, Done,   S.HOTPLUG_EPILOG, detach_files),
    row(S.HOTPLUG_DETACH, Failed, S.RUNNING,        change.settle_disk, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_EPILOG, Done,   S.RUNNING,        change.drop_disk, do.next_stay, do.forget_error),
    row(S.HOTPLUG_EPILOG, Failed, S.RUNNING,        change.let_disk_go, do.not_asked, do.tell_owner),

    # a disk comes, a disk goes: powered off
    row(S.POWEROFF, AttachDisk, S.HOTPLUG_PROLOG_POWEROFF, change.add_disk, attach_files),
    row(S.HOTPLUG_PROLOG_POWEROFF, Done,   S.POWEROFF, change.settle_disk, do.forget_error),
    row(S.HOTPLUG_PROLOG_POWEROFF, Failed, S.HOTPLUG_DROP_POWEROFF, do.tell_owner, drop_files),
    row(S.HOTPLUG_DROP_POWEROFF,   Done,   S.POWEROFF, change.drop_disk),
    row(S.HOTPLUG_DROP_POWEROFF,   Failed, S.POWEROFF, change.drop_disk),
    *_off_first(S.POWEROFF, DetachDisk, S.HOTPLUG_EPILOG_POWEROFF_LOOK, S.HOTPLUG_EPILOG_POWEROFF, detach_files,
                change.mark_disk, change.drop_disk, change.settle_disk, change.let_disk_go),

    # a NIC comes, a NIC goes
    row(S.RUNNING,  AttachNic, S.HOTPLUG_NIC, change.add_nic, do.asked, attach_nic),
    row(S.HOTPLUG_NIC, Done,   S.RUNNING,          change.settle_nic, do.next_stay, do.forget_error),
    row(S.HOTPLUG_NIC, Failed, S.HOTPLUG_NIC_UNDO, do.tell_owner, detach_nic),
    row(S.HOTPLUG_NIC_UNDO, Done,   S.RUNNING,        change.drop_nic, do.not_asked, release_leases),
    row(S.HOTPLUG_NIC_UNDO, Failed, S.RUNNING,        change.settle_nic, do.next_stay),
    row(S.RUNNING,  DetachNic, S.HOTPLUG_NIC_DETACH, change.mark_nic, do.asked, detach_nic),
    row(S.HOTPLUG_NIC_DETACH, Done,   S.RUNNING,        change.drop_nic, do.next_stay, do.forget_error, release_leases),
    row(S.HOTPLUG_NIC_DETACH, Failed, S.RUNNING,        change.settle_nic, do.not_asked, do.tell_owner),
    row(S.POWEROFF, AttachNic, S.POWEROFF_CONTEXT_LOOK, change.add_nic, change.settle_nic, look),
    row(S.POWEROFF, DetachNic, S.HOTPLUG_NIC_POWEROFF, change.mark_nic, look),
    row(S.HOTPLUG_NIC_POWEROFF, Absent, S.POWEROFF, change.drop_nic, do.forget_error, release_leases),
    row(S.HOTPLUG_NIC_POWEROFF, Found,  S.RUNNING,  change.settle_nic, do.reopen_if_closed, do.take_deploy_id),
    row(S.HOTPLUG_NIC_POWEROFF, Failed, S.POWEROFF, change.settle_nic, do.tell_owner),

    # the whole machine, kept and brought back
    row(S.RUNNING, SnapshotCreate, S.HOTPLUG_SNAPSHOT,        change.add_snapshot, do.asked, snapshot),
    row(S.RUNNING, SnapshotRevert, S.HOTPLUG_SNAPSHOT_REVERT, change.mark_snapshot, do.asked, revert),
    row(S.RUNNING, SnapshotDelete, S.HOTPLUG_SNAPSHOT_DELETE, change.mark_snapshot, do.asked, forget),
    row(S.HOTPLUG_SNAPSHOT,        Done,   S.RUNNING,        change.settle_snapshot, do.next_stay, do.forget_error),
    row(S.HOTPLUG_SNAPSHOT,        Failed, S.RUNNING,        change.drop_snapshot, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_SNAPSHOT_REVERT, Done,   S.RUNNING,        change.activate_snapshot, do.next_stay, do.forget_error),
    row(S.HOTPLUG_SNAPSHOT_REVERT, Failed, S.RUNNING,        change.settle_snapshot, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_SNAPSHOT_DELETE, Done,   S.RUNNING,        change.drop_snapshot, do.next_stay, do.forget_error),
    row(S.HOTPLUG_SNAPSHOT_DELETE, Failed, S.RUNNING,        change.settle_snapshot, do.not_asked, do.tell_owner),

    # one disk, kept and brought back
    row(S.RUNNING, DiskSnapshotCreate, S.DISK_SNAPSHOT, change.add_disk_snapshot, do.asked, disk_snapshot),
    row(S.DISK_SNAPSHOT, Done,   S.RUNNING, change.settle_disk_snapshot, do.next_stay, do.forget_error),
    row(S.DISK_SNAPSHOT, Failed, S.RUNNING, change.drop_disk_snapshot, do.not_asked, do.tell_owner),
    row(S.RUNNING, DiskSnapshotDelete, S.DISK_SNAPSHOT_DELETE, change.mark_disk_snapshot, do.asked, disk_forget),
    row(S.DISK_SNAPSHOT_DELETE, Done,   S.RUNNING, change.drop_disk_snapshot, do.next_stay, do.forget_error),
    row(S.DISK_SNAPSHOT_DELETE, Failed, S.RUNNING, change.settle_disk_snapshot, do.not_asked, do.tell_owner),
    *_off_first(S.POWEROFF, DiskSnapshotCreate, S.DISK_SNAPSHOT_POWEROFF_LOOK, S.DISK_SNAPSHOT_POWEROFF, snap_create,
                change.add_disk_snapshot, change.settle_disk_snapshot, change.drop_disk_snapshot),
    *_off_first(S.POWEROFF, DiskSnapshotDelete, S.DISK_SNAPSHOT_DELETE_POWEROFF_LOOK, S.DISK_SNAPSHOT_DELETE_POWEROFF,
                snap_delete, change.mark_disk_snapshot, change.drop_disk_snapshot, change.settle_disk_snapshot),
    *_off_first(S.POWEROFF, DiskSnapshotRevert, S.DISK_SNAPSHOT_REVERT_POWEROFF_LOOK, S.DISK_SNAPSHOT_REVERT_POWEROFF,
                snap_revert, change.mark_disk_snapshot, change.activate_disk_snapshot, change.settle_disk_snapshot),
    *_off_first(S.SUSPENDED, DiskSnapshotCreate, S.DISK_SNAPSHOT_SUSPENDED_LOOK, S.DISK_SNAPSHOT_SUSPENDED, snap_create,
                change.add_disk_snapshot, change.settle_disk_snapshot, change.drop_disk_snapshot),
    *_off_first(S.SUSPENDED, DiskSnapshotDelete, S.DISK_SNAPSHOT_DELETE_SUSPENDED_LOOK,
                S.DISK_SNAPSHOT_DELETE_SUSPENDED, snap_delete,
                change.mark_disk_snapshot, change.drop_disk_snapshot, change.settle_disk_snapshot),

    # one disk becomes an image
    row(S.RUNNING, DiskSaveas, S.HOTPLUG_SAVEAS, change.mark_saveas, do.asked, copy_disk),
    row(S.HOTPLUG_SAVEAS,       Done,   S.HOTPLUG_SAVEAS_FILES, save_as),
    row(S.HOTPLUG_SAVEAS,       Failed, S.RUNNING, change.settle_saveas, do.not_asked, do.tell_owner),
    row(S.HOTPLUG_SAVEAS_FILES, Done,   S.RUNNING, change.settle_saveas, do.next_stay, do.forget_error),
    row(S.HOTPLUG_SAVEAS_FILES, Failed, S.RUNNING, change.settle_saveas, do.not_asked, do.tell_owner),
    *_off_first(S.POWEROFF, DiskSaveas, S.HOTPLUG_SAVEAS_POWEROFF_LOOK, S.HOTPLUG_SAVEAS_POWEROFF, save_as,
                change.mark_saveas, change.settle_saveas, change.settle_saveas),
    *_off_first(S.SUSPENDED, DiskSaveas, S.HOTPLUG_SAVEAS_SUSPENDED_LOOK, S.HOTPLUG_SAVEAS_SUSPENDED, save_as,
                change.mark_saveas, change.settle_saveas, change.settle_saveas),

    # larger and smaller
    row(S.RUNNING, Resize, S.HOTPLUG_RESIZE, change.resize, do.asked, resize),
    row(S.HOTPLUG_RESIZE, Done,   S.RUNNING,        change.settle_resize, do.next_stay, do.forget_error),
    row(S.HOTPLUG_RESIZE, Failed, S.HOTPLUG_RESIZE_UNDO, change.undo_resize, do.not_asked, do.tell_owner, resize),
    row(S.HOTPLUG_RESIZE_UNDO, Done,   S.RUNNING),
    row(S.HOTPLUG_RESIZE_UNDO, Failed, S.RUNNING),
    *(row(state, Resize, state, change.resize, change.settle_resize) for state in AT_REST),
    row(S.RUNNING, DiskResize, S.DISK_RESIZE, change.resize_disk, do.asked, resize_disk),
    row(S.DISK_RESIZE, Done,   S.RUNNING,        change.settle_disk_size, do.next_stay, do.forget_error),
    row(S.DISK_RESIZE, Failed, S.RUNNING,        change.undo_disk_size, do.not_asked, do.tell_owner),
    *_off_first(S.POWEROFF, DiskResize, S.DISK_RESIZE_POWEROFF_LOOK, S.DISK_RESIZE_POWEROFF, resize_file,
                change.resize_disk, change.settle_disk_size, change.undo_disk_size),

    # away from its host it grows when its files are back
    *(row(state, DiskResize, state, change.grow_later) for state in AWAY),

    # what it is told at its next boot; where its context image is there already, it is written anew
    *(row(state, UpdateConf, state, change.configure) for state in CONFIGURABLE),
    row(S.RUNNING, UpdateConf, S.HOTPLUG_CONTEXT, change.configure, do.asked, write_context),
    row(S.HOTPLUG_CONTEXT, Done,   S.RUNNING, do.next_stay, do.forget_error),
    row(S.HOTPLUG_CONTEXT, Failed, S.RUNNING, do.not_asked, do.tell_owner),
    *_off_first(S.POWEROFF, UpdateConf, S.POWEROFF_CONTEXT_LOOK, S.POWEROFF_CONTEXT, write_context,
                change.configure, change.nothing, change.nothing),
    *_off_first(S.BOOT_FAILURE, UpdateConf, S.BOOT_FAILURE_CONTEXT_LOOK, S.BOOT_FAILURE_CONTEXT, write_context,
                change.configure, change.nothing, change.nothing),
)
# fmt: on

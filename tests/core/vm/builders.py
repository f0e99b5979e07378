"""A VM in any state, with defaults, so that a test shows only what matters."""

from msgspec.structs import replace

from trifid.core.access import Caller
from trifid.core.template.model import Template
from trifid.core.vm import changes, events
from trifid.core.vm.effects import Moment
from trifid.core.vm.record import VM, DiskSnapshot, DiskSnapshots, HistoryRecord, Needs
from trifid.core.vm.states import VmState
from trifid.core.vm.states import VmState as S

ALICE = Caller(uid=7, name="alice", gids=(1,))
WAITING = {S.PENDING, S.HOLD, S.CLONING, S.CLONING_HELD, S.CLONING_FAILURE}
CLOSED = {
    S.POWEROFF, S.SHUTDOWN_OFF, S.DONE, S.SUSPENDED, S.SHUTDOWN_SUSPENDED, S.STOPPED, S.UNDEPLOYED,
    S.PENDING_STOPPED, S.PENDING_UNDEPLOYED, S.HOLD_STOPPED, S.HOLD_UNDEPLOYED,
    S.HOTPLUG_PROLOG_POWEROFF, S.HOTPLUG_DROP_POWEROFF, S.HOTPLUG_EPILOG_POWEROFF, S.HOTPLUG_EPILOG_POWEROFF_LOOK,
    S.HOTPLUG_NIC_POWEROFF,
    S.DISK_SNAPSHOT_POWEROFF, S.DISK_SNAPSHOT_REVERT_POWEROFF, S.DISK_SNAPSHOT_DELETE_POWEROFF,
    S.DISK_SNAPSHOT_SUSPENDED, S.DISK_SNAPSHOT_DELETE_SUSPENDED,
    S.DISK_SNAPSHOT_POWEROFF_LOOK, S.DISK_SNAPSHOT_REVERT_POWEROFF_LOOK, S.DISK_SNAPSHOT_DELETE_POWEROFF_LOOK,
    S.DISK_SNAPSHOT_SUSPENDED_LOOK, S.DISK_SNAPSHOT_DELETE_SUSPENDED_LOOK,
    S.DISK_RESIZE_POWEROFF, S.DISK_RESIZE_POWEROFF_LOOK,
    S.POWEROFF_CONTEXT, S.POWEROFF_CONTEXT_LOOK, S.HOTPLUG_SAVEAS_POWEROFF, S.HOTPLUG_SAVEAS_POWEROFF_LOOK,
    S.HOTPLUG_SAVEAS_SUSPENDED, S.HOTPLUG_SAVEAS_SUSPENDED_LOOK,
    S.PROLOG_MIGRATE_ABANDON_POWEROFF, S.PROLOG_MIGRATE_ABANDON_SUSPEND,
}  # fmt: skip
"""States in which a VM that was somewhere has no stay open."""
ON_TWO_HOSTS = {
    S.MIGRATE, S.MIGRATE_LOCATE, S.MIGRATE_LOCATE_SOURCE, S.MIGRATE_LOCATE_ONLY_SOURCE, S.SAVE_MIGRATE,
    S.SAVE_MIGRATE_LOOK, S.SAVE_MIGRATE_OFF, S.UNKNOWN_MIGRATE, S.MIGRATE_UNKNOWN_CANCEL,
    S.CLEANUP_DELETE_SOURCE_COPY, S.CLEANUP_RESUBMIT_SOURCE_COPY,
    S.CLEANUP_DELETE_SOURCE, S.CLEANUP_RESUBMIT_SOURCE, S.MIGRATE_COPY_PREPARE, S.MIGRATE_COPY,
    S.MIGRATE_COPY_LOCATE, S.MIGRATE_COPY_LOCATE_SOURCE, S.MIGRATE_COPY_LOCATE_ONLY_SOURCE, S.MIGRATE_COPY_CONFIRM,
    S.UNKNOWN_MIGRATE_COPY, S.MIGRATE_COPY_FAILURE, S.MIGRATE_COPY_LOCATE_ONLY_TARGET,
}  # fmt: skip
"""States in which two stays are open."""
LEFT_THE_SOURCE = {
    S.PROLOG_MIGRATE, S.PROLOG_MIGRATE_FAILURE, S.BOOT_MIGRATE, S.BOOT_MIGRATE_FAILURE,
    S.PROLOG_MIGRATE_POWEROFF, S.PROLOG_MIGRATE_POWEROFF_FAILURE, S.PROLOG_MIGRATE_POWEROFF_LOOK,
    S.PROLOG_MIGRATE_POWEROFF_CLEAN, S.PROLOG_MIGRATE_SUSPEND, S.PROLOG_MIGRATE_SUSPEND_FAILURE,
    S.PROLOG_MIGRATE_SUSPEND_LOOK, S.PROLOG_MIGRATE_SUSPEND_CLEAN, S.PROLOG_MIGRATE_UNKNOWN,
    S.PROLOG_MIGRATE_UNKNOWN_FAILURE, S.PROLOG_MIGRATE_OFF, S.PROLOG_MIGRATE_OFF_FAILURE,
    S.BOOT_MOVED, S.BOOT_MOVED_FAILURE,
}  # fmt: skip
"""States in which the stay on the source is closed and that on the target is open."""
MAY_BE_CHARGED = {
    S.EPILOG, S.EPILOG_FAILURE, S.CLEANUP_DELETE, S.CLEANUP_DELETE_FILES, S.CLEANUP_FAILURE,
    S.CLEANUP_DELETE_STOPPED, S.CLEANUP_STOPPED_FAILURE, S.CLEANUP_RESUBMIT, S.CLEANUP_RESUBMIT_FILES,
    S.CLEANUP_RESUBMIT_FILES_FAILURE, S.CLEANUP_RESUBMIT_STOPPED, S.CLEANUP_RESUBMIT_STOPPED_FAILURE,
}  # fmt: skip
"""Clean-up keeps the charge of a VM that had one, and a powered off VM has none."""

TEMPLATE = Template(
    (
        ("CPU", "1"),
        ("MEMORY", "128"),
        ("DISK", {"DISK_ID": "0", "TYPE": "FILE", "SAVE": "NO", "SIZE": "1024", "TARGET": "vda"}),
        ("DISK", {"DISK_ID": "1", "TYPE": "FS", "SAVE": "YES", "SIZE": "512", "TARGET": "vdb"}),
        ("NIC", {"NIC_ID": "0", "NETWORK_ID": "2", "MAC": "02:00:0a:00:00:01", "IP": "10.0.0.1"}),
        ("NIC", {"NIC_ID": "1", "NETWORK_ID": "2", "MAC": "02:00:0a:00:00:02", "IP": "10.0.0.2"}),
        ("SNAPSHOT", {"SNAPSHOT_ID": "0", "NAME": "clean", "HYPERVISOR_ID": "snap-0-5", "TIME": "99"}),
    )
)
"""What a VM is made of: two disks, two NICs of one network, a snapshot."""
DISK_SNAPSHOTS = (
    DiskSnapshots(1, next_id=2, active=1, snapshots=(DiskSnapshot(0, "a", 98, 512), DiskSnapshot(1, "b", 99, 512, 0))),
)

_DATA: dict[type[events.Event], dict[str, object]] = {
    events.AttachDisk: {"disk": {"DISK_ID": "2", "TYPE": "SWAP", "SAVE": "NO", "SIZE": "64", "TARGET": "vdc"}},
    events.DetachDisk: {"disk_id": 1},
    events.AttachNic: {"nic": {"NIC_ID": "2", "NETWORK_ID": "2", "MAC": "02:00:0a:00:00:03", "IP": "10.0.0.3"}},
    events.DetachNic: {"nic_id": 1},
    events.SnapshotCreate: {"name": "before the update"},
    events.SnapshotRevert: {"snapshot_id": 0},
    events.SnapshotDelete: {"snapshot_id": 0},
    events.DiskSnapshotCreate: {"disk_id": 1, "name": "before the update"},
    events.DiskSnapshotRevert: {"disk_id": 1, "snapshot_id": 0},
    events.DiskSnapshotDelete: {"disk_id": 1, "snapshot_id": 0},
    events.DiskSaveas: {"disk_id": 1, "image_id": 5, "source": "/srv/ds/1/ab"},
    events.ImagesThere: {"disks": tuple(TEMPLATE.vectors("DISK"))},
    events.ImagesGone: {"why": "image 5 is ERROR"},
    events.DiskResize: {"disk_id": 1, "size_mib": 2048},
    events.Resize: {"attributes": {"CPU": "2", "MEMORY": "256", "VCPU": "2"}, "needs": Needs(200, 256)},
    events.UpdateConf: {"template": TEMPLATE.having(("GRAPHICS", {"TYPE": "VNC"}))},
    events.Failed: {"why": "the bridge is missing"},
    events.SeenPaused: {"why": "a disk is full"},
}

_UNDER_WAY = {
    (changes.add_disk, events.AttachDisk): {
        S.HOTPLUG, S.HOTPLUG_ATTACH, S.HOTPLUG_UNDO, S.HOTPLUG_DROP, S.HOTPLUG_PROLOG_POWEROFF, S.HOTPLUG_DROP_POWEROFF,
    },
    (changes.mark_disk, events.DetachDisk): {
        S.HOTPLUG_DETACH, S.HOTPLUG_EPILOG, S.HOTPLUG_EPILOG_POWEROFF, S.HOTPLUG_EPILOG_POWEROFF_LOOK,
    },
    (changes.add_nic, events.AttachNic): {S.HOTPLUG_NIC, S.HOTPLUG_NIC_UNDO},
    (changes.mark_nic, events.DetachNic): {S.HOTPLUG_NIC_DETACH, S.HOTPLUG_NIC_POWEROFF},
    (changes.add_snapshot, events.SnapshotCreate): {S.HOTPLUG_SNAPSHOT},
    (changes.mark_snapshot, events.SnapshotRevert): {S.HOTPLUG_SNAPSHOT_REVERT},
    (changes.mark_snapshot, events.SnapshotDelete): {S.HOTPLUG_SNAPSHOT_DELETE},
    (changes.add_disk_snapshot, events.DiskSnapshotCreate): {
        S.DISK_SNAPSHOT, S.DISK_SNAPSHOT_POWEROFF, S.DISK_SNAPSHOT_POWEROFF_LOOK, S.DISK_SNAPSHOT_SUSPENDED,
        S.DISK_SNAPSHOT_SUSPENDED_LOOK,
    },
    (changes.mark_disk_snapshot, events.DiskSnapshotRevert): {
        S.DISK_SNAPSHOT_REVERT_POWEROFF, S.DISK_SNAPSHOT_REVERT_POWEROFF_LOOK,
    },
    (changes.mark_disk_snapshot, events.DiskSnapshotDelete): {
        S.DISK_SNAPSHOT_DELETE, S.DISK_SNAPSHOT_DELETE_POWEROFF, S.DISK_SNAPSHOT_DELETE_POWEROFF_LOOK,
        S.DISK_SNAPSHOT_DELETE_SUSPENDED, S.DISK_SNAPSHOT_DELETE_SUSPENDED_LOOK,
    },
    (changes.resize_disk, events.DiskResize): {S.DISK_RESIZE, S.DISK_RESIZE_POWEROFF, S.DISK_RESIZE_POWEROFF_LOOK},
    (changes.resize, events.Resize): {S.HOTPLUG_RESIZE},
    (changes.mark_saveas, events.DiskSaveas): {
        S.HOTPLUG_SAVEAS, S.HOTPLUG_SAVEAS_FILES, S.HOTPLUG_SAVEAS_POWEROFF, S.HOTPLUG_SAVEAS_POWEROFF_LOOK,
        S.HOTPLUG_SAVEAS_SUSPENDED, S.HOTPLUG_SAVEAS_SUSPENDED_LOOK,
    },
}  # fmt: skip
"""In which states which change is under way."""
SAVED = {S.SUSPENDED, S.STOPPED, S.PENDING_STOPPED, S.HOLD_STOPPED}
"""States that a VM whose memory was saved rests in."""


def stay(seq: int = 0, host_id: int = 3, etime: int = 0) -> HistoryRecord:
    """A stay on host `host_id`."""
    return HistoryRecord(seq, host_id, f"host{host_id}", 0, "dummy", "dummy", 0, stime=100, etime=etime)


def vm(state: VmState = VmState.RUNNING, step: int = 7, stays: int = 0, **more: object) -> VM:
    """A VM of alice's, 100 % CPU and 128 MiB, with `stays` on hosts 3, 4 …, or as many as its state has.

    It has disks, NICs and snapshots, marked as they are while the state's work is under way.
    """
    count = stays or (0 if state in WAITING else 2 if state in ON_TWO_HOSTS | LEFT_THE_SOURCE else 1)
    history = tuple(
        stay(n, host_id=3 + n, etime=150 if state in CLOSED or (state in LEFT_THE_SOURCE and n == 0) else 0)
        for n in range(count)
    )
    made = VM(
        id=42, uid=7, gid=1, name="web", state=state, needs=Needs(100, 128), stime=90, step=step, history=history,
        template=TEMPLATE, disk_snapshots=DISK_SNAPSHOTS, saved_seq=0 if state in SAVED else -1,
    )  # fmt: skip
    for (change, kind), states in _UNDER_WAY.items():
        if state in states:
            made = change(made, event_of(kind), moment(150))
    return replace(made, **more)


def moment(now: int = 200) -> Moment:
    """Alice asks, at `now`."""
    return Moment(now, ALICE, "17")


EVENTS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, events.Event) and not kind.__subclasses__()
] + [events.Deploy]
"""Every class of event that can happen."""


def event_of(kind: type[events.Event], step: int = 7) -> events.Event:
    """An event of this class with plausible fields; those of a VM's parts name parts that `vm` has."""
    if issubclass(kind, events.Deploy):
        return kind(host_id=9, hostname="host9", cluster_id=0, vmm="dummy", tm="dummy", datastore_id=0)
    data = _DATA.get(kind, {})
    return kind(step=step, **data) if issubclass(kind, events.Answer) else kind(**data)


def marks(machine: VM) -> list[str]:
    """What the VM's record says to be under way: marks on disks, NICs and snapshots, a size that changes."""
    found = [
        f"{name} {mark}"
        for name, value in machine.template
        if isinstance(value, dict)
        for mark in ("ATTACH", "ACTION", "RESIZE", "SIZE_PREV", "SAVEAS")
        if mark in value
    ]
    found += ["RESIZE_PREV"] * len(machine.template.vectors("RESIZE_PREV"))
    return found + [one.pending for of in machine.disk_snapshots for one in of.snapshots if one.pending]

"""A virtual machine as a record, its history, and the one driver action it may have in flight."""

import msgspec

from trifid.core.access import Permissions
from trifid.core.template.model import Template
from trifid.core.vm.lock import Lock
from trifid.core.vm.schedule import ScheduledAction
from trifid.core.vm.states import VmState


class Needs(msgspec.Struct, frozen=True, array_like=True):
    """Capacity that a VM asks of its host.

    Attributes:
        cpu_percent: 100 = one core.
        memory_mib: MiB.
    """

    cpu_percent: int = 0
    memory_mib: int = 0


class HistoryRecord(msgspec.Struct, frozen=True):
    """One stay of a VM on a host (reference/lifecycle.md §3).  Times are epoch seconds, 0 = not yet.

    Attributes:
        stime, etime: the record was opened, closed.
        pstime, petime: prolog (transfer) began, ended.
        rstime, retime: the hypervisor's part began, ended.
        estime, eetime: epilog (transfer) began, ended.
        action: number of the operation that closed the record, 0 while none.
        uid, gid, request_id: who asked for that operation; -1 for the engine itself.
        devices: addresses of the host's PCI devices that it has, one for each PCI of its template; "" = none could
            be had.
    """

    seq: int
    host_id: int
    hostname: str
    cluster_id: int
    vmm: str
    tm: str
    datastore_id: int
    stime: int
    etime: int = 0
    pstime: int = 0
    petime: int = 0
    rstime: int = 0
    retime: int = 0
    estime: int = 0
    eetime: int = 0
    action: int = 0
    uid: int = -1
    gid: int = -1
    request_id: str = "-1"
    devices: tuple[str, ...] = ()


class DiskSnapshot(msgspec.Struct, frozen=True):
    """A disk as it was.

    Attributes:
        id: unique among the disk's snapshots, never given again.
        parent: the snapshot that was active when this one was made; -1 = none.
        at: epoch seconds.
        pending: what a driver is doing to it: "create", "revert", "delete", or nothing.
    """

    id: int
    name: str
    at: int
    size_mib: int
    parent: int = -1
    pending: str = ""


class DiskSnapshots(msgspec.Struct, frozen=True):
    """The snapshots of one disk.

    Attributes:
        next_id: id of the next one.
        active: the one that the disk's present content goes back to; -1 = none.
    """

    disk_id: int
    next_id: int = 0
    active: int = -1
    snapshots: tuple[DiskSnapshot, ...] = ()


class UsedFile(msgspec.Struct, frozen=True):
    """A file of the catalogue that a VM boots or is told with.

    Attributes:
        role: "kernel", "initrd" or "context".
        image_id: of the file's image.
        source: where it lies on the front-end.
        name: what the guest sees it called.
    """

    role: str
    image_id: int
    source: str
    name: str


class VM(msgspec.Struct, frozen=True):
    """A virtual machine.  Replaced whole on every change, never edited.

    Attributes:
        prev: the state before the last change.
        step: counts transitions; ties the answer of a driver to the action that asked for it.
        deploy_id: the hypervisor's name for it, empty until deployed.
        template: what the engine and the drivers act upon, with ids, leases and targets filled in.
        user_template: everything else the user wrote, with SCHED_* and ERROR.
        history: oldest first; the last record may be open (etime 0).
        saved_seq: sequence number of the stay in which its memory was saved last, -1 = never.
        disk_snapshots: of the disks that ever had one.
        lock: what may not be done to it; None = not locked.
        schedule: what shall be done to it later, and what came of that, oldest first.
        files: of the catalogue that it boots or is told with.
        next_disk_id: the lowest DISK_ID that was never given; 0 in records of older engines, which see
            what its template has.
    """

    id: int
    uid: int
    gid: int
    name: str
    state: VmState
    needs: Needs
    stime: int
    permissions: Permissions = Permissions()
    prev: VmState = VmState.INIT
    step: int = 0
    etime: int = 0
    resched: bool = False
    deploy_id: str = ""
    template: Template = Template()
    user_template: Template = Template()
    history: tuple[HistoryRecord, ...] = ()
    saved_seq: int = -1
    disk_snapshots: tuple[DiskSnapshots, ...] = ()
    lock: Lock | None = None
    schedule: tuple[ScheduledAction, ...] = ()
    files: tuple[UsedFile, ...] = ()
    next_disk_id: int = 0

    @property
    def is_imported(self) -> bool:
        """Whether its domain was made by somebody else: neither its disks nor its definition are the engine's."""
        return self.template.single("IMPORTED") == "YES"

    @property
    def current(self) -> HistoryRecord:
        """The newest history record.  Asserts that there is one."""
        assert self.history, f"vm {self.id} has no history record"
        return self.history[-1]

    @property
    def previous(self) -> HistoryRecord:
        """The record before the newest.  Asserts that there is one."""
        assert len(self.history) > 1, f"vm {self.id} has no previous history record"
        return self.history[-2]


class Action(msgspec.Struct, frozen=True):
    """A driver action not yet answered: a row of the outbox, at most one per VM.

    What goes over the line is rendered from the VM's record when the action is sent.

    Attributes:
        step: the VM's step number that the answer must match.
        family: "vmm" or "tm".
        verb: the word on the wire for vmm (DEPLOY, SHUTDOWN …); the transfer operation for tm
            (prolog, epilog, delete, migrate …).
        previous: the action concerns the previous history record's host, not the current one's.
    """

    vm_id: int
    step: int
    family: str
    verb: str
    previous: bool = False

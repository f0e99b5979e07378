"""What can happen to a virtual machine: requests, answers of drivers, observations.

An event says what happened, never what must follow; that is the table's part.
"""

import msgspec

from trifid.core.template.model import Template
from trifid.core.vm.record import DiskSnapshots, Needs, UsedFile


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to a VM."""


class Request(Event, frozen=True, kw_only=True):
    """Somebody asked for it.  `word` names the action in messages, `number` in history records.

    Numbers: reference/lifecycle.md §3.2.
    """

    word = ""
    number = 0


class Deploy(Request, frozen=True, kw_only=True):
    """Run on this host.  The caller has checked that the host exists and has room."""

    word = "deploy"
    number = 30
    host_id: int
    hostname: str
    cluster_id: int
    vmm: str
    tm: str
    datastore_id: int


class ImportRunning(Deploy, frozen=True, kw_only=True):
    """It runs on this host already, without the engine's doing: take it over as it is.

    Attributes:
        deploy_id: the hypervisor's name for it.
    """

    word = "importvm"
    deploy_id: str = ""


class Hold(Request, frozen=True, kw_only=True):
    """Keep the scheduler away."""

    word = "hold"
    number = 7


class Release(Request, frozen=True, kw_only=True):
    """Let the scheduler have it again."""

    word = "release"
    number = 8


class Terminate(Request, frozen=True, kw_only=True):
    """Shut down in an orderly way, save what is to be saved, clean up."""

    word = "terminate"
    number = 27


class TerminateHard(Request, frozen=True, kw_only=True):
    """As Terminate, but the domain is destroyed instead of asked."""

    word = "terminate-hard"
    number = 28


class Poweroff(Request, frozen=True, kw_only=True):
    """Shut down, keep disks and place."""

    word = "poweroff"
    number = 19


class PoweroffHard(Request, frozen=True, kw_only=True):
    """As Poweroff, but destroyed."""

    word = "poweroff-hard"
    number = 20


class Resume(Request, frozen=True, kw_only=True):
    """Run again where it is."""

    word = "resume"
    number = 11


class Reboot(Request, frozen=True, kw_only=True):
    """Ask the guest to reboot."""

    word = "reboot"
    number = 15


class RebootHard(Request, frozen=True, kw_only=True):
    """Reset the machine."""

    word = "reboot-hard"
    number = 16


class Resched(Request, frozen=True, kw_only=True):
    """Mark for the scheduler to move."""

    word = "resched"
    number = 17


class Unresched(Request, frozen=True, kw_only=True):
    """Take the mark away."""

    word = "unresched"
    number = 18


class MigrateOff(Deploy, frozen=True, kw_only=True):
    """Shut down, move the files, boot on another host."""

    word = "poweroff-migrate"
    number = 48


class MigrateOffHard(Deploy, frozen=True, kw_only=True):
    """As MigrateOff, but destroyed."""

    word = "poweroff-hard-migrate"
    number = 49


class MigrateLive(Deploy, frozen=True, kw_only=True):
    """Move to another host without stopping."""

    word = "live-migrate"
    number = 2


class MigrateCopy(Deploy, frozen=True, kw_only=True):
    """As MigrateLive, to a host that has not the disks: they come along."""

    word = "live-migrate"
    number = 2


class MigrateSave(Deploy, frozen=True, kw_only=True):
    """Save, move the files, restore on another host."""

    word = "migrate"
    number = 1


class Abandon(Request, frozen=True, kw_only=True):
    """Give up a move whose files did not arrive, and go on where it was (recover 0)."""

    word = "recover --failure"
    number = 42


class Accept(Request, frozen=True, kw_only=True):
    """Say of a VM that is off, whose end of a move nobody saw, that it had arrived (recover 1)."""

    word = "recover --success"
    number = 42


class MigrateCancel(Request, frozen=True, kw_only=True):
    """Let a VM that moves live stay where it is, if it is not there yet."""

    word = "migrate --cancel"
    number = 2


class Retry(Request, frozen=True, kw_only=True):
    """Do again what failed (recover 2)."""

    word = "recover --retry"
    number = 43


class Delete(Request, frozen=True, kw_only=True):
    """Clean up whatever there is and finish (recover 3)."""

    word = "recover --delete"
    number = 13


class DeleteDb(Request, frozen=True, kw_only=True):
    """Forget it without asking any driver (recover 5): domain and files may remain on hosts that are lost."""

    word = "recover --delete-db"
    number = 42


class Suspend(Request, frozen=True, kw_only=True):
    """Save it in its place: memory to a file, disks stay."""

    word = "suspend"
    number = 10


class Stop(Request, frozen=True, kw_only=True):
    """Save it and take it away from its host."""

    word = "stop"
    number = 9


class Undeploy(Request, frozen=True, kw_only=True):
    """Shut down and take it away from its host."""

    word = "undeploy"
    number = 5


class UndeployHard(Request, frozen=True, kw_only=True):
    """As Undeploy, but destroyed."""

    word = "undeploy-hard"
    number = 6


class DeleteRecreate(Request, frozen=True, kw_only=True):
    """Clean up whatever there is and begin again, with the same addresses (recover 4)."""

    word = "recover --recreate"
    number = 14


class AttachDisk(Request, frozen=True, kw_only=True):
    """Give it another disk, prepared as those of a new VM are: with DISK_ID, TARGET …

    Attributes:
        snapshots: that its persistent image brings along.
    """

    word = "disk-attach"
    number = 21
    disk: dict[str, str]
    snapshots: DiskSnapshots | None = None


class DetachDisk(Request, frozen=True, kw_only=True):
    """Take a disk away."""

    word = "disk-detach"
    number = 22
    disk_id: int


class AttachNic(Request, frozen=True, kw_only=True):
    """Give it another NIC, which has its lease already.

    Attributes:
        context: variables of CONTEXT that tell of it.
    """

    word = "nic-attach"
    number = 23
    nic: dict[str, str]
    context: dict[str, str] = {}


class DetachNic(Request, frozen=True, kw_only=True):
    """Take a NIC away."""

    word = "nic-detach"
    number = 24
    nic_id: int


class SnapshotCreate(Request, frozen=True, kw_only=True):
    """Keep the whole machine as it is."""

    word = "snapshot-create"
    number = 37
    name: str


class SnapshotRevert(Request, frozen=True, kw_only=True):
    """Bring back the whole machine as it was."""

    word = "snapshot-revert"
    number = 39
    snapshot_id: int


class SnapshotDelete(Request, frozen=True, kw_only=True):
    """Forget a snapshot of the whole machine."""

    word = "snapshot-delete"
    number = 38
    snapshot_id: int


class DiskSnapshotCreate(Request, frozen=True, kw_only=True):
    """Keep one disk as it is."""

    word = "disk-snapshot-create"
    number = 25
    disk_id: int
    name: str


class DiskSnapshotRevert(Request, frozen=True, kw_only=True):
    """Bring back one disk as it was."""

    word = "disk-snapshot-revert"
    number = 41
    disk_id: int
    snapshot_id: int


class DiskSnapshotDelete(Request, frozen=True, kw_only=True):
    """Forget a snapshot of one disk."""

    word = "disk-snapshot-delete"
    number = 26
    disk_id: int
    snapshot_id: int


class DiskSaveas(Request, frozen=True, kw_only=True):
    """Make an image of a disk.

    Attributes:
        image_id: of the image, which waits for its contents.
        source: where these go on the front-end.
        snapshot_id: take the disk as it was in this snapshot; -1 = as it is.
    """

    word = "disk-saveas"
    number = 40
    disk_id: int
    image_id: int
    source: str
    snapshot_id: int = -1


class DiskResize(Request, frozen=True, kw_only=True):
    """Make a disk larger."""

    word = "disk-resize"
    number = 29
    disk_id: int
    size_mib: int


class Resize(Request, frozen=True, kw_only=True):
    """Change what it asks of its host.

    Attributes:
        attributes: CPU, MEMORY (MiB), VCPU as they shall be; those left out stay.
        needs: what follows from them.
    """

    word = "resize"
    number = 35
    attributes: dict[str, str]
    needs: Needs


class UpdateConf(Request, frozen=True, kw_only=True):
    """Change what it is told at its next boot: OS, CONTEXT, GRAPHICS …

    Attributes:
        template: the VM's template as it shall be.
        files: of the catalogue that it shall boot and be told with; None = as before.
    """

    word = "updateconf"
    number = 33
    template: Template
    files: tuple[UsedFile, ...] | None = None


class Answer(Event, frozen=True, kw_only=True):
    """A driver answered the action of this step.  With another step number it changes nothing."""

    step: int


class Done(Answer, frozen=True, kw_only=True):
    """The action's goal is met.  `info` is what the driver told (a deploy id …)."""

    info: str = ""


class Failed(Answer, frozen=True, kw_only=True):
    """The action's goal is not met, for all that the driver knows.  `why` is for people."""

    why: str


class Found(Answer, frozen=True, kw_only=True):
    """A look at a host (POLL) saw the VM running there."""


class Absent(Answer, frozen=True, kw_only=True):
    """A look at a host (POLL) did not see the VM running there."""


class Observation(Event, frozen=True, kw_only=True):
    """Monitoring saw something, without being asked about this VM."""


class SeenRunning(Observation, frozen=True, kw_only=True):
    """The domain runs.  `deploy_id` as the hypervisor names it, empty when not told."""

    deploy_id: str = ""


class SeenOff(Observation, frozen=True, kw_only=True):
    """The domain is off or gone.  `why` is for people, empty when not told."""

    why: str = ""


class SeenLost(Observation, frozen=True, kw_only=True):
    """The hypervisor reports a failed domain, or its host is lost."""


class SeenAtSource(Observation, frozen=True, kw_only=True):
    """The domain runs on the host that a migration was to leave."""


class HostFenced(Observation, frozen=True, kw_only=True):
    """Its host runs nothing any more, which is proven, and its files can be reached from elsewhere.

    `why` is for people.
    """

    why: str = ""


class HostFencedAnew(Observation, frozen=True, kw_only=True):
    """The same, but its files cannot be reached; its owner wants it made anew then.  `why` is for people."""

    why: str = ""


class SourceFenced(Observation, frozen=True, kw_only=True):
    """The host that a migration was to leave runs nothing any more, which is proven.  `why` is for people."""

    why: str = ""


class ImagesThere(Observation, frozen=True, kw_only=True):
    """All images that it waited for are there.

    Attributes:
        disks: its DISKs, completed with what the images hold.
    """

    disks: tuple[dict[str, str], ...]


class ImagesGone(Observation, frozen=True, kw_only=True):
    """An image that it waits for could not be made.  `why` is for people."""

    why: str


class SeenPaused(Observation, frozen=True, kw_only=True):
    """The domain is there and does not run: somebody or something paused it.  `why` is for people."""

    why: str = ""

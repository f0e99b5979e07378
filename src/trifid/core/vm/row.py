"""One row of the table of the life cycle, and the driver actions that rows ask for."""

import dataclasses

from trifid.core.vm.effects import Ask, Effect
from trifid.core.vm.events import Event
from trifid.core.vm.states import VmState


@dataclasses.dataclass(frozen=True)
class Row:
    """One transition.

    Attributes:
        start: the state it begins in.
        event: the class of event that fires it.
        end: the state it ends in.
        effects: in order; at most one is an `Ask`.
    """

    start: VmState
    event: type[Event]
    end: VmState
    effects: tuple[Effect, ...] = ()

    @property
    def ask(self) -> Ask | None:
        """The driver action it starts, if any."""
        return next((effect for effect in self.effects if isinstance(effect, Ask)), None)


def row(start: VmState, event: type[Event], end: VmState, *effects: Effect) -> Row:
    """Write a row."""
    return Row(start, event, end, effects)


def starts(rows: tuple[Row, ...]) -> list[VmState]:
    """Return the states that rows begin in, in their order."""
    return list(dict.fromkeys(r.start for r in rows))


prolog, epilog, move = Ask("tm", "prolog"), Ask("tm", "epilog"), Ask("tm", "migrate")
clean_source = Ask("tm", "clean_source")
delete_files, delete_files_on_both = Ask("tm", "delete"), Ask("tm", "delete_both")
stop_files, resume_files, delete_stopped = Ask("tm", "stop"), Ask("tm", "resume"), Ask("tm", "delete_stopped")
attach_files, detach_files, drop_files = Ask("tm", "attach"), Ask("tm", "detach"), Ask("tm", "drop")
snap_create, snap_revert, snap_delete = Ask("tm", "snap_create"), Ask("tm", "snap_revert"), Ask("tm", "snap_delete")
resize_file = Ask("tm", "resize")
save_as, write_context, drop_target = Ask("tm", "saveas"), Ask("tm", "context"), Ask("tm", "drop_target")
pre_migrate, post_migrate, fail_migrate = Ask("tm", "premigrate"), Ask("tm", "postmigrate"), Ask("tm", "failmigrate")

deploy, shutdown, cancel, restore = (Ask("vmm", verb) for verb in ("DEPLOY", "SHUTDOWN", "CANCEL", "RESTORE"))
save, reboot, reset, look = (Ask("vmm", verb) for verb in ("SAVE", "REBOOT", "RESET", "POLL"))
attach_disk, detach_disk = Ask("vmm", "ATTACHDISK"), Ask("vmm", "DETACHDISK")
attach_nic, detach_nic = Ask("vmm", "ATTACHNIC"), Ask("vmm", "DETACHNIC")
snapshot, revert, forget = (Ask("vmm", verb) for verb in ("SNAPSHOTCREATE", "SNAPSHOTREVERT", "SNAPSHOTDELETE"))
disk_snapshot, disk_forget = Ask("vmm", "DISKSNAPSHOTCREATE"), Ask("vmm", "DISKSNAPSHOTDELETE")
copy_disk = Ask("vmm", "COPYDISK")
resize, resize_disk = Ask("vmm", "RESIZE"), Ask("vmm", "RESIZEDISK")
live_migrate, save_source, look_at_source, cancel_at_source, shutdown_source, copy_live = (
    Ask("vmm", verb, previous=True) for verb in ("MIGRATE", "SAVE", "POLL", "CANCEL", "SHUTDOWN", "MIGRATECOPY")
)

"""Its host failed, and there is proof that nothing runs there any more.

The engine fires these rows only with such a proof, and only for a VM that nothing under way could still start there
(engine/failover).  So no state that waits for a start has one: a VM that was just being started comes to rest first,
and the proof is sought anew.

Whose disks can be reached from elsewhere waits for another host and boots from them, as after a power cut: what was
in its memory is lost, also where that had been saved and was being restored, since the disks may have changed after.
"""

from trifid.core.vm import effects as do
from trifid.core.vm.events import Done, HostFenced, HostFencedAnew, SourceFenced
from trifid.core.vm.row import Row, delete_files_on_both, look, look_at_source, row
from trifid.core.vm.rows import end, rest, run
from trifid.core.vm.states import VmState as S

RESTARTED = (
    S.RUNNING, S.UNKNOWN, S.PAUSED, S.BOOT_FAILURE, S.BOOT_UNDEPLOY_FAILURE, S.BOOT_STOPPED_FAILURE,
    S.BOOT_MIGRATE_FAILURE, S.BOOT_MOVED_FAILURE,
)  # fmt: skip
"""Where it was on the host, or was to be, and its disks lie where it was to run."""

_ENDING = (S.SHUTDOWN, S.SHUTDOWN_HARD, S.SHUTDOWN_POWEROFF, S.SHUTDOWN_UNDEPLOY, S.UNDEPLOY_OFF, S.CLEANUP_DELETE)
"""Where its domain was being ended: that it is gone is what was waited for."""


def _as_done(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return rows that do what the driver's success would."""
    return tuple(row(r.start, HostFenced, r.end, *r.effects) for r in rows if r.start in _ENDING and r.event is Done)


# fmt: off
ROWS: tuple[Row, ...] = (
    *(row(state, HostFenced, S.PENDING_UNDEPLOYED, do.tell_owner, do.run_ended, do.close_record, do.unmark_resched)
      for state in RESTARTED),
    *(row(state, HostFencedAnew, S.PENDING, do.tell_owner, do.run_ended, do.close_record, do.start_over)
      for state in RESTARTED),
    *_as_done((*run.ROWS, *rest.ROWS, *end.ROWS)),
    row(S.CLEANUP_DELETE_FAILURE, HostFenced, S.CLEANUP_DELETE_FILES, do.run_ended, delete_files_on_both),

    # a migration ended nobody knows where, and one of the two hosts runs nothing: look at the other
    row(S.UNKNOWN_MIGRATE, HostFenced,   S.MIGRATE_LOCATE_SOURCE, look_at_source),
    row(S.UNKNOWN_MIGRATE, SourceFenced, S.UNKNOWN,               do.source_left),

    # the same with two sets of disks, both of which are kept as long as nobody has seen it
    row(S.UNKNOWN_MIGRATE_COPY, HostFenced,   S.MIGRATE_COPY_LOCATE_SOURCE, look_at_source),
    row(S.UNKNOWN_MIGRATE_COPY, SourceFenced, S.MIGRATE_COPY_LOCATE_ONLY_TARGET, look),
)
# fmt: on

"""THE table: in which state, on which event, to which state, and what is done.

A new action of the life cycle is a few rows here.  Whatever is not a row is refused (requests) or
changes nothing (answers and observations); nothing else in the project moves a VM.  The table is
checked when it is imported; docs/life-cycle.md and the tests' list of rows are made from it.

Source: reference/lifecycle.md §2.2 (stamps), §5.2 (legality), §5.3 (results), §5.5 (monitoring).
Where we differ on purpose: a failed live migration, save, shutdown or restart in place is looked at
before it is believed, since the answer may be a time-out and the deed done;
`terminate` of a VM whose epilog failed runs the epilog again instead of deleting what may be the
only copy of a disk (terminate-hard and recover --delete do delete).
"""

import dataclasses

from trifid.core.vm import effects as do
from trifid.core.vm.effects import Ask, Effect
from trifid.core.vm.events import (
    Absent,
    Answer,
    Delete,
    DeleteDb,
    Deploy,
    Done,
    Event,
    Failed,
    Found,
    Hold,
    MigrateLive,
    MigrateSave,
    Poweroff,
    PoweroffHard,
    Reboot,
    RebootHard,
    Release,
    Request,
    Resched,
    Resume,
    Retry,
    SeenAtSource,
    SeenLost,
    SeenOff,
    SeenRunning,
    Terminate,
    TerminateHard,
    Unresched,
)
from trifid.core.vm.states import VmState as S


@dataclasses.dataclass(frozen=True)
class Row:
    """One transition.

    Attributes:
        start: the state it begins in.
        event: the class of event that fires it.
        end: the state it ends in.
        effects: in order; at most one is an `Ask`.
    """

    start: S
    event: type[Event]
    end: S
    effects: tuple[Effect, ...] = ()

    @property
    def ask(self) -> Ask | None:
        """The driver action it starts, if any."""
        return next((effect for effect in self.effects if isinstance(effect, Ask)), None)


def row(start: S, event: type[Event], end: S, *effects: Effect) -> Row:
    """Write a row."""
    return Row(start, event, end, effects)


def _starts(rows: tuple[Row, ...]) -> list[S]:
    """Return the states that rows begin in, in their order."""
    return list(dict.fromkeys(r.start for r in rows))


prolog, epilog, move = Ask("tm", "prolog"), Ask("tm", "epilog"), Ask("tm", "migrate")
delete_files, delete_files_on_both = Ask("tm", "delete"), Ask("tm", "delete_both")
deploy, shutdown, cancel, restore = (Ask("vmm", verb) for verb in ("DEPLOY", "SHUTDOWN", "CANCEL", "RESTORE"))
reboot, reset, look = (Ask("vmm", verb) for verb in ("REBOOT", "RESET", "POLL"))
live_migrate, save_source, look_at_source, cancel_at_source = (
    Ask("vmm", verb, previous=True) for verb in ("MIGRATE", "SAVE", "POLL", "CANCEL")
)

# fmt: off
_ROWS: tuple[Row, ...] = (
    # waiting for a host
    row(S.PENDING, Deploy,        S.PROLOG,  do.open_record, do.prolog_begins, prolog),
    row(S.PENDING, Hold,          S.HOLD),
    row(S.PENDING, Terminate,     S.DONE,    do.finish, do.release_leases),
    row(S.PENDING, TerminateHard, S.DONE,    do.finish, do.release_leases),
    row(S.PENDING, Delete,        S.DONE,    do.finish, do.release_leases),
    row(S.HOLD,    Deploy,        S.PROLOG,  do.open_record, do.prolog_begins, prolog),
    row(S.HOLD,    Release,       S.PENDING),
    row(S.HOLD,    Terminate,     S.DONE,    do.finish, do.release_leases),
    row(S.HOLD,    TerminateHard, S.DONE,    do.finish, do.release_leases),
    row(S.HOLD,    Delete,        S.DONE,    do.finish, do.release_leases),

    # disks to the host
    row(S.PROLOG,         Done,          S.BOOT,                 do.prolog_ended, deploy),
    row(S.PROLOG,         Failed,        S.PROLOG_FAILURE,       do.tell_owner),
    row(S.PROLOG,         Retry,         S.PROLOG,               prolog),
    row(S.PROLOG,         Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.PROLOG_FAILURE, Retry,         S.PROLOG,               do.prolog_begins, prolog),
    row(S.PROLOG_FAILURE, Terminate,     S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.PROLOG_FAILURE, TerminateHard, S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.PROLOG_FAILURE, Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files),

    # the hypervisor starts it
    row(S.BOOT,         Done,          S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT,         SeenRunning,   S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT,         Failed,        S.BOOT_FAILURE,   do.tell_owner),
    row(S.BOOT,         Retry,         S.BOOT,           deploy),
    row(S.BOOT,         Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.BOOT_FAILURE, Retry,         S.BOOT,           do.run_begins, deploy),
    row(S.BOOT_FAILURE, SeenRunning,   S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_FAILURE, Terminate,     S.CLEANUP_DELETE, do.asked, cancel),
    row(S.BOOT_FAILURE, TerminateHard, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.BOOT_FAILURE, Delete,        S.CLEANUP_DELETE, do.asked, cancel),

    # it runs
    row(S.RUNNING, Terminate,     S.SHUTDOWN,          do.asked, shutdown),
    row(S.RUNNING, TerminateHard, S.SHUTDOWN_HARD,     do.asked, cancel),
    row(S.RUNNING, Poweroff,      S.SHUTDOWN_POWEROFF, do.asked, shutdown),
    row(S.RUNNING, PoweroffHard,  S.SHUTDOWN_POWEROFF, do.asked, cancel),
    row(S.RUNNING, Reboot,        S.RUNNING,           reboot),
    row(S.RUNNING, RebootHard,    S.RUNNING,           reset),
    row(S.RUNNING, Done,          S.RUNNING,           do.forget_error),
    row(S.RUNNING, Failed,        S.RUNNING,           do.tell_owner),
    row(S.RUNNING, Resched,       S.RUNNING,           do.mark_resched),
    row(S.RUNNING, Unresched,     S.RUNNING,           do.unmark_resched),
    row(S.RUNNING, Delete,        S.CLEANUP_DELETE,    do.asked, cancel),
    row(S.RUNNING, SeenOff,       S.POWEROFF,          do.run_ended, do.close_record),
    row(S.RUNNING, SeenLost,      S.UNKNOWN),
    row(S.RUNNING, MigrateLive,   S.MIGRATE,           do.open_target_record, live_migrate),
    row(S.RUNNING, MigrateSave,   S.SAVE_MIGRATE,      do.open_target_record, save_source),

    # a shutdown failed: what is true?
    row(S.RUNNING_LOOK, Found,         S.RUNNING),
    row(S.RUNNING_LOOK, SeenRunning,   S.RUNNING,        do.take_deploy_id),
    row(S.RUNNING_LOOK, Absent,        S.POWEROFF,       do.run_ended, do.close_record),
    row(S.RUNNING_LOOK, SeenOff,       S.POWEROFF,       do.run_ended, do.close_record),
    row(S.RUNNING_LOOK, Failed,        S.UNKNOWN),
    row(S.RUNNING_LOOK, SeenLost,      S.UNKNOWN),
    row(S.RUNNING_LOOK, Terminate,     S.SHUTDOWN,       do.asked, shutdown),
    row(S.RUNNING_LOOK, TerminateHard, S.SHUTDOWN_HARD,  do.asked, cancel),
    row(S.RUNNING_LOOK, Delete,        S.CLEANUP_DELETE, do.asked, cancel),

    # nobody knows
    row(S.UNKNOWN, SeenRunning,   S.RUNNING,           do.take_deploy_id),
    row(S.UNKNOWN, SeenOff,       S.POWEROFF,          do.run_ended, do.close_record),
    row(S.UNKNOWN, Terminate,     S.SHUTDOWN,          do.asked, shutdown),
    row(S.UNKNOWN, TerminateHard, S.SHUTDOWN_HARD,     do.asked, cancel),
    row(S.UNKNOWN, Poweroff,      S.SHUTDOWN_POWEROFF, do.asked, shutdown),
    row(S.UNKNOWN, PoweroffHard,  S.SHUTDOWN_POWEROFF, do.asked, cancel),
    row(S.UNKNOWN, Resume,        S.BOOT_UNKNOWN,      do.run_begins, deploy),
    row(S.UNKNOWN, Delete,        S.CLEANUP_DELETE,    do.asked, cancel),
    row(S.BOOT_UNKNOWN, Done,        S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_UNKNOWN, SeenRunning, S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_UNKNOWN, Failed,      S.UNKNOWN,        do.tell_owner),
    row(S.BOOT_UNKNOWN, Delete,      S.CLEANUP_DELETE, do.asked, cancel),

    # off, in its place
    row(S.SHUTDOWN_POWEROFF, Done,         S.POWEROFF,          do.run_ended, do.close_record),
    row(S.SHUTDOWN_POWEROFF, SeenOff,      S.POWEROFF,          do.run_ended, do.close_record),
    row(S.SHUTDOWN_POWEROFF, Failed,       S.RUNNING_LOOK,      do.tell_owner, look),
    row(S.SHUTDOWN_POWEROFF, PoweroffHard, S.SHUTDOWN_POWEROFF, do.asked, cancel),
    row(S.SHUTDOWN_POWEROFF, Delete,       S.CLEANUP_DELETE,    do.asked, cancel),
    row(S.POWEROFF, Resume,        S.BOOT_POWEROFF,  do.reopen_record, deploy),
    row(S.POWEROFF, SeenRunning,   S.RUNNING,        do.reopen_record, do.take_deploy_id),
    row(S.POWEROFF, Terminate,     S.SHUTDOWN_OFF,   do.asked, cancel),
    row(S.POWEROFF, TerminateHard, S.SHUTDOWN_OFF,   do.asked, cancel),
    row(S.POWEROFF, Resched,       S.POWEROFF,       do.mark_resched),
    row(S.POWEROFF, Unresched,     S.POWEROFF,       do.unmark_resched),
    row(S.POWEROFF, Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.BOOT_POWEROFF, Done,        S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_POWEROFF, SeenRunning, S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_POWEROFF, Failed,      S.BOOT_POWEROFF_LOOK, do.tell_owner, look),
    row(S.BOOT_POWEROFF, Delete,      S.CLEANUP_DELETE, do.asked, cancel),
    row(S.BOOT_POWEROFF_LOOK, Found,       S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_POWEROFF_LOOK, SeenRunning, S.RUNNING,        do.take_deploy_id, do.forget_error),
    row(S.BOOT_POWEROFF_LOOK, Absent,      S.POWEROFF,       do.run_ended, do.close_record),
    row(S.BOOT_POWEROFF_LOOK, Failed,      S.UNKNOWN),
    row(S.BOOT_POWEROFF_LOOK, Delete,      S.CLEANUP_DELETE, do.asked, cancel),

    # the end: disks go only after the driver itself has said that the domain is gone
    row(S.SHUTDOWN, Done,          S.EPILOG,         do.run_ended, do.epilog_begins, epilog),
    row(S.SHUTDOWN, SeenOff,       S.SHUTDOWN_HARD,  cancel),
    row(S.SHUTDOWN, Failed,        S.RUNNING_LOOK,   do.tell_owner, look),
    row(S.SHUTDOWN, TerminateHard, S.SHUTDOWN_HARD,  do.asked, cancel),
    row(S.SHUTDOWN, Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.SHUTDOWN_HARD, Done,          S.EPILOG,         do.run_ended, do.epilog_begins, epilog),
    row(S.SHUTDOWN_HARD, Failed,        S.RUNNING_LOOK,   do.tell_owner, look),
    row(S.SHUTDOWN_HARD, TerminateHard, S.SHUTDOWN_HARD,  do.asked, cancel),
    row(S.SHUTDOWN_HARD, Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.SHUTDOWN_OFF,  Done,          S.EPILOG,         do.epilog_begins, epilog),
    row(S.SHUTDOWN_OFF,  Failed,        S.POWEROFF,       do.tell_owner),
    row(S.SHUTDOWN_OFF,  TerminateHard, S.SHUTDOWN_OFF,   do.asked, cancel),
    row(S.SHUTDOWN_OFF,  Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.EPILOG,   Done,          S.DONE,           do.epilog_ended, do.close_record, do.finish, do.release_leases),
    row(S.EPILOG,   Failed,        S.EPILOG_FAILURE, do.tell_owner),
    row(S.EPILOG,   Retry,         S.EPILOG,         epilog),
    row(S.EPILOG,   Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.EPILOG_FAILURE, Retry,         S.EPILOG,               do.epilog_begins, epilog),
    row(S.EPILOG_FAILURE, Terminate,     S.EPILOG,               do.asked, do.epilog_begins, epilog),
    row(S.EPILOG_FAILURE, TerminateHard, S.CLEANUP_DELETE_FILES, do.asked, delete_files),
    row(S.EPILOG_FAILURE, Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files),

    # clean-up without epilog: first the domain, then its files
    row(S.CLEANUP_DELETE,       Done,          S.CLEANUP_DELETE_FILES, do.run_ended, delete_files_on_both),
    row(S.CLEANUP_DELETE,       Failed,        S.CLEANUP_DELETE_FAILURE, do.tell_owner, do.reopen_if_closed),
    row(S.CLEANUP_DELETE,       Delete,        S.CLEANUP_DELETE,       do.asked, cancel),
    row(S.CLEANUP_DELETE_FAILURE, Retry,         S.CLEANUP_DELETE, cancel),
    row(S.CLEANUP_DELETE_FAILURE, SeenRunning,   S.CLEANUP_DELETE, cancel),
    row(S.CLEANUP_DELETE_FAILURE, SeenOff,       S.CLEANUP_DELETE, cancel),
    row(S.CLEANUP_DELETE_FAILURE, Terminate,     S.CLEANUP_DELETE, do.asked, cancel),
    row(S.CLEANUP_DELETE_FAILURE, TerminateHard, S.CLEANUP_DELETE, do.asked, cancel),
    row(S.CLEANUP_DELETE_FAILURE, Delete,        S.CLEANUP_DELETE, do.asked, cancel),
    row(S.CLEANUP_DELETE_FILES, Done,          S.DONE,            do.close_record, do.finish, do.release_leases),
    row(S.CLEANUP_DELETE_FILES, Failed,        S.CLEANUP_FAILURE, do.tell_owner),
    row(S.CLEANUP_DELETE_FILES, Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files_on_both),
    row(S.CLEANUP_FAILURE,      Retry,         S.CLEANUP_DELETE_FILES, delete_files_on_both),
    row(S.CLEANUP_FAILURE,      Terminate,     S.CLEANUP_DELETE_FILES, do.asked, delete_files_on_both),
    row(S.CLEANUP_FAILURE,      TerminateHard, S.CLEANUP_DELETE_FILES, do.asked, delete_files_on_both),
    row(S.CLEANUP_FAILURE,      Delete,        S.CLEANUP_DELETE_FILES, do.asked, delete_files_on_both),

    # to another host, running: a failed move proves nothing, so both hosts are asked first
    row(S.MIGRATE,               Done,   S.RUNNING,               do.source_left, do.run_begins, do.unmark_resched),
    row(S.MIGRATE,               Failed, S.MIGRATE_LOCATE,        do.tell_owner, look),
    row(S.MIGRATE_LOCATE,        Found,  S.RUNNING,               do.source_left, do.run_begins, do.unmark_resched),
    row(S.MIGRATE_LOCATE,        Absent, S.MIGRATE_LOCATE_SOURCE, look_at_source),
    row(S.MIGRATE_LOCATE,        Failed, S.MIGRATE_LOCATE_ONLY_SOURCE, look_at_source),
    row(S.MIGRATE_LOCATE_SOURCE, Found,  S.RUNNING,               do.return_to_previous, do.unmark_resched),
    row(S.MIGRATE_LOCATE_SOURCE, Absent, S.POWEROFF,              do.off_at_previous, do.unmark_resched),
    row(S.MIGRATE_LOCATE_SOURCE, Failed, S.UNKNOWN,               do.return_to_previous, do.unmark_resched),
    row(S.MIGRATE_LOCATE_ONLY_SOURCE, Found,  S.RUNNING,          do.return_to_previous, do.unmark_resched),
    row(S.MIGRATE_LOCATE_ONLY_SOURCE, Absent, S.UNKNOWN_MIGRATE,  do.unmark_resched),
    row(S.MIGRATE_LOCATE_ONLY_SOURCE, Failed, S.UNKNOWN_MIGRATE,  do.unmark_resched),

    # on which of the two hosts?  What is done must hold for both
    row(S.UNKNOWN_MIGRATE,       SeenRunning,   S.RUNNING,               do.source_left, do.take_deploy_id),
    row(S.UNKNOWN_MIGRATE,       SeenAtSource,  S.RUNNING,               do.return_to_previous),
    row(S.UNKNOWN_MIGRATE,       Retry,         S.MIGRATE_LOCATE,        look),
    row(S.UNKNOWN_MIGRATE,       TerminateHard, S.CLEANUP_DELETE_SOURCE, do.asked, cancel_at_source),
    row(S.UNKNOWN_MIGRATE,       Delete,        S.CLEANUP_DELETE_SOURCE, do.asked, cancel_at_source),
    row(S.CLEANUP_DELETE_SOURCE, Done,          S.CLEANUP_DELETE,        do.source_left, cancel),
    row(S.CLEANUP_DELETE_SOURCE, Failed,        S.UNKNOWN_MIGRATE,       do.tell_owner),
    row(S.CLEANUP_DELETE_SOURCE, Delete,        S.CLEANUP_DELETE_SOURCE, do.asked, cancel_at_source),

    # to another host, saved
    row(S.SAVE_MIGRATE,           Done,          S.PROLOG_MIGRATE,         do.source_left, do.prolog_begins, move),
    row(S.SAVE_MIGRATE,           Failed,        S.SAVE_MIGRATE_LOOK,      do.tell_owner, look_at_source),
    row(S.SAVE_MIGRATE_LOOK,      Found,         S.RUNNING,  do.return_to_previous, do.unmark_resched),
    row(S.SAVE_MIGRATE_LOOK,      Absent,        S.POWEROFF, do.off_at_previous, do.unmark_resched),
    row(S.SAVE_MIGRATE_LOOK,      Failed,        S.UNKNOWN,  do.return_to_previous, do.unmark_resched),
    row(S.PROLOG_MIGRATE,         Done,          S.BOOT_MIGRATE,           do.prolog_ended, restore),
    row(S.PROLOG_MIGRATE,         Failed,        S.PROLOG_MIGRATE_FAILURE, do.tell_owner),
    row(S.PROLOG_MIGRATE,         Delete,        S.CLEANUP_DELETE_FILES,   do.asked, delete_files_on_both),
    row(S.PROLOG_MIGRATE_FAILURE, Retry,         S.PROLOG_MIGRATE,         do.prolog_begins, move),
    row(S.PROLOG_MIGRATE_FAILURE, TerminateHard, S.CLEANUP_DELETE_FILES,   do.asked, delete_files_on_both),
    row(S.PROLOG_MIGRATE_FAILURE, Delete,        S.CLEANUP_DELETE_FILES,   do.asked, delete_files_on_both),
    row(S.BOOT_MIGRATE,           Done,          S.RUNNING, do.take_deploy_id, do.forget_error, do.unmark_resched),
    row(S.BOOT_MIGRATE,           SeenRunning,   S.RUNNING, do.take_deploy_id, do.forget_error, do.unmark_resched),
    row(S.BOOT_MIGRATE,           Failed,        S.BOOT_MIGRATE_FAILURE,   do.tell_owner),
    row(S.BOOT_MIGRATE,           Delete,        S.CLEANUP_DELETE,         do.asked, cancel),
    row(S.BOOT_MIGRATE_FAILURE,   Retry,         S.BOOT_MIGRATE,           do.run_begins, restore),
    row(S.BOOT_MIGRATE_FAILURE,   SeenRunning,   S.RUNNING, do.take_deploy_id, do.forget_error, do.unmark_resched),
    row(S.BOOT_MIGRATE_FAILURE,   TerminateHard, S.CLEANUP_DELETE,         do.asked, cancel),
    row(S.BOOT_MIGRATE_FAILURE,   Delete,        S.CLEANUP_DELETE,         do.asked, cancel),
)
# fmt: on

ROWS: tuple[Row, ...] = (
    *_ROWS,
    # forgotten by an administrator, whatever it is doing: for hosts that never come back
    *(row(state, DeleteDb, S.DONE, do.close_record, do.finish, do.release_leases) for state in _starts(_ROWS)),
)

TABLE: dict[tuple[S, type[Event]], Row] = {(r.start, r.event): r for r in ROWS}

TRANSIENT: frozenset[S] = frozenset(r.end for r in ROWS if r.ask) - {S.RUNNING}
"""States that wait for a driver's answer."""


HINTS: dict[S, str] = {
    S.UNKNOWN_MIGRATE: 'nobody knows on which of two hosts it runs: "recover --retry" looks again',
}
"""What a refusal adds for a phase that the wire does not tell apart from a state that would do."""


def needed_states(event: type[Request]) -> list[S]:
    """Return the states in which a request is legal, in the table's order."""
    return list(dict.fromkeys(r.start for r in ROWS if r.event is event))


def _check() -> None:
    """Raise AssertionError when the table contradicts itself."""
    assert len(TABLE) == len(ROWS), "two rows with the same state and event"
    for state in TRANSIENT:
        answers = {r.event for r in ROWS if r.start is state and issubclass(r.event, Answer)}
        assert Failed in answers, f"{state.name} has no row for a failed answer"
        assert answers & {Done, Found}, f"{state.name} has no row for a successful answer"
    for r in ROWS:
        assert sum(isinstance(effect, Ask) for effect in r.effects) <= 1, f"{r.start.name} asks two drivers at once"
        assert r.end is S.DONE or any(other.start is r.end for other in ROWS), f"{r.end.name} has no way out"


_check()

"""Which request is legal in which state, and what monitoring may change.

Source: reference/lifecycle.md §5.2, §5.3 and §5.5, row by row.
"""

import pytest

from trifid.core.vm import events
from trifid.core.vm.states import VmState as S
from trifid.core.vm.table import ROWS, TABLE

AWAY = {S.STOPPED, S.UNDEPLOYED, S.PENDING_STOPPED, S.PENDING_UNDEPLOYED, S.HOLD_STOPPED, S.HOLD_UNDEPLOYED}
PENDING, HOLD = {S.PENDING, S.PENDING_STOPPED, S.PENDING_UNDEPLOYED}, {S.HOLD, S.HOLD_STOPPED, S.HOLD_UNDEPLOYED}
WITH_MEMORY = {S.PENDING_STOPPED, S.HOLD_STOPPED}
LEGAL: dict[type[events.Request], set[S]] = {
    events.Deploy: PENDING | HOLD | {S.STOPPED, S.UNDEPLOYED},
    events.MigrateSave: {S.RUNNING, S.UNKNOWN, S.POWEROFF, S.SUSPENDED, S.PAUSED},
    events.MigrateLive: {S.RUNNING},
    events.MigrateCopy: {S.RUNNING},
    events.MigrateCancel: {S.MIGRATE, S.MIGRATE_COPY_PREPARE, S.MIGRATE_COPY},
    events.Accept: {S.MIGRATE_COPY_FAILURE},
    events.MigrateOff: {S.RUNNING},
    events.MigrateOffHard: {S.RUNNING, S.SAVE_MIGRATE_OFF},
    events.Undeploy: {S.RUNNING, S.UNKNOWN, S.POWEROFF},
    events.UndeployHard: {S.RUNNING, S.UNKNOWN, S.POWEROFF, S.SHUTDOWN_UNDEPLOY},
    events.Poweroff: {S.RUNNING, S.UNKNOWN},
    events.PoweroffHard: {S.RUNNING, S.UNKNOWN, S.SHUTDOWN_POWEROFF},
    events.Hold: PENDING | {S.CLONING},
    events.Release: HOLD | {S.CLONING_HELD},
    events.Stop: {S.RUNNING, S.SUSPENDED, S.PAUSED},
    events.Suspend: {S.RUNNING},
    events.Resume: {S.STOPPED, S.UNDEPLOYED, S.SUSPENDED, S.PAUSED, S.POWEROFF, S.UNKNOWN},
    events.Reboot: {S.RUNNING},
    events.RebootHard: {S.RUNNING},
    events.Resched: {S.RUNNING, S.UNKNOWN, S.POWEROFF},
    events.Unresched: {S.RUNNING, S.UNKNOWN, S.POWEROFF},
    events.AttachDisk: {S.RUNNING, S.POWEROFF},
    events.DetachDisk: {S.RUNNING, S.POWEROFF},
    events.AttachNic: {S.RUNNING, S.POWEROFF},
    events.DetachNic: {S.RUNNING, S.POWEROFF},
    events.SnapshotCreate: {S.RUNNING},
    events.SnapshotRevert: {S.RUNNING},
    events.SnapshotDelete: {S.RUNNING},
    events.DiskSnapshotCreate: {S.RUNNING, S.POWEROFF, S.SUSPENDED},
    events.DiskSnapshotDelete: {S.RUNNING, S.POWEROFF, S.SUSPENDED},
    events.DiskSnapshotRevert: {S.POWEROFF},
    events.Resize: {S.RUNNING, S.POWEROFF, S.UNDEPLOYED} | (PENDING | HOLD) - WITH_MEMORY,
    events.DiskResize: {S.RUNNING, S.POWEROFF, S.UNDEPLOYED, S.PENDING_UNDEPLOYED, S.HOLD_UNDEPLOYED},
    events.DiskSaveas: {S.RUNNING, S.POWEROFF, S.SUSPENDED},
    events.Abandon: {
        S.PROLOG_MIGRATE_FAILURE,
        S.PROLOG_MIGRATE_POWEROFF_FAILURE,
        S.PROLOG_MIGRATE_SUSPEND_FAILURE,
        S.PROLOG_MIGRATE_UNKNOWN_FAILURE,
        S.PROLOG_MIGRATE_OFF_FAILURE,
        S.MIGRATE_COPY_FAILURE,
    },
}
"""Phases that the reference does not know stand where the state that they are a phase of stands."""


def starts_of(kind: type[events.Event]) -> set[S]:
    return {row.start for row in ROWS if row.event is kind}


@pytest.mark.parametrize("kind", LEGAL, ids=lambda kind: kind.word)
def test_a_request_is_legal_where_the_reference_says(kind: type[events.Request]) -> None:
    assert starts_of(kind) == LEGAL[kind]


def test_terminate_is_legal_where_the_reference_says() -> None:
    legal = PENDING | HOLD | AWAY | {S.RUNNING, S.UNKNOWN, S.POWEROFF, S.SUSPENDED, S.PAUSED}
    assert legal <= starts_of(events.Terminate)
    assert legal | {S.SHUTDOWN} <= starts_of(events.TerminateHard)


def test_every_failure_can_be_terminated_hard_and_tried_again() -> None:
    failures = {row.start for row in ROWS if row.start.name.endswith("_FAILURE")}
    assert failures <= starts_of(events.TerminateHard)
    assert failures - {S.CLONING_FAILURE} <= starts_of(events.Retry)  # whose images are not there to be tried again


def test_an_orderly_end_that_the_table_does_not_grant_is_of_files_in_two_places() -> None:
    failures = {row.start for row in ROWS if row.start.name.endswith("_FAILURE")}
    assert {state.name for state in failures - starts_of(events.Terminate)} == {
        "PROLOG_MIGRATE_FAILURE", "PROLOG_MIGRATE_POWEROFF_FAILURE", "PROLOG_MIGRATE_SUSPEND_FAILURE",
        "PROLOG_MIGRATE_UNKNOWN_FAILURE", "PROLOG_MIGRATE_OFF_FAILURE", "MIGRATE_COPY_FAILURE", "EPILOG_STOP_FAILURE",
        "EPILOG_UNDEPLOY_FAILURE", "PROLOG_RESUME_FAILURE", "PROLOG_UNDEPLOY_FAILURE",
    }  # fmt: skip


SEEN = {
    events.SeenRunning: {
        S.POWEROFF, S.SUSPENDED, S.UNKNOWN, S.BOOT, S.BOOT_POWEROFF, S.BOOT_UNKNOWN, S.BOOT_SUSPENDED, S.BOOT_STOPPED,
        S.BOOT_UNDEPLOY, S.BOOT_MIGRATE, S.BOOT_FAILURE, S.BOOT_MIGRATE_FAILURE, S.BOOT_STOPPED_FAILURE,
        S.BOOT_UNDEPLOY_FAILURE,
    },
    events.SeenOff: {S.SHUTDOWN, S.SHUTDOWN_POWEROFF, S.SHUTDOWN_UNDEPLOY, S.RUNNING, S.UNKNOWN},
    events.SeenPaused: {S.RUNNING, S.UNKNOWN},
}  # fmt: skip


@pytest.mark.parametrize("kind", SEEN, ids=lambda kind: kind.__name__)
def test_monitoring_moves_a_vm_where_the_reference_says(kind: type[events.Observation]) -> None:
    assert SEEN[kind] <= starts_of(kind)


def test_what_is_seen_is_what_the_vm_is() -> None:
    assert all(TABLE[state, events.SeenRunning].end is S.RUNNING for state in SEEN[events.SeenRunning])
    assert TABLE[S.RUNNING, events.SeenPaused].end.printable == "SUSPENDED"
    assert TABLE[S.UNKNOWN, events.SeenPaused].end.printable == "SUSPENDED"
    for state in (S.RUNNING, S.UNKNOWN, S.SHUTDOWN_POWEROFF):
        assert TABLE[state, events.SeenOff].end is S.POWEROFF
    assert TABLE[S.RUNNING, events.SeenLost].end is S.UNKNOWN


REST_AND_WORK = {
    (S.STOPPED, events.Deploy): S.PROLOG_RESUME,
    (S.UNDEPLOYED, events.Deploy): S.PROLOG_UNDEPLOY,
    (S.PROLOG_RESUME, events.Done): S.BOOT_STOPPED,
    (S.PROLOG_UNDEPLOY, events.Done): S.BOOT_UNDEPLOY,
    (S.PROLOG_MIGRATE, events.Done): S.BOOT_MIGRATE,
    (S.PROLOG_FAILURE, events.Retry): S.PROLOG,
    (S.BOOT_STOPPED, events.Failed): S.BOOT_STOPPED_FAILURE,
    (S.BOOT_UNDEPLOY, events.Failed): S.BOOT_UNDEPLOY_FAILURE,
    (S.BOOT_MIGRATE, events.Failed): S.BOOT_MIGRATE_FAILURE,
    (S.EPILOG_STOP, events.Failed): S.EPILOG_STOP_FAILURE,
    (S.EPILOG_UNDEPLOY, events.Failed): S.EPILOG_UNDEPLOY_FAILURE,
    (S.SUSPENDED, events.Resume): S.BOOT_SUSPENDED,
    (S.POWEROFF, events.Resume): S.BOOT_POWEROFF,
    (S.UNKNOWN, events.Resume): S.BOOT_UNKNOWN,
}


@pytest.mark.parametrize(("of", "end"), REST_AND_WORK.items(), ids=lambda of: getattr(of, "name", ""))
def test_results_lead_where_the_reference_says(of: tuple[S, type[events.Event]], end: S) -> None:
    assert TABLE[of].end is end

"""Times, reasons and authors in history records (reference/lifecycle.md §2.2 and §3)."""

import pytest

from tests.core.vm.builders import event_of, moment, vm
from trifid.core.vm import events
from trifid.core.vm.record import VM, HistoryRecord
from trifid.core.vm.states import VmState as S
from trifid.core.vm.step import step
from trifid.errors import Refused

TIMES = ("stime", "pstime", "petime", "rstime", "retime", "estime", "eetime", "etime")


def after(start: VM, *kinds: type[events.Event]) -> VM:
    """The VM after these events at seconds 200, 201 …"""
    for now, kind in enumerate(kinds, start=200):
        start = step(start, event_of(kind, start.step), moment(now)).vm
    return start


def times(record: HistoryRecord) -> dict[str, int]:
    """The times of a record that are set, those of the builder (before 200) left out."""
    return {name: at for name in TIMES if (at := getattr(record, name)) >= 200}


def test_a_live_migration_ends_one_stay_and_begins_the_next() -> None:
    there = after(vm(S.RUNNING), events.MigrateLive, events.Done)
    assert times(there.previous) == {"etime": 201, "retime": 201}
    assert (there.previous.action, there.previous.uid, there.previous.gid) == (2, 7, 1)
    assert times(there.current) == {"stime": 200, "rstime": 201}
    assert there.current.action == 0


def test_a_cold_migration_leaves_the_source_when_it_is_saved() -> None:
    there = after(vm(S.RUNNING), events.MigrateSave, events.Done, events.Done, events.Done)
    assert times(there.previous) == {"etime": 201, "retime": 201}
    assert there.previous.action == 1
    assert times(there.current) == {"stime": 200, "pstime": 201, "petime": 202, "rstime": 202}


def test_a_migration_that_did_not_happen_begins_a_third_stay_where_it_was() -> None:
    back = after(vm(S.RUNNING), events.MigrateLive, events.Failed, events.Absent, events.Found)
    assert [r.host_id for r in back.history] == [3, 9, 3]
    assert times(back.history[0]) == {"etime": 203, "retime": 203}
    assert times(back.history[1]) == {"stime": 200, "etime": 203}
    assert times(back.history[2]) == {"stime": 203, "rstime": 203}
    assert (back.current.action, back.current.uid, back.current.request_id) == (0, -1, "-1")


def test_off_and_on_again_are_two_stays_on_the_same_host() -> None:
    on = after(vm(S.RUNNING), events.PoweroffHard, events.Done, events.Resume, events.Done)
    assert times(on.previous) == {"retime": 201, "etime": 201}
    assert on.previous.action == 20
    assert times(on.current) == {"stime": 202, "rstime": 202}
    assert on.current.host_id == on.previous.host_id


def test_a_guest_that_goes_off_by_itself_names_nobody() -> None:
    off = after(vm(S.RUNNING), events.SeenOff)
    assert times(off.current) == {"retime": 200, "etime": 200}
    assert (off.current.action, off.current.uid, off.current.request_id) == (0, -1, "-1")


def test_clean_up_ends_the_stay_without_an_epilog() -> None:
    gone = after(vm(S.RUNNING), events.Delete, events.Done, events.Done)
    assert times(gone.current) == {"retime": 201, "etime": 202}
    assert gone.current.action == 13
    assert gone.etime == 202


def test_a_vm_that_never_ran_has_no_history_and_an_end() -> None:
    gone = after(vm(S.PENDING), events.Terminate)
    assert (gone.history, gone.etime) == ((), 200)


def test_a_powered_off_vm_that_could_not_be_cleaned_up_is_charged_again() -> None:
    unknown = after(vm(S.POWEROFF), events.Delete, events.Failed)
    assert unknown.state is S.CLEANUP_DELETE_FAILURE
    assert [bool(r.etime) for r in unknown.history] == [True, False]


def test_the_mark_to_move_goes_when_the_vm_has_moved_or_ended() -> None:
    assert after(vm(S.RUNNING), events.Resched).resched
    assert not after(vm(S.RUNNING), events.Resched, events.MigrateLive, events.Done).resched
    assert not after(vm(S.RUNNING), events.Resched, events.Unresched).resched
    assert not after(vm(S.POWEROFF), events.Resched, events.Terminate, events.Done, events.Done).resched


def test_what_a_driver_says_of_nothing_does_not_become_the_owners_error() -> None:
    silent = step(vm(S.BOOT), events.Failed(step=7, why="-"), moment()).vm
    assert "ERROR" not in silent.user_template


def test_a_second_error_replaces_the_first_and_a_success_takes_it_away() -> None:
    failed = step(vm(S.BOOT), events.Failed(step=7, why="one"), moment()).vm
    again = after(failed, events.Retry)
    worse = step(again, events.Failed(step=again.step, why="two"), moment()).vm
    assert worse.user_template.single("ERROR") == "two"
    assert "ERROR" not in after(worse, events.Retry, events.Done).user_template


@pytest.mark.parametrize(
    ("state", "event", "text"),
    [
        (S.RUNNING, events.Deploy, "Deploy action is not available for state RUNNING, it needs PENDING, HOLD"),
        (
            S.DONE,
            events.Terminate,
            'Error performing action "terminate": This action is not available for state DONE, it needs CLONING,',
        ),
        (
            S.CLEANUP_DELETE_FILES,
            events.Poweroff,
            'Error performing action "poweroff": This action is not available for state CLEANUP_DELETE, '
            "it needs RUNNING, UNKNOWN",
        ),
        (
            S.UNKNOWN_MIGRATE,
            events.Terminate,
            'Error performing action "terminate": This action is not available for state UNKNOWN, '
            'nobody knows on which of two hosts it runs: "recover --retry" looks again',
        ),
        (
            S.PENDING,
            events.MigrateSave,
            'Error performing action "migrate": This action is not available for state PENDING, it needs RUNNING',
        ),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", "")),
)
def test_a_refusal_says_what_clients_know_and_what_would_do(state: S, event: type[events.Event], text: str) -> None:
    with pytest.raises(Refused) as refused:
        step(vm(state), event_of(event), moment())
    assert refused.value.message.startswith(text)
    assert refused.value.object_id == 42

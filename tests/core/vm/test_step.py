"""The step, told as small plays: this happens, and this comes of it."""

import pytest

from tests.core.vm.builders import event_of, moment, stay, vm
from trifid.core.vm import events
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState as S
from trifid.core.vm.step import step
from trifid.errors import Refused


def play(start: VM, *happenings: events.Event | type[events.Event]) -> tuple[VM, list[str]]:
    """Let things happen one second apart; answers get the present step.  Return the VM and what was asked."""
    now, asked = 200, []
    for what in happenings:
        event = event_of(what, start.step) if isinstance(what, type) else what
        outcome = step(start, event, moment(now))
        start, now = outcome.vm, now + 1
        if outcome.action:
            where = "@previous" if outcome.action.previous else ""
            asked.append(f"{outcome.action.family}.{outcome.action.verb}{where}")
    return start, asked


def test_the_whole_life_with_its_times() -> None:
    done, asked = play(
        vm(S.PENDING), events.Deploy, events.Done, events.Done, events.Terminate, events.Done, events.Done
    )
    assert asked == ["tm.prolog", "vmm.DEPLOY", "vmm.SHUTDOWN", "tm.epilog"]
    assert done.state is S.DONE
    record = done.current
    assert (record.stime, record.pstime, record.petime, record.rstime) == (200, 200, 201, 201)
    assert (record.retime, record.estime, record.eetime, record.etime) == (204, 204, 205, 205)
    assert (record.action, record.uid, record.request_id) == (27, 7, "17")
    assert done.etime == 205


def test_a_late_answer_to_an_older_action_changes_nothing() -> None:
    before = vm(S.BOOT, step=7)
    assert step(before, events.Failed(step=5, why="timeout"), moment()).vm is before


def test_the_deploy_id_is_what_the_driver_says_or_one_and_the_number() -> None:
    assert step(vm(S.BOOT), events.Done(step=7, info="i-123"), moment()).vm.deploy_id == "i-123"
    assert step(vm(S.BOOT), events.Done(step=7), moment()).vm.deploy_id == "one-42"


def test_a_failed_boot_tells_the_owner_and_waits_for_a_decision() -> None:
    failed, asked = play(vm(S.BOOT), events.Failed(step=7, why="bridge br0 does not exist on host3"))
    assert failed.state is S.BOOT_FAILURE
    assert failed.user_template.single("ERROR") == "bridge br0 does not exist on host3"
    assert asked == []
    again, asked = play(failed, events.Retry, events.Done)
    assert again.state is S.RUNNING
    assert asked == ["vmm.DEPLOY"]
    assert "ERROR" not in again.user_template


def test_deleting_a_failed_boot_removes_the_domain_before_its_files() -> None:
    done, asked = play(vm(S.BOOT_FAILURE), events.TerminateHard, events.Done, events.Done)
    assert done.state is S.DONE
    assert asked == ["vmm.CANCEL", "tm.delete_both"]


def test_terminating_a_failed_boot_saves_the_disks_that_are_to_be_saved() -> None:
    done, asked = play(vm(S.BOOT_FAILURE), events.Terminate, events.Done, events.Done)
    assert done.state is S.DONE
    assert asked == ["vmm.CANCEL", "tm.epilog"]


def test_a_failed_live_migration_is_not_believed_until_both_hosts_were_asked() -> None:
    moving, _ = play(vm(S.RUNNING), events.MigrateLive)
    assert [r.host_id for r in moving.history] == [3, 9]
    back, asked = play(moving, events.Failed, events.Absent, events.Found)
    assert asked == ["vmm.POLL", "vmm.POLL@previous"]
    assert back.state is S.RUNNING
    assert back.current.host_id == 3
    assert [bool(r.etime) for r in back.history] == [True, True, False]


def test_a_migration_reported_failed_that_did_happen_is_on_the_target() -> None:
    moving, _ = play(vm(S.RUNNING), events.MigrateLive)
    there, _ = play(moving, events.Failed, events.Found)
    assert there.state is S.RUNNING
    assert there.current.host_id == 9
    assert there.previous.etime


def test_a_vm_that_no_host_admits_to_is_unknown_and_charged_on_both() -> None:
    moving, _ = play(vm(S.RUNNING), events.MigrateLive)
    lost, _ = play(moving, events.Failed, events.Failed, events.Failed)
    assert lost.state is S.UNKNOWN_MIGRATE
    assert (lost.state.lcm_state, lost.state.short) == (16, "unkn")
    assert [r.etime for r in lost.history] == [0, 0]


def test_a_cold_migration_saves_on_the_source_and_restores_on_the_target() -> None:
    there, asked = play(vm(S.RUNNING), events.MigrateSave, events.Done, events.Done, events.Done)
    assert asked == ["vmm.SAVE@previous", "tm.migrate", "vmm.RESTORE", "tm.clean_source"]
    assert there.state is S.RUNNING
    assert there.current.host_id == 9


def test_a_shutdown_that_fails_is_looked_at() -> None:
    looking, asked = play(vm(S.SHUTDOWN), events.Failed(step=7, why="the guest ignores the button"))
    assert looking.state is S.RUNNING_LOOK
    assert asked == ["vmm.POLL"]
    assert play(looking, events.Found)[0].state is S.RUNNING
    assert play(looking, events.Absent)[0].state is S.POWEROFF
    assert play(looking, events.Failed)[0].state is S.UNKNOWN


def test_terminate_after_a_failed_epilog_saves_again_instead_of_deleting() -> None:
    assert play(vm(S.EPILOG_FAILURE), events.Terminate)[1] == ["tm.epilog"]
    assert play(vm(S.EPILOG_FAILURE), events.TerminateHard)[1] == ["tm.delete"]


def test_a_guest_that_switches_itself_off_keeps_its_disks_and_comes_back_in_place() -> None:
    off, asked = play(vm(S.RUNNING), events.SeenOff)
    assert off.state is S.POWEROFF
    assert asked == []
    on, asked = play(off, events.Resume, events.Done)
    assert asked == ["vmm.DEPLOY"]
    assert on.state is S.RUNNING
    assert [r.seq for r in on.history] == [0, 1]


def test_a_refusal_names_the_state_and_the_states_that_would_do() -> None:
    with pytest.raises(Refused) as refused:
        play(vm(S.RUNNING), events.Deploy)
    assert refused.value.message == (
        "Deploy action is not available for state RUNNING, it needs PENDING, HOLD, STOPPED, UNDEPLOYED"
    )
    with pytest.raises(Refused) as refused:
        play(vm(S.PENDING), events.Release)
    assert refused.value.message.startswith(
        'Error performing action "release": This action is not available for state PENDING'
    )


def test_a_stay_that_ended_is_not_touched_by_the_end_of_the_vm() -> None:
    before = vm(S.EPILOG, history=(stay(0, etime=150), stay(1)))
    assert step(before, events.Done(step=7), moment()).vm.history[0].etime == 150


@pytest.mark.parametrize(
    ("state", "event", "why"),
    [
        (S.PAUSED, events.DiskSnapshotCreate, 'it was not saved but paused, by somebody or something else: "resume"'),
        (S.PENDING_STOPPED, events.Resize, "it waits to go on from its saved memory, which does not change any more"),
        (S.RUNNING_LOOK, events.Suspend, "it is in the middle of something: try again in a moment"),
    ],
)
def test_a_refusal_never_asks_for_the_state_that_clients_see_already(state: S, event: type[events.Event], why: str):
    with pytest.raises(Refused) as refused:
        step(vm(state), event_of(event), moment())
    assert f"for state {state.printable}, {why}" in refused.value.message


def test_a_resize_that_fails_is_taken_back_in_the_record_and_asked_of_the_domain() -> None:
    before = vm(S.RUNNING)
    larger, _ = play(before, events.Resize)
    assert (larger.needs.memory_mib, larger.template.single("VCPU")) == (256, "2")
    after, asked = play(larger, events.Failed, events.Done)
    assert asked == ["vmm.RESIZE"]
    assert (after.needs, after.template) == (before.needs, before.template)
    assert after.current.action == 0


def test_an_unwelcome_disk_leaves_the_template_as_it_was() -> None:
    before = vm(S.RUNNING)
    after, asked = play(before, events.AttachDisk, events.Done, events.Failed, events.Done, events.Done)
    assert asked == ["tm.attach", "vmm.ATTACHDISK", "vmm.DETACHDISK", "tm.drop"]
    assert after.template == before.template
    assert after.user_template.single("ERROR") == "the bridge is missing"


def test_a_disk_that_may_be_attached_stays_in_the_record() -> None:
    after, _ = play(vm(S.RUNNING), events.AttachDisk, events.Done, events.Failed, events.Failed)
    assert [disk["DISK_ID"] for disk in after.template.vectors("DISK")] == ["0", "1", "2"]


def test_a_snapshot_never_gets_the_name_of_one_that_failed() -> None:
    failed, _ = play(vm(S.RUNNING), events.SnapshotCreate)
    name = failed.template.vectors("SNAPSHOT")[-1]["HYPERVISOR_ID"]
    again, _ = play(failed, events.Failed, events.SnapshotCreate)
    assert again.template.vectors("SNAPSHOT")[-1]["HYPERVISOR_ID"] != name


def test_the_children_of_a_deleted_disk_snapshot_are_its_parents() -> None:
    after, _ = play(vm(S.RUNNING), events.DiskSnapshotDelete, events.Done)
    (of,) = after.disk_snapshots
    assert [(one.id, one.parent) for one in of.snapshots] == [(1, -1)]
    assert (of.active, of.next_id) == (1, 2)


def test_a_detached_disk_takes_its_snapshots_along() -> None:
    after, _ = play(vm(S.RUNNING), events.DetachDisk, events.Done, events.Done)
    assert after.disk_snapshots == ()
    assert [disk["DISK_ID"] for disk in after.template.vectors("DISK")] == ["0"]


def test_a_recreated_vm_keeps_its_parts_and_waits_for_a_host() -> None:
    before = vm(S.HOTPLUG)
    after, asked = play(before, events.DeleteRecreate, events.Done, events.Done)
    assert asked == ["vmm.CANCEL", "tm.delete_both"]
    assert (after.state, after.etime, after.deploy_id, after.disk_snapshots) == (S.PENDING, 0, "", ())
    assert [disk["DISK_ID"] for disk in after.template.vectors("DISK")] == ["0", "1", "2"]
    assert not after.template.vectors("SNAPSHOT")
    assert all(stay.etime for stay in after.history)


def test_whoever_terminates_a_vm_that_is_being_recreated_means_it() -> None:
    stuck, _ = play(vm(S.RUNNING), events.DeleteRecreate, events.Failed)
    assert stuck.state is S.CLEANUP_RESUBMIT_FAILURE
    assert play(stuck, events.Terminate, events.Done, events.Done)[0].state is S.DONE
    assert play(stuck, events.Retry, events.Done, events.Done)[0].state is S.PENDING


def test_memory_is_restored_from_the_stay_that_saved_it() -> None:
    again, asked = play(
        vm(S.RUNNING), events.Stop, events.Done, events.Done, events.Resume, events.Deploy, events.Done, events.Done
    )
    assert asked == ["vmm.SAVE", "tm.stop", "tm.resume", "vmm.RESTORE"]
    assert (again.saved_seq, again.current.seq) == (0, 1)

"""Scheduled actions through the API: who may, what is answered and shown, and that they are what the user would do."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, HOST_ID, STAY, VM_ID, Refusal
from trifid.core.access import Permissions
from trifid.core.vm.record import VM
from trifid.core.vm.schedule import ScheduledAction
from trifid.core.vm.states import VmState
from trifid.engine.transaction import Draft
from trifid.methods.vm_schedules import AUDITED_AS, carry_out

SUSPEND = "SCHED_ACTION=[ACTION=suspend,TIME=2000]"


def vm(world) -> VM:
    return world.memory.vms[VM_ID]


async def due(world, number: int = 0) -> None:
    """The engine carries out a scheduled action."""

    def command(draft: Draft) -> None:
        machine = draft.vm(VM_ID)
        one = machine.schedule[number]
        world.engine.schedule._carry_out = carry_out(world.engine)
        world.engine.schedule._perform(draft, machine, one)

    await world.engine.turns.ask(command)


async def test_the_answer_is_the_id_which_is_never_given_again(world):
    ids = [await world.ask(ALICE, "one.vm.schedadd", VM_ID, SUSPEND) for _ in range(2)]
    assert await world.ask(ALICE, "one.vm.scheddelete", VM_ID, ids[1]) == VM_ID
    assert await world.ask(ALICE, "one.vm.schedadd", VM_ID, SUSPEND) == ids[1] + 1
    assert [one.id for one in vm(world).schedule] == [ids[0], ids[1] + 1]


async def test_it_is_shown_in_the_document(world):
    text = 'SCHED_ACTION=[ACTION=snapshot-create,ARGS="nightly",TIME="+600",REPEAT=0,DAYS="1,5"]'
    number = await world.ask(ALICE, "one.vm.schedadd", VM_ID, text)
    document = await world.ask(ALICE, "one.vm.info", VM_ID)
    assert f"<SCHED_ACTIONS><ID>{number}</ID></SCHED_ACTIONS>" in document
    assert f"<SCHED_ACTION><ID><![CDATA[{number}]]></ID><PARENT_ID><![CDATA[{VM_ID}]]></PARENT_ID>" in document
    assert "<ARGS><![CDATA[nightly]]></ARGS>" in document


async def test_an_action_is_carried_out_as_its_user_would(world):
    await world.ask(ALICE, "one.vm.schedadd", VM_ID, SUSPEND)
    await due(world)
    assert (vm(world).state, vm(world).current.action, vm(world).current.uid) == (VmState.SAVE_SUSPEND, 10, ALICE_ID)
    assert (vm(world).schedule[0].message, vm(world).schedule[0].is_over) == ("", True)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("ACTION=snapshot-create,ARGS=nightly", VmState.HOTPLUG_SNAPSHOT),
        ("ACTION=snapshot-create", VmState.HOTPLUG_SNAPSHOT),
        ("ACTION=poweroff-hard", VmState.SHUTDOWN_POWEROFF),
        ("ACTION=terminate", VmState.SHUTDOWN),
    ],
)
async def test_what_can_be_scheduled_is_carried_out(world, action, state):
    await world.ask(ALICE, "one.vm.schedadd", VM_ID, f"SCHED_ACTION=[{action},TIME=5]")
    await due(world)
    assert vm(world).state is state, vm(world).schedule


async def test_a_lock_a_state_and_lost_rights_refuse_it_then(world):
    for _ in range(4):
        await world.ask(ALICE, "one.vm.schedadd", VM_ID, SUSPEND)
    await world.ask(ALICE, "one.vm.lock", VM_ID, 4)
    await due(world, 0)
    await world.ask(ALICE, "one.vm.unlock", VM_ID)
    await world.change("vms", VM_ID, state=VmState.POWEROFF, history=(replace(STAY, etime=9),))
    await due(world, 1)
    await world.change("vms", VM_ID, uid=BOB_ID)
    await due(world, 2)
    said = [one.message for one in vm(world).schedule]
    assert "It is locked" in said[0]
    assert "not available for state POWEROFF" in said[1]
    assert "Not authorized to perform MANAGE VM" in said[2]
    assert said[3] == ""


async def test_what_needs_more_rights_is_refused_when_it_is_scheduled(world):
    text = "SCHED_ACTION=[ACTION=resched,TIME=5]"
    assert await world.code(ALICE, "one.vm.schedadd", VM_ID, text) == 0x0200
    number = await world.ask(ADMIN, "one.vm.schedadd", VM_ID, text)
    assert await world.code(ALICE, "one.vm.schedupdate", VM_ID, number, "SCHED_ACTION=[TIME=6]") == 0x0200


async def test_who_changes_an_action_is_who_it_is_done_for(world):
    """Else a user could turn what an administrator scheduled into something else of an administrator."""
    await world.change("vms", VM_ID, permissions=Permissions(0o606))
    number = await world.ask(ADMIN, "one.vm.schedadd", VM_ID, SUSPEND)
    assert await world.ask(BOB, "one.vm.schedupdate", VM_ID, number, "SCHED_ACTION=[ACTION=terminate]") == number
    (one,) = vm(world).schedule
    assert (one.uid, one.action, one.time) == (BOB_ID, "terminate", 2000)


async def test_an_action_that_is_over_is_not_done_again_unless_its_time_is_changed(world):
    number = await world.ask(ALICE, "one.vm.schedadd", VM_ID, SUSPEND)
    await due(world)
    await world.ask(ALICE, "one.vm.schedupdate", VM_ID, number, "SCHED_ACTION=[WARNING=60]")
    assert vm(world).schedule[0].is_over
    await world.ask(ALICE, "one.vm.schedupdate", VM_ID, number, "SCHED_ACTION=[TIME=3000]")
    assert (vm(world).schedule[0].is_over, vm(world).schedule[0].time) == (False, 3000)


@pytest.mark.parametrize(
    ("text", "said"),
    [("SCHED_ACTION=[ACTION=fly,TIME=5]", 'is "fly"'), ("X=1", "expected one SCHED_ACTION"), ("X=[", "Parse error")],
)
async def test_what_cannot_be_scheduled_is_refused(world, text, said):
    with pytest.raises(Refusal, match=said) as refusal:
        await world.ask(ALICE, "one.vm.schedadd", VM_ID, text)
    assert refusal.value.code == 0x0800


async def test_an_action_that_there_is_not_is_not_found(world):
    for method, more in (("schedupdate", ("SCHED_ACTION=[TIME=5]",)), ("scheddelete", ())):
        with pytest.raises(Refusal, match=r"Error getting scheduled action \[77\]") as refusal:
            await world.ask(ALICE, f"one.vm.{method}", VM_ID, 77, *more)
        assert refusal.value.code == 0x0400


async def test_a_vm_has_a_bounded_number_of_actions(world):
    schedule = tuple(ScheduledAction(n, ALICE_ID, "suspend", 5) for n in range(100))
    await world.change("vms", VM_ID, schedule=schedule)
    with pytest.raises(Refusal, match="has 100 SCHED_ACTIONs"):
        await world.ask(ALICE, "one.vm.schedadd", VM_ID, SUSPEND)


async def test_a_template_brings_its_actions_along(world):
    text = f'CPU=1\nMEMORY=64\n{SUSPEND}\nSCHED_ACTION=[ACTION=terminate,TIME="+60"]'
    made = await world.ask(ALICE, "one.vm.allocate", text, True)
    machine = world.memory.vms[made]
    assert [(one.action, one.time, one.uid) for one in machine.schedule] == [
        ("suspend", 2000, ALICE_ID),
        ("terminate", 1060, ALICE_ID),
    ]
    assert "SCHED_ACTION" not in machine.user_template
    for wrong, code in (("ACTION=fly,TIME=5", 0x2000), ("ACTION=resched,TIME=5", 0x0200)):
        assert await world.code(ALICE, "one.vm.allocate", f"CPU=1\nMEMORY=64\nSCHED_ACTION=[{wrong}]", True) == code


async def test_quotas_hold_for_what_is_done_later(world):
    await world.change("hosts", HOST_ID, total_memory_kib=8 << 20)
    await world.change("vms", VM_ID, state=VmState.POWEROFF)
    await world.ask(ALICE, "one.vm.schedadd", VM_ID, "SCHED_ACTION=[ACTION=resume,TIME=2000]")
    await world.ask(ADMIN, "one.user.quota", ALICE_ID, "VM=[RUNNING_VMS=0]")
    await due(world)
    assert vm(world).state is VmState.POWEROFF
    assert "limit of 0 reached for RUNNING_VMS" in vm(world).schedule[0].message
    await world.ask(ADMIN, "one.user.quota", ALICE_ID, "VM=[RUNNING_VMS=1]")
    await world.ask(ALICE, "one.vm.schedadd", VM_ID, "SCHED_ACTION=[ACTION=resume,TIME=2000]")
    await due(world, 1)
    assert vm(world).state is VmState.BOOT_POWEROFF


async def test_what_is_done_later_is_in_the_audit(world):
    number = await world.ask(ALICE, "one.vm.schedadd", VM_ID, SUSPEND)
    await due(world)
    batch = next(batch for batch in world.store.commits if any(one.method == AUDITED_AS for one in batch.audit))
    (entry,) = batch.audit
    assert batch.vms[VM_ID].state is VmState.SAVE_SUSPEND
    assert (entry.uid, entry.user, entry.object_id, entry.code) == (ALICE_ID, "alice", VM_ID, 0)
    assert entry.arguments == f"vm_id={VM_ID} action_id={number} action=suspend"
    assert entry.ground == f"owner VM {VM_ID}"


async def test_so_is_what_was_refused_then(world):
    await world.ask(ALICE, "one.vm.schedadd", VM_ID, SUSPEND)
    await world.change("vms", VM_ID, uid=BOB_ID)
    await due(world)
    await world.engine.turns.ask(lambda draft: None)
    (entry,) = [one for batch in world.store.commits for one in batch.audit if one.method == AUDITED_AS]
    assert (entry.uid, entry.code, entry.ground) == (ALICE_ID, 0x200, f"nothing allows it VM {VM_ID}")

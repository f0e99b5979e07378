"""What a scheduler asks for many VMs at once."""

import json

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB_ID, HOST_ID, VM_ID, VM_OF_ALICE, Refusal
from trifid.core.vm.record import Needs
from trifid.core.vm.states import VmState
from trifid.methods.placing import AT_ONCE_MAX

SECOND_ID, THIRD_ID = 8, 9
WAITING = replace(VM_OF_ALICE, state=VmState.PENDING, history=())
DONE = {"code": 0, "message": ""}


@pytest.fixture
async def waiting(world):
    """Three VMs wait for a host that has room for two of them."""
    await world.change("hosts", HOST_ID, total_memory_kib=130 * 1024)
    await world.put(*(replace(WAITING, id=vm_id) for vm_id in (VM_ID, SECOND_ID, THIRD_ID)))


async def place_all(world, *placements):
    return json.loads(await world.ask(ADMIN, "trifid.vm.place_all", json.dumps(placements)))


async def test_each_placement_is_taken_or_refused_on_its_own(world, waiting):
    found = await place_all(world, [VM_ID, HOST_ID], [99, HOST_ID], [SECOND_ID, HOST_ID, -1], [THIRD_ID, HOST_ID])
    assert [one["code"] for one in found] == [0, 0x0400, 0, 0x0800]
    assert "Not enough memory: needs 64 MiB, has 2 free" in found[3]["message"]
    states = [world.memory.vms[vm_id].state for vm_id in (VM_ID, SECOND_ID, THIRD_ID)]
    assert states == [VmState.PROLOG, VmState.PROLOG, VmState.PENDING]


async def test_they_share_a_commit(world, waiting):
    batches = []
    world.engine.turns.after_commit.append(batches.append)
    await place_all(world, [VM_ID, HOST_ID], [SECOND_ID, HOST_ID])
    assert next(sorted(batch.vms) for batch in batches if batch.vms) == [VM_ID, SECOND_ID]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "a JSON list of lists is expected"),
        ("{}", "a JSON list of lists is expected"),
        ("[1]", "a JSON list of lists is expected"),
        ("[[]]", "vm_id is missing"),
        ('[["5", 3]]', "must be int"),
        (json.dumps([[VM_ID, HOST_ID]] * (AT_ONCE_MAX + 1)), "make several calls"),
    ],
)
async def test_what_is_no_list_of_placements_is_refused_as_a_whole(world, waiting, text, why):
    with pytest.raises(Refusal, match=why):
        await world.ask(ADMIN, "trifid.vm.place_all", text)
    assert world.memory.vms[VM_ID].state is VmState.PENDING


async def test_vms_are_told_why_they_wait(world, waiting):
    text = 'No host meets "A & B" = [ x ],\nnone'
    asked = json.dumps([[VM_ID, text], [99, "x"], [SECOND_ID, ""]])
    found = json.loads(await world.ask(ADMIN, "trifid.vm.tell_all", asked))
    assert [one["code"] for one in found] == [0, 0x0400, 0]
    assert world.memory.vms[VM_ID].user_template.single("SCHED_MESSAGE") == text


@pytest.mark.parametrize("text", ["[[5]]", '[["5", "x"]]', '[[5, "x", 1]]', "[[5, 7]]"])
async def test_what_is_no_message_is_refused(world, waiting, text):
    with pytest.raises(Refusal, match=r"must be \[VM id, text\]"):
        await world.ask(ADMIN, "trifid.vm.tell_all", text)


async def usage(world):
    return {one.pop("uid"): one for one in json.loads(await world.ask(ADMIN, "trifid.user.usage"))}


async def test_the_usage_of_a_user_is_what_its_vms_have_on_hosts(world):
    await world.put(
        VM_OF_ALICE, replace(VM_OF_ALICE, id=SECOND_ID, needs=Needs(50, 128)), replace(WAITING, id=THIRD_ID)
    )
    assert await usage(world) == {ALICE_ID: {"cpu_percent": 150, "memory_mib": 192, "weight": 1.0}}


async def test_it_goes_with_a_vm_that_changes_its_owner_and_ends_with_it(world):
    await world.put(VM_OF_ALICE)
    await world.ask(ADMIN, "one.vm.chown", VM_ID, BOB_ID, -1)
    assert set(await usage(world)) == {BOB_ID}
    await world.put(replace(VM_OF_ALICE, uid=BOB_ID, history=(replace(VM_OF_ALICE.current, etime=900),)))
    assert await usage(world) == {}


async def test_the_weight_of_a_user_is_told_and_may_be_changed_by_administrators(world):
    await world.ask(ADMIN, "one.user.update", ALICE_ID, "SCHED_WEIGHT=2.5", 1)
    assert (await usage(world))[ALICE_ID]["weight"] == 2.5


@pytest.mark.parametrize("text", ["SCHED_WEIGHT=3", "SCHED_WEIGHT=1", "SCHED_WEIGHT=[A=1]"])
async def test_a_user_does_not_change_its_own_weight(world, text):
    await world.ask(ADMIN, "one.user.update", ALICE_ID, "SCHED_WEIGHT=2", 1)
    for append in (0, 1):
        with pytest.raises(Refusal, match="restricted attribute SCHED_WEIGHT"):
            await world.ask(ALICE, "one.user.update", ALICE_ID, text, append)
    assert (await usage(world))[ALICE_ID]["weight"] == 2


@pytest.mark.parametrize("text", ["PHONE=1", "PHONE=1\nSCHED_WEIGHT=2"])
async def test_a_user_who_writes_the_other_attributes_keeps_the_weight(world, text):
    await world.ask(ADMIN, "one.user.update", ALICE_ID, "SCHED_WEIGHT=2", 1)
    await world.ask(ALICE, "one.user.update", ALICE_ID, text, 0)
    assert world.memory.users[ALICE_ID].template.single("PHONE") == "1"
    assert (await usage(world))[ALICE_ID]["weight"] == 2


@pytest.mark.parametrize("value", ["0", "-1", "much", "nan", "inf", "1e9", "[A=1]", '"1"\nSCHED_WEIGHT=2'])
async def test_a_weight_is_one_number_above_0(world, value):
    with pytest.raises(Refusal, match="SCHED_WEIGHT must be one number above 0"):
        await world.ask(ADMIN, "one.user.update", ALICE_ID, f"SCHED_WEIGHT={value}", 1)


async def test_an_administrator_takes_a_weight_away_by_leaving_it_out(world):
    await world.ask(ADMIN, "one.user.update", ALICE_ID, "SCHED_WEIGHT=2", 1)
    await world.ask(ADMIN, "one.user.update", ALICE_ID, "PHONE=1", 0)
    assert (await usage(world))[ALICE_ID]["weight"] == 1


async def test_the_audit_tells_of_each_what_was_asked_for_that_alone(world, waiting):
    await place_all(world, [VM_ID, HOST_ID], [SECOND_ID, HOST_ID])
    told = json.loads(await world.ask(ADMIN, "trifid.audit.list"))[::-1]
    assert [(one["method"], one["object_id"]) for one in told] == [
        ("trifid.vm.place_all", VM_ID),
        ("trifid.vm.place_all", SECOND_ID),
    ]
    assert told[1]["arguments"].startswith(f"vm_id={SECOND_ID} host_id={HOST_ID} ")

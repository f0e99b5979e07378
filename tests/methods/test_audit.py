"""Every call that changes something, or was refused, is in the audit."""

import json

import pytest

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, EVE, EVE_ID, VM_ID, Refusal, World
from trifid.engine import audit_trail
from trifid.engine.audit_trail import ENTRIES_PER_MINUTE_MAX
from trifid.errors import NotAuthenticated
from trifid.methods.event_stream import opener
from trifid.methods.metrics import reader
from trifid.methods.uploads import admission


async def audit(world: World, *args: object) -> list[dict]:
    """What the audit has, oldest first."""
    return json.loads(await world.ask(ADMIN, "trifid.audit.list", *args))[::-1]


async def test_a_change_is_told_with_who_and_what_and_why_it_was_allowed(world):
    await world.ask(ALICE, "one.vm.rename", VM_ID, "shop")
    (entry,) = await audit(world)
    assert entry["uid"] == ALICE_ID
    assert entry["user"] == "alice"
    assert entry["method"] == "one.vm.rename"
    assert entry["object_id"] == VM_ID
    assert entry["arguments"] == f"vm_id={VM_ID} name=shop"
    assert entry["code"] == 0
    assert entry["ground"] == f"owner VM {VM_ID}"
    assert entry["peer"] != ""


async def test_it_is_written_in_the_transaction_of_the_change(world):
    await world.ask(ALICE, "one.vm.rename", VM_ID, "shop")
    batch = next(batch for batch in world.store.commits if batch.audit)
    assert batch.vms[VM_ID].name == "shop"


async def test_what_was_made_is_the_object(world):
    made = await world.ask(ALICE, "one.template.allocate", "NAME=a\nCPU=1\nMEMORY=1")
    (entry,) = await audit(world)
    assert entry["object_id"] == made
    assert entry["ground"].startswith("rule ")


async def test_what_was_made_is_the_object_even_where_it_is_put_somewhere(world):
    made = await world.ask(ADMIN, "one.host.allocate", "node9", "dummy", "dummy", 0)
    (entry,) = await audit(world)
    assert made != 0
    assert entry["object_id"] == made


async def test_a_call_that_is_not_allowed_is_told(world):
    with pytest.raises(Refusal):
        await world.ask(BOB, "one.vm.action", "terminate", VM_ID)
    (entry,) = await audit(world)
    assert (entry["user"], entry["code"], entry["object_id"]) == ("bob", 0x200, VM_ID)
    assert entry["ground"] == f"nothing allows it VM {VM_ID}"


async def test_looking_at_what_one_may_not_see_is_told_and_looking_at_the_rest_is_not(world):
    await world.ask(ALICE, "one.vm.info", VM_ID)
    with pytest.raises(Refusal):
        await world.ask(BOB, "one.vm.info", VM_ID)
    assert [entry["user"] for entry in await audit(world)] == ["bob"]


async def test_a_stranger_is_told_without_what_was_sent(world):
    with pytest.raises(Refusal):
        await world.ask("tell-nobody:alice", "one.vm.info", VM_ID)
    with pytest.raises(Refusal):
        await world.ask("alice:tell-nobody", "one.vm.info", VM_ID)
    told = await audit(world)
    assert [(entry["uid"], entry["user"]) for entry in told] == [(-1, "(no such user)"), (-1, "alice")]
    assert "tell-nobody" not in str(told)


async def test_secrets_are_in_no_entry(world):
    await world.ask(ADMIN, "one.user.passwd", ALICE_ID, "tell-nobody")
    await world.ask(ADMIN, "one.user.update", ALICE_ID, "SSH_PRIVATE_KEY=tell-nobody", 1)
    with pytest.raises(Refusal):
        await world.ask(ADMIN, "one.vm.allocate", "PASSWORD=tell-nobody\nCPU=[", False)
    told = await audit(world)
    assert len(told) == 3
    assert "tell-nobody" not in str(told)


async def test_users_do_not_read_it(world):
    with pytest.raises(Refusal, match="MANAGE SYSTEM"):
        await world.ask(ALICE, "trifid.audit.list")


async def test_pages_go_on_from_the_last_entry(world):
    for n in range(5):
        await world.ask(ALICE, "one.vm.rename", VM_ID, f"name{n}")
    newest = json.loads(await world.ask(ADMIN, "trifid.audit.list", -1, 2))
    older = json.loads(await world.ask(ADMIN, "trifid.audit.list", newest[-1]["id"], 2))
    assert [entry["arguments"][-5:] for entry in newest + older] == ["name4", "name3", "name2", "name1"]


async def test_refusals_without_end_are_counted_and_not_written(world):
    clock = [600]
    world.engine.audit._now = lambda: clock[0]
    for _ in range(ENTRIES_PER_MINUTE_MAX + 7):
        with pytest.raises(Refusal):
            await world.ask(BOB, "one.vm.info", VM_ID)
    clock[0] += 60
    with pytest.raises(Refusal):
        await world.ask(BOB, "one.vm.info", VM_ID)
    told = await audit(world, -1, 1000)
    assert len(told) == ENTRIES_PER_MINUTE_MAX + 2
    assert told[-2]["text"].startswith("7 more calls were refused")


async def test_who_has_many_calls_refused_hides_those_of_nobody_else(world, monkeypatch):
    monkeypatch.setattr(audit_trail, "ENTRIES_PER_MINUTE_MAX", 2)
    for _ in range(3):
        with pytest.raises(Refusal):
            await world.ask("bob:guess", "one.vm.info", VM_ID)
    for session in (BOB, EVE):
        with pytest.raises(Refusal):
            await world.ask(session, "one.vm.info", VM_ID)
    assert [entry["uid"] for entry in await audit(world)] == [-1, -1, BOB_ID, EVE_ID]


@pytest.mark.parametrize(
    ("method", "arguments", "told"),
    [
        ("one.template.allocate", ("NAME=[",), "the template cannot be read, or a value in it is wrong"),
        ("one.vm.rename", (777, "x"), "no such virtual machine"),
    ],
)
async def test_the_reason_of_a_refusal_is_told_in_words(world, method, arguments, told):
    with pytest.raises(Refusal):
        await world.ask(ALICE, method, *arguments)
    assert (await audit(world))[-1]["text"].startswith(told)


DOORS = {
    "GET /events": lambda engine, session: opener(engine)(session, {}, "10.0.0.9:1"),
    "GET /metrics": lambda engine, session: reader(engine, False, 10)(session, "10.0.0.9:1"),
    "/uploads": lambda engine, session: admission(engine)(session, "10.0.0.9:1"),
}


@pytest.mark.parametrize("door", DOORS)
async def test_who_is_not_let_in_at_any_door_is_told(world, door):
    with pytest.raises(NotAuthenticated):
        await DOORS[door](world.engine, "alice:guess")
    (entry,) = await audit(world)
    assert (entry["method"], entry["user"], entry["uid"], entry["code"]) == (door, "alice", -1, 0x100)
    assert entry["peer"] == "10.0.0.9:1"
    assert "guess" not in json.dumps(entry)

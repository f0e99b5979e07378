"""Update calls: bounded, checked, and not a way around what a template is refused for."""

import pytest

from tests.methods.world import ADMIN, ALICE, ALICE_ID, HOST_ID, NETWORK_ID, VM_ID, Refusal
from trifid.core.template.model import template
from trifid.core.template.scanner import TEXT_LENGTH_MAX

OBJECTS = [
    ("vm", "vms", VM_ID, "user_template", ALICE),
    ("user", "users", ALICE_ID, "template", ALICE),
    ("host", "hosts", HOST_ID, "template", ADMIN),
    ("vn", "networks", NETWORK_ID, "template", ADMIN),
]


@pytest.mark.parametrize(("kind", "pool", "object_id", "field", "session"), OBJECTS)
async def test_appending_does_not_make_an_object_larger_than_a_template_may_be(
    world, kind, pool, object_id, field, session
):
    half = TEXT_LENGTH_MAX // 2
    assert await world.code(session, f"one.{kind}.update", object_id, f"A={'x' * (half + 10)}", 1) == 0
    with pytest.raises(Refusal, match=f"{TEXT_LENGTH_MAX} are accepted") as refusal:
        await world.ask(session, f"one.{kind}.update", object_id, f"B={'x' * half}", 1)
    assert refusal.value.code == 0x0800
    kept = getattr(getattr(world.memory, pool)[object_id], field)
    assert "A" in kept and "B" not in kept
    assert await world.code(session, f"one.{kind}.update", object_id, f"B={'x' * half}", 0) == 0


@pytest.mark.parametrize("append", [-1, 2])
@pytest.mark.parametrize(("kind", "pool", "object_id", "field", "session"), OBJECTS)
async def test_an_update_replaces_or_appends(world, kind, pool, object_id, field, session, append):
    assert await world.code(session, f"one.{kind}.update", object_id, "A=1", append) == 0x1000


async def of_alice(world, text, append=1):
    """Return USER_TEMPLATE after an update of Alice."""
    await world.ask(ALICE, "one.vm.update", VM_ID, text, append)
    return world.memory.vms[VM_ID].user_template


@pytest.mark.parametrize(
    "text", ["USER_PRIORITY=99", "DEPLOY_ID=one-1", 'RAW=[TYPE=kvm,DATA="<x/>"]', "NIC=[MAC=02:00:00:00:00:01]"]
)
async def test_restricted_attributes_are_for_administrators(world, text):
    with pytest.raises(Refusal, match=r"User \[10\] : VM Template includes a restricted attribute") as refusal:
        await of_alice(world, text)
    assert refusal.value.code == 0x0200
    assert await world.code(ADMIN, "one.vm.update", VM_ID, text, 1) == 0


@pytest.mark.parametrize(
    "text",
    ['SCHED_REQUIREMENTS="(((("', 'RANK="* 3"', "USER_PRIORITY=much", "HAIZEA=now", "LABELS=[A=1]", "CPU=many"],
)
@pytest.mark.parametrize("session", [ALICE, ADMIN])
async def test_what_could_not_be_submitted_cannot_be_put_there_later(world, session, text):
    assert await world.code(session, "one.vm.update", VM_ID, text, 1) == 0x0800
    assert world.memory.vms[VM_ID].user_template == template()


async def test_what_only_the_engine_writes_is_dropped(world):
    given = 'ERROR="disk gone"\nSCHED_MESSAGE=soon\nVMID=7\nNAME=other\nAUTOMATIC_REQUIREMENTS="x"\nMINE=1'
    for append in (0, 1):
        assert await of_alice(world, given, append) == template(MINE="1")
    assert world.memory.vms[VM_ID].name == "web"


async def test_a_template_that_was_shown_can_be_sent_back(world):
    told = 'ERROR="disk gone"\nUSER_PRIORITY=7\nMINE=1'
    await world.ask(ADMIN, "one.vm.update", VM_ID, told, 0)
    assert await of_alice(world, told + "\nMORE=2", 0) == template(
        ERROR="disk gone", USER_PRIORITY="7", MINE="1", MORE="2"
    )
    assert await of_alice(world, "MORE=3", 0) == template(MORE="3", USER_PRIORITY="7")
    assert await world.code(ALICE, "one.vm.update", VM_ID, 'ERROR="forged"\nX=1', 1) == 0
    assert world.memory.vms[VM_ID].user_template.single("ERROR") == ""


async def test_the_scheduler_tells_why_a_vm_waits(world):
    await world.ask(ADMIN, "one.vm.update", VM_ID, 'SCHED_MESSAGE="no host"', 1)
    assert world.memory.vms[VM_ID].user_template == template(SCHED_MESSAGE="no host")


@pytest.mark.parametrize("count", [30_000])
async def test_many_attributes_take_no_quadratic_time(world, count):
    many = "\n".join(f"A{n}=1" for n in range(count))
    assert len(await of_alice(world, many, 0)) == count
    assert len(await of_alice(world, many, 0)) == count

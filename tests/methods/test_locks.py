"""Locks of every kind that has them: what each level stops, whom, and who takes them away."""

import pytest

from tests.methods.world import (
    ADMIN,
    ALICE,
    ALICE_ID,
    BOB,
    BOB_ID,
    IMAGE_ID,
    NETWORK_ID,
    TEMPLATE_ID,
    VM_ID,
    VN_TEMPLATE_ID,
    Refusal,
)
from trifid.core.access import Permissions
from trifid.core.document import Document
from trifid.core.vm_group.record import Role, VmGroup
from trifid.methods.registry import METHODS

GROUP_ID, DOCUMENT_ID = 9, 9
LOCKABLE = {
    "vm": ("VM", "vms", VM_ID),
    "vn": ("NET", "networks", NETWORK_ID),
    "image": ("IMAGE", "images", IMAGE_ID),
    "template": ("TEMPLATE", "vm_templates", TEMPLATE_ID),
    "vntemplate": ("VNTEMPLATE", "vn_templates", VN_TEMPLATE_ID),
    "vmgroup": ("VMGROUP", "vm_groups", GROUP_ID),
    "document": ("DOCUMENT", "documents", DOCUMENT_ID),
}
KEEP = (-1,) * 8
OF_ALICE = Permissions(0o700)
ALL_MANAGE = Permissions(0o666)


@pytest.fixture(params=LOCKABLE)
async def thing(world, request):
    """What may be locked, of Alice, who may do all with it: the word of its methods, what rights call it, its id."""
    word = request.param
    kind, pool, object_id = LOCKABLE[word]
    await world.put(
        VmGroup(GROUP_ID, ALICE_ID, 1, "app", (Role(0, "web"),), 1),
        Document(DOCUMENT_ID, ALICE_ID, 1, "service", 100),
    )
    await world.change(pool, object_id, uid=ALICE_ID, gid=1, permissions=OF_ALICE)
    return word, kind, object_id


def record(world, thing):
    word, _, object_id = thing
    return getattr(world.memory, LOCKABLE[word][1])[object_id]


def test_every_kind_with_a_lock_is_here():
    locked = {name.split(".")[1] for name in METHODS if name.endswith(".lock") and METHODS[name].is_supported}
    assert locked - {"hook"} == set(LOCKABLE)
    assert {f"one.{word}.unlock" for word in locked} <= set(METHODS)


@pytest.mark.parametrize("session", [ALICE, ADMIN])
@pytest.mark.parametrize(
    ("level", "stops"), [(1, "manage admin"), (2, "manage admin"), (3, "admin"), (4, "manage admin")]
)
async def test_a_level_stops_what_needs_its_right_or_a_stronger_one_for_administrators_too(
    world, thing, level, stops, session
):
    word, _, object_id = thing
    assert await world.ask(ALICE, f"one.{word}.lock", object_id, level) == object_id
    assert record(world, thing).lock.level == (1 if level == 4 else level)
    calls = {
        "use": (f"one.{word}.info", object_id),
        "manage": (f"one.{word}.rename", object_id, "other"),
        "admin": (f"one.{word}.chmod", object_id, *KEEP, 1),
    }
    for right, call in calls.items():
        before = record(world, thing)
        code = await world.code(session, *call)
        assert (right, code) == (right, 0x0200 if right in stops.split() else 0)
        assert right not in stops.split() or record(world, thing) is before


async def test_an_administrator_is_told_that_it_is_locked_and_a_user_that_he_may_not(world, thing):
    word, kind, object_id = thing
    await world.ask(ALICE, f"one.{word}.lock", object_id, 2)
    with pytest.raises(Refusal, match=rf"User \[0\] : {kind} is locked. \[{object_id}\]."):
        await world.ask(ADMIN, f"one.{word}.rename", object_id, "other")
    with pytest.raises(
        Refusal, match=rf"User \[{ALICE_ID}\] : Not authorized to perform MANAGE {kind} \[{object_id}\]."
    ):
        await world.ask(ALICE, f"one.{word}.rename", object_id, "other")


async def test_its_owner_and_administrators_take_a_lock_away_and_nobody_else(world, thing):
    word, _, object_id = thing
    await world.change(LOCKABLE[word][1], object_id, permissions=ALL_MANAGE)
    await world.ask(ALICE, f"one.{word}.lock", object_id, 2)
    with pytest.raises(Refusal, match="Cannot unlock: Lock is owned by another user") as refusal:
        await world.ask(BOB, f"one.{word}.unlock", object_id)
    assert refusal.value.code == 0x0800
    with pytest.raises(Refusal, match="Error trying to lock the resource") as refusal:
        await world.ask(BOB, f"one.{word}.lock", object_id, 1)
    assert refusal.value.code == 0x0800
    assert await world.ask(ALICE, f"one.{word}.lock", object_id, 3) == object_id
    assert record(world, thing).lock.level == 3
    assert await world.ask(ADMIN, f"one.{word}.unlock", object_id) == object_id
    assert record(world, thing).lock is None
    assert await world.ask(BOB, f"one.{word}.unlock", object_id) == object_id, "it has none, and stays as it is"
    await world.ask(BOB, f"one.{word}.lock", object_id, 1, False)
    assert record(world, thing).lock.uid == BOB_ID


async def test_with_a_test_what_is_locked_already_is_refused_to_its_owner_too(world, thing):
    word, _, object_id = thing
    await world.ask(ALICE, f"one.{word}.lock", object_id, 3, True)
    assert await world.code(ALICE, f"one.{word}.lock", object_id, 2, True) == 0x0800
    assert record(world, thing).lock.level == 3


@pytest.mark.parametrize("level", [0, 5, -1])
async def test_there_are_four_levels(world, thing, level):
    word, _, object_id = thing
    with pytest.raises(Refusal, match="Wrong lock level specified") as refusal:
        await world.ask(ALICE, f"one.{word}.lock", object_id, level)
    assert refusal.value.code == 0x0800
    assert record(world, thing).lock is None


USES = [
    ("vn", "networks", NETWORK_ID, ("one.vm.allocate", f"CPU=1\nMEMORY=64\nNIC=[NETWORK_ID={NETWORK_ID}]")),
    ("vn", "networks", NETWORK_ID, ("one.vm.allocate", "CPU=1\nMEMORY=64\nNIC=[NETWORK=lan]")),
    ("vn", "networks", NETWORK_ID, ("one.vm.attachnic", VM_ID, "NIC=[NETWORK=lan]")),
    ("vn", "networks", NETWORK_ID, ("one.vn.reserve", NETWORK_ID, "SIZE=2\nNAME=mine")),
    ("image", "images", IMAGE_ID, ("one.vm.allocate", f"CPU=1\nMEMORY=64\nDISK=[IMAGE_ID={IMAGE_ID}]")),
    ("image", "images", IMAGE_ID, ("one.vm.attach", VM_ID, f"DISK=[IMAGE_ID={IMAGE_ID}]")),
    ("image", "images", IMAGE_ID, ("one.image.clone", IMAGE_ID, "copy")),
    ("template", "vm_templates", TEMPLATE_ID, ("one.template.instantiate", TEMPLATE_ID, "")),
    ("template", "vm_templates", TEMPLATE_ID, ("one.template.clone", TEMPLATE_ID, "copy")),
    ("vntemplate", "vn_templates", VN_TEMPLATE_ID, ("one.vntemplate.instantiate", VN_TEMPLATE_ID, "mine", "")),
    ("vntemplate", "vn_templates", VN_TEMPLATE_ID, ("one.vntemplate.clone", VN_TEMPLATE_ID, "copy")),
    (
        "vmgroup",
        "vm_groups",
        GROUP_ID,
        ("one.vm.allocate", f"CPU=1\nMEMORY=64\nVMGROUP=[VMGROUP_ID={GROUP_ID},ROLE=web]"),
    ),
    ("document", "documents", DOCUMENT_ID, ("one.document.clone", DOCUMENT_ID, "copy")),
]
"""What may be locked, and a call that makes something with it."""


@pytest.mark.parametrize(("word", "pool", "object_id", "call"), USES, ids=lambda value: str(value)[:40])
async def test_nothing_new_is_made_with_what_is_locked_against_use_and_with_other_locks_it_is(
    world, word, pool, object_id, call
):
    await world.put(
        VmGroup(GROUP_ID, ALICE_ID, 1, "app", (Role(0, "web"),), 1),
        Document(DOCUMENT_ID, ALICE_ID, 1, "service", 100),
    )
    await world.change(pool, object_id, uid=0, permissions=Permissions(0o604))
    await world.ask(ADMIN, f"one.{word}.lock", object_id, 1)
    before = getattr(world.memory, pool)[object_id]
    session = ADMIN if call[0].startswith("one.vntemplate.clone") else ALICE
    assert await world.code(session, *call) == 0x0200
    assert await world.code(ADMIN, *call) == 0x0200
    assert getattr(world.memory, pool)[object_id] is before
    await world.ask(ADMIN, f"one.{word}.lock", object_id, 2)
    assert await world.code(session, *call) == 0

"""Owners, groups, permissions and names of objects."""

import pytest
from msgspec.structs import replace

from tests.methods.world import (
    ADMIN,
    ALICE,
    ALICE_ID,
    BOB,
    BOB_ID,
    EVE_ID,
    GUESTS_GID,
    IMAGE_ID,
    NETWORK_ID,
    STAFF_GID,
    TEMPLATE_ID,
    VM_ID,
    VN_TEMPLATE_ID,
    Refusal,
    user,
)
from trifid.core.access import Permissions
from trifid.core.document import Document
from trifid.core.network.security_group import SecurityGroup
from trifid.core.vm_group.record import Role, VmGroup
from trifid.engine.looking import WORDS
from trifid.methods.ownership import OWNED_POOLS
from trifid.methods.registry import METHODS, WrongArguments

GROUP_ID, DOCUMENT_ID = 9, 9

OBJECTS = [
    ("vm", "vms", VM_ID),
    ("vn", "networks", NETWORK_ID),
    ("image", "images", IMAGE_ID),
    ("datastore", "datastores", 1),
    ("template", "vm_templates", TEMPLATE_ID),
    ("vntemplate", "vn_templates", VN_TEMPLATE_ID),
    ("secgroup", "security_groups", GROUP_ID),
    ("vmgroup", "vm_groups", GROUP_ID),
    ("document", "documents", DOCUMENT_ID),
]
SEVERAL_OF_A_NAME = ("vm", "document")
"""Kinds of which one owner may have several of the same name."""


@pytest.fixture(params=OBJECTS, ids=[kind for kind, _, _ in OBJECTS])
async def thing(world, request):
    """An object of Alice: the word of its methods, its pool, its id."""
    kind, pool, object_id = request.param
    await world.put(
        SecurityGroup(GROUP_ID, ALICE_ID, 1, "web"),
        VmGroup(GROUP_ID, ALICE_ID, 1, "app", (Role(0, "web"),), 1),
        Document(DOCUMENT_ID, ALICE_ID, 1, "service", 100),
    )
    await world.change(pool, object_id, uid=ALICE_ID, gid=1, permissions=Permissions(0o640))
    return kind, pool, object_id


def test_every_kind_that_belongs_to_users_is_here():
    assert sorted(pool for _, pool, _ in OBJECTS) == sorted(OWNED_POOLS)
    methods = {name.removeprefix("one.") for name in METHODS if METHODS[name].is_supported}
    for verb in ("chown", "chmod", "rename"):
        assert {f"{kind}.{verb}" for kind, _, _ in OBJECTS} <= methods


async def test_an_owner_sets_all_nine_flags_when_only_her_own_change(world, thing):
    kind, pool, object_id = thing
    await world.ask(ALICE, f"one.{kind}.chmod", object_id, 1, 1, 0, 0, 1, 0, 0, 0, 0)
    assert getattr(world.memory, pool)[object_id].permissions == Permissions(0o620)


async def test_an_owner_opens_what_is_hers_to_others(world, thing):
    kind, pool, object_id = thing
    await world.ask(ALICE, f"one.{kind}.chmod", object_id, 1, 1, 0, 0, 0, 0, 1, 1, 0)
    assert getattr(world.memory, pool)[object_id].permissions == Permissions(0o606)


@pytest.mark.parametrize("flag", [2, 5, 8])
async def test_an_owner_does_not_change_admin_bits(world, thing, flag):
    kind, pool, object_id = thing
    flags = list(Permissions(0o640).flags())
    flags[flag] = 1
    assert await world.code(ALICE, f"one.{kind}.chmod", object_id, *flags) == 0x0200
    assert await world.code(ADMIN, f"one.{kind}.chmod", object_id, *flags) == 0
    assert getattr(world.memory, pool)[object_id].permissions.flags() == tuple(flags)


async def test_a_flag_is_set_clear_or_kept(world, thing):
    kind, _, object_id = thing
    assert await world.code(ALICE, f"one.{kind}.chmod", object_id, 2, *[-1] * 8) == 0x1000


async def test_who_manages_an_object_gives_it_to_nobody_who_is_not_hers_to_manage(world, thing):
    """Alice may give hers to a group of hers, but Bob and the guests have not asked for it."""
    kind, pool, object_id = thing
    await world.change(pool, object_id, permissions=Permissions(0o444))
    assert await world.code(ALICE, f"one.{kind}.chown", object_id, -1, STAFF_GID) == 0x0200
    await world.change(pool, object_id, permissions=Permissions(0o600))
    assert await world.code(ALICE, f"one.{kind}.chown", object_id, BOB_ID, -1) == 0x0200
    assert await world.code(ALICE, f"one.{kind}.chown", object_id, -1, GUESTS_GID) == 0x0200
    assert await world.code(ALICE, f"one.{kind}.chown", object_id, ALICE_ID, STAFF_GID) == 0
    assert await world.code(ADMIN, f"one.{kind}.chown", object_id, EVE_ID, GUESTS_GID) == 0
    thing = getattr(world.memory, pool)[object_id]
    assert (thing.uid, thing.gid) == (EVE_ID, GUESTS_GID)


@pytest.mark.parametrize(
    ("to", "permissions"), [((EVE_ID, -1), 0o706), ((-1, STAFF_GID), 0o676)], ids=["user", "group"]
)
async def test_nobody_gets_more_rights_by_giving_an_object_to_a_user_or_a_group_of_theirs(
    world, thing, to, permissions
):
    """Bob manages what is Alice's as others do, and all users: Eve may be himself under another name."""
    kind, pool, object_id = thing
    await world.change("users", BOB_ID, gids=(1, STAFF_GID))
    everybody_else = f"{1 << 32 | BOB_ID:x}", f"{1 << 40 | 1 << 34:x}", "2"
    await world.ask(ADMIN, "one.acl.addrule", *everybody_else)
    await world.change(pool, object_id, gid=GUESTS_GID, permissions=Permissions(permissions))
    assert await world.code(BOB, f"one.{kind}.chown", object_id, *to) == 0x0200
    await world.change(pool, object_id, permissions=Permissions(0o666))
    assert await world.code(BOB, f"one.{kind}.chown", object_id, *to) == 0


async def test_chown_names_the_user_or_group_that_there_is_not(world, thing):
    kind, _, object_id = thing
    with pytest.raises(Refusal, match=r"Error getting user \[77\]"):
        await world.ask(ADMIN, f"one.{kind}.chown", object_id, 77, -1)
    with pytest.raises(Refusal, match=r"Error getting group \[77\]"):
        await world.ask(ADMIN, f"one.{kind}.chown", object_id, -1, 77)


async def test_a_new_name_is_in_the_journal(world, thing):
    kind, pool, object_id = thing
    old = getattr(world.memory, pool)[object_id].name
    await world.ask(ALICE, f"one.{kind}.rename", object_id, "other")
    entry = world.store.commits[-1].journal[-1]
    assert (entry.what, entry.text, entry.uid) == ("renamed", f"{old} -> other", ALICE_ID)


async def test_names_of_networks_are_taken_per_owner(world):
    text = 'NAME="{}"\nVN_MAD=dummy\nBRIDGE=br1'
    with pytest.raises(Refusal, match=f"NAME is already taken by NET {NETWORK_ID}"):
        await world.ask(ADMIN, "one.vn.allocate", text.format("lan"), -1)
    made = await world.ask(ADMIN, "one.vn.allocate", text.format("wan"), -1)
    collides = f"virtual network cannot be renamed to lan because it collides with virtual network {NETWORK_ID}"
    with pytest.raises(Refusal, match=collides) as refusal:
        await world.ask(ADMIN, "one.vn.rename", made, "lan")
    assert refusal.value.code == 0x0800
    await world.ask(ADMIN, "one.vn.chown", made, ALICE_ID, -1)
    await world.ask(ADMIN, "one.vn.rename", made, "lan")
    owns = rf"user \[0\] already owns virtual network \[{NETWORK_ID}\] with NAME lan"
    with pytest.raises(Refusal, match=owns) as refusal:
        await world.ask(ADMIN, "one.vn.chown", made, 0, -1)
    assert refusal.value.code == 0x2000
    assert await world.code(ADMIN, "one.vn.rename", made, "lan") == 0


async def test_a_second_object_of_a_name_is_not_given_to_its_owner(world, thing):
    kind, pool, object_id = thing
    record = getattr(world.memory, pool)[object_id]
    await world.put(replace(record, id=60, uid=BOB_ID), replace(record, id=61, name="other"))
    are_told_apart = kind not in SEVERAL_OF_A_NAME
    assert await world.code(ADMIN, f"one.{kind}.chown", object_id, BOB_ID, -1) == (0x2000 if are_told_apart else 0)
    await world.change(pool, object_id, uid=ALICE_ID)
    assert await world.code(ADMIN, f"one.{kind}.rename", object_id, "other") == (0x0800 if are_told_apart else 0)


async def test_a_user_who_has_anything_is_not_deleted(world, thing):
    _, pool, object_id = thing
    record = getattr(world.memory, pool)[object_id]
    await world.put(user(70, "carol", 1), replace(record, id=62, uid=70))
    with pytest.raises(Refusal, match=rf"carol still owns {WORDS[pool]} 62"):
        await world.ask(ADMIN, "one.user.delete", 70)
    await world.change(pool, 62, uid=0)
    assert await world.code(ADMIN, "one.user.delete", 70) == 0


async def test_names_of_users_and_groups_are_taken_for_all(world):
    for name, arguments, code, said in (
        ("one.user.allocate", ("alice", "pw", "core", []), 0x2000, f"NAME is already taken by USER {ALICE_ID}"),
        ("one.group.allocate", ("staff",), 0x2000, f"NAME is already taken by GROUP {STAFF_GID}"),
    ):
        with pytest.raises(Refusal, match=said) as refusal:
            await world.ask(ADMIN, name, *arguments)
        assert refusal.value.code == code


async def test_members_of_a_group_see_what_is_shared_with_it(world):
    assert await world.code(BOB, "one.vm.info", VM_ID) == 0x0200
    await world.change("vms", VM_ID, gid=STAFF_GID, permissions=Permissions(0o640))
    assert await world.code(BOB, "one.vm.info", VM_ID) == 0
    assert await world.code(BOB, "one.vm.rename", VM_ID, "his") == 0x0200


@pytest.mark.parametrize(
    ("method", "first", "last"),
    [
        ("one.vm.rename", "vm_id", "name"),
        ("one.image.chmod", "image_id", "ta"),
        ("one.vn.chown", "network_id", "group_id"),
        ("one.secgroup.chown", "group_id", "new_gid"),
    ],
)
def test_what_is_declared_for_many_kinds_calls_its_arguments_as_each_kind_does(method, first, last):
    names = [parameter.name for parameter in METHODS[method].parameters]
    assert (names[0], names[-1]) == (first, last)
    with pytest.raises(WrongArguments, match=f"^{method}: Not enough parameters: {first} is missing"):
        METHODS[method].arguments([])
    assert len(set(names)) == len(names)


async def test_vms_may_have_the_same_name(world):
    await world.change("vms", VM_ID, name="web")
    other = await world.ask(ADMIN, "one.vm.allocate", "NAME=web\nCPU=1\nMEMORY=64", False)
    assert await world.code(ADMIN, "one.vm.rename", other, "web") == 0
    assert await world.code(ADMIN, "one.vm.chown", other, ALICE_ID, -1) == 0

"""Owners, groups, permissions and names of objects."""

import pytest

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
    VM_ID,
    Refusal,
)
from trifid.core.access import Permissions
from trifid.methods.registry import METHODS, WrongArguments

OBJECTS = [
    ("vm", "vms", VM_ID),
    ("vn", "networks", NETWORK_ID),
    ("image", "images", IMAGE_ID),
    ("datastore", "datastores", 1),
]


@pytest.fixture(params=OBJECTS, ids=["VM", "network", "image", "datastore"])
async def thing(world, request):
    """An object of Alice: the word of its methods, its pool, its id."""
    kind, pool, object_id = request.param
    await world.change(pool, object_id, uid=ALICE_ID, permissions=Permissions(0o640))
    return kind, pool, object_id


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


async def test_who_may_give_an_object_away_gives_it_to_nobody_who_is_not_hers_to_manage(world, thing):
    """With the ADMIN bit Alice may chown, but Bob and the guests have not asked for it."""
    kind, pool, object_id = thing
    assert await world.code(ALICE, f"one.{kind}.chown", object_id, -1, STAFF_GID) == 0x0200
    await world.change(pool, object_id, permissions=Permissions(0o700))
    assert await world.code(ALICE, f"one.{kind}.chown", object_id, BOB_ID, -1) == 0x0200
    assert await world.code(ALICE, f"one.{kind}.chown", object_id, -1, GUESTS_GID) == 0x0200
    assert await world.code(ALICE, f"one.{kind}.chown", object_id, ALICE_ID, STAFF_GID) == 0
    assert await world.code(ADMIN, f"one.{kind}.chown", object_id, EVE_ID, GUESTS_GID) == 0
    thing = getattr(world.memory, pool)[object_id]
    assert (thing.uid, thing.gid) == (EVE_ID, GUESTS_GID)


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
    with pytest.raises(Refusal, match=f"NAME is already taken by NET {NETWORK_ID}"):
        await world.ask(ADMIN, "one.vn.rename", made, "lan")
    await world.ask(ADMIN, "one.vn.chown", made, ALICE_ID, -1)
    await world.ask(ADMIN, "one.vn.rename", made, "lan")
    with pytest.raises(Refusal, match=f"NAME is already taken by NET {NETWORK_ID}"):
        await world.ask(ADMIN, "one.vn.chown", made, 0, -1)
    assert await world.code(ADMIN, "one.vn.rename", made, "lan") == 0


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

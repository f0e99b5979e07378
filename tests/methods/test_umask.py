"""The permissions that new objects have: what the umask of who makes them leaves."""

import pytest
from msgspec.structs import replace

from tests.methods.world import (
    ADMIN,
    ALICE,
    ALICE_ID,
    IMAGE_ID,
    NETWORK_ID,
    TEMPLATE_ID,
    VN_TEMPLATE_ID,
    Refusal,
)
from trifid.core.access import Permissions
from trifid.core.network.security_group import SecurityGroup
from trifid.core.template.model import template
from trifid.engine.config import ConfigFault, parse
from trifid.methods.ownership import OWNED_POOLS

GROUP_ID = 9
MAKES = {
    "vms": [("one.vm.allocate", "CPU=1\nMEMORY=64"), ("one.template.instantiate", TEMPLATE_ID, "mine")],
    "vm_templates": [("one.template.allocate", "NAME=x"), ("one.template.clone", TEMPLATE_ID, "copy")],
    "images": [("one.image.allocate", "NAME=x\nSIZE=1", 1), ("one.image.clone", IMAGE_ID, "copy")],
    "networks": [
        ("one.vn.reserve", NETWORK_ID, "SIZE=2\nNAME=mine"),
        ("one.vntemplate.instantiate", VN_TEMPLATE_ID, "mine", ""),
    ],
    "security_groups": [("one.secgroup.allocate", "NAME=x"), ("one.secgroup.clone", GROUP_ID, "copy")],
    "vm_groups": [("one.vmgroup.allocate", "NAME=x\nROLE=[NAME=a]")],
    "documents": [("one.document.allocate", "NAME=x", 100)],
    "vn_templates": [("one.vntemplate.allocate", "NAME=x\nVN_MAD=vxlan\nPHYDEV=eth0")],
    "datastores": [("one.datastore.allocate", "NAME=x\nDS_MAD=dummy\nTM_MAD=dummy", -1)],
}
"""pool -> calls that make an object in it."""
ONLY_ADMINISTRATORS_MAKE = ("vn_templates", "datastores")
CALLS = [(pool, call) for pool, calls in MAKES.items() for call in calls]


@pytest.fixture(autouse=True)
async def _there(world, monkeypatch):
    """Let Alice use what she makes objects of."""
    monkeypatch.setattr(type(world.engine.drivers), "names", lambda drivers, family: ["dummy", "fs"])
    await world.open_network()
    await world.put(SecurityGroup(GROUP_ID, ALICE_ID, 1, "web"))
    await world.change("vn_templates", VN_TEMPLATE_ID, permissions=Permissions(0o604))


async def with_umask(world, umask):
    await world.change("users", ALICE_ID, template=template(UMASK=umask))
    await world.change("users", 0, template=template(UMASK=umask))


async def made(world, session, pool, call):
    name, *arguments = call
    return getattr(world.memory, pool)[await world.ask(session, name, *arguments)]


def test_every_kind_that_belongs_to_users_is_made_here():
    assert set(MAKES) == set(OWNED_POOLS)


@pytest.mark.parametrize(("pool", "call"), CALLS, ids=lambda value: value if isinstance(value, str) else value[0])
async def test_the_umask_of_who_makes_an_object_is_taken_away(world, pool, call):
    """A datastore is used by its group in any case."""
    session = ADMIN if pool in ONLY_ADMINISTRATORS_MAKE else ALICE
    await with_umask(world, "137")
    assert (await made(world, session, pool, call)).permissions == Permissions(0o640)


@pytest.mark.parametrize(
    ("umask", "user_bits", "admin_bits"),
    [("", 0o600, 0o600), ("177", 0o600, 0o600), ("113", 0o664, 0o664), ("077", 0o600, 0o700), ("000", 0o666, 0o777)],
)
async def test_only_administrators_begin_with_admin_rights(world, umask, user_bits, admin_bits):
    await with_umask(world, umask)
    call = ("one.template.allocate", "NAME=x")
    assert (await made(world, ALICE, "vm_templates", call)).permissions == Permissions(user_bits)
    assert (await made(world, ADMIN, "vm_templates", call)).permissions == Permissions(admin_bits)


async def test_a_public_image_of_old_is_used_by_all_whatever_the_umask_says(world):
    await with_umask(world, "177")
    call = ("one.image.allocate", "NAME=x\nSIZE=1\nPUBLIC=YES", 1)
    assert (await made(world, ALICE, "images", call)).permissions == Permissions(0o644)


async def test_who_has_none_gets_what_is_configured(world):
    world.memory.default_umask = 0o133
    assert (await made(world, ALICE, "vms", MAKES["vms"][0])).permissions == Permissions(0o644)


@pytest.mark.parametrize("umask", ["7", "1777", "8aa", "1 7", "[X=1]"])
async def test_what_is_no_umask_is_refused_and_one_that_is_there_opens_nothing(world, umask):
    with pytest.raises(Refusal, match="UMASK") as refusal:
        await world.ask(ALICE, "one.user.update", ALICE_ID, f"UMASK={umask if '[' in umask else repr(umask)}", 1)
    assert refusal.value.code == 0x0800
    kept = template(UMASK={"X": "1"} if "[" in umask else umask)
    await world.put(replace(world.memory.users[ALICE_ID], template=kept))
    assert (await made(world, ALICE, "vms", MAKES["vms"][0])).permissions == Permissions(0o600)


async def test_users_set_their_own_and_take_it_away_again(world):
    await world.ask(ALICE, "one.user.update", ALICE_ID, "UMASK=137", 1)
    assert (await made(world, ALICE, "vms", MAKES["vms"][0])).permissions == Permissions(0o640)
    await world.ask(ALICE, "one.user.update", ALICE_ID, 'UMASK=""', 1)
    assert (await made(world, ALICE, "vms", MAKES["vms"][0])).permissions == Permissions(0o600)


def test_a_default_that_is_none_is_refused_at_the_start():
    assert parse('[engine]\ndefault_umask = "137"\n', "trifid.toml").engine.default_umask == "137"
    with pytest.raises(ConfigFault, match=r"engine\.default_umask: UMASK must be three digits"):
        parse('[engine]\ndefault_umask = "rwx"\n', "trifid.toml")

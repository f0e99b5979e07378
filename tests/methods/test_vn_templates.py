"""Templates of networks: kept by administrators, and what users may make of them."""

import pytest

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, VN_TEMPLATE_ID, Refusal
from tests.wire.schemas import valid

RANGE = "AR=[TYPE=IP4,IP=10.5.0.1,SIZE=10]"
SHARED = f"NAME=shared\nVN_MAD=802.1Q\nPHYDEV=eth0\nVLAN_ID=7\n{RANGE}"


async def kept(world, text=SHARED):
    template_id = await world.ask(ADMIN, "one.vntemplate.allocate", text)
    await world.ask(ADMIN, "one.vntemplate.chmod", template_id, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    return template_id


async def test_a_template_is_kept_and_shown(world):
    template_id = await kept(world)
    document = valid(await world.ask(ALICE, "one.vntemplate.info", template_id), "vntemplate")
    found = [document.findtext(name) for name in ("ID", "NAME", "UNAME", "REGTIME", "TEMPLATE/VN_MAD")]
    assert found == [str(template_id), "shared", "oneadmin", "1000", "802.1Q"]
    assert document.find("TEMPLATE/NAME") is None
    pool = valid(await world.ask(ALICE, "one.vntemplatepool.info", -2, -1, -1), "vntemplate_pool")
    assert [one.findtext("ID") for one in pool] == [str(template_id)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NAME=v", r"Error inserting Template in DB. VN_MAD is mandatory"),
        ("VN_MAD=bridge", "Invalid NAME, it cannot be empty"),
        ("NAME=v\nVN_MAD=magic", 'VN_MAD named "magic" is not defined'),
        ('NAME=v\nVN_MAD=bridge\nBRIDGE="br0;reboot"', "BRIDGE must be an interface name"),
        ("NAME=v\nVN_MAD=bridge\nAR=[TYPE=IP4,IP=10.0.0.1]", "Wrong SIZE for address range"),
        ("NAME=v\nVN_MAD=bridge\nCLUSTER_IDS=x", "CLUSTER_IDS must be ids of clusters"),
        ("NAME=own\nVN_MAD=bridge", f"NAME is already taken by VNTEMPLATE {VN_TEMPLATE_ID}"),
    ],
)
async def test_what_no_network_could_be_made_of_is_refused(world, text, told):
    with pytest.raises(Refusal, match=told) as refused:
        await world.ask(ADMIN, "one.vntemplate.allocate", text)
    assert refused.value.code == 0x2000


async def test_a_user_makes_a_network_of_a_template_that_he_may_use(world):
    template_id = await kept(world)
    network_id = await world.ask(ALICE, "one.vntemplate.instantiate", template_id, "mine", "DNS=10.5.0.1")
    network = world.memory.networks[network_id]
    assert (network.uid, network.name, network.template_id) == (ALICE_ID, "mine", template_id)
    assert (network.vn_mad, network.phydev, network.vlan_id, network.cluster_ids) == ("802.1Q", "eth0", "7", (0,))
    assert (network.ranges[0].size, network.template.single("DNS")) == (10, "10.5.0.1")
    assert await world.code(ALICE, "one.vm.allocate", "CPU=1\nMEMORY=64\nNIC=[NETWORK=mine]", False) == 0


async def test_who_made_a_network_of_a_template_deletes_it(world):
    template_id = await kept(world)
    network_id = await world.ask(ALICE, "one.vntemplate.instantiate", template_id, "mine", "")
    assert await world.code(BOB, "one.vn.delete", network_id) == 0x0200
    await world.ask(ALICE, "one.vn.delete", network_id)
    assert network_id not in world.memory.networks


async def test_a_network_without_a_name_is_called_after_its_template(world):
    template_id = await kept(world)
    network_id = await world.ask(ALICE, "one.vntemplate.instantiate", template_id, "", "")
    assert world.memory.networks[network_id].name == f"shared-{network_id}"
    named = await world.ask(ALICE, "one.vntemplate.instantiate", template_id, "", "NAME=own")
    assert world.memory.networks[named].name == "own"
    with pytest.raises(Refusal, match="NAME is already taken by NET"):
        await world.ask(ALICE, "one.vntemplate.instantiate", template_id, "own", "")


async def test_without_the_right_to_use_it_nothing_is_made(world):
    assert await world.code(ALICE, "one.vntemplate.instantiate", VN_TEMPLATE_ID, "mine", "") == 0x0200


@pytest.mark.parametrize(
    "brought",
    [
        "BRIDGE=br0",
        "PHYDEV=eth1",
        "VN_MAD=dummy",
        "VLAN_ID=8",
        "FILTER_IP_SPOOFING=NO",
        "CLUSTER_IDS=100",
        "AUTOMATIC_VLAN_ID=YES",
        "AR=[TYPE=IP4,IP=10.5.0.254,SIZE=1]",
    ],
)
async def test_a_user_brings_nothing_that_hosts_or_neighbours_would_feel(world, brought):
    template_id = await kept(world)
    with pytest.raises(Refusal, match=f"restricted attribute {brought.partition('=')[0]}") as refused:
        await world.ask(ALICE, "one.vntemplate.instantiate", template_id, "mine", brought)
    assert refused.value.code == 0x0200
    await world.ask(ADMIN, "one.cluster.allocate", "prod")
    assert await world.code(ADMIN, "one.vntemplate.instantiate", template_id, "admins", brought) == 0


async def test_where_each_network_has_a_link_of_its_own_the_addresses_are_the_users(world):
    template_id = await kept(world, "NAME=private\nVN_MAD=vxlan\nPHYDEV=eth0")
    made = [await world.ask(who, "one.vntemplate.instantiate", template_id, "mine", RANGE) for who in (ALICE, BOB)]
    first, second = (world.memory.networks[one] for one in made)
    assert first.ranges[0].ip == second.ranges[0].ip
    assert first.vlan_id != second.vlan_id
    assert first.bridge != second.bridge


async def test_clusters_come_from_the_template(world):
    await world.ask(ADMIN, "one.cluster.allocate", "prod")
    template_id = await kept(world, f'{SHARED}\nCLUSTER_IDS="0,100"')
    network_id = await world.ask(ALICE, "one.vntemplate.instantiate", template_id, "mine", "")
    assert world.memory.networks[network_id].cluster_ids == (0, 100)
    assert "CLUSTER_IDS" not in world.memory.networks[network_id].template
    assert await world.code(ADMIN, "one.vntemplate.allocate", "NAME=v\nVN_MAD=bridge\nCLUSTER_IDS=99") == 0x0400


async def test_an_update_is_checked_and_users_change_only_what_is_theirs(world):
    template_id = await kept(world)
    await world.ask(ADMIN, "one.vntemplate.chown", template_id, ALICE_ID, -1)
    await world.ask(ALICE, "one.vntemplate.update", template_id, "DNS=10.5.0.9", 1)
    assert world.memory.vn_templates[template_id].template.single("DNS") == "10.5.0.9"
    with pytest.raises(Refusal, match="restricted attribute VLAN_ID"):
        await world.ask(ALICE, "one.vntemplate.update", template_id, "VLAN_ID=9", 1)
    with pytest.raises(Refusal, match="VN_MAD is mandatory") as refused:
        await world.ask(ADMIN, "one.vntemplate.update", template_id, "DNS=10.5.0.9", 0)
    assert refused.value.code == 0x0800


async def test_a_template_is_cloned_renamed_locked_and_deleted(world):
    template_id = await kept(world)
    assert await world.code(ALICE, "one.vntemplate.clone", template_id, "mine") == 0x0200
    clone = await world.ask(ADMIN, "one.vntemplate.clone", template_id, "copy")
    assert world.memory.vn_templates[clone].template == world.memory.vn_templates[template_id].template
    await world.ask(ADMIN, "one.vntemplate.rename", clone, "other")
    await world.ask(ADMIN, "one.vntemplate.lock", clone, 1, False)
    valid(await world.ask(ADMIN, "one.vntemplate.info", clone), "vntemplate")
    for method, *arguments in (("delete",), ("instantiate", "x", ""), ("rename", "y")):
        with pytest.raises(Refusal, match="locked"):
            await world.ask(ADMIN, f"one.vntemplate.{method}", clone, *arguments)
    await world.ask(ADMIN, "one.vntemplate.unlock", clone)
    assert await world.ask(ADMIN, "one.vntemplate.delete", clone) == clone
    assert clone not in world.memory.vn_templates

"""Virtual networks: what they are on a host is the administrators' to say, and who may quote them."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, NETWORK_ID, Refusal
from trifid.core.access import Permissions
from trifid.core.network.record import Network

AR = "AR=[TYPE=IP4,IP=10.1.0.1,SIZE=4]"


async def test_plain_users_make_no_networks(world):
    with pytest.raises(Refusal, match="Not authorized to perform CREATE NET") as refusal:
        await world.ask(ALICE, "one.vn.allocate", f"NAME=mine\nVN_MAD=bridge\nBRIDGE=br-mgmt\n{AR}", -1)
    assert refusal.value.code == 0x0200


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ('BRIDGE="a;b <x>"', "BRIDGE must be an interface name"),
        ("BRIDGE=sixteen-letters-", "BRIDGE must be an interface name"),
        ("BRIDGE=-x", "BRIDGE must be an interface name"),
        ('PHYDEV="eth0 eth1"', "PHYDEV must be an interface name"),
        ("PHYDEV=../eth0", "PHYDEV must be an interface name"),
        ("VLAN_ID=many", "VLAN_ID must be a VLAN id"),
        ("VLAN_ID=-1", "VLAN_ID must be a VLAN id"),
        ('BRIDGE_TYPE="linux;"', "BRIDGE_TYPE must be"),
    ],
)
async def test_devices_of_hosts_have_names_of_devices(world, pair, said):
    text = f"NAME=x\nVN_MAD=bridge\n{AR}\n{pair}"
    with pytest.raises(Refusal, match=said) as refusal:
        await world.ask(ADMIN, "one.vn.allocate", text, -1)
    assert refusal.value.code == 0x2000
    with pytest.raises(Refusal, match=said) as refusal:
        await world.ask(ADMIN, "one.vn.update", NETWORK_ID, pair, 1)
    assert refusal.value.code == 0x0800


@pytest.fixture
async def hers(world) -> Network:
    """A network that an administrator gave to Alice."""
    await world.ask(
        ADMIN, "one.vn.update", NETWORK_ID, "PHYDEV=eth1\nVLAN_ID=7\nFILTER_IP_SPOOFING=YES\nDNS=1.1.1.1", 0
    )
    await world.change("networks", NETWORK_ID, uid=ALICE_ID)
    return world.memory.networks[NETWORK_ID]


@pytest.mark.parametrize(
    "pair",
    [
        *("BRIDGE=br-mgmt", "PHYDEV=eth0", "PHYDEV=", "VLAN_ID=8", "VN_MAD=bridge", "BRIDGE_TYPE=openvswitch"),
        *("FILTER_IP_SPOOFING=NO", "FILTER_MAC_SPOOFING=NO", "FILTER=NO", "BRIDGE_CONF=[X=1]", "VLAN_TAGGED_ID=1"),
    ],
)
@pytest.mark.parametrize("append", [0, 1])
async def test_the_owner_of_a_network_does_not_move_it_to_another_bridge(world, hers, pair, append):
    with pytest.raises(Refusal, match="includes a restricted attribute") as refusal:
        await world.ask(ALICE, "one.vn.update", NETWORK_ID, f"{pair}\n", append)
    assert refusal.value.code == 0x0200
    assert world.memory.networks[NETWORK_ID] == hers


async def test_the_owner_of_a_network_changes_what_guests_are_told(world, hers):
    await world.ask(ALICE, "one.vn.update", NETWORK_ID, "DNS=9.9.9.9\nBRIDGE=br0\nVLAN_ID=7", 0)
    now = world.memory.networks[NETWORK_ID]
    assert dict(now.template) == {"DNS": "9.9.9.9", "FILTER_IP_SPOOFING": "YES"}
    assert replace(now, template=hers.template) == hers


@pytest.mark.parametrize("name", ["add_ar", "update_ar", "rm_ar"])
async def test_the_owner_of_a_network_does_not_choose_its_addresses(world, hers, name):
    given = {"add_ar": AR, "update_ar": "AR=[AR_ID=0,SIZE=2]", "rm_ar": 0}[name]
    assert await world.code(ALICE, f"one.vn.{name}", NETWORK_ID, given) == 0x0200


async def test_a_range_shrinks_only_behind_its_last_address_in_use(world):
    await world.ask(ADMIN, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.6]")
    with pytest.raises(Refusal, match="address number 5 of it is in use"):
        await world.ask(ADMIN, "one.vn.update_ar", NETWORK_ID, "AR=[AR_ID=0,SIZE=5]")
    await world.ask(ADMIN, "one.vn.update_ar", NETWORK_ID, "AR=[AR_ID=0,SIZE=6]")
    assert world.memory.networks[NETWORK_ID].ranges[0].size == 6


async def test_a_range_does_not_shrink_under_a_lease_of_the_same_turn(world):
    world.store.writing.clear()
    world.store.may_write.clear()
    first = world.task(ADMIN, "one.user.update", -1, "KEEP=busy")
    await world.until_writing()
    held = world.task(ADMIN, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.10]")
    shrunk = world.task(ADMIN, "one.vn.update_ar", NETWORK_ID, "AR=[AR_ID=0,SIZE=5]")
    await world.all_asked()
    world.store.may_write.set()
    await first
    await held
    with pytest.raises(Refusal, match="address number 9 of it is in use"):
        await shrunk


# -- what a context may quote --------------------------------------------------------------------------


def quoting(*, of: str) -> str:
    return f'CPU=1\nMEMORY=64\nCONTEXT=[A="$NETWORK[DNS, {of}]",B="$NETWORK[BRIDGE, {of}]"]'


@pytest.mark.parametrize("of", [f'NETWORK_ID=\\"{NETWORK_ID}\\"', f'ID=\\"{NETWORK_ID}\\"', 'NETWORK=\\"lan\\"'])
async def test_a_context_quotes_only_networks_that_the_user_may_use(world, of):
    await world.ask(ADMIN, "one.vn.update", NETWORK_ID, "DNS=1.1.1.1", 0)
    assert await context(world, quoting(of=of)) == {"A": "", "B": ""}
    await world.open_network()
    assert await context(world, quoting(of=of)) == {"A": "1.1.1.1", "B": "br0"}


async def test_of_two_networks_of_a_name_that_of_the_vm_is_quoted_then_ones_own(world):
    lan = world.memory.networks[NETWORK_ID]
    await world.open_network()
    mine = replace(lan, id=20, uid=ALICE_ID, bridge="br-alice")
    await world.put(replace(lan, id=2, bridge="br-other", permissions=Permissions(0o604)), mine)
    quote = quoting(of='NETWORK=\\"lan\\"')
    assert (await context(world, quote))["B"] == "br-alice"
    assert (await context(world, f"{quote}\nNIC=[NETWORK_ID={NETWORK_ID}]"))["B"] == "br0"
    await world.change("networks", 20, uid=0)
    assert (await context(world, quote))["B"] == "br-other"


async def test_network_yes_tells_what_the_network_has(world):
    await world.open_network()
    await world.ask(ADMIN, "one.vn.update", NETWORK_ID, "DNS=1.1.1.1\nROUTES=here", 1)
    told = await context(world, f"CPU=1\nMEMORY=64\nNIC=[NETWORK_ID={NETWORK_ID}]\nCONTEXT=[NETWORK=YES]")
    assert (told["ETH0_DNS"], told["ETH0_ROUTES"], told["ETH0_IP"]) == ("1.1.1.1", "here", "10.0.0.1")


async def context(world, text: str) -> dict[str, str]:
    """Return the variables that a VM of Alice is told."""
    vm_id = await world.ask(ALICE, "one.vm.allocate", text, True)
    told = world.memory.vms[vm_id].template.vector("CONTEXT")
    return {name: value for name, value in told.items() if name not in ("DISK_ID", "TARGET")}

"""Reservations: a part of somebody's network as a network of one's own."""

import pytest
from lxml import etree

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, EVE, NETWORK_ID, Refusal
from tests.wire.schemas import valid
from trifid.core.access import Permissions

LAN = "NIC=[NETWORK_ID={}]\nCPU=1\nMEMORY=1"


@pytest.fixture(autouse=True)
async def _open(world):
    await world.open_network()


async def reserved(world, text: str = "SIZE=3\nNAME=mine", who: str = ALICE) -> int:
    return await world.ask(who, "one.vn.reserve", NETWORK_ID, text)


async def document(world, network_id: int, who: str = ADMIN):
    return valid(await world.ask(who, "one.vn.info", network_id), "vnet")


def lease_holders(root) -> list[tuple[str, str, str]]:
    """Return (IP, tag of the holder, its id) of every lease."""
    return [
        (lease.findtext("IP"), tag, lease.findtext(tag))
        for lease in root.iterfind("AR_POOL/AR/LEASES/LEASE")
        for tag in ("VM", "VNET")
        if lease.findtext(tag) is not None
    ]


async def ip_in(world, network_id: int, who: str = ALICE) -> str:
    """Return the address that a new VM gets in a network."""
    vm_id = await world.ask(who, "one.vm.allocate", LAN.format(network_id), True)
    return world.memory.vms[vm_id].template.vector("NIC")["IP"]


async def test_whoever_may_use_a_network_reserves_a_part_of_it(world):
    network_id = await reserved(world)
    mine = world.memory.networks[network_id]
    assert (mine.uid, mine.name, mine.bridge, mine.vn_mad, mine.parent_id) == (ALICE_ID, "mine", "br0", "dummy", "4")
    root = await document(world, network_id, ALICE)
    assert root.findtext("PARENT_NETWORK_ID") == str(NETWORK_ID)
    ar = root.find("AR_POOL/AR")
    assert [ar.findtext(name) for name in ("PARENT_NETWORK_AR_ID", "IP", "IP_END", "MAC", "SIZE")] == [
        *("0", "10.0.0.1", "10.0.0.3", "02:00:0a:00:00:01", "3")
    ]


async def test_reserved_addresses_are_in_use_in_the_parent_by_the_reservation(world):
    network_id = await reserved(world)
    root = await document(world, NETWORK_ID)
    assert root.findtext("USED_LEASES") == root.findtext("AR_POOL/AR/USED_LEASES") == "3"
    assert lease_holders(root) == [(f"10.0.0.{n}", "VNET", str(network_id)) for n in (1, 2, 3)]
    entries = valid(await world.ask(ADMIN, "one.vnpool.info", -2, -1, -1), "vnet_pool")
    assert {vnet.findtext("ID"): vnet.findtext("USED_LEASES") for vnet in entries} == {"4": "3", str(network_id): "0"}


async def test_vms_get_reserved_addresses_in_the_reservation_only(world):
    network_id = await reserved(world)
    assert [await ip_in(world, network_id) for _ in range(3)] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    with pytest.raises(Refusal, match="all 3 are in use"):
        await ip_in(world, network_id)
    assert await ip_in(world, NETWORK_ID) == "10.0.0.4"
    with pytest.raises(Refusal, match=r"10.0.0.2 is in use"):
        await world.ask(ALICE, "one.vm.allocate", 'CPU=1\nMEMORY=1\nNIC=[NETWORK=lan,IP="10.0.0.2"]', True)


async def test_the_block_begins_at_the_cursor_and_skips_what_is_taken(world):
    await world.ask(ADMIN, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.5]")
    await ip_in(world, NETWORK_ID)
    ranges = world.memory.networks[await reserved(world, "SIZE=4\nNAME=mine")].ranges
    assert [ar.ip & 255 for ar in ranges] == [6]
    ranges = world.memory.networks[await reserved(world, "SIZE=3\nNAME=other")].ranges
    assert [ar.ip & 255 for ar in ranges] == [2]


@pytest.mark.parametrize(
    "which",
    ['IP="10.0.0.7"', 'MAC="02:00:0a:00:00:07"', 'AR_ID=0\nIP="10.0.0.7"', 'IP="10.0.0.7"\nMAC="02:00:0a:00:00:07"'],
)
async def test_the_first_address_can_be_asked_for(world, which):
    mine = world.memory.networks[await reserved(world, f"SIZE=2\nNAME=mine\n{which}")]
    assert [(ar.ip & 255, ar.size) for ar in mine.ranges] == [(7, 2)]
    assert world.memory.networks[NETWORK_ID].ranges[0].next_index == 0


async def test_more_is_added_to_a_reservation(world):
    network_id = await reserved(world)
    assert await reserved(world, f"SIZE=2\nNETWORK_ID={network_id}") == network_id
    assert [ar.id for ar in world.memory.networks[network_id].ranges] == [0, 1]
    assert [await ip_in(world, network_id) for _ in range(5)][-1] == "10.0.0.5"


async def test_ipv6_addresses_and_types_are_those_of_the_parent(world):
    text = "AR=[TYPE=IP4_6_STATIC,IP=10.5.0.1,IP6=2001:db8::10,PREFIX_LENGTH=64,SIZE=9]"
    await world.ask(ADMIN, "one.vn.add_ar", NETWORK_ID, text)
    (ar,) = world.memory.networks[await reserved(world, 'SIZE=2\nNAME=six\nIP6="2001:db8::14"')].ranges
    assert (ar.type, ar.attributes["IP6"], ar.ip & 255) == ("IP4_6_STATIC", "2001:db8::14", 5)
    root = etree.fromstring(await world.ask(ADMIN, "one.vn.info", NETWORK_ID))
    assert [e.text for e in root.iterfind("AR_POOL/AR/LEASES/LEASE/IP6")] == ["2001:db8::14", "2001:db8::15"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NAME=x", "Reservation SIZE must be a greater than 0"),
        ("NAME=x\nSIZE=0", "Reservation SIZE must be a greater than 0"),
        ("NAME=x\nSIZE=-1", "Reservation SIZE must be a greater than 0"),
        ("SIZE=1", "NAME for reservation has to be set"),
        ('NAME="a<b"\nSIZE=1', "Invalid NAME"),
        ("NAME=x\nSIZE=11", "has no 11 free addresses in a row"),
        ("NAME=x\nSIZE=99999999999999999999999", "free addresses in a row"),
        ("NAME=x\nSIZE=1\nAR_ID=7", "has no address range 7"),
        ("NAME=x\nSIZE=1\nAR_ID=-7", "AR_ID must be equal or greater than 0"),
        ('NAME=x\nSIZE=2\nIP="10.0.0.10"', "has no 2 free addresses in a row from 10.0.0.10 on"),
        ('NAME=x\nSIZE=2\nIP="10.9.0.1"', "has no 2 free addresses in a row from 10.9.0.1 on"),
        ('NAME=x\nSIZE=2\nIP="here"', "IP must be an IPv4 address"),
        (f"NETWORK_ID={NETWORK_ID}\nSIZE=1", "Cannot add a reservation from the same network"),
    ],
)
async def test_a_wrong_wish_is_refused_and_takes_nothing(world, text, said):
    with pytest.raises(Refusal, match=said) as refusal:
        await reserved(world, text, ADMIN)
    assert refusal.value.code == 0x0800
    assert world.memory.taken == {}


async def test_a_network_is_not_added_to_and_not_reserved_from_where_it_does_not_belong(world):
    network_id = await reserved(world)
    other = await world.ask(ADMIN, "one.vn.allocate", "NAME=wan\nVN_MAD=bridge\nBRIDGE=br1\nAR=[TYPE=ETHER,SIZE=9]", -1)
    with pytest.raises(Refusal, match="Cannot reserve addresses from a reserved VNET"):
        await world.ask(ALICE, "one.vn.reserve", network_id, "SIZE=1\nNAME=part")
    with pytest.raises(Refusal, match=f"New reservations for virtual network {network_id} have to be from network 4"):
        await world.ask(ADMIN, "one.vn.reserve", other, f"SIZE=1\nNETWORK_ID={network_id}")
    with pytest.raises(Refusal, match="Cannot add reservations to a non-reservation VNET"):
        await world.ask(ADMIN, "one.vn.reserve", NETWORK_ID, f"SIZE=1\nNETWORK_ID={other}")
    assert await world.code(ADMIN, "one.vn.reserve", NETWORK_ID, "SIZE=1\nNETWORK_ID=99") == 0x0400


async def test_only_who_may_use_the_parent_and_manage_the_reservation_reserves(world):
    network_id = await reserved(world)
    assert await world.code(BOB, "one.vn.reserve", NETWORK_ID, f"SIZE=1\nNETWORK_ID={network_id}") == 0x0200
    await world.change("networks", NETWORK_ID, permissions=Permissions(0o600))
    assert await world.code(EVE, "one.vn.reserve", NETWORK_ID, "SIZE=1\nNAME=hers") == 0x0200


async def test_a_name_is_taken_once_per_owner(world):
    await reserved(world)
    with pytest.raises(Refusal, match="NAME is already taken by NET"):
        await reserved(world)
    await reserved(world, who=BOB)


async def test_a_deleted_reservation_gives_its_addresses_back(world):
    network_id = await reserved(world)
    with pytest.raises(Refusal, match=f"leases in use: lan .4. has 3, some of them by reservation {network_id}"):
        await world.ask(ADMIN, "one.vn.delete", NETWORK_ID)
    await world.ask(ALICE, "one.vn.delete", network_id)
    assert world.memory.taken == {}
    assert lease_holders(await document(world, NETWORK_ID)) == []
    await world.ask(ADMIN, "one.vn.delete", NETWORK_ID)


async def test_a_reservation_in_use_is_not_deleted(world):
    network_id = await reserved(world)
    await ip_in(world, network_id)
    assert await world.code(ALICE, "one.vn.delete", network_id) == 0x0800


@pytest.mark.parametrize("call", [("one.vn.free_ar", 0), ("one.vn.rm_ar", 0), ("one.vn.rm_ar", 0, True)])
async def test_a_range_of_a_reservation_is_given_back_by_its_owner(world, call):
    name, *arguments = call
    network_id = await reserved(world)
    await world.ask(ALICE, "one.vn.hold", network_id, "LEASES=[IP=10.0.0.2]")
    if True not in arguments:
        with pytest.raises(Refusal, match="has 1 leases in use"):
            await world.ask(ALICE, name, network_id, *arguments)
        await world.ask(ALICE, "one.vn.release", network_id, "LEASES=[IP=10.0.0.2]")
    await world.ask(ALICE, name, network_id, *arguments)
    assert world.memory.networks[network_id].ranges == ()
    assert world.memory.taken == {}


async def test_force_does_not_take_an_address_from_a_vm(world):
    network_id = await reserved(world)
    await ip_in(world, network_id)
    assert await world.code(ALICE, "one.vn.rm_ar", network_id, 0, True) == 0x0800


@pytest.mark.parametrize("who", [ALICE, ADMIN])
@pytest.mark.parametrize(
    "pair", ["BRIDGE=br-mgmt", "PHYDEV=eth9", "VLAN_ID=9", "VN_MAD=vxlan", "FILTER_IP_SPOOFING=NO"]
)
async def test_on_a_host_a_reservation_stays_what_its_parent_is(world, who, pair):
    network_id = await reserved(world)
    before = world.memory.networks[network_id]
    with pytest.raises(Refusal, match=r"restricted attribute|cannot be changed: it is that of network 4"):
        await world.ask(who, "one.vn.update", network_id, pair, 1)
    await world.ask(who, "one.vn.update", network_id, "DNS=9.9.9.9", 0)
    after = world.memory.networks[network_id]
    assert (after.bridge, after.vlan_id, dict(after.template)) == (before.bridge, before.vlan_id, {"DNS": "9.9.9.9"})


async def test_a_reservation_follows_its_parent_to_another_bridge(world):
    network_id = await reserved(world)
    await world.ask(ALICE, "one.vn.update", network_id, "DNS=9.9.9.9", 0)
    await world.ask(
        ADMIN, "one.vn.update", NETWORK_ID, "BRIDGE=br7\nPHYDEV=eth1\nFILTER_IP_SPOOFING=YES\nDNS=1.1.1.1", 0
    )
    mine = world.memory.networks[network_id]
    assert (mine.bridge, mine.phydev) == ("br7", "eth1")
    assert dict(mine.template) == {"DNS": "9.9.9.9", "FILTER_IP_SPOOFING": "YES"}


@pytest.mark.parametrize("who", [ALICE, ADMIN])
async def test_ranges_of_a_reservation_are_neither_added_nor_resized(world, who):
    network_id = await reserved(world)
    assert await world.code(ADMIN, "one.vn.add_ar", network_id, "AR=[TYPE=ETHER,SIZE=9]") == 0x0800
    with pytest.raises(Refusal, match="SIZE of address range 0 of reservation mine"):
        await world.ask(who, "one.vn.update_ar", network_id, "AR=[AR_ID=0,SIZE=9]")


async def test_the_owner_of_a_reservation_tells_guests_of_its_range_what_he_likes(world):
    network_id = await reserved(world)
    await world.ask(ALICE, "one.vn.update_ar", network_id, "AR=[AR_ID=0,GATEWAY=10.0.0.3]")
    assert world.memory.networks[network_id].ranges[0].attributes == {"GATEWAY": "10.0.0.3"}
    with pytest.raises(Refusal, match="includes a restricted attribute AR/VLAN_ID"):
        await world.ask(ALICE, "one.vn.update_ar", network_id, "AR=[AR_ID=0,VLAN_ID=7]")
    (ar,) = world.memory.networks[network_id].ranges
    assert (ar.parent_range_id, ar.parent_index, ar.size) == (0, 0, 3)


async def test_a_range_with_reservations_is_neither_removed_nor_shrunk(world):
    await reserved(world)
    assert await world.code(ADMIN, "one.vn.rm_ar", NETWORK_ID, 0, True) == 0x0800
    with pytest.raises(Refusal, match="address number 2 of it is in use"):
        await world.ask(ADMIN, "one.vn.update_ar", NETWORK_ID, "AR=[AR_ID=0,SIZE=2]")
    with pytest.raises(Refusal, match="Lease is in use"):
        await world.ask(ADMIN, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.2]")
    with pytest.raises(Refusal, match=r"Lease is not on hold.*it is reserved"):
        await world.ask(ADMIN, "one.vn.release", NETWORK_ID, "LEASES=[IP=10.0.0.2]")


async def test_a_reservation_is_there_after_a_restart(world):
    network_id = await reserved(world)
    await ip_in(world, network_id)
    fresh = type(world.memory)(world.store.load())
    assert fresh.taken == world.memory.taken
    assert list(fresh.taken[NETWORK_ID, 0]) == [0, 1, 2]
    assert fresh.reservations_of == {NETWORK_ID: {network_id}}


async def test_a_large_reservation_costs_no_memory_and_is_shown_in_part(world):
    await world.ask(ADMIN, "one.vn.add_ar", NETWORK_ID, "AR=[TYPE=IP4,IP=11.0.0.1,SIZE=16000000]")
    network_id = await reserved(world, "SIZE=8000000\nNAME=half")
    root = await document(world, NETWORK_ID)
    assert root.findtext("USED_LEASES") == "8000000"
    assert len(lease_holders(root)) == 4096
    assert await ip_in(world, network_id) == "11.0.0.1"


async def test_the_owner_of_a_reservation_gives_its_range_no_security_group_that_he_may_not_use(world):
    network_id = await reserved(world)
    group_id = await world.ask(BOB, "one.secgroup.allocate", "NAME=bobs")
    with pytest.raises(Refusal, match=rf"USE SECGROUP \[{group_id}\]"):
        await world.ask(ALICE, "one.vn.update_ar", network_id, f'AR=[AR_ID=0,SECURITY_GROUPS="{group_id}"]')

"""Address services of networks, as the API shows and checks them."""

import re

import pytest

from tests.methods.world import ADMIN, ALICE, ALICE_ID, Refusal
from trifid.core.network.services import services_of

LAN = "NAME=served\nVN_MAD=vxlan\nPHYDEV=eth0\nAR=[TYPE=IP4,IP=10.7.0.1,SIZE=200]\n"
ALL = "DHCP=YES\nDNS_SERVICE=YES\nROUTER=YES\n"


async def made(world, text: str = LAN + ALL) -> int:
    return await world.ask(ADMIN, "one.vn.allocate", text, -1)


async def test_where_services_are_found_is_shown_and_told_to_guests(world):
    network_id = await made(world)
    nic = f"NIC=[NETWORK_ID={network_id}]"
    vm = world.memory.vms[await world.ask(ADMIN, "one.vm.allocate", f"CPU=1\nMEMORY=1\nNAME=www\n{nic}", True)]
    shown = await world.ask(ADMIN, "one.vn.info", network_id)
    assert "<SERVICE_ADDRESS><![CDATA[10.7.0.254/24]]>" in shown
    nic = vm.template.vector("NIC")
    assert (nic["GATEWAY"], nic["DNS"], nic["NETWORK_MASK"]) == ("10.7.0.254", "10.7.0.254", "255.255.255.0")
    known = services_of(world.memory.networks[network_id], [vm]).known
    assert [(one.name, one.mac, one.addresses) for one in known] == [("www", nic["MAC"], ("10.7.0.1",))]


async def test_a_range_may_not_take_the_address_of_the_services(world):
    network_id = await made(world)
    said = re.escape("10.7.0.254 of its services would be a guest's, too, of address range")
    with pytest.raises(Refusal, match=said):
        await world.ask(ADMIN, "one.vn.add_ar", network_id, "AR=[TYPE=IP4,IP=10.7.0.250,SIZE=5]")
    with pytest.raises(Refusal, match=said):
        await world.ask(ADMIN, "one.vn.update_ar", network_id, "AR=[AR_ID=0,SIZE=254]")
    await world.ask(ADMIN, "one.vn.update_ar", network_id, "AR=[AR_ID=0,SIZE=253]")


async def test_an_owner_changes_what_guests_are_told_not_what_runs_on_hosts(world):
    network_id = await made(world, LAN + "DHCP=YES")
    await world.ask(ADMIN, "one.vn.chown", network_id, ALICE_ID, -1)
    await world.ask(ALICE, "one.vn.update", network_id, "DOMAIN=a.example", 1)
    assert services_of(world.memory.networks[network_id], []).domain == "a.example"
    with pytest.raises(Refusal, match="restricted attribute ROUTER"):
        await world.ask(ALICE, "one.vn.update", network_id, "ROUTER=YES", 1)
    assert not services_of(world.memory.networks[network_id], []).is_router


async def test_services_begin_and_end_in_reservations_with_their_network(world):
    network_id = await made(world, LAN)
    mine = await world.ask(ADMIN, "one.vn.reserve", network_id, "NAME=mine\nSIZE=8")
    assert services_of(world.memory.networks[mine], []) is None
    await world.ask(ADMIN, "one.vn.update", network_id, ALL, 1)
    assert services_of(world.memory.networks[mine], []).address == "10.7.0.254/24"
    await world.ask(ADMIN, "one.vn.update", network_id, "DHCP=NO\nDNS_SERVICE=NO\nROUTER=NO", 1)
    assert services_of(world.memory.networks[mine], []) is None

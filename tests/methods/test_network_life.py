"""Networks: VLAN numbers that are chosen, shared addresses, locks, recovery, the definitions of 2009, races."""

import asyncio

import pytest

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, NETWORK_ID, Refusal
from tests.wire.schemas import valid
from trifid.core.network.record import NetworkState

SMALL = "CPU=1\nMEMORY=1\n"
AR = "AR=[TYPE=ETHER,SIZE=4]"


async def made(world, text: str) -> int:
    return await world.ask(ADMIN, "one.vn.allocate", text, -1)


async def nic_of(world, text: str, who: str = ADMIN) -> dict[str, str]:
    """Return the NIC of a new VM."""
    vm_id = await world.ask(who, "one.vm.allocate", f"{SMALL}NIC=[{text}]", True)
    return world.memory.vms[vm_id].template.vector("NIC")


# -- VLAN numbers ------------------------------------------------------------------------------------


async def vlan(world, name: str, pairs: str) -> tuple[str, str]:
    """Return VLAN_ID and VLAN_ID_AUTOMATIC of a new network."""
    network_id = await made(world, f"NAME={name}\n{pairs}\n{AR}")
    root = valid(await world.ask(ADMIN, "one.vn.info", network_id), "vnet")
    return root.findtext("VLAN_ID"), root.findtext("VLAN_ID_AUTOMATIC")


async def test_the_lowest_free_vlan_number_of_a_device_is_chosen(world):
    tagged = "VN_MAD=802.1Q\nPHYDEV=eth1\nAUTOMATIC_VLAN_ID=YES"
    assert await vlan(world, "a", tagged) == ("2", "1")
    assert await vlan(world, "b", "VN_MAD=802.1Q\nPHYDEV=eth1\nVLAN_ID=3") == ("3", "0")
    assert await vlan(world, "c", tagged) == ("4", "1")
    assert await vlan(world, "d", tagged.replace("eth1", "eth2")) == ("2", "1")
    assert await vlan(world, "e", "VN_MAD=vxlan\nPHYDEV=eth1") == ("2", "1")
    await world.ask(ADMIN, "one.vn.delete", world.memory.owned["networks", 0, "a"])
    assert await vlan(world, "f", tagged) == ("2", "1")


async def test_a_given_vlan_number_is_kept_and_others_have_none(world):
    assert await vlan(world, "a", "VN_MAD=vxlan\nPHYDEV=eth1\nVLAN_ID=70000\nAUTOMATIC_VLAN_ID=YES") == ("70000", "0")
    assert await vlan(world, "b", "VN_MAD=bridge\nBRIDGE=br0\nAUTOMATIC_VLAN_ID=YES") == ("", "0")
    assert await vlan(world, "c", "VN_MAD=802.1Q\nPHYDEV=eth1") == ("", "0")


async def test_a_vlan_number_that_is_changed_by_hand_is_not_a_chosen_one(world):
    network_id = await made(world, f"NAME=a\nVN_MAD=vxlan\nPHYDEV=eth1\n{AR}")
    await world.ask(ADMIN, "one.vn.update", network_id, "DNS=1.1.1.1", 1)
    assert world.memory.networks[network_id].is_vlan_automatic
    await world.ask(ADMIN, "one.vn.update", network_id, "VLAN_ID=9", 1)
    assert not world.memory.networks[network_id].is_vlan_automatic


async def test_a_vlan_number_fits_its_driver(world):
    with pytest.raises(Refusal, match=r"VLAN_ID of a network with VN_MAD 802\.1Q is 1 to 4094, is 4095"):
        await made(world, "NAME=a\nVN_MAD=802.1Q\nPHYDEV=eth1\nVLAN_ID=4095")


async def test_an_outer_vlan_number_is_shown(world):
    network_id = await made(world, f"NAME=a\nVN_MAD=802.1Q\nPHYDEV=eth1\nVLAN_ID=5\nOUTER_VLAN_ID=6\n{AR}")
    assert valid(await world.ask(ADMIN, "one.vn.info", network_id), "vnet").findtext("OUTER_VLAN_ID") == "6"


# -- shared addresses --------------------------------------------------------------------------------


@pytest.fixture
async def shared(world) -> int:
    """A network with one address that several VMs may have."""
    return await made(world, "NAME=vip\nVN_MAD=dummy\nBRIDGE=br0\nAR=[TYPE=IP4,IP=10.7.0.1,SIZE=2,SHARED=YES]")


async def test_several_vms_have_one_shared_address_each_with_its_own_mac(world, shared):
    nics = [await nic_of(world, f'NETWORK_ID={shared},IP="10.7.0.2"') for _ in range(3)]
    assert {nic["IP"] for nic in nics} == {"10.7.0.2"}
    macs = {nic["MAC"] for nic in nics}
    assert len(macs) == 3 and all(mac.startswith("02:00:") for mac in macs)
    root = valid(await world.ask(ADMIN, "one.vn.info", shared), "vnet")
    leases = root.findall("AR_POOL/AR/LEASES/LEASE")
    assert {(lease.findtext("IP"), lease.findtext("MAC")) for lease in leases} == {("10.7.0.2", mac) for mac in macs}
    assert root.findtext("USED_LEASES") == "3"


async def test_a_shared_address_is_not_given_unasked_nor_held_nor_reserved(world, shared):
    with pytest.raises(Refusal, match="its addresses are shared, they are given on request only"):
        await nic_of(world, f"NETWORK_ID={shared}")
    with pytest.raises(Refusal, match="of a shared address range, it cannot be held"):
        await world.ask(ADMIN, "one.vn.hold", shared, "LEASES=[IP=10.7.0.1]")
    with pytest.raises(Refusal, match="no 1 free addresses in a row"):
        await world.ask(ADMIN, "one.vn.reserve", shared, "SIZE=1\nNAME=x")


async def test_a_shared_range_changes_its_size_only_when_nobody_is_there(world, shared):
    vm_id = await world.ask(ADMIN, "one.vm.allocate", f'{SMALL}NIC=[NETWORK_ID={shared},IP="10.7.0.2"]', True)
    assert await world.code(ADMIN, "one.vn.update_ar", shared, "AR=[AR_ID=0,SIZE=3]") == 0x0800
    assert await world.code(ADMIN, "one.vn.update_ar", shared, "AR=[AR_ID=0,SHARED=NO]") == 0x0800
    await world.ask(ADMIN, "one.vm.action", "terminate-hard", vm_id)
    assert world.memory.taken == {}
    await world.ask(ADMIN, "one.vn.update_ar", shared, "AR=[AR_ID=0,SIZE=3]")
    assert world.memory.networks[shared].ranges[0].is_shared


# -- explicit requests -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ar", "wish", "got"),
    [
        ("TYPE=ETHER,MAC=02:09:00:00:00:01,SIZE=9", 'MAC="02:09:00:00:00:03"', {"MAC": "02:09:00:00:00:03"}),
        ("TYPE=IP4,IP=10.8.0.1,SIZE=9", 'IP="10.8.0.3"', {"IP": "10.8.0.3", "MAC": "02:00:0a:08:00:03"}),
        (
            "TYPE=IP6,MAC=02:09:00:00:00:01,SIZE=9,GLOBAL_PREFIX=2001:db8::,ULA_PREFIX=fd00::",
            'IP6="2001:db8::9:ff:fe00:3"',
            {"MAC": "02:09:00:00:00:03", "IP6_GLOBAL": "2001:db8::9:ff:fe00:3", "IP6_ULA": "fd00::9:ff:fe00:3"},
        ),
        (
            "TYPE=IP4_6,IP=10.8.0.1,SIZE=9,ULA_PREFIX=fd00::",
            'IP6="fd00::aff:fe08:3"',
            {"IP": "10.8.0.3", "IP6_ULA": "fd00::aff:fe08:3"},
        ),
        ("TYPE=IP6_STATIC,IP6=2001:db8::10,PREFIX_LENGTH=64,SIZE=9", 'IP6="2001:db8::12"', {"IP6": "2001:db8::12"}),
        (
            "TYPE=IP4_6_STATIC,IP=10.8.0.1,IP6=2001:db8::10,PREFIX_LENGTH=64,SIZE=9",
            'IP6="2001:db8::12"',
            {"IP": "10.8.0.3", "IP6": "2001:db8::12"},
        ),
    ],
)
async def test_an_address_is_asked_for_in_any_of_its_forms(world, ar, wish, got):
    network_id = await made(world, f"NAME=a\nVN_MAD=dummy\nBRIDGE=br0\nAR=[{ar}]")
    nic = await nic_of(world, f"NETWORK_ID={network_id},{wish}")
    assert {name: nic.get(name) for name in got} == got
    with pytest.raises(Refusal, match="is in use"):
        await nic_of(world, f"NETWORK_ID={network_id},{wish}")


async def test_a_nic_has_no_addresses_but_those_of_its_lease(world):
    nic = await nic_of(world, f'NETWORK_ID={NETWORK_ID},IP6_GLOBAL="2001:db8::bad",IP6_ULA="fd00::bad"')
    assert "IP6_GLOBAL" not in nic and "IP6_ULA" not in nic


@pytest.mark.parametrize("whose", ["NETWORK_UNAME=alice", f"NETWORK_UID={ALICE_ID}"])
async def test_of_two_networks_of_one_name_that_of_the_named_owner_is_meant(world, whose):
    hers = await made(world, "NAME=hers\nVN_MAD=dummy\nBRIDGE=br1\nAR=[TYPE=ETHER,SIZE=4]")
    await world.change("networks", hers, uid=ALICE_ID, name="lan")
    assert (await nic_of(world, "NETWORK=lan"))["NETWORK_ID"] == str(NETWORK_ID)
    assert (await nic_of(world, f"NETWORK=lan,{whose}"))["NETWORK_ID"] == str(hers)
    with pytest.raises(Refusal, match="does not own a network with name"):
        await nic_of(world, "NETWORK=lan,NETWORK_UNAME=nobody")


# -- the definitions of 2009 -------------------------------------------------------------------------

RANGED = """
NAME          = "Private LAN"
TYPE          = RANGED
BRIDGE       = eth0
NETWORK_SIZE = 250
NETWORK_ADDRESS= 10.0.0.0
"""
FIXED = """
NAME = "Public LAN"
TYPE = FIXED
BRIDGE= eth1
LEASES= [IP=130.10.0.1,MAC=50:20:20:20:20:20]
LEASES= [IP=130.10.0.2]
"""


async def test_the_ranged_network_of_the_slides_works_as_it_is_written(world):
    await made(world, RANGED)
    nics = [await nic_of(world, 'NETWORK="Private LAN"') for _ in range(2)]
    assert [(nic["IP"], nic["MAC"], nic["BRIDGE"]) for nic in nics] == [
        ("10.0.0.1", "02:00:0a:00:00:01", "eth0"),
        ("10.0.0.2", "02:00:0a:00:00:02", "eth0"),
    ]
    nic = await nic_of(world, 'NETWORK="Private LAN",IP=10.0.0.250')
    assert nic["MAC"] == "02:00:0a:00:00:fa"


async def test_the_fixed_network_of_the_slides_works_as_it_is_written(world):
    await made(world, FIXED)
    nics = [await nic_of(world, 'NETWORK="Public LAN"') for _ in range(2)]
    assert [(nic["IP"], nic["MAC"], nic["BRIDGE"]) for nic in nics] == [
        ("130.10.0.1", "50:20:20:20:20:20", "eth1"),
        ("130.10.0.2", "02:00:82:0a:00:02", "eth1"),
    ]
    with pytest.raises(Refusal, match="all 2 are in use"):
        await nic_of(world, 'NETWORK="Public LAN"')


async def test_a_guest_has_ipv4_and_ipv6_at_once(world):
    ar = "TYPE=IP4_6,IP=10.8.0.1,SIZE=9,GLOBAL_PREFIX=2001:db8::,ULA_PREFIX=fd00::"
    network_id = await made(world, f"NAME=dual\nVN_MAD=dummy\nBRIDGE=br0\nAR=[{ar}]")
    nic = await nic_of(world, f"NETWORK_ID={network_id}")
    assert {name: nic[name] for name in ("IP", "IP6_LINK", "IP6_GLOBAL", "IP6_ULA")} == {
        "IP": "10.8.0.1",
        "IP6_LINK": "fe80::aff:fe08:1",
        "IP6_GLOBAL": "2001:db8::aff:fe08:1",
        "IP6_ULA": "fd00::aff:fe08:1",
    }


# -- locks, recovery ---------------------------------------------------------------------------------


async def test_a_locked_network_is_not_changed_until_it_is_unlocked(world):
    await world.ask(ADMIN, "one.vn.lock", NETWORK_ID, 2)
    root = valid(await world.ask(ADMIN, "one.vn.info", NETWORK_ID), "vnet")
    assert root.findtext("LOCK/LOCKED") == "2"
    assert await world.code(ADMIN, "one.vn.rename", NETWORK_ID, "other") == 0x0200
    assert await world.code(ADMIN, "one.vn.delete", NETWORK_ID) == 0x0200
    await world.ask(ADMIN, "one.vn.unlock", NETWORK_ID)
    await world.ask(ADMIN, "one.vn.rename", NETWORK_ID, "other")


async def test_a_network_in_error_is_recovered(world):
    await world.change("networks", NETWORK_ID, state=NetworkState.ERROR)
    await world.ask(ADMIN, "one.vn.recover", NETWORK_ID, 3)
    assert world.memory.networks[NETWORK_ID].state is NetworkState.READY
    with pytest.raises(Refusal, match="not available for state READY"):
        await world.ask(ADMIN, "one.vn.recover", NETWORK_ID, 0)
    with pytest.raises(Refusal, match="Wrong recovery operation code"):
        await world.ask(ADMIN, "one.vn.recover", NETWORK_ID, 9)


async def test_recover_deletes_a_network_with_what_is_on_hold_but_not_under_a_vm(world):
    await world.open_network()
    await world.ask(ADMIN, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.6]")
    vm_id = await world.ask(ALICE, "one.vm.allocate", f"{SMALL}NIC=[NETWORK=lan]", True)
    assert await world.code(ADMIN, "one.vn.recover", NETWORK_ID, 2) == 0x0800
    assert len(world.memory.leases) == 2
    await world.ask(ALICE, "one.vm.action", "terminate-hard", vm_id)
    await world.ask(ADMIN, "one.vn.recover", NETWORK_ID, 2)
    assert NETWORK_ID not in world.memory.networks
    assert world.memory.leases == world.memory.taken == {}


async def test_a_range_with_addresses_on_hold_is_removed_by_force(world):
    await world.ask(ADMIN, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.6]")
    assert await world.code(ADMIN, "one.vn.rm_ar", NETWORK_ID, 0) == 0x0800
    await world.ask(ADMIN, "one.vn.rm_ar", NETWORK_ID, 0, True)
    assert world.memory.leases == world.memory.taken == {}


# -- races -------------------------------------------------------------------------------------------


async def test_of_two_hundred_who_ask_at_once_for_the_last_hundred_addresses_a_hundred_get_one(world):
    network_id = await made(world, "NAME=big\nVN_MAD=dummy\nBRIDGE=br0\nAR=[TYPE=IP4,IP=10.9.0.1,SIZE=250]")
    await world.change("networks", network_id, uid=ALICE_ID)
    mine = await world.ask(ALICE, "one.vn.reserve", network_id, "SIZE=50\nNAME=mine")
    for _ in range(100):
        await nic_of(world, f"NETWORK_ID={network_id}", ALICE)
    text = f"{SMALL}NIC=[NETWORK_ID={network_id}]"
    calls = [world.ask(ALICE, "one.vm.allocate", text, True) for _ in range(200)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    vm_ids = [answer for answer in answers if isinstance(answer, int)]
    refusals = [answer for answer in answers if isinstance(answer, Refusal)]
    assert (len(vm_ids), len(refusals)) == (100, 100)
    assert all("has no free address" in refusal.text for refusal in refusals)
    ips = [lease.ip for lease in world.memory.leases.values()]
    assert len(set(ips)) == len(ips) == 200
    assert world.memory.taken[network_id, 0].count == 250
    assert (mine, 0) not in world.memory.taken


async def test_of_two_who_ask_for_one_address_one_gets_it(world):
    await world.open_network()
    text = f'{SMALL}NIC=[NETWORK_ID={NETWORK_ID},IP="10.0.0.9"]'
    calls = [world.ask(who, "one.vm.allocate", text, True) for who in (ALICE, BOB)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Refusal", "int"]


async def test_vxlans_on_different_devices_have_different_numbers_since_a_host_has_one_interface_for_each(world):
    assert await vlan(world, "a", "VN_MAD=vxlan\nPHYDEV=eth1") == ("2", "1")
    assert await vlan(world, "b", "VN_MAD=vxlan\nPHYDEV=eth2") == ("3", "1")
    assert await vlan(world, "c", "VN_MAD=vxlan") == ("4", "1")


# -- where a network is on hosts ---------------------------------------------------------------------


async def test_a_number_is_that_of_one_vxlan_unless_both_are_on_one_bridge_and_device(world):
    first = await made(world, f"NAME=a\nVN_MAD=vxlan\nPHYDEV=eth1\nBRIDGE=brx\nVLAN_ID=7\n{AR}")
    said = rf"VLAN_ID 7 is that of vxlan a \[{first}\] on bridge brx and PHYDEV eth1"
    for elsewhere in ("PHYDEV=eth1", "PHYDEV=eth2\nBRIDGE=brx", "PHYDEV=eth1\nBRIDGE=bry"):
        with pytest.raises(Refusal, match=said):
            await made(world, f"NAME=b\nVN_MAD=vxlan\n{elsewhere}\nVLAN_ID=07\n{AR}")
    second = await made(world, f"NAME=b\nVN_MAD=vxlan\nPHYDEV=eth1\nBRIDGE=brx\nVLAN_ID=7\n{AR}")
    with pytest.raises(Refusal, match=said):
        await world.ask(ADMIN, "one.vn.update", second, "BRIDGE=bry", 1)
    await made(world, f"NAME=c\nVN_MAD=802.1Q\nPHYDEV=eth1\nVLAN_ID=7\n{AR}")


async def test_a_vxlan_moves_with_its_reservations(world):
    parent = await made(world, f"NAME=a\nVN_MAD=vxlan\nPHYDEV=eth1\nVLAN_ID=7\n{AR}")
    part = await world.ask(ADMIN, "one.vn.reserve", parent, "SIZE=1\nNAME=part")
    await world.ask(ADMIN, "one.vn.update", parent, "PHYDEV=eth2", 1)
    assert world.memory.networks[part].phydev == "eth2"


@pytest.mark.parametrize("where", ["the network", "a reservation"])
async def test_a_network_with_vms_stays_where_it_is_on_hosts(world, where):
    network_id = await made(world, "NAME=a\nVN_MAD=802.1Q\nPHYDEV=eth1\nVLAN_ID=7\nAR=[TYPE=IP4,IP=10.7.0.1,SIZE=9]")
    in_it = network_id
    if where == "a reservation":
        in_it = await world.ask(ADMIN, "one.vn.reserve", network_id, "SIZE=3\nNAME=part")
    await world.ask(ADMIN, "one.vn.hold", in_it, "LEASES=[IP=10.7.0.3]")
    for pair in ("VLAN_ID=8", "VLAN_ID=7"):
        await world.ask(ADMIN, "one.vn.update", network_id, pair, 1)  # an address on hold is no NIC
    vm_id = await world.ask(
        ADMIN, "one.vm.allocate", f"{SMALL}NIC=[NETWORK_ID={in_it}]\nNIC=[NETWORK_ID={in_it}]", True
    )
    for pair in ("BRIDGE=br9", "VLAN_ID=8", "PHYDEV=eth2", "VN_MAD=fw"):
        name = pair.partition("=")[0]
        with pytest.raises(Refusal, match=rf"{name} of network a \[{network_id}\] cannot be changed while VMs .* 1 do"):
            await world.ask(ADMIN, "one.vn.update", network_id, pair, 1)
    same = f"BRIDGE=onebr{network_id}\nVLAN_ID=7\nPHYDEV=eth1\nVN_MAD=802.1Q\nDNS=10.7.0.9"
    await world.ask(ADMIN, "one.vn.update", network_id, same, 0)
    assert world.memory.networks[network_id].template.single("DNS") == "10.7.0.9"
    await world.ask(ADMIN, "one.vm.action", "terminate-hard", vm_id)
    await world.ask(ADMIN, "one.vn.update", network_id, "VLAN_ID=8", 1)


@pytest.mark.parametrize("driver", ["ovswitch_vxlan", "elastic", "nodeport"])
async def test_a_driver_that_hosts_do_nothing_for_is_refused(world, driver):
    said = f"VN_MAD {driver} is not supported here: use "
    with pytest.raises(Refusal, match=said):
        await made(world, f"NAME=a\nVN_MAD={driver}\n{AR}")
    with pytest.raises(Refusal, match=said):
        await world.ask(ADMIN, "one.vn.update", NETWORK_ID, f"VN_MAD={driver}", 1)
    with pytest.raises(Refusal, match=said):
        await world.ask(ADMIN, "one.vntemplate.allocate", f"NAME=a\nVN_MAD={driver}")


# -- who sees which leases ---------------------------------------------------------------------------


def holders(document) -> list[tuple[str, str]]:
    """Return what has each lease that is listed."""
    leases = document.iterfind("AR_POOL/AR/LEASES/LEASE")
    return [(tag, lease.findtext(tag)) for lease in leases for tag in ("VM", "VNET") if lease.findtext(tag)]


async def test_a_user_of_a_network_sees_his_own_leases_and_its_manager_all(world):
    await world.open_network()
    text = f"{SMALL}NIC=[NETWORK_ID={NETWORK_ID}]"
    hers, his = [str(await world.ask(who, "one.vm.allocate", text, True)) for who in (ALICE, BOB)]
    part = str(await world.ask(BOB, "one.vn.reserve", NETWORK_ID, "SIZE=1\nNAME=part"))
    await world.ask(ADMIN, "one.vn.hold", NETWORK_ID, "LEASES=[IP=10.0.0.9]")

    async def seen(who: str):
        return valid(await world.ask(who, "one.vn.info", NETWORK_ID), "vnet")

    every = [("VM", hers), ("VM", his), ("VNET", part), ("VM", "-1")]
    for who, expected in ((ADMIN, every), (ALICE, every[:1]), (BOB, every[1:3]), (ADMIN, every)):
        document = await seen(who)
        assert holders(document) == expected
        vms = [holder for kind, holder in expected if kind == "VM" and holder != "-1"]
        assert [one.text for one in document.find("UPDATED_VMS")] == vms
        assert document.findtext("USED_LEASES") == document.findtext("AR_POOL/AR/USED_LEASES") == "4"
    await world.change("networks", NETWORK_ID, uid=ALICE_ID)
    assert holders(await seen(ALICE)) == every


async def test_a_range_of_a_network_that_is_no_reservation_is_not_given_back(world):
    network_id = await made(world, f"NAME=a\nVN_MAD=dummy\n{AR}")
    with pytest.raises(Refusal, match=rf"network a \[{network_id}\] is no reservation.*onevnet rmar {network_id} 0"):
        await world.ask(ADMIN, "one.vn.free_ar", network_id, 0)
    assert len(world.memory.networks[network_id].ranges) == 1


async def test_a_security_group_that_is_not_there_is_named_with_the_network(world):
    with pytest.raises(Refusal, match="SECURITY_GROUPS of the network names it"):
        await made(world, f"NAME=a\nVN_MAD=dummy\nSECURITY_GROUPS=77\n{AR}")

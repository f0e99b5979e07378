"""From what interfaces are to what they shall be: which commands, and what is refused."""

import re

import pytest

from tests.drivers.vnm_builders import ENGINE, Computer, document, network, port
from trifid.core.network.host_document import HostNetwork
from trifid.drivers.vnm import far_hosts, ovswitch
from trifid.drivers.vnm.links import Plan, desired, far_end_plan, plan
from trifid.drivers.vnm.present import EVERYBODY, Link, link_of
from trifid.drivers.vnm.tools import Tools
from trifid.drivers.vnm.troubles import Troubles

MARK = f"alias trifid:{ENGINE} addrgenmode none"
BRIDGE = Link("onebr1", "bridge", f"trifid:{ENGINE}", is_up=True, mtu=1500)
CARD = Link("eth1", is_up=True)


def planned(wanted: HostNetwork, *present: Link, is_filtered: bool = False) -> Plan:
    what = document(networks=(wanted,), ports=(port(is_filtered=is_filtered),), address="192.0.2.1")
    links = desired(what, {name: name for name in ("192.0.2.1", *wanted.peers)})
    return plan(links, {link.name: link for link in present}, ENGINE)


def lines(wanted: HostNetwork, *present: Link, is_filtered: bool = False) -> list[str]:
    found = planned(wanted, *present, is_filtered=is_filtered)
    assert not found.troubles
    return [" ".join(argv) for argv in found.commands]


def trouble(wanted: HostNetwork, *present: Link) -> str:
    found = planned(wanted, *present)
    return "; ".join(why for _, why in found.troubles)


def test_a_bridge_is_made_in_our_group_then_marked_then_up() -> None:
    assert lines(network(mtu=9000), is_filtered=True) == [
        "ip link add name onebr1 group 32541 type bridge forward_delay 0 stp_state 0",
        f"ip link set dev onebr1 {MARK}",
        "ip link set dev onebr1 mtu 9000",
        "ip link set dev onebr1 type bridge nf_call_iptables 1 nf_call_ip6tables 1",
        "ip link set dev onebr1 up",
    ]


def test_a_bridge_that_is_as_it_shall_be_is_left_alone() -> None:
    shown = Link("onebr1", "bridge", "", is_up=True, data={"nf_call_iptables": 1, "nf_call_ip6tables": 1})
    assert lines(network(mtu=9000), shown, is_filtered=True) == []


def test_a_bridge_without_its_mark_is_of_one_who_was_killed() -> None:
    assert lines(network(), Link("onebr1", "bridge", "", "32541", is_up=True)) == [f"ip link set dev onebr1 {MARK}"]


def test_a_vlan_is_made_on_its_card() -> None:
    wanted = network(driver="802.1Q", phydev="eth1", vlan_id=7)
    assert lines(wanted, BRIDGE, CARD) == [
        "ip link add link eth1 name eth1.7 group 32541 type vlan id 7",
        f"ip link set dev eth1.7 {MARK}",
        "ip link set dev eth1.7 master onebr1 up",
    ]
    there = Link("eth1.7", "vlan", "", master="onebr1", lower="eth1", is_up=True, data={"id": 7})
    assert lines(wanted, BRIDGE, CARD, there) == []


def test_a_vlan_of_somebody_elses_is_in_the_way() -> None:
    wanted = network(driver="802.1Q", phydev="eth1", vlan_id=7)
    other = Link("eth1.7", "vlan", "", lower="eth2", data={"id": 7})
    assert trouble(wanted, BRIDGE, CARD, other).startswith("the interface eth1.7 is in the way of vlan 7 on eth1")
    long = trouble(network(driver="802.1Q", phydev="enp129s0f0np0", vlan_id=100))
    assert long.startswith("network 1: the VLAN's interface cannot be 'enp129s0f0np0.100'")


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (network(driver="802.1Q", vlan_id=7), "network 1: it has no PHYDEV, an 802.1Q network needs one"),
        (network(driver="802.1Q", phydev="eth1"), "network 1: it has no VLAN_ID, a network of 802.1Q needs one"),
        (network(driver="vxlan"), "network 1: it has no VLAN_ID, a network of vxlan needs one"),
    ],
)
def test_what_a_network_lacks_is_its_own_trouble(wanted: HostNetwork, text: str) -> None:
    assert planned(wanted).troubles == [((1,), text)]


def test_a_vxlan_sends_to_a_group_through_a_card() -> None:
    wanted = network(driver="vxlan", phydev="eth1", vlan_id=7, multicast="239.0.0.7")
    assert lines(wanted, BRIDGE, CARD)[0] == (
        "ip link add name vx-7 group 32541 type vxlan id 7 dstport 4789 local 192.0.2.1 group 239.0.0.7 dev eth1"
    )
    assert "needs a PHYDEV" in trouble(network(driver="vxlan", vlan_id=7, multicast="239.0.0.7"), BRIDGE)


def test_a_vxlan_has_room_for_its_header() -> None:
    assert "ip link set dev vx-7 mtu 1450" in lines(network(driver="vxlan", vlan_id=7), BRIDGE)
    assert "ip link set dev vx-7 mtu 8900" in lines(network(driver="vxlan", vlan_id=7, mtu=8900), BRIDGE)


@pytest.mark.parametrize(
    ("wanted", "present", "text"),
    [
        (network(is_bridge_made=False), [], "there is no bridge onebr1: make it, or say CREATE_BRIDGE=YES"),
        (network(), [Link("onebr1", "dummy")], "onebr1 is no bridge, it is dummy"),
        (network(phydev="eth1"), [BRIDGE], "there is no interface eth1: correct the network's PHYDEV"),
        (network(driver="vxlan", vlan_id=7, phydev="eth1"), [BRIDGE], "there is no interface eth1"),
        (network(phydev="eth1"), [BRIDGE, Link("eth1", master="br9")], "eth1 is a port of br9"),
        (network(phydev="eth1"), [BRIDGE, Link("eth1", addresses=("10.1.1.1",))], "eth1 has addresses of the host"),
    ],
)
def test_what_is_in_the_way_is_named(wanted: HostNetwork, present: list[Link], text: str) -> None:
    assert text in trouble(wanted, *present)


def test_two_networks_may_share_a_bridge_but_not_a_card_between_two() -> None:
    shared = document(networks=(network(phydev="eth1"), network(2, bridge="onebr1", phydev="eth1")))
    assert [bridge.name for bridge in desired(shared, {}).bridges] == ["onebr1"]
    found = desired(document(networks=(network(phydev="eth1"), network(2, phydev="eth1"))), {})
    assert found.troubles == {2: "bridges onebr1 and onebr2 cannot both leave by eth1"}
    assert [uplink.bridge for uplink in found.uplinks] == ["onebr1"]


def test_only_what_is_ours_and_not_needed_goes() -> None:
    mine = f"trifid:{ENGINE}"
    commands = lines(
        network(),
        BRIDGE,
        Link("onebr8", "bridge", mine),
        Link("onebr9", "bridge", mine),
        Link("vx-9", "vxlan", mine, master="onebr8"),
        Link("one-5-0", "tun", master="onebr9"),
        Link("vx-3", "vxlan", "trifid:another"),
        Link("br0", "bridge"),
    )
    assert commands == ["ip link del dev vx-9", "ip link del dev onebr8"]


def test_a_vxlan_forgets_hosts_that_have_left() -> None:
    vxlan = desired(
        document(networks=(network(driver="vxlan", vlan_id=7, peers=("b", "c")),)), {"b": "192.0.2.2", "c": "192.0.2.3"}
    ).uplinks[0]
    found = {"192.0.2.2": {EVERYBODY}, "192.0.2.9": {EVERYBODY, "02:00:00:00:00:01"}}
    assert [" ".join(argv) for argv in far_end_plan(vxlan, found)] == [
        f"bridge fdb append {EVERYBODY} dev vx-7 dst 192.0.2.3",
        f"bridge fdb del {EVERYBODY} dev vx-7 dst 192.0.2.9",
        "bridge fdb del 02:00:00:00:00:01 dev vx-7 dst 192.0.2.9",
    ]


def test_addresses_of_a_link_do_not_count_when_every_link_has_them() -> None:
    found = link_of({"ifname": "eth1", "addr_info": [{"local": "fe80::1"}, {"local": "10.0.0.1"}]})
    assert found.addresses == ("10.0.0.1",)


# -- hosts by name -------------------------------------------------------------------------------------

GETENT = """
case $2 in
both) echo '2001:db8::7 STREAM both'; echo '192.0.2.7 STREAM both';;
six) echo '2001:db8::6 STREAM six';;
self) echo '127.0.1.1 STREAM self';;
*) exit 2;;
esac
"""


def test_hosts_are_found_by_their_names(computer: Computer) -> None:
    computer.program("getent", GETENT)
    tools = Tools(computer.host())
    names = {name: far_hosts.address_of(tools, name) for name in ("both", "six", "self", "nobody", "192.0.2.1")}
    assert names == {"both": "192.0.2.7", "six": "2001:db8::6", "self": "", "nobody": "", "192.0.2.1": "192.0.2.1"}


def test_a_host_that_is_not_found_is_named_and_the_trouble_of_its_networks_only(computer: Computer) -> None:
    computer.program("getent", GETENT)
    tools, troubles = Tools(computer.host()), Troubles()
    other = network(2, driver="vxlan", vlan_id=8, peers=("both",))
    what = document(networks=(network(driver="vxlan", vlan_id=7, peers=("both", "self")), other), address="self")
    assert far_hosts.addresses(tools, what, troubles) == {"both": "192.0.2.7"}
    assert list(troubles.by_network) == [1]
    assert re.match(r"host host-a does not know where self is.* VXLAN_ADDRESS", troubles.by_network[1])
    what = document(networks=(network(driver="vxlan", vlan_id=7, peers=("both",)),), address="self")
    troubles = Troubles()
    assert far_hosts.addresses(tools, what, troubles) == {"both": "192.0.2.7"}
    assert troubles.by_network == {}


def test_a_vxlan_keeps_its_far_ends_while_the_address_of_one_is_not_known() -> None:
    wanted = network(driver="vxlan", vlan_id=7, peers=("b", "c"))
    vxlan = desired(document(networks=(wanted,)), {"b": "192.0.2.2"}).uplinks[0]
    commands = [" ".join(argv) for argv in far_end_plan(vxlan, {"192.0.2.3": {EVERYBODY}})]
    assert commands == [f"bridge fdb append {EVERYBODY} dev vx-7 dst 192.0.2.2"]


def test_a_bridge_goes_although_the_service_of_its_network_has_yet_to_end_but_not_from_under_others() -> None:
    nothing = desired(document(networks=(), ports=()), {})
    service = Link(f"ts{ENGINE[:4]}-1", "veth", master="onebr1")
    for other, gone in (("one-9-0", []), (f"ts{ENGINE[:3]}x-1", []), ("", [("ip", "link", "del", "dev", "onebr1")])):
        ports = [service, Link(other, "tun", master="onebr1")] if other else [service]
        assert plan(nothing, {link.name: link for link in (BRIDGE, *ports)}, ENGINE).commands == gone


# -- Open vSwitch --------------------------------------------------------------------------------------

OVS = """
case "$*" in
"br-exists onebr1") exit 2;;
*"find Bridge"*) echo onebr1; echo onebr8; echo onebr9;;
"list-ports onebr9") echo one-9-0;;
"list-ports onebr8") echo eth1;;
esac
"""


def test_a_bridge_of_open_vswitch_is_made_with_its_mark_and_ports_get_their_tag(computer: Computer) -> None:
    computer.program("ovs-vsctl", OVS)
    wanted = network(driver="ovswitch", phydev="eth1", vlan_id=7)
    ports = (port(keeps_mac=False, keeps_ip=False, is_filtered=False),)
    troubles = Troubles()
    ovswitch.apply(Tools(computer.host()), document(networks=(wanted,), ports=ports), troubles)
    assert troubles.by_network == {}
    assert computer.asked == [
        "ovs-vsctl br-exists onebr1",
        f"ovs-vsctl --may-exist add-br onebr1 -- set Bridge onebr1 external_ids:trifid={ENGINE}",
        "ovs-vsctl --may-exist add-port onebr1 eth1",
        "ovs-vsctl --if-exists set Port one-5-0 tag=7",
        f"ovs-vsctl --bare --columns=name find Bridge external_ids:trifid={ENGINE}",
        "ovs-vsctl list-ports onebr8",
        "ovs-vsctl --if-exists del-br onebr8",
        "ovs-vsctl list-ports onebr9",
    ]


def test_filters_that_open_vswitch_would_not_apply_are_refused(computer: Computer) -> None:
    computer.program("ovs-vsctl")
    networks = (network(driver="ovswitch"), network(2, driver="ovswitch"))
    ports = (port(), port(6, 2, keeps_mac=False, keeps_ip=False, is_filtered=False))
    troubles = Troubles()
    ovswitch.apply(Tools(computer.host()), document(networks=networks, ports=ports), troubles)
    assert list(troubles.by_network) == [1]
    assert troubles.by_network[1].startswith("network 1: FILTER_MAC_SPOOFING")
    assert "ovs-vsctl br-exists onebr2" in computer.asked
    assert "ovs-vsctl br-exists onebr1" not in computer.asked

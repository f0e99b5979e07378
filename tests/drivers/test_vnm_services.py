"""The texts that address services are made of: files of dnsmasq, rules for nft; nothing else gets into them."""

import pytest
from msgspec.structs import replace

from trifid.core.network.host_document import HostDocument, HostNetwork, Named, Port, Services
from trifid.drivers.vnm.services_dnsmasq import config, is_forgetting, leases, names
from trifid.drivers.vnm.services_plan import Plan, plans
from trifid.drivers.vnm.services_rules import host_rules, inside_rules
from trifid.drivers.vnm.troubles import Troubles

WEB = Named("02:00:0a:07:00:01", "web", ("10.7.0.1", "2001:db8:7::1"))
SERVED = Services(
    address="10.7.0.254/24",
    address6="2001:db8:7::ff/64",
    has_dhcp=True,
    has_dns=True,
    is_router=True,
    dns=("192.0.2.53",),
    domain="cloud.example",
    known=(WEB,),
)
PORT = Port(vm_id=1, nic_id=0, device="one-1-0", network_id=7, mac=WEB.mac)


def document(*networks: HostNetwork) -> HostDocument:
    return HostDocument(engine_id="0123456789abcdef", host="host-a", version=1, networks=networks, ports=(PORT,))


def planned(**changed) -> Plan:
    net = HostNetwork(id=7, driver="vxlan", bridge="onebr7", is_bridge_made=True, mtu=1450)
    (plan,) = plans(document(replace(net, services=replace(SERVED, **changed))), Troubles())
    return plan


def refused(net: HostNetwork) -> str:
    """Return why a network cannot have its services; that beside it has its own."""
    troubles = Troubles()
    beside = HostNetwork(8, "fw", "br8", services=SERVED)
    assert [plan.network_id for plan in plans(document(net, beside), troubles)] == [8]
    assert list(troubles.by_network) == [net.id]
    return troubles.by_network[net.id]


def test_all_that_a_network_can_have() -> None:
    plan = planned()
    assert config(plan, "/etc/resolv.conf").splitlines() == [
        "pid-file=/run/trifid/0123456789abcdef/7/dnsmasq.pid",
        "interface=lan",
        "except-interface=lo",
        "bind-interfaces",
        "no-hosts",
        "domain=cloud.example",
        "expand-hosts",
        "addn-hosts=/run/trifid/0123456789abcdef/7/names",
        "domain-needed",
        "bogus-priv",
        "local=/cloud.example/",
        "no-resolv",
        "server=192.0.2.53",
        "dhcp-authoritative",
        "leasefile-ro",
        "dhcp-ignore=tag:!known",
        "dhcp-ignore-names",
        "dhcp-hostsfile=/run/trifid/0123456789abcdef/7/leases",
        "dhcp-range=10.7.0.0,static,255.255.255.0,168h",
        "dhcp-option=option:router,10.7.0.254",
        "dhcp-option=option:dns-server,10.7.0.254",
        "dhcp-option=option:mtu,1450",
        "enable-ra",
        "ra-param=lan,60,0",
        "dhcp-range=2001:db8:7::,static,64,168h",
        "dhcp-option=option6:dns-server,[2001:db8:7::ff]",
    ]
    assert leases(plan) == "02:00:0a:07:00:01,id:*,10.7.0.1,[2001:db8:7::1],web\n"
    assert names(plan) == "10.7.0.1 web\n2001:db8:7::1 web\n"


def test_a_network_that_only_gives_addresses_has_no_way_out_and_no_names() -> None:
    plan = planned(has_dns=False, is_router=False, address6="", domain="", dns=())
    lines = config(plan, "/etc/resolv.conf").splitlines()
    assert plan.uplink == ""
    assert "port=0" in lines
    assert "dhcp-option=option:router" in lines, "said without a value, or dnsmasq tells its own address"
    assert "dhcp-option=option:dns-server" in lines
    assert not any("hosts=/run" in line for line in lines if line.startswith("addn"))
    assert "masquerade" not in host_rules([plan], "trifid_services_01234567")


def test_a_network_without_name_servers_of_its_own_asks_those_of_the_host() -> None:
    lines = config(planned(dns=()), "/run/systemd/resolve/resolv.conf").splitlines()
    assert "resolv-file=/run/systemd/resolve/resolv.conf" in lines
    assert "no-resolv" not in lines


def test_an_address_outside_of_the_network_is_told_by_name_only() -> None:
    plan = planned(known=(Named(WEB.mac, "web", ("10.9.0.1",)),))
    assert leases(plan) == ""
    assert names(plan) == "10.9.0.1 web\n"


def test_a_shared_address_is_given_to_each_that_has_it() -> None:
    plan = planned(known=(WEB, Named("02:00:77:00:00:01", "web-2", ("10.7.0.1",))))
    assert leases(plan) == "02:00:0a:07:00:01,02:00:77:00:00:01,id:*,10.7.0.1,web\n"


@pytest.mark.parametrize(
    ("before", "after", "forgets"),
    [
        ("", "a\n", False),
        ("a\n", "b\na\n", False),
        ("a\n", "a\n", False),
        ("a\nb\n", "a\n", True),
        ("a\n", "b\n", True),
    ],
)
def test_dnsmasq_forgets_only_when_it_is_restarted(before: str, after: str, forgets: bool) -> None:
    assert is_forgetting(before, after) is forgets


def test_the_mac_is_that_of_the_network_on_every_host_and_its_links_those_of_the_engine() -> None:
    plan = planned()
    (elsewhere,) = plans(
        replace(document(HostNetwork(7, "fw", "br9", services=SERVED)), engine_id="f" * 16), Troubles()
    )
    assert plan.mac == elsewhere.mac == "fe:54:00:00:00:07"
    assert (plan.port, plan.uplink) == ("ts0123-7", "tu0123-7")
    assert (elsewhere.port, elsewhere.uplink) == ("tsffff-7", "tuffff-7")


def test_uplinks_of_one_host_have_addresses_of_their_own() -> None:
    served = [HostNetwork(n, "fw", f"br{n}", services=SERVED) for n in range(300)]
    found = plans(document(*served), Troubles())
    assert len({plan.outer for plan in found} | {plan.inner for plan in found}) == 600
    assert [plan.outer for plan in found if plan.network_id == 7] == [planned().outer], "whoever else is there"


def test_rules_take_what_was_there_before_away_in_the_same_step() -> None:
    table = "trifid_services_01234567"
    removed = "".join(f"table {family} {table}\ndelete table {family} {table}\n" for family in ("bridge", "inet"))
    assert host_rules([], table) == removed
    rules = host_rules([planned()], table)
    assert rules.startswith(removed)
    assert '"one-1-0" . "ts0123-7"' in rules
    assert 'set closed { type ifname; elements = { "onebr7" }; }' in rules
    assert "10.7.0.0/24 accept" in inside_rules(planned())
    assert "10.7.0.0/24 accept" not in inside_rules(planned(is_router=False))


HARM = ["x\nserver=/a/b", "a b", 'a"b', "$(id)", "a;b", "a,b", "#", "\x00", "é"]


@pytest.mark.parametrize("text", HARM)
@pytest.mark.parametrize("where", ["address", "address6", "gateway", "dns", "domain", "mac", "name", "known"])
def test_what_could_be_more_than_it_says_is_refused(where: str, text: str) -> None:
    changed = {
        "dns": {"dns": (text,)},
        "mac": {"known": (replace(WEB, mac=text),)},
        "name": {"known": (replace(WEB, name=text),)},
        "known": {"known": (replace(WEB, addresses=(text,)),)},
    }.get(where, {where: text})
    assert "services of network 7" in refused(HostNetwork(7, "fw", "br7", services=replace(SERVED, **changed)))


def test_a_network_whose_bridge_has_no_such_ports_is_refused() -> None:
    assert "a network of ovswitch cannot have any" in refused(HostNetwork(7, "ovswitch", "br9", services=SERVED))

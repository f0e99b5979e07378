"""Which services a network's attributes ask for, and who is known to them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.network.builders import modern, network, ranged
from tests.core.vm.builders import vm
from trifid.core.network.define import update_template
from trifid.core.network.host_document import Named
from trifid.core.network.ranges import add_range
from trifid.core.network.record import Network
from trifid.core.network.services import LABEL_LENGTH_MAX, check_address, label_of, services_of
from trifid.core.restricted_lists import OF_NETWORK
from trifid.core.template.model import template
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.errors import BadTemplate, NotAllowed


def guest(vm_id: int, name: str, *ips: str, network_id: int = 3) -> VM:
    nics = [
        {
            "NIC_ID": str(n),
            "NETWORK_ID": str(network_id),
            "MAC": f"02:00:0A:00:00:{int(ip.split('.')[3]):02X}",
            "IP": ip,
        }
        for n, ip in enumerate(ips)
    ]
    return vm(VmState.RUNNING, id=vm_id, name=name, template=template(NIC=nics))


def updated(net: Network, **attributes: str) -> Network:
    return update_template(net, template(attributes), uid=0, is_admin=True, restricted=OF_NETWORK)


def attribute(net: Network, name: str) -> str:
    return net.template.single(name)


def test_a_network_that_asks_for_nothing_has_no_services_and_stays_as_it_is() -> None:
    plain = modern(SERVICE_ADDRESS="any", DHCP="no")
    assert services_of(plain, []) is None
    assert attribute(plain, "SERVICE_ADDRESS") == "any"


def test_the_last_address_that_is_no_guests_is_that_of_the_services() -> None:
    assert attribute(modern(DHCP="YES"), "SERVICE_ADDRESS") == "10.0.0.254/24"
    assert attribute(modern("10.0.0.250", "5", DHCP="yes"), "SERVICE_ADDRESS") == "10.0.0.249/24"
    taken = modern("10.0.0.1", "252", DNS_SERVICE="YES", GATEWAY="10.0.0.254")
    assert attribute(taken, "SERVICE_ADDRESS") == "10.0.0.253/24"
    assert attribute(modern(DHCP="YES", NETWORK_MASK="255.255.0.0"), "SERVICE_ADDRESS") == "10.0.255.254/16"
    assert attribute(modern(size="300", DHCP="YES"), "SERVICE_ADDRESS") == "10.0.1.254/23"


def test_a_network_of_2009_has_them_too() -> None:
    net = ranged(size="100", VN_MAD="bridge", DHCP="YES")
    assert services_of(net, []).address == "10.0.0.254/24"


def test_guests_with_a_context_package_are_told_as_well() -> None:
    net = modern(DHCP="YES", DNS_SERVICE="YES", ROUTER="YES")
    told = {name: attribute(net, name) for name in ("GATEWAY", "DNS", "NETWORK_MASK")}
    assert told == {"GATEWAY": "10.0.0.254", "DNS": "10.0.0.254", "NETWORK_MASK": "255.255.255.0"}
    services = services_of(net, [])
    assert (services.has_dhcp, services.has_dns, services.is_router) == (True, True, True)
    assert (services.gateway, services.dns) == ("", ()), "the host is these itself"


def test_the_gateway_that_was_given_is_the_router() -> None:
    net = modern(ROUTER="YES", GATEWAY="10.0.0.1")
    assert attribute(net, "SERVICE_ADDRESS") == "10.0.0.1/24"


def test_what_others_are_is_told_to_guests() -> None:
    net = modern(DHCP="YES", GATEWAY="10.0.0.1", DNS="192.0.2.1 2001:db8::1,192.0.2.2", SEARCH_DOMAIN="a.example b")
    services = services_of(net, [])
    assert services.gateway == "10.0.0.1"
    assert services.dns == ("192.0.2.1", "2001:db8::1", "192.0.2.2")
    assert services.domain == "a.example"


def test_a_length_behind_the_address_is_that_of_the_network() -> None:
    net = modern(DHCP="YES", SERVICE_ADDRESS="10.0.7.1/20", SERVICE_ADDRESS6="2001:db8::ff")
    assert attribute(net, "NETWORK_MASK") == "255.255.240.0"
    services = services_of(net, [])
    assert (services.address, services.address6) == ("10.0.7.1/20", "2001:db8::ff/64")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"DHCP": "maybe"}, 'DHCP must be YES or NO, is "maybe"'),
        ({"DHCP": "YES", "VN_MAD": "dummy"}, "need VN_MAD to be one of"),
        ({"DHCP": "YES", "VN_MAD": "ovswitch"}, "is ovswitch"),
        ({"DHCP": "YES", "SERVICE_ADDRESS": "10.0.0.12"}, "would be a guest's, too, of address range 0"),
        ({"DHCP": "YES", "SERVICE_ADDRESS": "10.0.0.255"}, "must be an address of guests' network 10.0.0.0/24"),
        ({"DHCP": "YES", "SERVICE_ADDRESS": "10.0.0.0"}, "must be an address of guests' network 10.0.0.0/24"),
        ({"DHCP": "YES", "SERVICE_ADDRESS": "there"}, "SERVICE_ADDRESS must be an IPv4 address"),
        ({"DHCP": "YES", "SERVICE_ADDRESS": "10.0.0.9/31"}, "must end in / and 1 to 30"),
        ({"DHCP": "YES", "SERVICE_ADDRESS": "10.9.0.9/24"}, "must be in one network of guests"),
        ({"DHCP": "YES", "SERVICE_ADDRESS": "10.9.0.9", "NETWORK_MASK": "255.255.255.0"}, "must be in one network"),
        ({"DHCP": "YES", "SERVICE_ADDRESS": "10.0.0.1", "GATEWAY": "10.0.0.1"}, "or say ROUTER = YES"),
        ({"ROUTER": "YES", "SERVICE_ADDRESS": "10.0.0.1", "GATEWAY": "10.0.0.2"}, "GATEWAY must be SERVICE_ADDRESS"),
        ({"DHCP": "YES", "SERVICE_ADDRESS6": "10.0.0.1"}, "SERVICE_ADDRESS6 must be an IPv6 address"),
        ({"DHCP": "YES", "DNS": "192.0.2.1\nserver=/x/1.2.3.4"}, "DNS must be addresses of name servers"),
        ({"DHCP": "YES", "DOMAIN": "a\naddn-hosts=/etc/shadow"}, "DOMAIN must be a name"),
    ],
)
def test_what_cannot_be_is_refused(attributes: dict[str, str], said: str) -> None:
    with pytest.raises(BadTemplate, match=re.escape(said)):
        modern(**attributes)


def test_a_network_without_ipv4_or_without_a_free_address_has_none() -> None:
    with pytest.raises(BadTemplate, match="need an address range with IPv4"):
        network(AR={"TYPE": "ETHER", "SIZE": "4"}, DHCP="YES")
    with pytest.raises(BadTemplate, match="none is left for its services"):
        modern("10.0.0.0", "256", DHCP="YES")


def test_the_address_stays_when_others_would_be_last_now() -> None:
    net = modern("10.0.0.200", "55", DHCP="YES")
    assert attribute(net, "SERVICE_ADDRESS") == "10.0.0.199/24"
    smaller = modern(DHCP="YES", SERVICE_ADDRESS="10.0.0.199")
    assert attribute(updated(smaller, DHCP="YES"), "SERVICE_ADDRESS") == "10.0.0.199/24"
    assert attribute(updated(smaller, DHCP="YES", SERVICE_ADDRESS="10.0.0.7"), "SERVICE_ADDRESS") == "10.0.0.7/24"


def test_no_range_may_take_the_address_of_the_services() -> None:
    net = modern(DHCP="YES")

    def more(ip: str) -> Network:
        vector = {"TYPE": "IP4", "IP": ip, "SIZE": "10"}
        return check_address(add_range(net, vector, mac_prefix=0x0200, random_mac_suffix=lambda: 0))

    assert len(more("10.0.0.100").ranges) == 2
    with pytest.raises(
        BadTemplate, match=re.escape("10.0.0.254 of its services would be a guest's, too, of address range 1")
    ):
        more("10.0.0.250")


@pytest.mark.parametrize("name", ["DHCP", "DNS_SERVICE", "ROUTER", "SERVICE_ADDRESS"])
def test_only_administrators_decide_what_runs_on_hosts(name: str) -> None:
    with pytest.raises(NotAllowed, match=name):
        update_template(modern(), template({name: "YES"}), uid=7, is_admin=False, restricted=OF_NETWORK)


def test_an_owner_may_change_what_guests_are_told() -> None:
    net = update_template(
        modern(DHCP="YES"), template(DOMAIN="b.example"), uid=7, is_admin=False, restricted=OF_NETWORK
    )
    services = services_of(net, [])
    assert (services.domain, services.address) == ("b.example", "10.0.0.254/24")


def test_guests_are_known_by_name_mac_and_address() -> None:
    known = services_of(modern(DHCP="YES"), [guest(7, "Web Server", "10.0.0.10")]).known
    assert known == (Named("02:00:0a:00:00:0a", "web-server", ("10.0.0.10",)),)


def test_of_those_with_one_name_the_oldest_has_it() -> None:
    vms = [guest(9, "web", "10.0.0.11"), guest(7, "web", "10.0.0.10", "10.0.0.12"), guest(8, "web-9", "10.0.0.13")]
    known = services_of(modern(DHCP="YES"), vms).known
    assert [(one.name, one.addresses) for one in known] == [
        ("web", ("10.0.0.10",)),
        ("web-7", ("10.0.0.12",)),
        ("web-9", ("10.0.0.13",)),
        ("web-9-2", ("10.0.0.11",)),
    ]


def test_nics_in_other_networks_are_not_known() -> None:
    assert services_of(modern(DHCP="YES"), [guest(7, "web", "10.0.0.10", network_id=4)]).known == ()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("web", "web"),
        ("Web_Server #1", "web-server-1"),
        ("-a-", "a"),
        ("żółw", "w"),
        ("日本", "vm-7"),
        ("a\nserver=/x/1.2.3.4", "a-server-x-1-2-3-4"),
        ("x" * 70, "x" * LABEL_LENGTH_MAX),
        *(("ignore", "vm-ignore"), ("Infinite", "vm-infinite"), ("12h", "vm-12h"), ("42", "vm-42"), ("12ham", "12ham")),
    ],
)
def test_a_name_is_made_fit_for_dns(name: str, label: str) -> None:
    assert label_of(name, 7) == label


@given(st.lists(st.text(max_size=80), min_size=1, max_size=12))
def test_all_names_are_labels_and_no_two_the_same(names: list[str]) -> None:
    vms = [guest(n, name, f"10.0.0.{n + 10}") for n, name in enumerate(names)]
    known = services_of(modern(size="20", DHCP="YES"), vms).known
    assert len({one.name for one in known}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", one.name) for one in known)

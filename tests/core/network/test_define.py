import pytest

from tests.core.network.builders import DEFAULTS, modern, network, ranged
from trifid.core.network.address import format_ipv4, format_mac
from trifid.core.network.define import define, update_template
from trifid.core.network.lease import last_explicit
from trifid.core.network.ranges import add_range, remove_range, update_range
from trifid.core.restricted_lists import OF_NETWORK
from trifid.core.template.model import template
from trifid.errors import BadTemplate, NotAllowed, Refused

ADMIN = {"uid": 0, "is_admin": True, "restricted": OF_NETWORK}
USER = {"uid": 7, "is_admin": False, "restricted": OF_NETWORK}


def spans(net):
    """[(first, last automatic, last explicit)] as text."""
    return [tuple(format_ipv4(ar.ip + i) for i in (0, ar.size - 1, last_explicit(ar))) for ar in net.ranges]


def added(net, **vector):
    return add_range(net, vector, mac_prefix=DEFAULTS.mac_prefix, random_mac_suffix=lambda: 0xFFFFFFFF)


def defined(**attributes):
    return define(template(attributes), network_id=7, uid=2, gid=1, defaults=DEFAULTS, random_mac_suffix=lambda: 0)


def test_the_ranged_network_of_the_2009_slides():
    net = defined(
        NAME="Private LAN",
        TYPE="RANGED",
        BRIDGE="eth0",
        NETWORK_SIZE="250",
        NETWORK_ADDRESS="10.0.0.0",
        GATEWAY="10.0.0.254",
    )
    assert (net.id, net.uid, net.gid, net.name, net.bridge, net.vn_mad) == (7, 2, 1, "Private LAN", "eth0", "dummy")
    assert spans(net) == [("10.0.0.1", "10.0.0.250", "10.0.0.254")]
    assert format_mac(net.ranges[0].mac) == "00:16:0a:00:00:01"
    assert [name for name, _ in net.template] == ["TYPE", "NETWORK_SIZE", "NETWORK_ADDRESS", "GATEWAY"]


def test_the_fixed_network_of_the_2009_slides_has_one_range_per_lease_sorted_by_ip():
    net = defined(
        NAME="Public LAN",
        TYPE="FIXED",
        BRIDGE="eth1",
        LEASES=[{"IP": "130.10.0.2"}, {"IP": "130.10.0.1", "MAC": "50:20:20:20:20:20"}],
    )
    assert [(ar.id, ar.size, format_ipv4(ar.ip), format_mac(ar.mac)) for ar in net.ranges] == [
        (0, 1, "130.10.0.1", "50:20:20:20:20:20"),
        (1, 1, "130.10.0.2", "00:16:82:0a:00:02"),
    ]
    assert "LEASES" not in net.template


@pytest.mark.parametrize(
    ("size", "last", "last_explicit"),
    [
        ("10", "10.0.0.10", "10.0.0.14"),
        ("1", "10.0.0.1", "10.0.0.2"),
        ("C", "10.0.0.254", "10.0.0.254"),
        ("c", "10.0.0.254", "10.0.0.254"),
        ("254", "10.0.0.254", "10.0.0.254"),
        ("255", "10.0.0.255", "10.0.1.254"),
        ("B", "10.0.255.254", "10.0.255.254"),
        ("A", "10.255.255.254", "10.255.255.254"),
        ("0", "10.0.0.254", "10.0.0.254"),
        ("", "10.0.0.254", "10.0.0.254"),
    ],
)
def test_network_size_gives_n_addresses_in_the_smallest_block_that_holds_n_plus_two(size, last, last_explicit):
    assert spans(ranged(size=size)) == [("10.0.0.1", last, last_explicit)]


def test_without_network_size_the_configured_one_is_used():
    assert network(TYPE="ranged", NETWORK_ADDRESS="10.0.0.0").ranges[0].size == 254


def test_an_address_inside_the_block_is_aligned_silently():
    assert spans(ranged("10.0.0.77", "10"))[0][0] == "10.0.0.65"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"NETWORK_ADDRESS": "10.0.0.0/28"}, ("10.0.0.1", "10.0.0.14", "10.0.0.14")),
        ({"NETWORK_ADDRESS": "10.0.0.0/28", "NETWORK_SIZE": "3"}, ("10.0.0.1", "10.0.0.3", "10.0.0.14")),
        (
            {"NETWORK_ADDRESS": "10.0.0.0", "NETWORK_MASK": "255.255.255.192"},
            ("10.0.0.1", "10.0.0.62", "10.0.0.62"),
        ),
        (
            {"NETWORK_ADDRESS": "10.0.0.0", "NETWORK_MASK": "255.0.0.0", "NETWORK_SIZE": "C"},
            ("10.0.0.1", "10.0.0.254", "10.0.0.254"),
        ),
        (
            {"NETWORK_ADDRESS": "10.0.0.0/24", "IP_START": "10.0.0.20"},
            ("10.0.0.20", "10.0.0.254", "10.0.0.254"),
        ),
        ({"IP_START": "10.0.0.5", "IP_END": "10.0.1.5"}, ("10.0.0.5", "10.0.1.5", "10.0.1.5")),
    ],
)
def test_the_block_of_a_ranged_network_can_be_stated(attributes, expected):
    assert spans(network(TYPE="RANGED", **attributes)) == [expected]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"NETWORK_SIZE": "many"}, "NETWORK_SIZE must be A, B, C or a number of hosts, is 'many'"),
        ({"NETWORK_SIZE": "-5"}, "NETWORK_SIZE must be"),
        ({"NETWORK_SIZE": "99999999999"}, "NETWORK_SIZE 99999999999 is more than"),
        ({"NETWORK_ADDRESS": "10.0.0"}, "NETWORK_ADDRESS must be an IPv4 address"),
        ({"NETWORK_ADDRESS": "10.0.0.0/99"}, "NETWORK_ADDRESS must end in / and 0 to 32"),
        ({"NETWORK_ADDRESS": "10.0.0.0/31"}, "NETWORK_SIZE must be 1 to 0"),
        (
            {"NETWORK_ADDRESS": "10.0.0.7/24"},
            "NETWORK_ADDRESS 10.0.0.7 is not the first of its network, which is 10.0.0.0",
        ),
        ({"NETWORK_ADDRESS": "10.0.0.0/28", "NETWORK_SIZE": "15"}, "NETWORK_SIZE must be 1 to 14"),
        ({"NETWORK_MASK": "255.0.255.0"}, "NETWORK_MASK must be ones followed by zeros"),
        ({"IP_START": "10.0.1.1"}, "IP_START 10.0.1.1 is outside network 10.0.0.0/24"),
        ({"IP_START": "10.0.0.9", "IP_END": "10.0.0.8"}, "IP_END must not be below IP_START"),
        ({"TYPE": "ROUTED"}, "Wrong type in template for Virtual Network, id: 3."),
        ({"BRIDGE": ""}, "No BRIDGE in template for Virtual Network."),
    ],
)
def test_a_wrong_classic_attribute_is_refused_by_name(attributes, words):
    with pytest.raises(BadTemplate) as refusal:
        network(**{"TYPE": "RANGED", "NETWORK_ADDRESS": "10.0.0.0", **attributes})
    assert words in refusal.value.message


def test_a_ranged_network_needs_an_address():
    with pytest.raises(BadTemplate, match="Network address is not defined"):
        network(TYPE="RANGED", NETWORK_SIZE="C")


@pytest.mark.parametrize(
    ("lease", "words"),
    [
        ({"MAC": "02:00:00:00:00:01"}, "LEASES needs an IP"),
        ({"IP": "x"}, "IP of LEASES"),
        ({"IP": "1.2.3.4", "MAC": "x"}, "MAC of"),
    ],
)
def test_a_wrong_fixed_lease_is_refused(lease, words):
    with pytest.raises(BadTemplate, match=words):
        network(TYPE="FIXED", LEASES=lease)


def test_a_fixed_lease_given_twice_is_refused():
    with pytest.raises(BadTemplate, match=r"IP 1.2.3.4 would be in address range 0 and in 1"):
        network(TYPE="FIXED", LEASES=[{"IP": "1.2.3.4"}, {"IP": "1.2.3.4"}])


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"NAME": "q"}, "No VN_MAD in template for Virtual Network."),
        ({"VN_MAD": "dummy", "BRIDGE": "x"}, "No NAME in template for Virtual Network."),
        (
            {"NAME": "q", "VN_MAD": "nosuch", "BRIDGE": "x"},
            'VN_MAD named "nosuch" is not defined in oned.conf; '
            "there are: 802.1Q, bridge, dummy, ebtables, fw, ovswitch, vxlan",
        ),
        ({"NAME": "a<b", "VN_MAD": "dummy"}, "Invalid NAME, char '<' is not allowed"),
        ({"NAME": "n" * 129, "VN_MAD": "dummy"}, "Invalid NAME, it is longer than 128 characters"),
    ],
)
def test_refusals_that_todays_clients_know(attributes, text):
    with pytest.raises(BadTemplate) as refusal:
        defined(**attributes)
    assert refusal.value.message == text


def test_a_modern_network_keeps_its_attributes_and_needs_no_range():
    net = defined(NAME="q", VN_MAD="802.1Q", PHYDEV="eth0", VLAN_ID="50", NETWORK_ADDRESS="10.0.0.0", DNS="10.0.0.2")
    assert (net.bridge, net.phydev, net.vlan_id, net.ranges) == ("onebr7", "eth0", "50", ())
    assert net.template == template(NETWORK_ADDRESS="10.0.0.0", DNS="10.0.0.2")


def test_a_modern_range_gives_its_addresses_in_order():
    (ar,) = network(AR={"TYPE": "IP4", "IP": "10.0.0.10", "SIZE": "50", "GATEWAY": "10.0.0.1"}).ranges
    assert (ar.id, ar.type, ar.size, format_ipv4(ar.ip), format_mac(ar.mac)) == (
        0,
        "IP4",
        50,
        "10.0.0.10",
        "00:16:0a:00:00:0a",
    )
    assert ar.attributes == {"GATEWAY": "10.0.0.1"}
    assert last_explicit(ar) == 49
    assert not ar.keep_cursor


@pytest.mark.parametrize(
    "vector",
    [
        {"TYPE": "ETHER", "SIZE": "10"},
        {"TYPE": "IP6", "SIZE": "10", "GLOBAL_PREFIX": "2001:db8::"},
        {"TYPE": "IP6_STATIC", "IP6": "2001:db8::5", "PREFIX_LENGTH": "64"},
        {"TYPE": "IP4_6_STATIC", "IP": "10.0.0.1", "SIZE": "2", "IP6": "2001:db8::5", "PREFIX_LENGTH": "64"},
        {"TYPE": "IP4_6", "IP": "10.0.0.1", "SIZE": "2", "ULA_PREFIX": "fd00::"},
    ],
)
def test_every_range_type_is_taken(vector):
    (ar,) = network(AR=vector).ranges
    assert ar.type == vector["TYPE"]
    assert (ar.ip is not None) == ("IP" in vector)
    assert ar.mac >> 32 == 0x0016


def test_a_random_mac_leaves_room_for_the_whole_range():
    (ar,) = added(network(VN_MAD="dummy"), TYPE="ETHER", SIZE="1000").ranges
    assert (ar.mac + 999) >> 32 == 0x0016


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ({"TYPE": "IP5", "SIZE": "1"}, "Unknown or missing address range TYPE."),
        ({"SIZE": "1"}, "Unknown or missing address range TYPE."),
        ({"TYPE": "IP4", "IP": "10.0.0.1"}, "Wrong SIZE for address range"),
        ({"TYPE": "IP4", "IP": "10.0.0.1", "SIZE": "0"}, "Wrong SIZE for address range"),
        ({"TYPE": "IP4", "IP": "10.0.0.1", "SIZE": "x"}, "Wrong SIZE for address range"),
        (
            {"TYPE": "IP4", "IP": "255.255.255.250", "SIZE": "10"},
            "Wrong SIZE for address range: 10 addresses do not fit",
        ),
        ({"TYPE": "IP4", "SIZE": "10"}, "IP of the address range must be"),
        ({"TYPE": "ETHER", "IP": "10.0.0.1", "SIZE": "10"}, "TYPE ETHER has no IP"),
        ({"TYPE": "ETHER", "SIZE": "10", "MAC": "x"}, "MAC of the address range"),
        ({"TYPE": "IP6", "SIZE": "10", "GLOBAL_PREFIX": "x"}, "GLOBAL_PREFIX of the address range"),
        ({"TYPE": "IP6_STATIC", "SIZE": "10", "IP6": "2001::1"}, "PREFIX_LENGTH of the address range"),
        ({"TYPE": "ETHER", "SIZE": "10", "SHARED": "YES"}, "SHARED=YES is for address ranges of TYPE IP4"),
        ({"TYPE": "IP4", "IP": "10.0.0.14", "SIZE": "10"}, "IP 10.0.0.14 would be in address range 0 and in 1"),
    ],
)
def test_a_wrong_range_is_refused(vector, words):
    with pytest.raises(BadTemplate) as refusal:
        added(modern(), **vector)
    assert words in refusal.value.message


def test_the_id_of_a_removed_range_is_not_given_again():
    net = remove_range(added(modern(), TYPE="ETHER", SIZE="3"), 1, used=0)
    assert [ar.id for ar in added(net, TYPE="ETHER", SIZE="3").ranges] == [0, 2]


def test_a_range_with_leases_in_use_stays():
    with pytest.raises(Refused, match=r"range 0 of network private \[3\] has 2 leases in use"):
        remove_range(modern(), 0, used=2)


def test_removing_a_range_that_is_not_there_is_refused():
    with pytest.raises(Refused, match="has no address range 9, it has 0"):
        remove_range(modern(), 9, used=0)


def test_a_range_can_grow_and_change_its_attributes():
    net = update_range(modern(), {"AR_ID": "0", "SIZE": "9", "DNS": "10.0.0.1", "USED_LEASES": "4"}, -1)
    assert (net.ranges[0].size, net.ranges[0].attributes) == (9, {"DNS": "10.0.0.1"})


def test_a_range_keeps_its_size_when_none_is_given_and_takes_its_own_beginning_back():
    net = update_range(modern(), {"AR_ID": "0", "TYPE": "IP4", "IP": "10.0.0.10", "GATEWAY": "10.0.0.1"}, 4)
    assert net.ranges[0].size == 5


def test_a_range_cannot_shrink_below_a_lease():
    with pytest.raises(Refused, match="address number 3 of it is in use"):
        update_range(modern(), {"AR_ID": "0", "SIZE": "3"}, 3)
    assert update_range(modern(), {"AR_ID": "0", "SIZE": "4"}, 3).ranges[0].size == 4


@pytest.mark.parametrize("change", [{"IP": "10.0.0.11"}, {"MAC": "02:00:00:00:00:01"}, {"TYPE": "ETHER"}])
def test_a_range_cannot_begin_elsewhere(change):
    with pytest.raises(Refused, match=f"{next(iter(change))} of address range 0 .* cannot be changed"):
        update_range(modern(), {"AR_ID": "0", **change}, -1)


def test_a_range_cannot_grow_into_another():
    net = added(modern(), TYPE="IP4", IP="10.0.0.20", SIZE="5")
    with pytest.raises(BadTemplate, match=r"IP 10.0.0.20 would be in"):
        update_range(net, {"AR_ID": "0", "SIZE": "11"}, -1)


def test_an_update_without_range_id_is_refused():
    with pytest.raises(BadTemplate, match="AR_ID of the address range must be a number"):
        update_range(modern(), {"SIZE": "3"}, -1)


def test_an_update_replaces_the_free_attributes_and_keeps_the_bridge():
    net = update_template(modern(DNS="1.1.1.1"), template(GATEWAY="10.0.0.1", NAME="other"), **ADMIN)
    assert (net.template, net.bridge, net.name) == (template(GATEWAY="10.0.0.1"), "br0", "private")


def test_an_update_can_change_the_bridge():
    assert update_template(modern(), template(BRIDGE="br9", VLAN_ID="7"), **ADMIN).bridge == "br9"


@pytest.mark.parametrize(("name", "value"), [("BRIDGE", "br;9"), ("PHYDEV", "a b"), ("VLAN_ID", "x"), ("BRIDGE", "-i")])
def test_what_names_a_device_of_hosts_is_checked_for_everybody(name, value):
    with pytest.raises(BadTemplate, match=f"{name} must be"):
        update_template(modern(), template({name: value}), **ADMIN)
    with pytest.raises(BadTemplate, match=f"{name} must be"):
        defined(**{"NAME": "x", "VN_MAD": "dummy", "BRIDGE": "br0", name: value})


def test_a_network_of_vxlan_has_an_id_beyond_those_of_vlans():
    assert defined(NAME="x", VN_MAD="vxlan", PHYDEV="eth0", VLAN_ID="70000").vlan_id == "70000"


def test_who_is_no_administrator_changes_only_what_is_not_restricted():
    net = modern(DNS="1.1.1.1", FILTER_MAC_SPOOFING="YES")
    for pair in ({"BRIDGE": "br9"}, {"FILTER_MAC_SPOOFING": "NO"}, {"BRIDGE_CONF": {"X": "1"}}):
        with pytest.raises(NotAllowed, match="includes a restricted attribute"):
            update_template(net, template(pair), **USER)
    after = update_template(net, template(BRIDGE="br0", DNS="9.9.9.9"), **USER)
    assert after.template == template(DNS="9.9.9.9", FILTER_MAC_SPOOFING="YES")


def test_an_update_to_an_unknown_driver_is_refused():
    with pytest.raises(BadTemplate, match='VN_MAD named "x" is not defined'):
        update_template(modern(), template(VN_MAD="x"), **ADMIN)


@pytest.mark.parametrize("wanted", [{"BRIDGE": "br9"}, {"VLAN_ID": "7"}, {"FILTER": "none"}])
def test_a_user_cannot_change_what_a_network_is_on_a_host_and_loses_nothing_by_leaving_it_out(wanted):
    net = update_template(modern(), template(FILTER="clean-traffic"), **ADMIN)
    with pytest.raises(NotAllowed, match=rf"User \[7\] : .* restricted attribute {next(iter(wanted))}\."):
        update_template(net, template(wanted), **USER)
    kept = update_template(net, template(DNS="1.1.1.1", BRIDGE="br0"), **USER)
    assert (kept.bridge, kept.template.single("FILTER"), kept.template.single("DNS")) == (
        *("br0", "clean-traffic", "1.1.1.1"),
    )


@pytest.mark.parametrize("kind", ["IP6_STATIC", "IP4_6_STATIC"])
def test_a_static_ipv6_address_cannot_be_in_two_ranges(kind):
    one = {"TYPE": "IP6_STATIC", "IP6": "2001:db8::10", "PREFIX_LENGTH": "64", "SIZE": "5", "MAC": "02:00:00:00:00:01"}
    two = {**one, "TYPE": kind, "IP6": "2001:db8::14", "MAC": "02:00:00:00:01:00", "IP": "10.0.0.1"}
    if kind == "IP6_STATIC":
        del two["IP"]
    with pytest.raises(BadTemplate, match="IP6 2001:db8::14 would be in address range 0 and in 1"):
        network(AR=[one, two])
    assert len(network(AR=[one, {**two, "IP6": "2001:db8::15"}]).ranges) == 2


@pytest.mark.parametrize(
    "wanted", [{"MTU": "68"}, {"VXLAN_MC": "239.9.0.0"}, {"VXLAN_MODE": "multicast"}, {"CREATE_BRIDGE": "YES"}]
)
def test_a_user_changes_nothing_that_the_neighbours_on_a_link_would_feel(wanted):
    with pytest.raises(NotAllowed, match=f"restricted attribute {next(iter(wanted))}"):
        update_template(modern(), template(wanted), **USER)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("MTU", "67"), ("MTU", "65536"), ("MTU", "big"), ("VXLAN_MC", "10.0.0.1"), ("VXLAN_MC", "x")),
        *(("INBOUND_AVG_BW", "fast"), ("OUTBOUND_PEAK_KB", "9999999999999")),
    ],
)
def test_what_would_make_a_host_refuse_all_of_its_networks_is_refused_at_once(name, value):
    with pytest.raises(BadTemplate, match=name):
        update_template(modern(), template({name: value}), **ADMIN)


def test_a_multicast_group_is_one_also_with_the_number_counted_from_it():
    assert defined(NAME="x", VN_MAD="vxlan", VLAN_ID="7", VXLAN_MC="239.1.0.0").vlan_id == "7"
    with pytest.raises(BadTemplate, match="with VLAN_ID counted from it"):
        defined(NAME="x", VN_MAD="vxlan", VLAN_ID="7", VXLAN_MC="239.255.255.255")


def test_a_vxlan_and_its_guests_have_the_mtu_that_its_carrier_leaves():
    net = defined(NAME="x", VN_MAD="vxlan")
    assert (net.template.single("MTU"), net.template.single("GUEST_MTU")) == ("1450", "1450")
    net = update_template(net, template({"MTU": "1400"}), **ADMIN)
    assert (net.template.single("MTU"), net.template.single("GUEST_MTU")) == ("1400", "1400")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"MTU": "1400"}, "1400"),
        ({"MTU": "1400", "GUEST_MTU": "1300"}, "1300"),
        ({"MTU": "1500"}, ""),
        ({"MTU": "9000"}, ""),
        ({}, ""),
    ],
)
def test_guests_are_told_of_an_mtu_that_is_less_than_they_think(given, told):
    assert defined(NAME="x", VN_MAD="fw", **given).template.single("GUEST_MTU") == told


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"FILTER_IP_SPOOFING": "on"}, 'FILTER_IP_SPOOFING must be YES or NO, is "on"'),
        ({"FILTER_MAC_SPOOFING": "maybe"}, 'FILTER_MAC_SPOOFING must be YES or NO, is "maybe"'),
        ({"AUTOMATIC_VLAN_ID": "true"}, 'AUTOMATIC_VLAN_ID must be YES or NO, is "true"'),
        ({"CREATE_BRIDGE": "1"}, 'CREATE_BRIDGE must be YES or NO, is "1"'),
        ({"GATEWAY": "$(id)"}, 'GATEWAY must be an IPv4 address, is "$(id)"'),
        ({"GATEWAY6": "10.0.0.1"}, 'GATEWAY6 must be an IPv6 address, is "10.0.0.1"'),
        ({"NETWORK_MASK": "foo"}, "NETWORK_MASK must be ones followed by zeros"),
        ({"NETWORK_MASK": "255.0.255.0"}, "NETWORK_MASK must be ones followed by zeros"),
        ({"DNS": "8.8.8.8; rm"}, "DNS must be addresses of name servers"),
    ],
)
def test_what_hosts_and_guests_are_told_is_checked(attributes, words):
    with pytest.raises(BadTemplate) as refusal:
        network(VN_MAD="fw", **attributes)
    assert words in refusal.value.message


def test_what_guests_are_told_may_be_written_in_several_ways():
    told = {"NETWORK_MASK": "24", "DNS": "8.8.8.8, 2001:db8::1", "GATEWAY": " 10.0.0.1 ", "FILTER_IP_SPOOFING": "no"}
    assert network(VN_MAD="fw", **told).template.single("DNS") == told["DNS"]

"""RULE vectors: what is refused, and what they let pass."""

import ipaddress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.network.host_document import Group, Rule
from trifid.core.network.record import AddressRange, Network
from trifid.core.network.rules import addresses_of, check_rules, group_of, networks_named, span
from trifid.core.network.security_group import SecurityGroup, groups_of, merged
from trifid.core.template.model import template
from trifid.errors import BadTemplate

LAN = Network(
    id=4,
    uid=0,
    gid=0,
    name="lan",
    bridge="br0",
    vn_mad="fw",
    ranges=(
        AddressRange(id=0, type="IP4", size=4, mac=0x02000A000004, ip=0x0A000004),
        AddressRange(
            id=1,
            type="IP6",
            size=9,
            mac=0x020000000000,
            attributes={"GLOBAL_PREFIX": "2001:db8::", "ULA_PREFIX": "fd00::"},
        ),
        AddressRange(id=2, type="IP6_STATIC", size=3, mac=0x020000001000, attributes={"IP6": "2001:db8:1::1"}),
    ),
)


def rule(**more):
    return {"PROTOCOL": "TCP", "RULE_TYPE": "inbound", **more}


def passes(*rules, of=lambda network_id: addresses_of(LAN)):
    return group_of(SecurityGroup(100, 0, 0, "web", template=template(RULE=list(rules))), of).rules


def refusal(one):
    with pytest.raises(BadTemplate) as refused:
        check_rules(template(RULE=[rule(), one]))
    return refused.value.message


@pytest.mark.parametrize(
    ("written", "made"),
    [
        (rule(), Rule(True, "tcp")),
        (rule(RULE_TYPE="OUTBOUND", PROTOCOL="all"), Rule(False, "all")),
        (rule(RANGE="22, 53,80:90"), Rule(True, "tcp", ((22, 22), (53, 53), (80, 90)))),
        (rule(PROTOCOL="udp", RANGE="0:65535"), Rule(True, "udp", ((0, 65535),))),
        (rule(PROTOCOL="icmp", ICMP_TYPE="8"), Rule(True, "icmp", (), 8)),
        (rule(PROTOCOL="ICMPv6", ICMPV6_TYPE="128"), Rule(True, "icmpv6", (), 128)),
        (rule(PROTOCOL="IPSEC"), Rule(True, "ipsec")),
        (rule(IP="10.0.0.1", SIZE="3"), Rule(True, "tcp", peers=("10.0.0.1/32", "10.0.0.2/31"))),
        (rule(IP="10.0.0.9"), Rule(True, "tcp", peers=("10.0.0.9/32",))),
        (rule(IP="2001:db8::", SIZE="65536"), Rule(True, "tcp", peers=("2001:db8::/112",))),
        (rule(RANGE=" ", IP="", DESCRIPTION="web"), Rule(True, "tcp")),
    ],
)
def test_a_rule_lets_pass_what_it_says(written, made):
    check_rules(template(RULE=written))
    assert passes(written) == (made,)


def test_a_rule_that_names_a_network_means_its_addresses_now():
    assert passes(rule(NETWORK_ID="4"))[0].peers == (
        "10.0.0.4/30",
        "2001:db8::/64",
        "fd00::/64",
        "2001:db8:1::1/128",
        "2001:db8:1::2/127",
    )
    assert networks_named(template(RULE=[rule(NETWORK_ID="4"), rule()])) == {4}


def test_a_rule_whose_network_is_gone_or_empty_lets_nobody_pass_rather_than_everybody():
    assert passes(rule(NETWORK_ID="5"), of=lambda network_id: ()) == ()


def test_addresses_that_can_only_be_asked_for_are_a_networks_too():
    classic = AddressRange(id=0, type="IP4", size=1, mac=0, ip=0x0A000000, last_explicit=3)
    network = Network(id=1, uid=0, gid=0, name="n", bridge="b", vn_mad="fw", ranges=(classic,))
    assert addresses_of(network) == ("10.0.0.0/30",)


def test_the_same_rule_twice_is_one():
    record = SecurityGroup(100, 0, 0, "web", template=template(RULE=[rule(), rule(DESCRIPTION="again")]))
    assert group_of(record, lambda network_id: ()) == Group(100, (Rule(True, "tcp"),))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (rule(PROTOCOL="XXX"), "Wrong PROTOCOL in rule. Valid options: TCP, UDP, ICMP, ICMPV6, IPSEC, ALL."),
        ({"PROTOCOL": "TCP"}, "Wrong RULE_TYPE in rule. Valid options: INBOUND, OUTBOUND."),
        (rule(RANGE="22;53"), "Invalid RANGE specification."),
        (rule(RANGE="22,"), "Invalid RANGE specification."),
        (rule(RANGE="٢٢"), "Invalid RANGE specification."),
        (rule(RANGE="22:21"), "RANGE BEGIN value is greater than RANGE END value"),
        (rule(RANGE="65536"), "RANGE out of bounds 0-65536."),
        (rule(PROTOCOL="ICMP", RANGE="22"), "RANGE is supported only for TCP and UDP protocols."),
        (rule(ICMP_TYPE="8"), "ICMP_TYPE is supported only for ICMP protocol."),
        (rule(PROTOCOL="ICMP", ICMPV6_TYPE="8"), "ICMPV6_TYPE is supported only for ICMPV6 protocol."),
        (rule(PROTOCOL="ICMP", ICMP_TYPE="256"), "Wrong ICMP_TYPE, it must be integer"),
        (rule(PROTOCOL="ICMP", ICMP_TYPE="-1"), "Wrong ICMP_TYPE, it must be integer"),
        (rule(IP="10.0.0"), "Wrong format for IP value."),
        (rule(IP="fe80::1%eth0"), "Wrong format for IP value."),
        (rule(IP='10.0.0.1" ; flush ruleset'), "Wrong format for IP value."),
        (rule(IP="10.0.0.1", SIZE="0"), "Wrong or empty SIZE."),
        (rule(IP="10.0.0.1", SIZE="9" * 200), "Wrong or empty SIZE."),
        (rule(IP="255.255.255.255", SIZE="2"), "Wrong or empty SIZE."),
        (rule(SIZE="2"), "SIZE tells how many addresses from IP on"),
        (rule(NETWORK_ID="lan"), "Wrong NETWORK_ID."),
        (rule(NETWORK_ID="4", IP="10.0.0.1"), "IP and NETWORK_ID do not go together"),
        (rule(RAGNE="22"), "a RULE has no RAGNE; RAGNE is not known here, did you mean RANGE?"),
        ("all", "RULE must be a vector"),
    ],
)
def test_what_is_no_rule_is_refused_and_named(written, told):
    message = refusal(written)
    assert message.startswith(told)
    assert "RULE must" in message or message.endswith("(RULE 1)")


def test_there_is_a_most_of_rules():
    with pytest.raises(BadTemplate, match="RULE is given 1025 times"):
        check_rules(template(RULE=[rule()] * 1025))


@given(st.integers(0, (1 << 32) - 1).flatmap(lambda a: st.tuples(st.just(a), st.integers(1, min(5000, (1 << 32) - a)))))
def test_a_span_holds_its_addresses_exactly_and_in_no_more_blocks_than_needed(pair):
    first, size = pair
    blocks = [ipaddress.ip_network(text) for text in span(str(ipaddress.IPv4Address(first)), size)]
    assert int(blocks[0].network_address) == first
    assert sum(block.num_addresses for block in blocks) == size
    for one, after in pairwise(blocks):
        assert int(one.broadcast_address) + 1 == int(after.network_address)
    assert list(ipaddress.collapse_addresses(blocks)) == blocks


@given(st.integers(0, (1 << 128) - 1).flatmap(lambda a: st.tuples(st.just(a), st.integers(1, (1 << 128) - a))))
def test_a_span_of_ipv6_holds_its_addresses_exactly(pair):
    first, size = pair
    blocks = [ipaddress.ip_network(text) for text in span(str(ipaddress.IPv6Address(first)), size)]
    assert int(blocks[0].network_address) == first
    assert sum(block.num_addresses for block in blocks) == size
    assert int(blocks[-1].broadcast_address) == first + size - 1


@pytest.mark.parametrize(
    ("lists", "groups"),
    [
        (("", "", ""), "0"),
        (("101", "", ""), "101"),
        (("", "100, 102", "101"), "100,102,101"),
        (("100", "100", ""), "100"),
    ],
)
def test_a_nic_has_its_own_groups_and_its_networks_and_the_default_only_without_any(lists, groups):
    assert merged(*lists) == groups
    assert groups_of({"SECURITY_GROUPS": groups}) == {int(one) for one in groups.split(",")}


@pytest.mark.parametrize("text", ["web", "1;2", "9" * 5000, "٣"])
def test_groups_that_are_no_ids_are_refused(text):
    with pytest.raises(BadTemplate, match="SECURITY_GROUPS must be whole numbers"):
        merged("", text)


def test_a_group_has_no_more_ranges_than_hosts_can_be_told_of():
    wide = [{"PROTOCOL": "TCP", "RULE_TYPE": "inbound", "IP": "2001:db8::1", "SIZE": str((1 << 90) - 2)}] * 40
    with pytest.raises(BadTemplate, match="blocks of addresses, at most 4096 are accepted"):
        check_rules(template(RULE=wide))

"""A document as filters: the text for nft, and what it is made of."""

import ipaddress
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drivers.vnm_builders import document, port, rich
from trifid.core.network.host_document import Rule
from trifid.drivers.vnm.apply import filters_text
from trifid.drivers.vnm.groups import rule_lines
from trifid.drivers.vnm.numbers import numbered
from trifid.drivers.vnm.spoofing import link_local

GOLDEN = Path(__file__).parent / "golden" / "vnm_rich.nft"


def test_a_document_becomes_the_text_of_its_golden_file() -> None:
    rendered = filters_text(rich(), frozenset({"onebr2"}))
    if os.environ.get("TRIFID_GOLDEN"):
        GOLDEN.write_text(rendered)
    assert rendered == GOLDEN.read_text()


def test_without_ports_the_tables_go() -> None:
    assert filters_text(document(ports=())) == (
        "table bridge trifid_ab12cd34 {\n}\ndelete table bridge trifid_ab12cd34\n"
        "table inet trifid_ab12cd34 {\n}\ndelete table inet trifid_ab12cd34\n"
    )


def test_a_group_that_is_not_there_lets_nothing_pass() -> None:
    text = filters_text(document(ports=(port(5, 1, 999),)))
    chain = text.partition("chain to_0 {\n")[2].partition("}")[0]
    assert [line.strip() for line in chain.splitlines()] == ["meta mark set 0", "jump always", "drop", ""]


def test_the_text_grows_with_ports_and_rules_not_with_their_product() -> None:
    def size(count: int) -> int:
        return len(filters_text(document(ports=tuple(port(n, 1, 0) for n in range(count)))))

    assert size(200) - size(100) < 1.2 * (size(100) - size(1))


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        (Rule(True, "all"), ["accept"]),
        (Rule(True, "tcp"), ["meta l4proto tcp accept"]),
        (Rule(True, "tcp", ((1, 2), (3, 9), (2, 4), (70, 70))), ["tcp dport { 1-9, 70 } accept"]),
        (Rule(True, "udp", ((0, 65535),)), ["meta l4proto udp accept"]),
        (Rule(True, "icmp"), ["meta l4proto icmp accept"]),
        (Rule(True, "icmpv6", icmp_type=128), ["icmpv6 type 128 accept"]),
        (Rule(True, "icmp", peers=("fd00::/8",)), []),
        (
            Rule(True, "icmp", icmp_type=8, peers=("10.0.0.0/8", "fd00::/8")),
            ["ip saddr { 10.0.0.0/8 } icmp type 8 accept"],
        ),
        (Rule(True, "all", peers=("10.0.0.0/9", "10.128.0.0/9", "10.0.0.1/32")), ["ip saddr { 10.0.0.0/8 } accept"]),
        (Rule(False, "all", peers=("10.0.0.0/8",)), ["ip daddr { 10.0.0.0/8 } accept"]),
        (
            Rule(False, "udp", ((53, 53),), peers=("0.0.0.0/0", "fd00::1/128")),
            ["meta nfproto ipv4 udp dport { 53 } accept", "ip6 daddr { fd00::1/128 } udp dport { 53 } accept"],
        ),
        (
            Rule(True, "ipsec"),
            ["meta l4proto { esp, ah } accept", "udp dport { 500, 4500 } accept"],
        ),
    ],
)
def test_a_rule_becomes_what_it_lets_pass(rule: Rule, lines: list[str]) -> None:
    assert rule_lines(rule) == lines


def test_a_guests_link_local_address_comes_of_its_mac() -> None:
    assert link_local("02:00:0a:00:00:05") == ipaddress.IPv6Address("fe80::aff:fe00:5")
    assert link_local("fe:ff:ff:12:34:56") == ipaddress.IPv6Address("fe80::fcff:ffff:fe12:3456")


@given(st.sets(st.text("abcdef0123456789-", min_size=1, max_size=15), max_size=40), st.integers(100, 0xFFFF))
def test_numbers_are_different_and_in_their_range(names: set[str], last: int) -> None:
    numbers = numbered(names, last)
    assert set(numbers) == names
    assert len(set(numbers.values())) == len(names)
    assert all(1 <= number <= last for number in numbers.values())


def test_a_number_stays_when_others_come_and_go() -> None:
    many = [f"one-{n}-0" for n in range(100)]
    numbers = numbered(many, 0xFFFF)
    alone = {name: numbered([name], 0xFFFF)[name] for name in many}
    assert sum(numbers[name] == alone[name] for name in many) > 95

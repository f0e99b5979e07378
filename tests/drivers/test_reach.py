"""Which addresses are public."""

import ipaddress

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.reach import Reach, addresses_of, check, is_public, reach_of


@pytest.mark.parametrize(
    "text", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_addresses_of_the_internet_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "::10.0.0.1"])
def test_a_network_that_is_named_is_reached_in_every_form(text: str) -> None:
    check("host", [text], reach_of("10.0.0.0/24"))
    with pytest.raises(Failure, match=r"host has the address .*, which is not public"):
        check("host", [text], reach_of("10.0.1.0/24 192.168.0.0/16"))


def test_an_address_with_a_zone_is_looked_at_without_it() -> None:
    with pytest.raises(Failure, match="fe80::1%eth0, which is not public"):
        check("host", ["fe80::1%eth0"], Reach())


@pytest.mark.parametrize("text", ["10.0.0.0/33", "mirror", "10.0.0.0/8,10.1.0.0/16"])
def test_what_is_no_network_is_told(text: str) -> None:
    with pytest.raises(Failure, match="expected networks such as"):
        reach_of(text)


def test_whoever_is_free_is_not_looked_at() -> None:
    assert addresses_of("127.0.0.1", 80, None) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["", "a..b", "x" * 70, "no such host"])
def test_a_name_that_is_none_is_told(host: str) -> None:
    with pytest.raises(Failure):
        addresses_of(host or "..", 80, Reach())

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.network import address
from trifid.errors import BadTemplate


@given(st.integers(0, address.IPV4_MAX))
def test_an_ipv4_address_survives_being_written(ip):
    assert address.parse_ipv4(address.format_ipv4(ip)) == ip


@given(st.integers(0, address.MAC_MAX).map(lambda mac: mac & ~(1 << 40)))
def test_a_mac_survives_being_written(mac):
    assert address.parse_mac(address.format_mac(mac)) == mac


def test_a_mac_is_the_prefix_and_the_address():
    mac = address.mac_for(address.parse_mac_prefix("00:16"), address.parse_ipv4("10.0.0.1"))
    assert address.format_mac(mac) == "00:16:0a:00:00:01"


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.256", "10.0.0.0.1", "a.b.c.d", "10.0.0.01", "-1.0.0.0"])
def test_what_is_no_ipv4_address_is_refused_by_name(text):
    with pytest.raises(BadTemplate, match=f"GATEWAY must be an IPv4 address.*is '{text}'"):
        address.parse_ipv4(text, "GATEWAY")


@pytest.mark.parametrize(
    "text", ["", "02:00:0a:00:00", "02:00:0a:00:00:01:02", "02:00:0a:00:00:0g", "02-00-0a-00-00-01"]
)
def test_what_is_no_mac_is_refused(text):
    with pytest.raises(BadTemplate, match="MAC must be a MAC address"):
        address.parse_mac(text)


@pytest.mark.parametrize("text", ["", "02", "02:00:00", "zz:00", "200:1"])
def test_what_is_no_mac_prefix_is_refused(text):
    with pytest.raises(BadTemplate, match="mac_prefix must be two bytes"):
        address.parse_mac_prefix(text)


def test_what_is_no_ipv6_address_is_refused():
    with pytest.raises(BadTemplate, match="IP6 must be an IPv6 address"):
        address.parse_ipv6("10.0.0.1")


@pytest.mark.parametrize(("mask", "bits"), [("255.255.255.0", 8), ("255.255.255.255", 0), ("0.0.0.0", 32)])
def test_a_mask_tells_its_host_bits(mask, bits):
    assert address.mask_bits(mask) == bits


def test_a_mask_with_holes_is_refused():
    with pytest.raises(BadTemplate, match="NETWORK_MASK must be ones followed by zeros"):
        address.mask_bits("255.0.255.0")


def test_an_ipv6_address_is_made_of_prefix_and_mac():
    prefix = address.parse_ipv6("2001:db8:a::")
    mac = address.parse_mac("02:00:0a:00:00:01")
    assert address.format_ipv6(address.slaac(prefix, mac)) == "2001:db8:a::aff:fe00:1"


@pytest.mark.parametrize("text", ["01:00:5e:00:00:01", "03:00:0a:00:00:01", "ff:ff:ff:ff:ff:ff"])
def test_a_mac_of_a_group_is_no_machines(text):
    with pytest.raises(BadTemplate, match=f"MAC must be that of one machine, is '{text}'"):
        address.parse_mac(text)

"""Addresses as integers and as text: IPv4, IPv6, MAC, and the rules that tie them together.

A MAC is a prefix of two bytes and the four bytes of the IPv4 address, so that a guest can compute its
address from its MAC (reference/templates.md §4.2).
"""

import ipaddress
import re

from trifid.core.network.record import AddressRange
from trifid.errors import BadTemplate

IPV4_MAX = (1 << 32) - 1
IPV6_MAX = (1 << 128) - 1
MAC_MAX = (1 << 48) - 1
SUFFIX_BITS = 32

_MAC = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){5}")
_MAC_PREFIX = re.compile(r"[0-9A-Fa-f]{1,2}:[0-9A-Fa-f]{1,2}")
_LINK_LOCAL = 0xFE80 << 112


def parse_ipv4(text: str, what: str = "IP") -> int:
    """Return an IPv4 address as an integer.

    Args:
        what: the attribute's name, for the message.

    Raises:
        BadTemplate: not four decimal numbers between 0 and 255.
    """
    try:
        return int(ipaddress.IPv4Address(text.strip()))
    except ValueError:
        raise BadTemplate(f"{what} must be an IPv4 address such as 10.0.0.1, is '{text}'") from None


def parse_ipv6(text: str, what: str = "IP6") -> int:
    """Return an IPv6 address as an integer; raises BadTemplate."""
    try:
        return int(ipaddress.IPv6Address(text.strip()))
    except ValueError:
        raise BadTemplate(f"{what} must be an IPv6 address such as 2001:db8::1, is '{text}'") from None


def parse_mac(text: str, what: str = "MAC") -> int:
    """Return the MAC address of a machine as an integer; raises BadTemplate, also for one of a group of them."""
    if not _MAC.fullmatch(text.strip()):
        raise BadTemplate(f"{what} must be a MAC address such as 02:00:0a:00:00:01, is '{text}'")
    mac = _bytes_as_number(text)
    if mac >> 40 & 1:  # IEEE 802: the first bit on the wire
        raise BadTemplate(f"{what} must be that of one machine, is '{text}', whose first byte is odd: of a group")
    return mac


def parse_mac_prefix(text: str, what: str = "mac_prefix") -> int:
    """Return the first two bytes of MACs as a 16 bit integer; raises BadTemplate."""
    if not _MAC_PREFIX.fullmatch(text.strip()):
        raise BadTemplate(f"{what} must be two bytes such as 02:00, is '{text}'")
    return _bytes_as_number(text)


def _bytes_as_number(text: str) -> int:
    number = 0
    for part in text.strip().split(":"):
        number = number << 8 | int(part, 16)
    return number


def format_ipv4(ip: int) -> str:
    """Return the dotted text of an IPv4 address."""
    return f"{ip >> 24}.{ip >> 16 & 255}.{ip >> 8 & 255}.{ip & 255}"


def format_ipv6(ip6: int) -> str:
    """Return the shortest text of an IPv6 address."""
    return str(ipaddress.IPv6Address(ip6))


def format_mac(mac: int) -> str:
    """Return the text of a MAC in lower case hexadecimal."""
    digits = f"{mac:012x}"
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def mac_for(prefix: int, suffix: int) -> int:
    """Return the MAC of a 16 bit prefix and four bytes, usually those of the IPv4 address.

    Source: reference/templates.md §4.2 (00:16 and 10.0.0.1 give 00:16:0a:00:00:01).
    """
    return prefix << SUFFIX_BITS | suffix


def mask_bits(text: str, what: str = "NETWORK_MASK") -> int:
    """Return the number of host bits of a mask such as 255.255.255.0.

    Raises:
        BadTemplate: not an address, or ones after zeros.
    """
    mask = parse_ipv4(text, what)
    hosts = IPV4_MAX ^ mask
    if hosts & (hosts + 1):
        raise BadTemplate(f"{what} must be ones followed by zeros such as 255.255.255.0, is '{text}'")
    return hosts.bit_length()


def slaac(prefix: int, mac: int) -> int:
    """Return the IPv6 address that a machine with `mac` gives itself under a 64 bit prefix (modified EUI-64)."""
    high, low = mac >> 24, mac & 0xFFFFFF
    interface = (high << 40 | 0xFFFE << 24 | low) ^ 1 << 57
    return prefix >> 64 << 64 | interface


def eui64_mac(ip6: int) -> int | None:
    """Return the MAC of the machine that has given itself an IPv6 address as `slaac` tells, or None."""
    interface = (ip6 & (1 << 64) - 1) ^ 1 << 57
    high, middle, low = interface >> 40, interface >> 24 & 0xFFFF, interface & 0xFFFFFF
    return high << 24 | low if middle == 0xFFFE else None


def slaac_prefixes(ar: AddressRange) -> dict[str, int]:
    """Return the prefixes under which the guests of a range give themselves IPv6 addresses, by LINK, GLOBAL, ULA."""
    if ar.type not in ("IP6", "IP4_6"):
        return {}
    given = {kind: ar.attributes.get(f"{kind}_PREFIX", "") for kind in ("GLOBAL", "ULA")}
    return {"LINK": _LINK_LOCAL} | {kind: parse_ipv6(text) >> 64 << 64 for kind, text in given.items() if text}


def addresses_at(ar: AddressRange, index: int) -> dict[str, str]:
    """Return the texts of address `index` of a range: MAC, and IP, IP6, IP6_GLOBAL, IP6_ULA, IP6_LINK if it has them.

    The MAC of a shared address is another for each of its leases, and told by none of them here.
    Source: reference/templates.md §4.6.
    """
    if ar.is_shared:
        index %= ar.size
    mac = ar.mac + index
    texts = {"MAC": format_mac(mac)}
    if ar.ip is not None:
        texts["IP"] = format_ipv4(ar.ip + index)
    if ar.type.endswith("6_STATIC"):
        texts["IP6"] = format_ipv6(parse_ipv6(ar.attributes["IP6"]) + index)
    for kind, prefix in slaac_prefixes(ar).items():
        texts[f"IP6_{kind}"] = format_ipv6(slaac(prefix, mac))
    return texts

"""The table of family bridge: what guests send is theirs, and is marked with their port.

A guest sends IPv4, IPv6 and ARP, without VLAN tags: what else there is would pass by the filters of the other table.
"""

import ipaddress
from collections.abc import Collection, Iterable, Sequence

from trifid.core.network.host_document import HostDocument, Port
from trifid.drivers.vnm import nft
from trifid.drivers.vnm.marks import (
    AFTER_INET_FORWARD,
    IN_BRIDGE_FORWARD,
    IN_BRIDGE_PREROUTING,
    is_left,
    marks,
)

KNOWN_TYPES = "{ ip, ip6, arp }"
_UNSPECIFIED_SOURCES = "{ nd-router-solicit, nd-neighbor-solicit, mld-listener-report, mld2-listener-report }"
"""ICMPv6 that is sent before there is an address (RFC 4861 §4, RFC 3590)."""
_TARGET = "@th,64,128"
"""The address that a neighbour solicitation or advertisement is about (RFC 4861 §4.3)."""
_INTERFACE_ID_FLIP = 0x02 << 40
_LINK_LOCAL = 0xFE80 << 112

_ARP = (
    "ether type arp arp htype != 1 drop",
    "ether type arp arp ptype != ip drop",
    "ether type arp arp hlen != 6 drop",
    "ether type arp arp plen != 4 drop",
)
"""Other ARP than of IPv4 on Ethernet would not be looked at."""
_ADDRESSES = (
    "ether type arp arp saddr ip 0.0.0.0 iifname . arp daddr ip != @ips4 drop",  # asks whether its own is taken
    "ether type arp arp saddr ip 0.0.0.0 return",
    "ether type arp iifname . arp saddr ip != @ips4 drop",
    "udp sport 67 udp dport 68 drop",  # a guest gives no addresses
    "udp sport 547 udp dport 546 drop",
    "icmpv6 type { nd-router-advert, nd-redirect } drop",  # and is no router of others
    "ip saddr 0.0.0.0 udp sport 68 udp dport 67 return",
    "ether type ip iifname . ip saddr != @ips4 drop",
    f"icmpv6 type nd-neighbor-advert iifname . {_TARGET} != @targets drop",
    f"ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . {_TARGET} != @targets drop",
    f"ip6 saddr :: icmpv6 type {_UNSPECIFIED_SOURCES} return",
    "ether type ip6 iifname . ip6 saddr != @ips6 drop",
)


def bridge_table(document: HostDocument, strangers: Collection[str] = ()) -> list[str]:
    """Return the parts of the table; none when no port needs it.

    Args:
        strangers: interfaces of guests that should not be there; what goes to them and comes from them is dropped.
    """
    closed = _closed(strangers) if strangers else []
    ports = [port for port in document.ports if port.keeps_mac or port.keeps_ip or port.is_filtered]
    if not ports:
        return closed
    return [
        *closed,
        *_sets(ports),
        nft.base_chain("from_guests", "prerouting", IN_BRIDGE_PREROUTING, _FROM_GUESTS),
        nft.chain("addresses", _ADDRESSES),
        nft.base_chain("to_guests", "forward", IN_BRIDGE_FORWARD, _TO_GUESTS),
        nft.base_chain("unseen_forward", "forward", AFTER_INET_FORWARD, [f"{is_left()} drop"]),
        nft.base_chain("unseen_input", "input", IN_BRIDGE_FORWARD, [f"{is_left()} drop"]),
    ]


_FROM_GUESTS = (
    f"iifname @guarded ether type != {KNOWN_TYPES} drop",
    *(f"iifname @guarded {rule}" for rule in _ARP),
    "iifname @keeps_mac iifname . ether saddr != @macs drop",
    "iifname @keeps_mac ether type arp iifname . arp saddr ether != @macs drop",
    "iifname @keeps_ip jump addresses",
    "ether type { ip, ip6 } meta mark set iifname map @marks",
)
_TO_GUESTS = (
    f"{is_left()} drop",
    f"oifname @filtered ether type != {KNOWN_TYPES} drop",
    "ether type { ip, ip6 } meta mark set oifname map @marks",
)


def _closed(strangers: Collection[str]) -> list[str]:
    return [
        nft.named_set("strangers", "type ifname", map(nft.quoted, strangers)),
        nft.base_chain("from_strangers", "prerouting", IN_BRIDGE_PREROUTING, ["iifname @strangers drop"]),
        nft.base_chain("to_strangers", "forward", IN_BRIDGE_FORWARD, ["oifname @strangers drop"]),
    ]


def link_local(mac: str) -> ipaddress.IPv6Address:
    """Return the address that a guest makes of its MAC (RFC 4291, appendix A)."""
    number = int(mac.replace(":", ""), 16) ^ _INTERFACE_ID_FLIP
    return ipaddress.IPv6Address(_LINK_LOCAL | (number >> 24) << 40 | 0xFFFE << 24 | number & 0xFFFFFF)


def _sets(ports: Sequence[Port]) -> list[str]:
    """Return who is bound to what."""
    keep_ip = [port for port in ports if port.keeps_ip]
    ips4 = [(port, ip) for port in keep_ip for ip in map(ipaddress.ip_address, port.addresses) if ip.version == 4]
    ips6 = [(port, ip) for port in keep_ip for ip in map(ipaddress.ip_address, port.addresses) if ip.version == 6]
    ips6 += [(port, link_local(port.mac)) for port in keep_ip]
    by_port = marks(ports)
    return [
        nft.named_set("guarded", "type ifname", _names(ports)),
        nft.named_set("filtered", "type ifname", map(nft.quoted, by_port)),
        nft.named_map("marks", "type ifname : mark", {nft.quoted(name): mark for name, mark in by_port.items()}),
        nft.named_set("keeps_mac", "type ifname", _names(port for port in ports if port.keeps_mac)),
        nft.named_set("macs", "type ifname . ether_addr", (f'"{port.device}" . {port.mac}' for port in ports)),
        nft.named_set("keeps_ip", "type ifname", _names(keep_ip)),
        nft.named_set("ips4", "type ifname . ipv4_addr", (f'"{port.device}" . {ip}' for port, ip in ips4)),
        nft.named_set("ips6", "type ifname . ipv6_addr", (f'"{port.device}" . {ip}' for port, ip in ips6)),
        nft.named_set(
            "targets", f"typeof iifname . {_TARGET}", (f'"{port.device}" . {int(ip):#034x}' for port, ip in ips6)
        ),
    ]


def _names(ports: Iterable[Port]) -> Iterable[str]:
    return (nft.quoted(port.device) for port in ports)

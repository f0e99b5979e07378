"""The table of family inet: what the security groups of guests let pass.

What a guest sends is looked at in prerouting, so that the host and all ways through it are behind it; what it gets, in
forward.  Every packet in the direction in which a connection was opened must be let pass by a rule, as the rules are
now; answers pass because they are answers.  So a rule that is taken away ends the connections that it let in, and no
others: nothing that is tracked is forgotten.
"""

import ipaddress
from collections.abc import Iterable, Set

from trifid.core.network.host_document import Group, HostDocument, HostNetwork, Port, Rule, Services
from trifid.drivers.vnm import nft
from trifid.drivers.vnm.marks import BEFORE_DEFRAGMENTATION, IN_INET_FORWARD, IN_INET_PREROUTING, marks
from trifid.drivers.vnm.numbers import numbered

ZONES_MAX = 0xFFFF
_ALWAYS = (
    "ct direction reply ct state established accept",
    "ct state related accept",
    "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
    "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
)
_IPSEC = ("meta l4proto { esp, ah }", "udp dport { 500, 4500 }")
_ANY_PORTS = (0, 0xFFFF)

Kind = tuple[int, tuple[int, ...]]
"""What ports have in common that are treated alike: the id of a network with services or -1, and their groups."""


def inet_table(document: HostDocument, addressed: Set[str]) -> list[str]:
    """Return the parts of the table; none when no port is filtered.

    Args:
        addressed: bridges in which the host has an address.
    """
    ports = [port for port in document.ports if port.is_filtered]
    if not ports:
        return []
    networks = {network.id: network for network in document.networks}
    groups = {group.id: group for group in document.groups}
    kinds = {port.device: _kind(port, networks[port.network_id]) for port in ports}
    chains = {kind: number for number, kind in enumerate(sorted(set(kinds.values())))}
    bridges = {networks[port.network_id].bridge for port in ports}
    by_port = marks(ports)
    used = sorted({group for port in ports for group in port.groups if group in groups})
    return [
        _zones(bridges - addressed),
        *(
            nft.named_map(
                f"{way}_ports", "type mark : verdict", {by_port[n]: f"goto {way}_{chains[k]}" for n, k in kinds.items()}
            )
            for way in ("from", "to")
        ),
        *_by_address(ports, networks, {name: f"goto to_{chains[kind]}" for name, kind in kinds.items()}),
        nft.base_chain("zones", "prerouting", BEFORE_DEFRAGMENTATION, ["ct zone set iifname map @zone_numbers"]),
        nft.base_chain("from_guests", "prerouting", IN_INET_PREROUTING, ["meta mark vmap @from_ports"]),
        nft.base_chain("to_guests", "forward", IN_INET_FORWARD, _TO_GUESTS),
        nft.chain("always", _ALWAYS),
        *(part for group_id in used for part in _group(groups[group_id])),
        *(part for kind, number in chains.items() for part in _kind_chains(kind, number, networks, groups)),
    ]


_TO_GUESTS = (
    "meta mark vmap @to_ports",
    # what the host routes to a guest comes without a mark
    "oifname . ip daddr vmap @to_ips4",
    "oifname . ip6 daddr vmap @to_ips6",
)


def _kind(port: Port, network: HostNetwork) -> Kind:
    return (network.id if network.services else -1, tuple(sorted(set(port.groups))))


def _zones(bridges: Set[str]) -> str:
    """Return the conntrack zones of bridges: equal addresses on different ones are different guests.

    A bridge in which the host has an address has none: packets from it may go through the host and be translated
    there, and the answer must be found.
    """
    zones = {nft.quoted(name): str(number) for name, number in numbered(bridges, ZONES_MAX).items()}
    return nft.named_map("zone_numbers", "typeof iifname : ct zone", zones)


def _by_address(ports: Iterable[Port], networks: dict[int, HostNetwork], verdicts: dict[str, str]) -> list[str]:
    found: dict[int, dict[str, str]] = {4: {}, 6: {}}
    for port in ports:
        for address in map(ipaddress.ip_address, port.addresses):
            key = f'"{networks[port.network_id].bridge}" . {address}'
            found[address.version].setdefault(key, verdicts[port.device])
    return [
        nft.named_map(f"to_ips{version}", f"type ifname . ipv{version}_addr : verdict", elements)
        for version, elements in found.items()
    ]


def _kind_chains(kind: Kind, number: int, networks: dict[int, HostNetwork], groups: dict[int, Group]) -> list[str]:
    network_id, group_ids = kind
    services = networks[network_id].services if network_id >= 0 else None
    return [
        nft.chain(
            f"{way}_{number}",
            [
                "meta mark set 0",
                "jump always",
                *(_services(services, way) if services else ()),
                *(f"jump {way}_group_{group_id}" for group_id in group_ids if group_id in groups),
                "drop",
            ],
        )
        for way in ("from", "to")
    ]


def _services(services: Services, way: str) -> list[str]:
    """Return what guests and the services of their network say to each other, whatever the groups say."""
    rules = []
    for text in filter(None, (services.address, services.address6)):
        address = ipaddress.ip_interface(text).ip
        ip, icmp = ("ip", "icmp") if address.version == 4 else ("ip6", "icmpv6")
        server, client = (67, 68) if address.version == 4 else (547, 546)
        if way == "to":
            if services.has_dhcp and address.version == 4:
                rules.append(f"ip saddr {address} udp sport {server} udp dport {client} accept")
            continue
        if services.has_dns:
            rules += [f"{ip} daddr {address} {protocol} dport 53 accept" for protocol in ("udp", "tcp")]
        rules.append(f"{ip} daddr {address} meta l4proto {icmp} accept")
    if services.has_dhcp and way == "from":
        rules += ["udp sport 68 udp dport 67 accept", "udp sport 546 udp dport 547 accept"]
    elif services.has_dhcp and services.address6:
        rules.append("udp sport 547 udp dport 546 accept")
    return rules


def _group(group: Group) -> list[str]:
    return [
        nft.chain(
            f"{way}_group_{group.id}",
            [line for rule in group.rules if rule.is_inbound == (way == "to") for line in rule_lines(rule)],
        )
        for way in ("from", "to")
    ]


def rule_lines(rule: Rule) -> list[str]:
    """Return what a rule lets pass; nothing when nothing can be so, such as ICMP from an IPv6 network."""
    peers = _peers(rule)
    if not rule.peers:
        return [f"{what} accept".strip() for what in _what(rule)]
    return [f"{who} {what}".strip() + " accept" for who in peers for what in _what(rule)]


def _peers(rule: Rule) -> list[str]:
    side = "saddr" if rule.is_inbound else "daddr"
    networks = [ipaddress.ip_network(peer) for peer in rule.peers]
    found = []
    for version, family, icmp in ((4, "ip", "icmp"), (6, "ip6", "icmpv6")):
        if rule.protocol in ("icmp", "icmpv6") and rule.protocol != icmp:
            continue
        blocks = list(ipaddress.collapse_addresses(n for n in networks if n.version == version))  # type: ignore[type-var]
        if blocks and blocks[0].prefixlen == 0:
            found.append(f"meta nfproto {'ipv4' if version == 4 else 'ipv6'}")
        elif blocks:
            found.append(f"{family} {side} {{ {', '.join(map(str, blocks))} }}")
    return found


def _what(rule: Rule) -> tuple[str, ...]:
    if rule.protocol == "ipsec":
        return _IPSEC
    if rule.protocol in ("icmp", "icmpv6"):
        is_any = rule.icmp_type < 0
        return (f"meta l4proto {rule.protocol}" if is_any else f"{rule.protocol} type {rule.icmp_type}",)
    if rule.protocol in ("tcp", "udp"):
        ports = _merged(rule.ports)
        if not ports or ports == [_ANY_PORTS]:
            return (f"meta l4proto {rule.protocol}",)
        shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ports)
        return (f"{rule.protocol} dport {{ {shown} }}",)
    return ("",)


def _merged(ports: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges in order, those that touch as one: a set of nft has no overlaps."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ports):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found

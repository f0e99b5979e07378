"""The rules of a security group: from RULE vectors to what a host lets pass.

A RULE allows; what no rule allows does not pass.  One that names a network (NETWORK_ID) means the addresses
that the network has when a host is told, so that it follows the network.

Source: reference/api-modern.md §2 (texts), §5.5 (security_group.xsd).
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping

from trifid.core.network.host_document import Group, Rule
from trifid.core.network.record import AddressRange, Network
from trifid.core.network.security_group import SecurityGroup
from trifid.core.template.model import Template
from trifid.core.template.validate import misspelt, shown
from trifid.errors import BadTemplate

AddressesOf = Callable[[int], tuple[str, ...]]
"""Id of a network -> the CIDRs of its addresses; empty when there is no such network, or it has none."""

PROTOCOLS = ("TCP", "UDP", "ICMP", "ICMPV6", "IPSEC", "ALL")
DIRECTIONS = ("INBOUND", "OUTBOUND")
RULES_MAX = 1024
RANGES_MAX = 4096
"""Ranges of ports and blocks of addresses of one group: a host's document has those of all groups of its VMs."""
PORT_MAX = 65535
ICMP_TYPE_MAX = 255

_WITH_PORTS = ("TCP", "UDP")
_ICMP_TYPES = {"ICMP_TYPE": "ICMP", "ICMPV6_TYPE": "ICMPV6"}
_KEYS = ("PROTOCOL", "RULE_TYPE", "RANGE", *_ICMP_TYPES, "IP", "SIZE", "NETWORK_ID")
_NOTES = ("DESCRIPTION", "SECURITY_GROUP_ID", "SECURITY_GROUP_NAME")
"""Keys that mean nothing here; any other is refused: a misspelt one would let more pass than was meant."""
_PORTS = re.compile(r" *([0-9]{1,5})(?::([0-9]{1,5}))? *", re.ASCII)
_PREFIX_BITS = 64
"""IPv6 addresses that guests give themselves lie in a block of so many leading bits."""


def check_rules(template: Template) -> None:
    """Return when every RULE of a template can be applied; raises BadTemplate, which says what is wrong."""
    values = template.all("RULE")
    if len(values) > RULES_MAX:
        raise BadTemplate(f"RULE is given {len(values)} times: at most {RULES_MAX} are accepted")
    ranges = 0
    for number, value in enumerate(values):
        if not isinstance(value, dict):
            raise BadTemplate(f'RULE must be a vector, RULE = [ PROTOCOL = TCP, … ], is "{shown(value)}"')
        try:
            rule = _rule(value, lambda network_id: ())
        except BadTemplate as bad:
            raise BadTemplate(f"{bad.message} (RULE {number})") from bad
        ranges += len(rule.ports) + len(rule.peers) if rule is not None else 0
    if ranges > RANGES_MAX:
        raise BadTemplate(
            f"the RULEs have {ranges} ranges of ports and blocks of addresses, at most {RANGES_MAX} are accepted: "
            "join ranges, or let IP begin and SIZE end at a power of two"
        )


def group_of(record: SecurityGroup, addresses_of: AddressesOf) -> Group:
    """Return what a security group lets pass, with the addresses that its networks have now."""
    found = (_rule(vector, addresses_of) for vector in record.template.vectors("RULE"))
    return Group(record.id, tuple(dict.fromkeys(rule for rule in found if rule is not None)))


def networks_named(template: Template) -> frozenset[int]:
    """Return the ids of the networks whose addresses the rules mean."""
    numbers = (vector.get("NETWORK_ID", "") for vector in template.vectors("RULE"))
    return frozenset(int(number) for number in numbers if number.isdecimal())


def addresses_of(network: Network) -> tuple[str, ...]:
    """Return the CIDRs of all addresses that a network may give.

    An IPv6 range whose guests make their own addresses counts as its whole prefix of 64 bits.
    """
    return tuple(dict.fromkeys(cidr for ar in network.ranges for cidr in _of_range(ar)))


def span(first: str, size: int) -> tuple[str, ...]:
    """Return the fewest CIDRs that hold exactly `size` addresses from `first` on; raises BadTemplate."""
    try:
        start = ipaddress.ip_address(first)
        if "%" in first:
            raise ValueError(first)
    except ValueError:
        raise BadTemplate(f'Wrong format for IP value. It must be an address, is "{shown(first)}"') from None
    if not 0 < size <= 1 << start.max_prefixlen or int(start) + size - 1 >> start.max_prefixlen:
        raise BadTemplate(f"Wrong or empty SIZE. {size} addresses from {start} on do not exist")
    last = type(start)(int(start) + size - 1)
    return tuple(str(block) for block in ipaddress.summarize_address_range(start, last))


def _of_range(ar: AddressRange) -> Iterable[str]:
    size = max(ar.size, (ar.last_explicit or 0) + 1)
    if ar.ip is not None:
        yield from span(str(ipaddress.IPv4Address(ar.ip)), size)
    if ar.type.endswith("6_STATIC"):
        yield from span(ar.attributes["IP6"], size)
    elif ar.type in ("IP6", "IP4_6"):
        for kind in ("GLOBAL_PREFIX", "ULA_PREFIX"):
            if ar.attributes.get(kind):
                yield str(ipaddress.IPv6Network((ar.attributes[kind], _PREFIX_BITS), strict=False))


def _rule(vector: Mapping[str, str], addresses_of: AddressesOf) -> Rule | None:
    """Return one rule; None when it names a network that has no addresses: it lets nobody pass."""
    given = {key: value.strip() for key, value in vector.items() if value.strip()}
    if unknown := [key for key in given if key not in (*_KEYS, *_NOTES)]:
        raise BadTemplate(f"a RULE has no {shown(unknown[0])}{misspelt(unknown, _KEYS)}")
    protocol = given.get("PROTOCOL", "").upper()
    if protocol not in PROTOCOLS:
        raise BadTemplate(f"Wrong PROTOCOL in rule. Valid options: {', '.join(PROTOCOLS)}.")
    direction = given.get("RULE_TYPE", "").upper()
    if direction not in DIRECTIONS:
        raise BadTemplate(f"Wrong RULE_TYPE in rule. Valid options: {', '.join(DIRECTIONS)}.")
    ports = _ports(given.get("RANGE", ""), protocol)
    icmp_type = _icmp_type(given, protocol)
    peers = _peers(given, addresses_of)
    if peers == () and "NETWORK_ID" in given:
        return None
    return Rule(
        is_inbound=direction == "INBOUND",
        protocol=protocol.lower(),
        ports=ports,
        icmp_type=icmp_type,
        peers=peers,
    )


def _ports(text: str, protocol: str) -> tuple[tuple[int, int], ...]:
    if not text:
        return ()
    if protocol not in _WITH_PORTS:
        raise BadTemplate("RANGE is supported only for TCP and UDP protocols.")
    found = []
    for word in text.split(","):
        matched = _PORTS.fullmatch(word)
        if not matched:
            raise BadTemplate(f'Invalid RANGE specification. It must be like 22,80:90, is "{shown(text)}"')
        first, last = int(matched[1]), int(matched[2] or matched[1])
        if last > PORT_MAX or first > PORT_MAX:
            raise BadTemplate(f"RANGE out of bounds 0-65536. {max(first, last)} is no port, {PORT_MAX} is the last")
        if first > last:
            raise BadTemplate(f"RANGE BEGIN value is greater than RANGE END value: {first}:{last}")
        found.append((first, last))
    return tuple(found)


def _icmp_type(given: Mapping[str, str], protocol: str) -> int:
    for key, of in _ICMP_TYPES.items():
        if key not in given:
            continue
        if protocol != of:
            raise BadTemplate(f"{key} is supported only for {of} protocol.")
        if not (given[key].isascii() and given[key].isdecimal() and int(given[key]) <= ICMP_TYPE_MAX):
            raise BadTemplate(f'Wrong {key}, it must be integer from 0 to {ICMP_TYPE_MAX}, is "{shown(given[key])}"')
        return int(given[key])
    return -1


def _peers(given: Mapping[str, str], addresses_of: AddressesOf) -> tuple[str, ...]:
    """Return the addresses of the other side, empty for anybody."""
    if "IP" in given and "NETWORK_ID" in given:
        raise BadTemplate("IP and NETWORK_ID do not go together in a RULE: write one rule for each")
    if "NETWORK_ID" in given:
        number = given["NETWORK_ID"]
        if not _is_count(number):
            raise BadTemplate(f'Wrong NETWORK_ID. It must be the id of a network, is "{shown(number)}"')
        return addresses_of(int(number))
    if "IP" not in given:
        if "SIZE" in given:
            raise BadTemplate("SIZE tells how many addresses from IP on: a RULE that has it needs an IP")
        return ()
    size = given.get("SIZE", "1")
    if not _is_count(size, digits_max=39):
        raise BadTemplate(f'Wrong or empty SIZE. It must be a number of addresses, is "{shown(size)}"')
    return span(given["IP"], int(size))


def _is_count(text: str, digits_max: int = 18) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= digits_max

"""Address ranges of a network: added, changed, removed; no address is ever in two of them.

Source: reference/templates.md §4.6.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

from msgspec.structs import replace

from trifid.core.network.address import (
    IPV4_MAX,
    IPV6_MAX,
    MAC_MAX,
    SUFFIX_BITS,
    format_ipv4,
    format_ipv6,
    format_mac,
    mac_for,
    parse_ipv4,
    parse_ipv6,
    parse_mac,
)
from trifid.core.network.lease import last_explicit
from trifid.core.network.record import AddressRange, Network
from trifid.errors import BadTemplate, Refused

RandomSuffix = Callable[[], int]
"""Returns 32 random bits."""

RANGE_SIZE_MAX = 1 << 32

_HAS_IP = ("IP4", "IP4_6", "IP4_6_STATIC")
_IS_STATIC = ("IP6_STATIC", "IP4_6_STATIC")
_MAY_BE_SHARED = ("IP4", "IP6_STATIC")
_TYPES = ("ETHER", "IP4", "IP6", "IP4_6", "IP6_STATIC", "IP4_6_STATIC")
_RANGE_FIELDS = ("AR_ID", "TYPE", "SIZE", "MAC", "IP")
_SHOWN_ONLY = (
    "NEXT_INDEX",
    "USED_LEASES",
    "LEASES",
    "ALLOCATED",
    "PARENT_NETWORK_AR_ID",
    "MAC_END",
    "IP_END",
    "IP6_END",
    "IP6_LINK",
    "IP6_GLOBAL",
    "IP6_GLOBAL_END",
    "IP6_ULA",
    "IP6_ULA_END",
)
"""Keys of a range's document that clients send back with an update; they are computed, never stored."""
_KEPT = ("IP6", "GLOBAL_PREFIX", "ULA_PREFIX", "PREFIX_LENGTH", "SHARED")
"""What a range keeps of its attributes when an update leaves it out."""
_FIXED_AFTERWARDS = ("TYPE", "MAC", "IP", "IP6", "SHARED")


def with_ranges(network: Network, ranges: Iterable[AddressRange]) -> Network:
    """Return the network with ranges appended, numbered on; raises BadTemplate when one overlaps another."""
    first_id = network.next_range_id
    numbered = tuple(replace(ar, id=first_id + i) for i, ar in enumerate(ranges))
    network = replace(network, ranges=network.ranges + numbered, next_range_id=first_id + len(numbered))
    _refuse_overlaps(network)
    return network


def _refuse_overlaps(network: Network) -> None:
    """Raise when an address lies in two ranges: it could be given to two VMs."""
    firsts: list[tuple[str, Callable[[int], str], Callable[[AddressRange], int | None]]] = [
        ("IP", format_ipv4, lambda ar: ar.ip),
        ("IP6", format_ipv6, lambda ar: parse_ipv6(ar.attributes["IP6"]) if ar.type in _IS_STATIC else None),
        ("MAC", format_mac, lambda ar: ar.mac),
    ]
    for what, show, first_of in firsts:
        spans = []
        for ar in network.ranges:
            start = first_of(ar)
            if start is not None:
                spans.append((start, start + last_explicit(ar), ar.id))
        spans.sort()
        for (_, end, one), (start, _, other) in pairwise(spans):
            if start <= end:
                raise BadTemplate(
                    f"network {network.name}: {what} {show(start)} would be in address range {one} and in {other}, "
                    "an address can be given only once"
                )


def add_range(network: Network, vector: dict[str, str], *, mac_prefix: int, random_mac_suffix: RandomSuffix) -> Network:
    """Return the network with the range of `AR=[TYPE=…, SIZE=…, …]` added.

    Raises:
        BadTemplate: `Unknown or missing address range TYPE.`, `Wrong SIZE for address range`, an address
            that is none, or one that another range has.

    Source: reference/templates.md §4.6.
    """
    kind = vector.get("TYPE", "").upper()
    if kind not in _TYPES:
        known = ", ".join(_TYPES)
        raise BadTemplate(f"Unknown or missing address range TYPE. It must be one of {known}, is '{kind}'")
    ip = parse_ipv4(vector.get("IP", ""), "IP of the address range") if kind in _HAS_IP else None
    more = {k: v for k, v in vector.items() if k not in _RANGE_FIELDS and k not in _SHOWN_ONLY}
    if kind not in _HAS_IP and vector.get("IP"):
        raise BadTemplate(f"an address range of TYPE {kind} has no IP, it is '{vector['IP']}': use IP4 or IP4_6")
    _check_ipv6(kind, more)
    size = _size(kind, vector)
    mac = _first_mac(vector, ip, size, mac_prefix, random_mac_suffix)
    ar = AddressRange(id=-1, type=kind, size=size, mac=mac, ip=ip, attributes=more)
    if ar.is_shared and kind not in _MAY_BE_SHARED:
        raise BadTemplate(f"SHARED=YES is for address ranges of TYPE {' or '.join(_MAY_BE_SHARED)}, is {kind}")
    _check_ends(ar)
    return with_ranges(network, [ar])


def _check_ipv6(kind: str, vector: dict[str, str]) -> None:
    if kind in _IS_STATIC:
        parse_ipv6(vector.get("IP6", ""), "IP6 of the address range")
        length = vector.get("PREFIX_LENGTH", "")
        if not (length.isdecimal() and 1 <= int(length) <= 128):
            raise BadTemplate(f"PREFIX_LENGTH of the address range must be 1 to 128, is '{length}'")
    elif kind in ("IP6", "IP4_6"):
        for key in ("GLOBAL_PREFIX", "ULA_PREFIX"):
            if vector.get(key):
                parse_ipv6(vector[key], f"{key} of the address range")


def _size(kind: str, vector: dict[str, str]) -> int:
    text = vector.get("SIZE", "").strip()
    if not text and kind in _IS_STATIC:
        return int(min(1 << (128 - int(vector["PREFIX_LENGTH"])), 1 << SUFFIX_BITS - 1))
    if not text.isdecimal() or not 1 <= int(text) <= RANGE_SIZE_MAX:
        raise BadTemplate(f"Wrong SIZE for address range: it must be 1 to {RANGE_SIZE_MAX}, is '{text}'")
    return int(text)


def _first_mac(vector: dict[str, str], ip: int | None, size: int, prefix: int, random_mac_suffix: RandomSuffix) -> int:
    if vector.get("MAC"):
        return parse_mac(vector["MAC"], "MAC of the address range")
    if ip is not None:
        return mac_for(prefix, ip)
    # The last MAC must still have the prefix.
    return mac_for(prefix, random_mac_suffix() % ((1 << SUFFIX_BITS) - size + 1))


def _check_ends(ar: AddressRange) -> None:
    ends = [("IP", ar.ip, IPV4_MAX), ("MAC", ar.mac, MAC_MAX)]
    if ar.type in _IS_STATIC:
        ends.append(("IP6", parse_ipv6(ar.attributes["IP6"]), IPV6_MAX))
    for what, first, limit in ends:
        if first is not None and first + ar.size - 1 > limit:
            raise BadTemplate(f"Wrong SIZE for address range: {ar.size} addresses do not fit behind its first {what}")


def remove_range(network: Network, range_id: int, used: int) -> Network:
    """Return the network without a range; its id is never given again.

    Args:
        used: how many leases it has.

    Raises:
        NotFound: no such range.
        Refused: addresses of it are in use.
    """
    find_range(network, range_id)
    if used:
        raise Refused(
            f"address range {range_id} of network {network.name} [{network.id}] has {used} leases in use: "
            f'free them first, see "onevnet show {network.id}"',
            network.id,
        )
    return replace(network, ranges=tuple(ar for ar in network.ranges if ar.id != range_id))


def find_range(network: Network, range_id: int) -> AddressRange:
    """Return a range of a network; raises Refused when there is none of that id."""
    for ar in network.ranges:
        if ar.id == range_id:
            return ar
    known = ", ".join(str(ar.id) for ar in network.ranges) or "none"
    raise Refused(f"network {network.name} [{network.id}] has no address range {range_id}, it has {known}", network.id)


def update_range(network: Network, vector: dict[str, str], highest_used_index: int) -> Network:
    """Return the network with a range's size and free attributes replaced by those of `AR=[AR_ID=…, …]`.

    SIZE is kept when it is left out.  Where the range begins cannot change, since its leases do not move.

    Args:
        highest_used_index: of its leases, -1 for none.

    Raises:
        BadTemplate: AR_ID or SIZE is no number, or the new size reaches into another range.
        Refused: no such range, another beginning, or a lease would fall out of it.
    """
    if not vector.get("AR_ID", "").isdecimal():
        raise BadTemplate(f"AR_ID of the address range must be a number, is '{vector.get('AR_ID', '')}'")
    old = find_range(network, int(vector["AR_ID"]))
    _refuse_moved(network, old, vector)
    kept = {k: v for k, v in old.attributes.items() if k in _KEPT}
    more = {k: v for k, v in vector.items() if k not in _RANGE_FIELDS and k not in _SHOWN_ONLY}
    attributes = {**kept, **more}
    _check_ipv6(old.type, attributes)
    size = _size(old.type, {"SIZE": vector.get("SIZE") or str(old.size)})
    last = old.last_explicit if old.last_explicit is None else max(old.last_explicit, size - 1)
    cursor = old.next_index if old.next_index < size else 0
    new = replace(old, size=size, next_index=cursor, last_explicit=last, attributes=attributes)
    if old.parent_range_id is not None and size != old.size:
        raise Refused(
            f"SIZE of address range {old.id} of reservation {network.name} [{network.id}] cannot be changed: reserve "
            f'more with "onevnet reserve {network.parent_id} {network.id}", or free the range',
            network.id,
        )
    if old.is_shared and size != old.size and highest_used_index >= 0:
        raise Refused(
            f"address range {old.id} of network {network.name} [{network.id}] is shared: its SIZE can only be changed "
            "while none of its addresses is in use",
            network.id,
        )
    if not old.is_shared and highest_used_index > last_explicit(new):
        raise Refused(
            f"address range {old.id} of network {network.name} [{network.id}] cannot have SIZE {size}: "
            f"address number {highest_used_index} of it is in use",
            network.id,
        )
    _check_ends(new)
    changed = replace(network, ranges=tuple(new if ar.id == new.id else ar for ar in network.ranges))
    _refuse_overlaps(changed)
    return changed


def _refuse_moved(network: Network, old: AddressRange, vector: dict[str, str]) -> None:
    parsers = {"IP": (parse_ipv4, old.ip), "MAC": (parse_mac, old.mac)}
    for key in _FIXED_AFTERWARDS:
        if not vector.get(key):
            continue
        if key in parsers:
            parse, present = parsers[key]
            same = parse(vector[key]) == present
        elif key == "IP6":
            same = parse_ipv6(vector[key]) == parse_ipv6(old.attributes.get("IP6", "::"))
        elif key == "SHARED":
            same = (vector[key].upper() == "YES") == old.is_shared
        else:
            same = vector[key].upper() == old.type
        if not same:
            raise Refused(
                f"{key} of address range {old.id} of network {network.name} [{network.id}] cannot be changed to "
                f"'{vector[key]}': remove the range and add another",
                network.id,
            )

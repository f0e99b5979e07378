"""Which address a VM gets: the next one of a range's cursor, or the one it asks for.

Pure, and without a list of free addresses: who asks hands in the sets of indexes that are taken, so that
a network of sixteen million addresses costs as much as one of ten.
Source: reference/templates.md §4.3, §4.4 and §4.6.
"""

from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from trifid.core.network.address import (
    SUFFIX_BITS,
    eui64_mac,
    format_ipv4,
    format_mac,
    mac_for,
    parse_ipv4,
    parse_ipv6,
    parse_mac,
    slaac_prefixes,
)
from trifid.core.network.index_set import INDEXES_MAX, IndexSet
from trifid.core.network.record import HELD_BY_NOBODY, AddressRange, Lease, Network
from trifid.errors import BadTemplate, NoLease, Refused

Taken = Callable[[int], IndexSet]
"""range id -> which of its indexes are taken: by VMs, on hold, or reserved."""

LeaseOf = Callable[[int, int], Lease | None]
"""(range id, index) -> the lease of that address."""

RandomSuffix = Callable[[], int]
"""Returns 32 random bits."""


class Asked(msgspec.Struct, frozen=True):
    """An address named by somebody; at least one of the first three is set.

    Attributes:
        range_id: only this range, None = any.
    """

    ip: int | None = None
    mac: int | None = None
    ip6: int | None = None
    range_id: int | None = None
    text: str = ""


def asked(vector: dict[str, str]) -> Asked | None:
    """Return the address that IP, IP6 or MAC of a vector name, or None if it names none.

    Raises:
        BadTemplate: one of them is not an address.
    """
    ip, mac, ip6 = vector.get("IP", ""), vector.get("MAC", ""), vector.get("IP6", "")
    if not (ip or mac or ip6):
        return None
    return Asked(
        ip=parse_ipv4(ip) if ip else None,
        mac=parse_mac(mac) if mac else None,
        ip6=parse_ipv6(ip6) if ip6 else None,
        text=" ".join(word for word in (ip, ip6, mac) if word),
    )


def next_lease(network: Network, vm_id: int, taken: Taken) -> tuple[Network, Lease]:
    """Give the next free address: the first range in id order that has one, from its cursor on.

    Returns:
        (the network with the cursor moved, the lease).

    Raises:
        NoLease: every address that is given automatically is in use.
    """
    automatic = [ar for ar in sorted(network.ranges, key=lambda one: one.id) if not ar.is_shared]
    for ar in automatic:
        index = _next_free(ar, taken(ar.id))
        if index is not None:
            return with_cursor(network, ar, index), lease_at(network, ar, index, vm_id)
    total = sum(ar.size for ar in automatic)
    state = f"all {total} are in use" if total else "it has no address range"
    if not total and network.ranges:
        state = "its addresses are shared, they are given on request only: ask for one with IP"
    raise NoLease(
        f"network {network.name} [{network.id}] has no free address for VM {vm_id}, {state}: "
        f'free one, or add a range with "onevnet addar {network.id}"'
    )


def free_addresses(network: Network, taken: Taken) -> int:
    """Return how many more addresses are given automatically."""
    return sum(ar.size - _taken_below(taken(ar.id), ar.size) for ar in network.ranges if not ar.is_shared)


def _taken_below(taken: IndexSet, end: int) -> int:
    """Return how many indexes are taken below `end`; few are above, which only requests name."""
    count, index = taken.count, taken.next_taken(end, INDEXES_MAX)
    while index is not None:
        count -= 1
        index = taken.next_taken(index + 1, INDEXES_MAX)
    return count


def _next_free(ar: AddressRange, taken: IndexSet) -> int | None:
    found = taken.next_free(ar.next_index, ar.size)
    return taken.next_free(0, ar.next_index) if found is None else found


def last_explicit(ar: AddressRange) -> int:
    """Return the last index that an explicit request may name; the first is 0."""
    return ar.size - 1 if ar.last_explicit is None else ar.last_explicit


def with_cursor(network: Network, ar: AddressRange, last_given: int) -> Network:
    """Return the network with the cursor of a range where the search begins after an index was given."""
    cursor = last_given if ar.keep_cursor else (last_given + 1) % ar.size
    if cursor == ar.next_index:
        return network
    moved = replace(ar, next_index=cursor)
    return replace(network, ranges=tuple(moved if one.id == ar.id else one for one in network.ranges))


def lease_at(network: Network, ar: AddressRange, index: int, vm_id: int) -> Lease:
    """Return the lease record of one address of a range."""
    return Lease(
        network_id=network.id,
        range_id=ar.id,
        index=index,
        vm_id=vm_id,
        mac=ar.mac + index,
        ip=None if ar.ip is None else ar.ip + index,
    )


def places(network: Network, wanted: Asked) -> Iterator[tuple[AddressRange, int]]:
    """Yield (range, index) of every place where the asked address is part of the network."""
    for ar in sorted(network.ranges, key=lambda one: one.id):
        if wanted.range_id is not None and ar.id != wanted.range_id:
            continue
        indexes = set(_indexes(ar, wanted))
        if len(indexes) == 1 and (index := indexes.pop()) is not None and 0 <= index <= last_explicit(ar):
            yield ar, index


def _indexes(ar: AddressRange, wanted: Asked) -> Iterator[int | None]:
    """Yield the index that each given form of the address has in the range, None where it has no such form."""
    if wanted.ip is not None:
        yield None if ar.ip is None else wanted.ip - ar.ip
    if wanted.ip6 is not None:
        yield _index_of_ip6(ar, wanted.ip6)
    if wanted.mac is not None:
        yield None if ar.is_shared else wanted.mac - ar.mac


def _index_of_ip6(ar: AddressRange, ip6: int) -> int | None:
    """Return the index of an IPv6 address in a range: counted from its first, or by the MAC that makes it."""
    if ar.type.endswith("6_STATIC"):
        return ip6 - parse_ipv6(ar.attributes["IP6"])
    mac = eui64_mac(ip6)
    return mac - ar.mac if mac is not None and ip6 >> 64 << 64 in slaac_prefixes(ar).values() else None


def explicit_lease(network: Network, vm_id: int, wanted: Asked, taken: Taken, random_mac_suffix: RandomSuffix) -> Lease:
    """Give the asked address; cursors stay where they are.

    An address of a shared range is given however many have it, each time with another MAC.

    Raises:
        NoLease: it is taken, or in no range of the network.
    """
    found = list(places(network, wanted))
    for ar, index in found:
        if ar.is_shared:
            return _shared_lease(network, ar, index, vm_id, taken(ar.id), random_mac_suffix)
        if index not in taken(ar.id):
            return lease_at(network, ar, index, vm_id)
    where = f"network {network.name} [{network.id}]"
    if found:
        raise NoLease(
            f"{where}: {wanted.text} is in use, VM {vm_id} cannot have it: ask for another address, or for none to get "
            f'the next free one; "onevnet show {network.id}" tells who has it'
        )
    spans = ", ".join(_span_text(ar) for ar in network.ranges[:4]) or "none"
    more = ", …" if len(network.ranges) > 4 else ""
    pair = " (when IP and MAC are both given, they must be of the same address)" if " " in wanted.text else ""
    raise NoLease(
        f"{where}: {wanted.text} is not one of its addresses{pair}: "
        f"ask for one of its ranges ({spans}{more}), or for none to get the next free one"
    )


def _shared_lease(
    network: Network, ar: AddressRange, address: int, vm_id: int, taken: IndexSet, random_mac_suffix: RandomSuffix
) -> Lease:
    index = address
    while index in taken:
        index += ar.size
        if index >= INDEXES_MAX:
            raise NoLease(
                f"network {network.name} [{network.id}]: too many VMs share address {address} of range {ar.id}"
            )
    mac = mac_for(ar.mac >> SUFFIX_BITS, random_mac_suffix())
    while any(one.mac <= mac <= one.mac + last_explicit(one) for one in network.ranges):
        mac = mac_for(ar.mac >> SUFFIX_BITS, random_mac_suffix())
    return replace(lease_at(network, ar, address, vm_id), index=index, mac=mac)


def _span_text(ar: AddressRange) -> str:
    last = last_explicit(ar)
    if ar.ip is None:
        return f"{format_mac(ar.mac)} to {format_mac(ar.mac + last)}"
    return f"{format_ipv4(ar.ip)} to {format_ipv4(ar.ip + last)}"


def hold(network: Network, vector: dict[str, str], taken: Taken) -> list[Lease]:
    """Return the leases that take an address out of use, one for every range that contains it.

    Args:
        vector: `LEASES=[IP=… | MAC=… | IP6=…, AR_ID=…]`.

    Raises:
        Refused: with upstream's texts: `Empty lease description.`, `Wrong Lease format.`,
            `Lease is not part of the NET.`, `Lease is in use.` (reference/templates.md §4.4); or the
            range is shared, whose addresses nobody gets without asking.
    """
    found = _named(network, vector)
    for ar, index in found:
        if ar.is_shared:
            raise Refused(f"{_shown(network, vector)} is of a shared address range, it cannot be held", network.id)
        if index in taken(ar.id):
            raise Refused(f"Lease is in use. {_shown(network, vector)}", network.id)
    return [lease_at(network, ar, index, HELD_BY_NOBODY) for ar, index in found]


def release(network: Network, vector: dict[str, str], taken: Taken, lease_of: LeaseOf) -> list[Lease]:
    """Return the held leases that are to be given back.

    Raises:
        Refused: with upstream's texts: as `hold`, and `Lease is not on hold.`
    """
    named = _named(network, vector)
    leases = [found for ar, index in named if (found := lease_of(ar.id, index)) is not None]
    held = [lease for lease in leases if lease.vm_id == HELD_BY_NOBODY]
    if not held:
        is_taken = any(index in taken(ar.id) for ar, index in named)
        owner = f"VM {leases[0].vm_id} has it" if leases else "it is reserved" if is_taken else "it is free"
        raise Refused(f"Lease is not on hold. {_shown(network, vector)}, {owner}", network.id)
    return held


def _named(network: Network, vector: dict[str, str]) -> list[tuple[AddressRange, int]]:
    if not vector:
        raise Refused("Empty lease description.", network.id)
    try:
        wanted = asked(vector)
        range_id = int(vector["AR_ID"]) if "AR_ID" in vector else None
    except (BadTemplate, ValueError) as fault:
        raise Refused(f"Wrong Lease format. {fault}", network.id) from fault
    if wanted is None:
        raise Refused(f"Wrong Lease format. expected IP, IP6 or MAC, found {', '.join(vector)}", network.id)
    found = list(places(network, replace(wanted, range_id=range_id)))
    if not found:
        raise Refused(f"Lease is not part of the NET. {_shown(network, vector)}", network.id)
    return found


def _shown(network: Network, vector: dict[str, str]) -> str:
    address = " ".join(vector[key] for key in ("IP", "IP6", "MAC") if vector.get(key))
    return f"{address} of network {network.name} [{network.id}]"

"""Which address a VM gets: the next one of a range's cursor, or the one it asks for.

Pure, and without a list of free addresses: who asks hands in two questions about leases, so that a
network of sixteen million addresses costs as much as one of ten.
Source: reference/templates.md §4.3, §4.4 and §4.6.
"""

from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from trifid.core.network.address import format_ipv4, format_mac, parse_ipv4, parse_ipv6, parse_mac
from trifid.core.network.record import HELD_BY_NOBODY, AddressRange, Lease, Network
from trifid.errors import BadTemplate, NoLease, Refused

Taken = Callable[[int, int], bool]
"""(range id, index) -> whether that address has a lease."""

UsedCount = Callable[[int], int]
"""range id -> how many of its addresses have a lease, explicit ones from its size on included."""

LeaseOf = Callable[[int, int], Lease | None]
"""(range id, index) -> the lease of that address."""


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


def next_lease(network: Network, vm_id: int, taken: Taken, used_count: UsedCount) -> tuple[Network, Lease]:
    """Give the next free address: the first range in id order that has one, from its cursor on.

    Returns:
        (the network with the cursor moved, the lease).

    Raises:
        NoLease: every address that is given automatically is in use.
    """
    for ar in sorted(network.ranges, key=lambda one: one.id):
        index = _next_free(ar, taken, used_count(ar.id))
        if index is not None:
            cursor = index if ar.keep_cursor else (index + 1) % ar.size
            return _with_cursor(network, ar, cursor), lease_at(network, ar, index, vm_id)
    total = sum(ar.size for ar in network.ranges)
    state = f"all {total} are in use" if total else "it has no address range"
    raise NoLease(
        f"network {network.name} [{network.id}] has no free address for VM {vm_id}, {state}: "
        f'free one, or add a range with "onevnet addar {network.id}"'
    )


def _next_free(ar: AddressRange, taken: Taken, used: int) -> int | None:
    if _is_full(ar, taken, used):
        return None
    for start, end in ((ar.next_index, ar.size), (0, ar.next_index)):
        for index in range(start, end):
            if not taken(ar.id, index):
                return index
    return None


def _is_full(ar: AddressRange, taken: Taken, used: int) -> bool:
    """Tell, without walking the range, that it has no free address; False = it must be walked.

    Leases from the size on, where only explicit requests reach, are counted in `used` too; there are
    few such places in a range whose walk would be long.
    """
    if used < ar.size:
        return False
    last = last_explicit(ar)
    if last >= 2 * ar.size:
        return False
    outside = range(ar.size, last + 1)
    return used - sum(taken(ar.id, index) for index in outside) >= ar.size


def last_explicit(ar: AddressRange) -> int:
    """Return the last index that an explicit request may name; the first is 0."""
    return ar.size - 1 if ar.last_explicit is None else ar.last_explicit


def _with_cursor(network: Network, ar: AddressRange, cursor: int) -> Network:
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
        static = ar.type.endswith("6_STATIC")
        yield wanted.ip6 - parse_ipv6(ar.attributes["IP6"]) if static else None
    if wanted.mac is not None:
        yield wanted.mac - ar.mac


def explicit_lease(network: Network, vm_id: int, wanted: Asked, taken: Taken) -> Lease:
    """Give the asked address; cursors stay where they are.

    Raises:
        NoLease: it is taken, or in no range of the network.
    """
    found = list(places(network, wanted))
    for ar, index in found:
        if not taken(ar.id, index):
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
            `Lease is not part of the NET.`, `Lease is in use.` (reference/templates.md §4.4).
    """
    found = _named(network, vector)
    for ar, index in found:
        if taken(ar.id, index):
            raise Refused(f"Lease is in use. {_shown(network, vector)}", network.id)
    return [lease_at(network, ar, index, HELD_BY_NOBODY) for ar, index in found]


def release(network: Network, vector: dict[str, str], lease_of: LeaseOf) -> list[Lease]:
    """Return the held leases that are to be given back.

    Raises:
        Refused: with upstream's texts: as `hold`, and `Lease is not on hold.`
    """
    leases = [found for ar, index in _named(network, vector) if (found := lease_of(ar.id, index)) is not None]
    held = [lease for lease in leases if lease.vm_id == HELD_BY_NOBODY]
    if not held:
        owner = f", VM {leases[0].vm_id} has it" if leases else ", it is free"
        raise Refused(f"Lease is not on hold. {_shown(network, vector)}{owner}", network.id)
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

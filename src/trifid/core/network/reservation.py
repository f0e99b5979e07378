"""Reservations: networks whose addresses are a part of those of another network.

A reservation's ranges tell which indexes of the parent they are, and that is all there is about it: in
the parent these indexes are taken, as if each had a lease, and free again when the range is gone.
Source: reference/templates.md §4.6, reference/api-modern.md §4 (vn.reserve, vn.free_ar).
"""

import msgspec
from msgspec.structs import replace

from trifid.core.network.address import format_ipv6, parse_ipv6
from trifid.core.network.define import RESTRICTED
from trifid.core.network.lease import Asked, Taken, asked, last_explicit, places, with_cursor
from trifid.core.network.ranges import find_range, update_range, with_ranges
from trifid.core.network.record import AddressRange, Network
from trifid.core.restricted import refusal
from trifid.core.template.model import Template
from trifid.core.template.validate import check_name
from trifid.errors import BadTemplate, Refused


class Wish(msgspec.Struct, frozen=True):
    """What somebody wants to reserve.

    Attributes:
        size: how many addresses in a row.
        name: of the new network; "" when they are to be added to one.
        network_id: the reservation that they are to be added to.
        range_id: the parent's range that they are to be of.
        first: the first of them.
    """

    size: int
    name: str = ""
    network_id: int | None = None
    range_id: int | None = None
    first: Asked | None = None


def wish(template: Template, parent_id: int) -> Wish:
    """Return what `SIZE=… NAME=… | NETWORK_ID=… [AR_ID=…] [IP=… | MAC=… | IP6=…]` asks for.

    Raises:
        Refused: with upstream's text: SIZE is missing or no number, or neither NAME nor NETWORK_ID is given.
        BadTemplate: an address that is none, or a NAME that cannot be one.
    """
    size = template.single("SIZE").strip()
    if not (size.isdecimal() and int(size) > 0):
        raise Refused(f"Reservation SIZE must be a greater than 0, is '{size}'", parent_id)
    network_id, range_id = (_number(template, name, parent_id) for name in ("NETWORK_ID", "AR_ID"))
    name = template.single("NAME").strip()
    if network_id == parent_id:
        raise Refused("Cannot add a reservation from the same network", parent_id)
    if network_id is None:
        if not name:
            raise Refused("NAME for reservation has to be set, or the NETWORK_ID of one that is to grow", parent_id)
        check_name(name)
    first = asked({key: template.single(key) for key in ("IP", "MAC", "IP6")})
    return Wish(int(size), name, network_id, range_id, first)


def _number(template: Template, name: str, parent_id: int) -> int | None:
    text = template.single(name).strip()
    if not text:
        return None
    if not text.isdecimal():
        raise Refused(f"{name} must be equal or greater than 0, is '{text}'", parent_id)
    return int(text)


def new_reservation(parent: Network, *, network_id: int, uid: int, gid: int, name: str) -> Network:
    """Return a reservation that has no addresses yet: on the hosts it is what its parent is."""
    return Network(
        id=network_id,
        uid=uid,
        gid=gid,
        name=name,
        bridge=parent.bridge,
        bridge_type=parent.bridge_type,
        vn_mad=parent.vn_mad,
        phydev=parent.phydev,
        vlan_id=parent.vlan_id,
        is_vlan_automatic=parent.is_vlan_automatic,
        parent_id=str(parent.id),
        template=parent.template.without("NETWORK_SIZE", "TYPE"),
        cluster_ids=parent.cluster_ids,
    )


def follows(parent: Network, reservation: Network) -> Network:
    """Return a reservation after a change of its parent: what a network is on a host, both are alike."""
    shared = parent.template.only(*RESTRICTED)
    return replace(
        reservation,
        bridge=parent.bridge,
        bridge_type=parent.bridge_type,
        vn_mad=parent.vn_mad,
        phydev=parent.phydev,
        vlan_id=parent.vlan_id,
        is_vlan_automatic=parent.is_vlan_automatic,
        template=reservation.template.without(*RESTRICTED).having(*shared),
    )


def reserve(parent: Network, reservation: Network, wanted: Wish, taken: Taken) -> tuple[Network, Network]:
    """Take addresses in a row out of a network: the asked ones, or the first that are free from a cursor on.

    Returns:
        (the parent with its cursor moved, the reservation with one more range).

    Raises:
        Refused: it is a reservation itself, or of another network; or there are not as many free addresses in a row.
    """
    _refuse_strangers(parent, reservation)
    ar, first = _block(parent, wanted, taken)
    mine = _part(ar, first, wanted.size)
    if wanted.first is None:
        parent = with_cursor(parent, ar, first + wanted.size - 1)
    return parent, with_ranges(reservation, [mine])


def _refuse_strangers(parent: Network, reservation: Network) -> None:
    if parent.is_reservation:
        raise Refused(
            f"Cannot reserve addresses from a reserved VNET: {parent.name} [{parent.id}] is a part of network "
            f"{parent.parent_id}, reserve from that one",
            parent.id,
        )
    if not reservation.is_reservation:
        raise Refused(
            f"Cannot add reservations to a non-reservation VNET: {reservation.name} [{reservation.id}] is none",
            reservation.id,
        )
    if reservation.parent_id != str(parent.id):
        raise Refused(
            f"New reservations for virtual network {reservation.id} have to be from network {reservation.parent_id}, "
            f"not from {parent.id}",
            reservation.id,
        )


def _block(parent: Network, wanted: Wish, taken: Taken) -> tuple[AddressRange, int]:
    """Return the range and the index where the addresses begin; raises Refused."""
    size, where = wanted.size, f"network {parent.name} [{parent.id}]"
    ranges = [find_range(parent, wanted.range_id)] if wanted.range_id is not None else list(parent.ranges)
    if wanted.first is not None:
        for ar, index in places(parent, replace(wanted.first, range_id=wanted.range_id)):
            end = index + size
            if not ar.is_shared and end - 1 <= last_explicit(ar) and taken(ar.id).next_taken(index, end) is None:
                return ar, index
        raise Refused(f"{where} has no {size} free addresses in a row from {wanted.first.text} on", parent.id)
    for ar in sorted(ranges, key=lambda one: one.id):
        if ar.is_shared or size > ar.size:
            continue
        for start in (ar.next_index, 0):
            found = taken(ar.id).free_block(size, start, ar.size)
            if found is not None:
                return ar, found
    of = f" in address range {wanted.range_id}" if wanted.range_id is not None else ""
    raise Refused(
        f"{where} has no {size} free addresses in a row{of}: reserve fewer, more than once with NETWORK_ID", parent.id
    )


def _part(ar: AddressRange, first: int, size: int) -> AddressRange:
    """Return the range of a reservation that is a part of a range."""
    attributes = dict(ar.attributes)
    if "IP6" in attributes:
        attributes["IP6"] = format_ipv6(parse_ipv6(attributes["IP6"]) + first)
    return replace(
        ar,
        id=-1,
        size=size,
        mac=ar.mac + first,
        ip=None if ar.ip is None else ar.ip + first,
        next_index=0,
        last_explicit=None,
        attributes=attributes,
        parent_range_id=ar.id,
        parent_index=first,
    )


def update_reserved_range(
    network: Network, vector: dict[str, str], highest_used_index: int, *, uid: int, is_admin: bool, keys: frozenset[str]
) -> Network:
    """Return a reservation with the free attributes of a range changed by whoever manages it.

    Args:
        keys: of a range that only administrators change.

    Raises:
        NotAllowed: a restricted attribute, from somebody who is no administrator.
        BadTemplate, Refused: as `update_range` tells.
    """
    if is_admin or not vector.get("AR_ID", "").isdecimal():
        return update_range(network, vector, highest_used_index)
    present = find_range(network, int(vector["AR_ID"])).attributes
    for name in vector:
        if name in keys and vector[name] != present.get(name):
            raise refusal(uid, "Virtual Network", f"AR/{name}", network.id)
    kept = {name: text for name, text in present.items() if name in keys}
    return update_range(network, vector | kept, highest_used_index)


def refuse_reservation(network: Network, what: str) -> None:
    """Raise BadTemplate when a network is a reservation, which has what its parent has."""
    if network.is_reservation:
        raise BadTemplate(
            f"{what} of reservation {network.name} [{network.id}] cannot be changed: they are those of network "
            f'{network.parent_id}; more of its addresses are reserved with "onevnet reserve"'
        )

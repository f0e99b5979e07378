"""The documents of a virtual network: with its leases alone, without them in a pool.

Source: reference/api-modern.md §5.1, §5.2, §5.4, §5.5 (vnet.xsd, vnet_pool.xsd); templates.md §4.6.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from trifid.core.network.address import addresses_at, format_ipv4, format_mac
from trifid.core.network.define import FREE
from trifid.core.network.record import AddressRange, Lease, Network, Span
from trifid.wire.bodies.parts import Names, body, cdata, ids, lock, owner, permissions, texts, words
from trifid.wire.xmltext import escape, is_element_name

_SCHEMA_ORDER = words(
    "AR_ID CVLANS GLOBAL_PREFIX IP MAC NEXT_INDEX PARENT_NETWORK_AR_ID SHARED SIZE TYPE VLAN_ID ULA_PREFIX VN_MAD"
)
_ENDS_ORDER = words("MAC_END IP_END IP6_ULA IP6_ULA_END IP6_GLOBAL IP6_GLOBAL_END IP6 IP6_END PORT_START PORT_SIZE")
_COMPUTED = frozenset((*_ENDS_ORDER, "USED_LEASES", "LEASES", "ALLOCATED", "PARENT_NETWORK_AR_ID"))

RESERVED_SHOWN_MAX = 4096
"""How many addresses of one reservation are listed one by one among the leases of its parent; all are counted."""

Reserved = tuple[int, Span]
"""(id of a reservation, what it takes)"""


Sees = Callable[[str, int], bool]
"""(kind: VM or NET, its id) -> whether whoever reads the document sees it."""


def _sees_all(kind: str, object_id: int) -> bool:
    return True


def network_full(
    network: Network,
    names: Names,
    leases: Iterable[Lease],
    reserved: Iterable[Reserved] = (),
    sees: Sees = _sees_all,
) -> str:
    """Return the VNET document with the leases of every range.

    Args:
        leases: all of this network, in any order.
        reserved: what its reservations take.
        sees: the leases of others are counted and not listed.
    """
    by_range: dict[int, list[Lease]] = {ar.id: [] for ar in network.ranges}
    for lease in leases:
        by_range.setdefault(lease.range_id, []).append(lease)
    parts: dict[int, list[Reserved]] = {ar.id: [] for ar in network.ranges}
    for part in reserved:
        parts.setdefault(part[1][1], []).append(part)
    ranges = "".join([_range_with_leases(ar, by_range[ar.id], parts[ar.id], sees) for ar in network.ranges])
    used = sum(map(len, by_range.values())) + sum(_reserved_count(of_range) for of_range in parts.values())
    holders = {lease.vm_id for of_range in by_range.values() for lease in of_range if lease.vm_id >= 0}
    return _document(network, names, used, {vm_id for vm_id in holders if sees("VM", vm_id)}, ranges)


def _reserved_count(parts: Iterable[Reserved]) -> int:
    return sum(last - first + 1 for _, (_, _, first, last) in parts)


def network_pool_entry(network: Network, names: Names, used: int, free: int | None = None) -> str:
    """Return the VNET document without leases, an entry of vnpool.info.

    Args:
        used: number of leases taken.
        free: number of addresses that are given automatically; told where it is not what is left of the ranges.
    """
    if free is not None and free != sum(ar.size for ar in network.ranges) - used:
        network = replace(network, template=network.template.having((FREE, str(free))))
    return _document(network, names, used, (), "".join([f"<AR>{texts(_range(ar))}</AR>" for ar in network.ranges]))


def _document(network: Network, names: Names, used: int, vm_ids: Iterable[int], ranges: str) -> str:
    template_id = "" if network.template_id < 0 else str(network.template_id)
    return (
        f"<VNET><ID>{network.id}</ID>{owner(network.uid, network.gid, names)}<NAME>{escape(network.name)}</NAME>"
        f"{lock(network.lock)}{permissions(network.permissions)}{ids('CLUSTERS', network.cluster_ids)}"
        f"<BRIDGE>{cdata(network.bridge)}</BRIDGE><BRIDGE_TYPE>{cdata(network.bridge_type)}</BRIDGE_TYPE>"
        f"<STATE>{cdata(str(network.state.value))}</STATE><PREV_STATE>{cdata(str(network.prev.value))}</PREV_STATE>"
        f"<PARENT_NETWORK_ID>{cdata(network.parent_id)}</PARENT_NETWORK_ID><TEMPLATE_ID>{template_id}</TEMPLATE_ID>"
        f"<VN_MAD>{cdata(network.vn_mad)}</VN_MAD><PHYDEV>{cdata(network.phydev)}</PHYDEV>"
        f"<VLAN_ID>{cdata(network.vlan_id)}</VLAN_ID>"
        f"<OUTER_VLAN_ID>{cdata(network.template.single('OUTER_VLAN_ID'))}</OUTER_VLAN_ID>"
        f"<VLAN_ID_AUTOMATIC>{int(network.is_vlan_automatic)}</VLAN_ID_AUTOMATIC>"
        "<OUTER_VLAN_ID_AUTOMATIC>0</OUTER_VLAN_ID_AUTOMATIC>"
        f"<USED_LEASES>{used}</USED_LEASES><VROUTERS></VROUTERS>{ids('UPDATED_VMS', vm_ids)}"
        "<OUTDATED_VMS></OUTDATED_VMS><UPDATING_VMS></UPDATING_VMS><ERROR_VMS></ERROR_VMS>"
        f"{body('TEMPLATE', network.template)}<AR_POOL>{ranges}</AR_POOL></VNET>"
    )


def _range(ar: AddressRange) -> dict[str, str]:
    """Return the attributes of a range in the schema's order, what the schema does not know at the end."""
    values = {n: v for n, v in ar.attributes.items() if n not in _COMPUTED and is_element_name(n)}
    values |= {
        "AR_ID": str(ar.id),
        "MAC": format_mac(ar.mac),
        "NEXT_INDEX": str(ar.next_index),
        "SIZE": str(ar.size),
        "TYPE": ar.type,
    }
    if ar.ip is not None:
        values["IP"] = format_ipv4(ar.ip)
    else:
        values.pop("IP", None)
    if ar.parent_range_id is not None:
        values["PARENT_NETWORK_AR_ID"] = str(ar.parent_range_id)
    known = {name: values.pop(name) for name in _SCHEMA_ORDER if name in values}
    return known | dict(sorted(values.items()))


def _range_with_leases(ar: AddressRange, leases: list[Lease], reserved: list[Reserved], sees: Sees) -> str:
    known = _range(ar)
    own = {name: known.pop(name) for name in list(known) if name not in _SCHEMA_ORDER}
    entries = [(lease.index, _lease(ar, lease)) for lease in leases if sees("VM", lease.vm_id)]
    for network_id, (_, _, first, last) in (one for one in reserved if sees("NET", one[0])):
        shown = range(first, min(last + 1, first + RESERVED_SHOWN_MAX))
        entries += [(index, _held(addresses_at(ar, index), "VNET", network_id)) for index in shown]
    leased = "".join([text for _, text in sorted(entries)])
    used = len(leases) + _reserved_count(reserved)
    held = f"<USED_LEASES>{used}</USED_LEASES><LEASES>{leased}</LEASES>"
    return f"<AR>{texts(known)}{texts(_ends(ar))}{held}{texts(own)}</AR>"


def _ends(ar: AddressRange) -> dict[str, str]:
    """Return first and last addresses that are computed, in the schema's order."""
    if ar.size < 1:
        return {}
    first, last = addresses_at(ar, 0), addresses_at(ar, ar.size - 1)
    found: dict[str, str] = {"MAC_END": last["MAC"]}
    if "IP" in last:
        found["IP_END"] = last["IP"]
    for name in ("IP6_ULA", "IP6_GLOBAL", "IP6"):
        if name in last:
            found[name], found[f"{name}_END"] = first[name], last[name]
    return found | {name: ar.attributes[name] for name in ("PORT_START", "PORT_SIZE") if name in ar.attributes}


def _lease(ar: AddressRange, lease: Lease) -> str:
    values = {**addresses_at(ar, lease.index), "MAC": format_mac(lease.mac)}
    if lease.ip is not None:
        values["IP"] = format_ipv4(lease.ip)
    return _held(values, "VM", lease.vm_id)


def _held(addresses: Mapping[str, str], holder: str, holder_id: int) -> str:
    """Return a LEASE of a VM or of a reservation (VNET)."""
    return f"<LEASE>{texts(dict(sorted(addresses.items())))}<{holder}>{holder_id}</{holder}></LEASE>"

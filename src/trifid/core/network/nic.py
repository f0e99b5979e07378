"""The NICs of a new VM: each that names a network gets a lease and the network's attributes.

Source: reference/templates.md §4.5, reference/api-modern.md §5.4.
"""

from collections.abc import Callable

import msgspec

from trifid.core.network.address import addresses_at, format_ipv4, format_mac
from trifid.core.network.index_set import IndexSet
from trifid.core.network.lease import RandomSuffix, asked, explicit_lease, next_lease
from trifid.core.network.record import LIMITS, AddressRange, Lease, Network
from trifid.core.network.security_group import merged
from trifid.core.template.model import Template, Value
from trifid.errors import BadTemplate, NoLease, NotAllocated

Nic = dict[str, str]
NetworkOf = Callable[[Nic], Network | None]
"""A NIC's vector -> the network it names and the caller may use, or None."""
TakenIn = Callable[[int, int], IndexSet]
"""(network id, range id) -> which indexes of that range are taken."""

_FOR_THE_GUEST = (
    "GATEWAY",
    "GATEWAY6",
    "DNS",
    "NETWORK_ADDRESS",
    "NETWORK_MASK",
    "PREFIX_LENGTH",
    "SEARCH_DOMAIN",
    "METRIC",
    "METHOD",
    "IP6_METHOD",
    "GUEST_MTU",
    "CONTEXT_FORCE_IPV4",
)
"""Attributes a NIC takes from its range or network unless it has its own."""

_OF_THE_LINK = ("MTU", "VLAN_TAGGED_ID", "FILTER_IP_SPOOFING", "FILTER_MAC_SPOOFING", *LIMITS)
"""Attributes that the administrator of the network sets and a NIC cannot."""

_ADDRESSES = ("IP", "IP6", "IP6_LINK", "IP6_GLOBAL", "IP6_ULA")
"""What a NIC has of its lease alone: guests may send from these."""


class _Pending(msgspec.Struct):
    """Leases given in this call, which nobody else knows of yet."""

    networks: dict[int, Network] = {}
    before: dict[int, Network] = {}
    taken: dict[tuple[int, int], IndexSet] = {}


def lease_nics(
    template: Template,
    *,
    vm_id: int,
    uid: int,
    network_of: NetworkOf,
    taken: TakenIn,
    random_mac_suffix: RandomSuffix,
    first_id: int = 0,
) -> tuple[Template, list[Lease], list[Network]]:
    """Give every NIC that names a network an address, and fill in what drivers and guests need.

    NICs that ask for a certain address are served first, so that no other takes it.  A NIC without
    network stays as it is.

    Args:
        uid: the owner of the VM, for the message about a missing network.
        random_mac_suffix: for the MACs of shared addresses.
        first_id: NIC_ID of the first one; that of a NIC for a VM that has some.

    Returns:
        (the template with its NICs filled in, the leases in NIC order, the networks whose cursor moved).

    Raises:
        NotAllocated: a network does not exist or may not be used.
        NoLease: no free address, or the asked one cannot be given.
        BadTemplate: an asked address is none, or a NIC is not a vector.
    """
    nics = [nic for _, nic in _nics(template)]
    wanting = [i for i, nic in enumerate(nics) if nic.get("NETWORK") or nic.get("NETWORK_ID")]
    wishes = {}
    for i in wanting:
        try:
            wishes[i] = asked(nics[i])
        except BadTemplate as bad:
            raise BadTemplate(f"NIC {first_id + i}: {bad.message}") from bad
    pending = _Pending()
    got: dict[int, Lease] = {}
    for i in sorted(wanting, key=lambda one: wishes[one] is None):
        network = _network(nics[i], uid, network_of, pending)
        is_taken = _with_pending(network.id, pending, taken)
        wish = wishes[i]
        try:
            if wish is None:
                network, lease = next_lease(network, vm_id, is_taken)
            else:
                lease = explicit_lease(network, vm_id, wish, is_taken, random_mac_suffix)
        except NoLease as none:
            raise NoLease(f"NIC {first_id + i}: {none.message}") from none
        pending.networks[network.id] = network
        pending.taken[lease.key[:2]] = is_taken(lease.range_id).added(lease.index)
        got[i] = lease
    filled = {
        i: _filled(nics[i], first_id + i, vm_id, lease, pending.networks[lease.network_id]) for i, lease in got.items()
    }
    moved = [n for n in pending.networks.values() if n is not pending.before[n.id]]
    return _with_nics(template, filled), [got[i] for i in sorted(got)], moved


def _nics(template: Template) -> list[tuple[int, Nic]]:
    """Return (position in the template, vector) of every NIC; raises BadTemplate for one that is no vector."""
    found = []
    for position, (name, value) in enumerate(template):
        if name == "NIC":
            if not isinstance(value, dict):
                raise BadTemplate(f"NIC must be a vector such as NIC = [ NETWORK = \"private\" ], is '{value}'")
            found.append((position, value))
    return found


def _network(nic: Nic, uid: int, network_of: NetworkOf, pending: _Pending) -> Network:
    network = network_of(nic)
    if network is None:
        if nic.get("NETWORK_ID"):
            raise NotAllocated(f"Virtual network with ID: {nic['NETWORK_ID']} does not exist")
        raise NotAllocated(
            f"User {uid} does not own a network with name: {nic['NETWORK']} . "
            "Set NETWORK_UNAME or NETWORK_UID of owner in NIC."
        )
    pending.before.setdefault(network.id, network)
    return pending.networks.setdefault(network.id, network)


def _with_pending(network_id: int, pending: _Pending, taken: TakenIn) -> Callable[[int], IndexSet]:
    """Return what is taken of one network, the leases of this call too."""

    def is_taken(range_id: int) -> IndexSet:
        found = pending.taken.get((network_id, range_id))
        return taken(network_id, range_id) if found is None else found

    return is_taken


def _filled(nic: Nic, nic_id: int, vm_id: int, lease: Lease, network: Network) -> Nic:
    ar = next(one for one in network.ranges if one.id == lease.range_id)
    out = {**_inherited(ar, network, _FOR_THE_GUEST), **nic, **_inherited(ar, network, _OF_THE_LINK)}
    for name in _ADDRESSES:
        out.pop(name, None)
    out.update(addresses_at(ar, lease.index))
    out["MAC"] = format_mac(lease.mac)
    if lease.ip is not None:
        out["IP"] = format_ipv4(lease.ip)
    out.update(
        NIC_ID=str(nic_id),
        NETWORK=network.name,
        NETWORK_ID=str(network.id),
        AR_ID=str(ar.id),
        BRIDGE=network.bridge,
        BRIDGE_TYPE=network.bridge_type,
        VN_MAD=network.vn_mad,
        CLUSTER_ID=",".join(map(str, network.cluster_ids)),
        SECURITY_GROUPS=_groups(nic, ar, network),
    )
    for key, value in (("PHYDEV", network.phydev), ("VLAN_ID", network.vlan_id)):
        out.pop(key, None)
        if value:
            out[key] = value
    for key, default in (("TARGET", f"one-{vm_id}-{nic_id}"), ("NAME", f"NIC{nic_id}")):
        out[key] = out.get(key) or default
    return out


def _groups(nic: Nic, ar: AddressRange, network: Network) -> str:
    """Return the security groups of a NIC: its own and those of its network; raises BadTemplate."""
    name = "SECURITY_GROUPS"
    try:
        return merged(nic.get(name, ""), network.template.single(name), ar.attributes.get(name, ""))
    except BadTemplate as bad:
        raise BadTemplate(f"NIC in network {network.name} [{network.id}]: {bad.message}") from bad


def _inherited(ar: AddressRange, network: Network, names: tuple[str, ...]) -> Nic:
    """Return those of the named attributes that the range has, else the network."""
    found = {name: ar.attributes.get(name) or network.template.single(name) for name in names}
    return {name: value for name, value in found.items() if value}


def _with_nics(template: Template, filled: dict[int, Nic]) -> Template:
    pairs: list[tuple[str, Value]] = list(template)
    for nic_id, (position, _) in enumerate(_nics(template)):
        if nic_id in filled:
            pairs[position] = ("NIC", filled[nic_id])
    return Template(tuple(pairs))

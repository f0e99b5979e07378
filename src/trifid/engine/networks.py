"""Which network a NIC means, and the addresses that it gets there."""

import secrets

from trifid.core.access import Caller, Right, allowed, check_use
from trifid.core.network.nic import lease_nics
from trifid.core.network.record import Network
from trifid.core.template.model import Template
from trifid.engine.nic_groups import check_groups
from trifid.engine.transaction import Draft

_ID_DIGITS_MAX = 18


def random_mac_suffix() -> int:
    """Return four random bytes, for the MACs of a range without IPv4 and of shared addresses."""
    return secrets.randbits(32)


def with_leases(
    draft: Draft, caller: Caller, template: Template, vm_id: int, first_id: int = 0, *, are_vetted: bool = False
) -> Template:
    """Return a template whose NICs have addresses, the leases of which are taken in the draft.

    Args:
        first_id: NIC_ID of the first one.
        are_vetted: whether somebody might give the NICs their own security groups was looked at already.

    Raises:
        BadTemplate, NotAllocated, NoLease: as `lease_nics` tells.
        NotAllocated, NotAllowed: a security group that is not there, or that the caller may not use.
        Locked: a network has a lock that forbids its use.
    """
    filled, leases, networks = lease_nics(
        template,
        vm_id=vm_id,
        uid=caller.uid,
        network_of=lambda nic: _network_to_use(draft, caller, nic),
        taken=draft.taken,
        random_mac_suffix=random_mac_suffix,
        first_id=first_id,
    )
    for network in networks:
        draft.put(network)
    for lease in leases:
        draft.put(lease)
    check_groups(draft, caller, [] if are_vetted else template.vectors("NIC"), filled.vectors("NIC"))
    return filled


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS_MAX


def _network_to_use(draft: Draft, caller: Caller, nic: dict[str, str]) -> Network | None:
    """Return the network that a NIC names and may have an address of, or None; raises Locked."""
    network = network_of(draft, caller, nic)
    if network is not None:
        check_use(caller, "NET", network)
    return network


def network_of(draft: Draft, caller: Caller, nic: dict[str, str]) -> Network | None:
    """Return the network that a NIC names and the caller may use, or None."""
    if "NETWORK_ID" in nic:
        number = nic["NETWORK_ID"]
        network = draft.find_network(int(number)) if _is_id(number) else None
        return network if network is not None and allowed(caller, Right.USE, "NET", network) else None
    name, owner = nic.get("NETWORK"), nic.get("NETWORK_UID")
    if owner is None and "NETWORK_UNAME" in nic:
        owner = str(draft.named("user", nic["NETWORK_UNAME"]))
    named = [n for n in draft.each("networks") if n.name == name and allowed(caller, Right.USE, "NET", n)]
    if owner is not None:
        named = [n for n in named if str(n.uid) == owner]
    mine = [n for n in named if n.uid == caller.uid]
    return min(mine or named, key=lambda n: n.id, default=None)

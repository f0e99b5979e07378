"""VLAN numbers: what a driver can take, and the one chosen for a network that names none.

Source: reference/xmlrpc.md §4 (VLAN_IDS and VXLAN_IDS start at 2), reference/api-modern.md §5.5 (VLAN_ID_AUTOMATIC).
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from trifid.core.network.index_set import NOTHING_TAKEN
from trifid.core.network.record import Network
from trifid.errors import BadTemplate, NoLease, Refused

VLAN_MAX = 4094
VXLAN_MAX = (1 << 24) - 1
_MOST = {"802.1Q": VLAN_MAX, "ovswitch": VLAN_MAX, "vxlan": VXLAN_MAX}
"""Network drivers that have VLAN numbers, and their last one."""
_NEEDS_ONE = ("vxlan",)


class Starts(msgspec.Struct, frozen=True):
    """Where the choice begins."""

    vlan: int = 2
    vxlan: int = 2


def refuse_wrong_vlan(network: Network) -> None:
    """Raise BadTemplate when a network has a VLAN_ID that its driver cannot take."""
    most = _MOST.get(network.vn_mad)
    if most is not None and network.vlan_id and not 1 <= int(network.vlan_id) <= most:
        raise BadTemplate(f"VLAN_ID of a network with VN_MAD {network.vn_mad} is 1 to {most}, is {network.vlan_id}")


def with_vlan(network: Network, others: Iterable[Network], starts: Starts) -> Network:
    """Return the network with the lowest VLAN number that no other one has on that device, if it wants one chosen.

    AUTOMATIC_VLAN_ID=YES wants it, and a vxlan that has no VLAN_ID.  A number that is given is kept.  A vxlan's is
    its own on all devices: a host has one interface for each number.

    Args:
        others: all networks that there are.

    Raises:
        NoLease: all numbers are in use.
    """
    wants = network.template.single("AUTOMATIC_VLAN_ID").strip().upper() == "YES" or network.vn_mad in _NEEDS_ONE
    most = _MOST.get(network.vn_mad)
    if network.vlan_id or not wants or most is None:
        return network
    taken = NOTHING_TAKEN
    for other in others:
        is_beside = other.vn_mad == network.vn_mad and (other.phydev == network.phydev or network.vn_mad in _NEEDS_ONE)
        if is_beside and other.id != network.id and other.vlan_id and int(other.vlan_id) not in taken:
            taken = taken.added(int(other.vlan_id))
    start = starts.vxlan if network.vn_mad in _NEEDS_ONE else starts.vlan
    number = taken.next_free(start, most + 1)
    if number is None:
        raise NoLease(
            f"network {network.name}: all VLAN numbers from {start} to {most} are in use for VN_MAD {network.vn_mad} "
            f"on PHYDEV {network.phydev or 'that is not named'}: delete a network, or give a VLAN_ID"
        )
    return replace(network, vlan_id=str(number), is_vlan_automatic=True)


def refuse_taken_vxlan(network: Network, others: Iterable[Network]) -> None:
    """Refuse a vxlan with the number of another one that is on another bridge, or on another device.

    A host has one interface for each number, which is a port of one bridge.  Reservations are on the bridge of
    what they are part of, and follow it.

    Raises:
        Refused: the text names the other network.
    """
    if network.vn_mad not in _NEEDS_ONE or not network.vlan_id:
        return
    for other in others:
        is_same = other.vn_mad == network.vn_mad and other.vlan_id and int(other.vlan_id) == int(network.vlan_id)
        if not is_same or _family(other) == _family(network):
            continue
        if (other.bridge, other.phydev) != (network.bridge, network.phydev):
            where = f"on bridge {other.bridge}" + (f" and PHYDEV {other.phydev}" if other.phydev else "")
            raise Refused(
                f"VLAN_ID {int(network.vlan_id)} is that of vxlan {other.name} [{other.id}] {where}: give network "
                f"{network.name} another one, or the same BRIDGE and PHYDEV",
                other.id,
            )


def _family(network: Network) -> str:
    return network.parent_id or str(network.id)

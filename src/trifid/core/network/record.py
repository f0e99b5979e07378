"""A virtual network as a record: its address ranges, and the leases taken from them.

Free addresses are never stored: a range knows its size and cursor, and leases are separate records
keyed by (network, range, index), so that a /8 network costs no memory.
"""

import enum

import msgspec

from trifid.core.access import Permissions
from trifid.core.template.model import Template
from trifid.core.vm.lock import Lock


class NetworkState(enum.IntEnum):
    """Network states of today's API (reference/api-modern.md §5.6)."""

    INIT = 0
    READY = 1
    LOCK_CREATE = 2
    LOCK_DELETE = 3
    DONE = 4
    ERROR = 5
    UPDATE_FAILURE = 6

    @property
    def short(self) -> str:
        """What lists show."""
        return ("init", "rdy", "lock", "lock", "done", "err", "fail")[self.value]


class AddressRange(msgspec.Struct, frozen=True):
    """A run of consecutive addresses (reference/templates.md §4.6).

    Address i of the range is MAC + i and, when it has one, IP + i.

    Attributes:
        id: AR_ID, unique in its network, never given again.
        type: ETHER, IP4, IP6, IP4_6, IP6_STATIC or IP4_6_STATIC.
        size: number of addresses that are given automatically.
        mac: first MAC as an integer.
        ip: first IPv4 address as an integer, None for a range without IPv4.
        next_index: the cursor: where the search for a free address begins.
        last_explicit: the last index that an explicit request may name: classic RANGED networks accept
            what their aligned block has behind the automatic ones (reference/templates.md §4.3).
            None = size-1.
        keep_cursor: the cursor stays on the address just given (classic RANGED, §4.4) instead of
            moving one past it.
        attributes: all other attributes of the range (GATEWAY, DNS, IP6, GLOBAL_PREFIX …).
        parent_range_id, parent_index: of a reservation: the range of the parent network that the
            addresses are taken out of, and the index of the first of them there.
    """

    id: int
    type: str
    size: int
    mac: int
    ip: int | None = None
    next_index: int = 0
    last_explicit: int | None = None
    keep_cursor: bool = False
    attributes: dict[str, str] = {}
    parent_range_id: int | None = None
    parent_index: int = 0

    @property
    def is_shared(self) -> bool:
        """Whether several VMs may have one of its addresses, on request; none is given automatically."""
        return self.attributes.get("SHARED", "").upper() == "YES"


class Network(msgspec.Struct, frozen=True):
    """A virtual network.

    Attributes:
        template: the user's attributes that are not fields here (GATEWAY, DNS, NETWORK_MASK, TYPE …).
        next_range_id: AR_ID of the next range added.
        cluster_ids: clusters that it belongs to.
        parent_id: of a reservation, the network that its addresses are taken out of; "" of any other.
        is_vlan_automatic: whether the engine has chosen its VLAN_ID.
        template_id: the network template that it was made of, -1 = none.
    """

    id: int
    uid: int
    gid: int
    name: str
    bridge: str
    vn_mad: str
    state: NetworkState = NetworkState.READY
    prev: NetworkState = NetworkState.READY
    permissions: Permissions = Permissions(0o600)
    bridge_type: str = "linux"
    phydev: str = ""
    vlan_id: str = ""
    parent_id: str = ""
    template: Template = Template()
    ranges: tuple[AddressRange, ...] = ()
    next_range_id: int = 0
    cluster_ids: tuple[int, ...] = (0,)
    lock: Lock | None = None
    is_vlan_automatic: bool = False
    template_id: int = -1

    @property
    def is_reservation(self) -> bool:
        """Whether its addresses are a part of those of another network."""
        return bool(self.parent_id)


Span = tuple[int, int, int, int]
"""(network id, address range id, first index, last index)"""


def reserved_spans(network: Network | None) -> frozenset[Span]:
    """Return what a reservation takes of its parent's ranges; nothing for a network that is none."""
    if network is None or not network.is_reservation:
        return frozenset()
    parent_id = int(network.parent_id)
    return frozenset(
        (parent_id, ar.parent_range_id, ar.parent_index, ar.parent_index + ar.size - 1)
        for ar in network.ranges
        if ar.parent_range_id is not None
    )


LeaseKey = tuple[int, int, int]
"""(network id, address range id, index in the range)"""

LIMITS = tuple(f"{way}_{what}" for way in ("INBOUND", "OUTBOUND") for what in ("AVG_BW", "PEAK_BW", "PEAK_KB"))
"""Attributes of a network, and keys of a NIC, that limit how fast a NIC is."""
HELD_BY_NOBODY = -1


class Lease(msgspec.Struct, frozen=True):
    """One address in use.

    Attributes:
        index: position in its range; from size on only for a classic explicit request, and in a shared
            range, where index i + k·size is the lease of another VM on address i.
        vm_id: its holder, or HELD_BY_NOBODY for a lease put on hold by an administrator.
        mac: the MAC in use, as an integer (a FIXED lease may carry its own, that of a shared address is random).
    """

    network_id: int
    range_id: int
    index: int
    vm_id: int
    mac: int
    ip: int | None = None

    @property
    def key(self) -> LeaseKey:
        """Where the store and memory keep it."""
        return (self.network_id, self.range_id, self.index)

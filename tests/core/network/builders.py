"""A small world of leases: what the engine's draft is to the rules."""

from msgspec.structs import replace

from trifid.core.network.define import Defaults, define
from trifid.core.network.index_set import NOTHING_TAKEN, IndexSet
from trifid.core.network.lease import Asked, explicit_lease, next_lease
from trifid.core.network.record import Lease, Network
from trifid.core.template.model import template

DEFAULTS = Defaults(mac_prefix=0x0016, network_size=254)


def network(network_id: int = 3, **attributes) -> Network:
    """Define a network from template attributes, with defaults for those that do not matter."""
    if "AR" in attributes:
        attributes.setdefault("VN_MAD", "bridge")
    return define(
        template({"NAME": "private", "BRIDGE": "br0", **attributes}),
        network_id=network_id,
        uid=0,
        gid=0,
        defaults=DEFAULTS,
        random_mac_suffix=lambda: 0x01020304,
    )


def ranged(address: str = "10.0.0.0", size: str = "10", **more) -> Network:
    return network(TYPE="RANGED", NETWORK_ADDRESS=address, NETWORK_SIZE=size, **more)


def modern(ip: str = "10.0.0.10", size: str = "5", **more) -> Network:
    return network(AR={"TYPE": "IP4", "IP": ip, "SIZE": size}, **more)


class World:
    """A network with its leases."""

    def __init__(self, net: Network) -> None:
        self.network = net
        self.leases: dict[tuple[int, int], Lease] = {}
        self.sets: dict[int, IndexSet] = {}
        self.suffixes = iter(range(0x77000000, 0x78000000))

    def taken(self, range_id: int) -> IndexSet:
        return self.sets.get(range_id, NOTHING_TAKEN)

    def keep(self, lease: Lease) -> Lease:
        self.sets[lease.range_id] = self.taken(lease.range_id).added(lease.index)
        self.leases[lease.range_id, lease.index] = lease
        return lease

    def next(self, vm_id: int = 1) -> Lease:
        self.network, lease = next_lease(self.network, vm_id, self.taken)
        return self.keep(lease)

    def ask(self, wanted: Asked, vm_id: int = 1) -> Lease:
        return self.keep(explicit_lease(self.network, vm_id, wanted, self.taken, lambda: next(self.suffixes)))

    def free(self, lease: Lease) -> None:
        del self.leases[lease.range_id, lease.index]
        self.sets[lease.range_id] = self.taken(lease.range_id).removed(lease.index)

    def with_cursor(self, index: int) -> None:
        (ar,) = self.network.ranges
        self.network = replace(self.network, ranges=(replace(ar, next_index=index),))

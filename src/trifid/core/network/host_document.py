"""What one host shall be, as far as virtual networks go: one whole document, applied as a whole.

The engine makes it of the records; a network driver makes the host look like it, whatever the host looked
like before.  Applying it twice changes nothing, and what is not in it and is ours goes.
"""

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """One rule of a security group: what may pass.

    Attributes:
        is_inbound: to the guest, else from it.
        protocol: tcp, udp, icmp, icmpv6, ipsec or all.
        ports: of the destination, for tcp and udp: (first, last) pairs; empty = any.
        icmp_type: -1 = any.
        peers: networks (CIDR) of the other side; empty = anybody.
    """

    is_inbound: bool
    protocol: str
    ports: tuple[tuple[int, int], ...] = ()
    icmp_type: int = -1
    peers: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """A security group: what none of its rules lets pass does not, but for answers to what did."""

    id: int
    rules: tuple[Rule, ...] = ()


class Bandwidth(msgspec.Struct, frozen=True):
    """How fast one direction of a NIC may be; 0 = not limited.

    Attributes:
        average_kib_s, peak_kib_s: KiB a second.
        burst_kib: how much may pass at the peak, KiB.
    """

    average_kib_s: int = 0
    peak_kib_s: int = 0
    burst_kib: int = 0


class Port(msgspec.Struct, frozen=True):
    """A NIC of a VM that is on the host, or about to be.

    Attributes:
        device: its interface on the host: `one-5-0`.
        addresses: IPv4 and IPv6 addresses that are its own.
        keeps_mac, keeps_ip: frames from it with another MAC, packets with another address, are dropped.
        is_filtered: whether its groups are applied.
        groups: ids of its security groups; what any of them lets pass passes.
        inbound, outbound: to and from the guest.
    """

    vm_id: int
    nic_id: int
    device: str
    network_id: int
    mac: str
    addresses: tuple[str, ...] = ()
    keeps_mac: bool = False
    keeps_ip: bool = False
    is_filtered: bool = False
    groups: tuple[int, ...] = ()
    inbound: Bandwidth = Bandwidth()
    outbound: Bandwidth = Bandwidth()


class Named(msgspec.Struct, frozen=True):
    """An address that a network's services tell of.

    Attributes:
        name: of the guest, fit for DNS.
    """

    mac: str
    name: str
    addresses: tuple[str, ...] = ()


class Services(msgspec.Struct, frozen=True):
    """What a host does for the guests of a network: addresses, names, a way out.

    Attributes:
        address: of the host in the network, with its prefix length: `10.0.0.254/24`; the guests' gateway
            when `is_router`, and their DNS server when `has_dns`.
        address6: the same in IPv6, empty for none.
        has_dhcp: addresses are given by DHCP to the MACs below, to nobody else.
        has_dns: names are told, those below and those that the host knows.
        is_router: packets go out through the host, with its address (NAT).
        gateway, dns: told to guests when the host is not these itself; empty = none.
        domain: of the names.
        known: who gets which address.
    """

    address: str
    address6: str = ""
    has_dhcp: bool = False
    has_dns: bool = False
    is_router: bool = False
    gateway: str = ""
    dns: tuple[str, ...] = ()
    domain: str = ""
    known: tuple[Named, ...] = ()


class HostNetwork(msgspec.Struct, frozen=True):
    """A virtual network that ports of the host are in.

    Attributes:
        driver: bridge, fw, 802.1Q, vxlan, ovswitch.
        bridge: its name on the host.
        is_bridge_made: make the bridge when it is missing, and remove it when no port needs it any more.
        phydev: interface of the host that the network leaves by, empty = it does not.
        vlan_id: its tag, or for vxlan its number; 0 = none.
        mtu: 0 = as it comes.
        peers: addresses of the other hosts that have ports of it (vxlan).
        multicast: group that replaces peers (vxlan), empty = unicast.
        services: None = none.
    """

    id: int
    driver: str
    bridge: str
    is_bridge_made: bool = False
    phydev: str = ""
    vlan_id: int = 0
    mtu: int = 0
    peers: tuple[str, ...] = ()
    multicast: str = ""
    services: Services | None = None


class HostDocument(msgspec.Struct, frozen=True):
    """Everything about virtual networks on one host.

    Attributes:
        engine_id: whose document it is: things of other engines on the host are left alone.
        host: its name.
        address: where it is reached by the other hosts (vxlan), empty = by its name.
        version: a later document of the same engine and host has a higher one.
        others: interfaces of its VMs that nothing is asked for: in networks that ask nothing of hosts.
    """

    engine_id: str
    host: str
    version: int
    address: str = ""
    networks: tuple[HostNetwork, ...] = ()
    ports: tuple[Port, ...] = ()
    groups: tuple[Group, ...] = ()
    others: tuple[str, ...] = ()

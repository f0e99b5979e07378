"""What a host must be for the NICs that are on it: made of records, pure.

A NIC is managed when its network asks something of the host: isolation, filters, limits, services, or a
bridge that is made.  A plain bridge that is there already asks nothing, as in 2009.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from trifid.core.network.address import parse_ipv4
from trifid.core.network.host_document import Bandwidth, Group, HostDocument, HostNetwork, Port, Services
from trifid.core.network.record import LIMITS, Network
from trifid.core.network.security_group import groups_of
from trifid.core.vm.record import VM

Nic = dict[str, str]

ISOLATING = {"fw": "fw", "ebtables": "fw", "802.1Q": "802.1Q", "vxlan": "vxlan"}
"""Network drivers that a host must do something for, and what they are called in the document."""
_PLAIN = {"bridge": "bridge", "ovswitch": "ovswitch"}
"""Network drivers that ask something only when their network says so."""
_FILTERED = ("fw", "802.1Q", "vxlan")
_ADDRESSES = ("IP", "IP6", "IP6_GLOBAL", "IP6_ULA")
_MULTICAST_BASE = "239.0.0.0"


class Records(msgspec.Struct, frozen=True):
    """What a document is made of.

    Attributes:
        network: id -> record or None.
        group: id of a security group -> what it lets pass, or None.
        services: of a network, None when it has none.
        peers: id of a network -> addresses of the other hosts with ports of it.
    """

    network: Callable[[int], Network | None]
    group: Callable[[int], Group | None]
    services: Callable[[Network], Services | None]
    peers: Callable[[int], tuple[str, ...]]


def document_of(
    *, engine_id: str, host: str, address: str, version: int, vms: Iterable[VM], records: Records
) -> HostDocument:
    """Return the document of a host that these VMs are on, or about to be."""
    vms = list(vms)
    ports = [port for vm in vms for port in ports_of(vm, records.network)]
    devices = {nic["TARGET"] for vm in vms for nic in vm.template.vectors("NIC") if nic.get("TARGET")}
    networks = [_hosted(records, network_id) for network_id in sorted({port.network_id for port in ports})]
    groups = [records.group(group_id) for group_id in sorted({g for port in ports for g in port.groups})]
    return HostDocument(
        engine_id=engine_id,
        host=host,
        address=address,
        version=version,
        networks=tuple(networks),
        ports=tuple(sorted(ports, key=lambda port: (port.vm_id, port.nic_id))),
        groups=tuple(group for group in groups if group is not None),
        others=tuple(sorted(devices - {port.device for port in ports})),
    )


def ports_of(vm: VM, network_of: Callable[[int], Network | None]) -> list[Port]:
    """Return the managed NICs of a VM."""
    found = []
    for nic in vm.template.vectors("NIC"):
        number = nic.get("NETWORK_ID", "")
        network = network_of(int(number)) if number.isdecimal() else None
        if network is not None and is_managed(network, nic):
            found.append(_port(vm, nic, network))
    return found


def is_managed(network: Network, nic: Mapping[str, str]) -> bool:
    """Tell whether a NIC's network asks something of its host."""
    if network.vn_mad in ISOLATING:
        return True
    if network.vn_mad not in _PLAIN:
        return False
    asks = ("FILTER_MAC_SPOOFING", "FILTER_IP_SPOOFING", "CREATE_BRIDGE", "DHCP", "DNS_SERVICE", "ROUTER")
    return any(_is_yes(network, key) for key in asks) or any(nic.get(key) for key in LIMITS)


def _port(vm: VM, nic: Nic, network: Network) -> Port:
    kind = ISOLATING.get(network.vn_mad) or _PLAIN[network.vn_mad]
    addresses = tuple(dict.fromkeys(nic[key] for key in _ADDRESSES if nic.get(key)))
    return Port(
        vm_id=vm.id,
        nic_id=int(nic["NIC_ID"]),
        device=nic.get("TARGET", ""),
        network_id=network.id,
        mac=nic.get("MAC", "").lower(),
        addresses=addresses,
        keeps_mac=_is_yes(network, "FILTER_MAC_SPOOFING", default=kind in _FILTERED),
        keeps_ip=_is_yes(network, "FILTER_IP_SPOOFING", default=kind in _FILTERED) and bool(addresses),
        is_filtered=kind in _FILTERED,
        groups=tuple(sorted(groups_of(nic))),
        inbound=_bandwidth(nic, "INBOUND"),
        outbound=_bandwidth(nic, "OUTBOUND"),
    )


def _bandwidth(nic: Nic, way: str) -> Bandwidth:
    average, peak, burst = (_number(nic.get(f"{way}_{what}", "")) for what in ("AVG_BW", "PEAK_BW", "PEAK_KB"))
    return Bandwidth(average, peak, burst)


def _hosted(records: Records, network_id: int) -> HostNetwork:
    network = records.network(network_id)
    assert network is not None
    kind = ISOLATING.get(network.vn_mad) or _PLAIN[network.vn_mad]
    is_multicast = kind == "vxlan" and (
        network.template.single("VXLAN_MODE").lower() == "multicast" or "VXLAN_MC" in network.template
    )
    return HostNetwork(
        id=network.id,
        driver=kind,
        bridge=network.bridge,
        is_bridge_made=kind in _FILTERED or _is_yes(network, "CREATE_BRIDGE"),
        phydev=network.phydev,
        vlan_id=_number(network.vlan_id),
        mtu=_number(network.template.single("MTU")),
        peers=records.peers(network.id) if kind == "vxlan" and not is_multicast else (),
        multicast=_multicast_group(network) if is_multicast else "",
        services=records.services(network),
    )


def _multicast_group(network: Network) -> str:
    """Return the group of a vxlan: its number counted from VXLAN_MC, 239.0.0.0 when not given."""
    base = parse_ipv4(network.template.single("VXLAN_MC") or _MULTICAST_BASE, "VXLAN_MC")
    number = base + _number(network.vlan_id)
    return ".".join(str(number >> shift & 0xFF) for shift in (24, 16, 8, 0))


def _is_yes(network: Network, key: str, *, default: bool = False) -> bool:
    """Tell whether a network says YES; what is neither YES nor NO must not take a filter away."""
    return {"YES": True, "NO": False}.get(network.template.single(key).strip().upper(), default)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0

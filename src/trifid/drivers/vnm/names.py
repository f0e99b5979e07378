"""Nothing of a document reaches a host before it was looked at here: names, addresses, numbers.

What is built of them are argument vectors and the text for nft; neither needs quotes, because nothing that would
passes.
"""

import ipaddress
import re
from collections.abc import Iterable

from trifid.core.network.host_document import Bandwidth, Group, HostDocument, HostNetwork, Port, Rule
from trifid.drivers.kit import Failure

DRIVERS = ("bridge", "fw", "802.1Q", "vxlan", "ovswitch")
PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6", "ipsec", "all")
VLAN_MAX = 4094
VXLAN_MAX = (1 << 24) - 1
MTU_MIN, MTU_MAX = 68, 65535
PORT_MAX = 65535
NUMBER_MAX = 1 << 40
"""Of KiB, KiB a second and ids: far beyond what there is, and nothing overflows."""
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", re.ASCII)
_ENGINE = re.compile(r"[0-9a-z]{4,64}", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.ASCII)
_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,254}", re.ASCII)
_SHOWN_MAX = 80


def check(document: HostDocument) -> HostDocument:
    """Return the document when everything in it is what it must be.

    Raises:
        Failure: something is not; the text says what, and of which network or NIC.
    """
    _matches(_ENGINE, document.engine_id, "the engine's id")
    if document.address:
        _matches(_HOST_NAME, document.address, "the address of the host")
    for network in document.networks:
        _check_network(network)
    _unique((str(network.id) for network in document.networks), "network")
    for port in document.ports:
        _check_port(port, {network.id for network in document.networks})
    _unique((port.device for port in document.ports), "interface")
    for group in document.groups:
        _check_group(group)
    return document


def interface(name: str, what: str) -> str:
    """Return the name of an interface; raises Failure when it can be none."""
    return _matches(_INTERFACE, name, what)


def _check_network(network: HostNetwork) -> None:
    what = f"network {network.id}"
    _number(network.id, 0, NUMBER_MAX, f"{what}: the id")
    if network.driver not in DRIVERS:
        raise Failure(f"{what}: there is no driver {_shown(network.driver)}, there are {', '.join(DRIVERS)}")
    interface(network.bridge, f"{what}: the bridge")
    if network.phydev:
        interface(network.phydev, f"{what}: PHYDEV")
    _number(network.vlan_id, 0, VXLAN_MAX if network.driver == "vxlan" else VLAN_MAX, f"{what}: VLAN_ID")
    if network.mtu:
        _number(network.mtu, MTU_MIN, MTU_MAX, f"{what}: MTU")
    for peer in network.peers:
        _matches(_HOST_NAME, peer, f"{what}: the address of a host")
    if network.services is not None:
        for text in filter(None, (network.services.address, network.services.address6)):
            if "/" not in text:
                raise Failure(f"{what}: {_shown(text)} has no prefix length, expected one such as 10.0.0.254/24")
            _address(text.partition("/")[0], f"{what}: the address of its services")
            _number_text(text.partition("/")[2], 128, f"{what}: the prefix length of its services")
    if network.multicast and not _address(network.multicast, f"{what}: the group").is_multicast:
        raise Failure(f"{what}: {network.multicast} is no multicast group")


def _check_port(port: Port, networks: set[int]) -> None:
    what = f"NIC {port.nic_id} of VM {port.vm_id}"
    _number(port.vm_id, 0, NUMBER_MAX, f"{what}: the VM's id")
    _number(port.nic_id, 0, NUMBER_MAX, f"{what}: the NIC's id")
    interface(port.device, f"{what}: the interface")
    _matches(_MAC, port.mac, f"{what}: the MAC")
    if port.network_id not in networks:
        raise Failure(f"{what}: its network {port.network_id} is not in the document")
    for address in port.addresses:
        _address(address, f"{what}: the address")
    for group in port.groups:
        _number(group, 0, NUMBER_MAX, f"{what}: a security group")
    for way in (port.inbound, port.outbound):
        _check_bandwidth(way, what)


def _check_bandwidth(way: Bandwidth, what: str) -> None:
    for number in (way.average_kib_s, way.peak_kib_s, way.burst_kib):
        _number(number, 0, NUMBER_MAX, f"{what}: a bandwidth")


def _check_group(group: Group) -> None:
    what = f"security group {group.id}"
    _number(group.id, 0, NUMBER_MAX, f"{what}: the id")
    for rule in group.rules:
        _check_rule(rule, what)


def _check_rule(rule: Rule, what: str) -> None:
    if rule.protocol not in PROTOCOLS:
        raise Failure(f"{what}: there is no protocol {_shown(rule.protocol)}, there are {', '.join(PROTOCOLS)}")
    if rule.ports and rule.protocol not in ("tcp", "udp"):
        raise Failure(f"{what}: {rule.protocol} has no ports")
    for first, last in rule.ports:
        _number(first, 0, PORT_MAX, f"{what}: a port")
        _number(last, first, PORT_MAX, f"{what}: the last port of a range")
    _number(rule.icmp_type, -1, 255, f"{what}: an ICMP type")
    for peer in rule.peers:
        try:
            if "%" in peer:
                raise ValueError(peer)
            ipaddress.ip_network(peer)
        except ValueError:
            raise Failure(f"{what}: {_shown(peer)} is no network, expected one such as 10.0.0.0/24") from None


def _address(text: str, what: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        if "%" in text:
            raise ValueError(text)
        return ipaddress.ip_address(text)
    except ValueError:
        raise Failure(f"{what} {_shown(text)} is none, expected one such as 10.0.0.1 or fd00::1") from None


def _matches(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise Failure(f"{what} cannot be {_shown(text)}: expected {pattern.pattern}")
    return text


def _number(number: int, first: int, last: int, what: str) -> None:
    if not first <= number <= last:
        raise Failure(f"{what} cannot be {number}: expected {first} to {last}")


def _number_text(text: str, last: int, what: str) -> None:
    if not (text.isascii() and text.isdecimal() and int(text[:4]) <= last):
        raise Failure(f"{what} cannot be {_shown(text)}: expected 0 to {last}")


def _unique(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Failure(f"{what} {name} is in the document twice")
        seen.add(name)


def _shown(text: str) -> str:
    return repr(text[:_SHOWN_MAX])

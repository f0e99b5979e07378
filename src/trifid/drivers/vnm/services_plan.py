"""What the services of one network are on a host: pure, made of the host's document.

Each network has a network namespace: its bridge sees the service as one more port, networks with the same
addresses do not meet, and dnsmasq is all that a guest can reach there.  Where the service has to do with the
outside, a second link leads from the namespace to the host.
"""

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

import msgspec

from trifid.core.network.host_document import HostDocument, HostNetwork, Services
from trifid.drivers.kit import Failure
from trifid.drivers.vnm.numbers import numbered
from trifid.drivers.vnm.troubles import Troubles

RUN = "/run/trifid"
ENGINE_DIGITS = 8
"""Of the engine's id, in names: enough to tell engines of one host apart."""
_LINK_DIGITS = 4
_PORT = "ts"
LINKS = IPv4Address("198.18.0.0")
"""The host's and a namespace's end of an uplink have two neighbouring addresses of 198.18.0.0/15 (RFC 2544)."""
LINKS_MAX = (1 << 16) - 1
LAN, UP = "lan", "up"
"""What the two links are called inside."""
_MAC_FIRST = 0xFE54
"""High, so that a bridge that goes by its lowest MAC does not take that of the service."""
_DRIVERS = ("bridge", "fw", "802.1Q", "vxlan")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)


class Plan(msgspec.Struct, frozen=True):
    """The services of one network on a host.

    Attributes:
        network_id: of the network.
        services: of it, looked at.
        namespace: its name.
        directory: of dnsmasq's files.
        port: of the bridge; LAN inside.  The MAC of LAN is the same on all hosts: a guest that moves finds
            its gateway where it left it.
        uplink: the host's end of UP, with address `outer`; empty when there is none.
        guests: interfaces of the host that the service is for.
        is_bridge_ours: whether nobody but guests is at the bridge.
    """

    network_id: int
    services: Services
    namespace: str
    directory: str
    bridge: str
    is_bridge_ours: bool
    mtu: int
    port: str
    mac: str
    uplink: str
    outer: str
    inner: str
    guests: tuple[str, ...]

    @property
    def interface(self) -> IPv4Interface:
        """Address of the service in the network."""
        return IPv4Interface(self.services.address)

    @property
    def interface6(self) -> IPv6Interface | None:
        """The same in IPv6."""
        return IPv6Interface(self.services.address6) if self.services.address6 else None

    @property
    def has_dnsmasq(self) -> bool:
        """Whether there is a program to run."""
        return self.services.has_dhcp or self.services.has_dns


def plans(document: HostDocument, troubles: Troubles) -> list[Plan]:
    """Return what is to be on a host; a network with services that cannot be is left out, and in trouble."""
    serving = [(network, network.services) for network in document.networks if network.services is not None]
    links = numbered((str(network.id) for network, _ in serving), LINKS_MAX)
    found = []
    for network, services in serving:
        with troubles.of(network.id):
            found.append(_plan(document, network, _checked(network, services), links[str(network.id)]))
    return found


def engine_part(document: HostDocument) -> str:
    """Return what tells an engine's things on a host from those of others."""
    return document.engine_id[:ENGINE_DIGITS]


def namespaces_begin(document: HostDocument) -> str:
    """Return the beginning of the names of an engine's namespaces; a network's id follows."""
    return f"trifid-{engine_part(document)}-"


def directory_of(document: HostDocument) -> str:
    """Return the directory that has one for each network with services."""
    return f"{RUN}/{document.engine_id}"


def links_of(document: HostDocument, network_id: int) -> tuple[str, str]:
    """Return the host's names of a service's port and its uplink."""
    ending = f"{document.engine_id[:_LINK_DIGITS]}-{network_id:x}"
    return f"{_PORT}{ending}", f"tu{ending}"


def is_port(name: str, engine_id: str) -> bool:
    """Tell whether an interface is the port of a service of an engine."""
    return name.startswith(f"{_PORT}{engine_id[:_LINK_DIGITS]}-")


def _plan(document: HostDocument, network: HostNetwork, services: Services, link: int) -> Plan:
    port, uplink = links_of(document, network.id)
    needs_outside = services.has_dns or services.is_router
    mac = f"{_MAC_FIRST:04x}{network.id & 0xFFFFFFFF:08x}"
    return Plan(
        network_id=network.id,
        services=services,
        namespace=f"{namespaces_begin(document)}{network.id}",
        directory=f"{directory_of(document)}/{network.id}",
        bridge=network.bridge,
        is_bridge_ours=network.is_bridge_made,
        mtu=network.mtu,
        port=port,
        mac=":".join(mac[i : i + 2] for i in range(0, len(mac), 2)),
        uplink=uplink if needs_outside else "",
        outer=str(LINKS + 2 * link),
        inner=str(LINKS + 2 * link + 1),
        guests=tuple(sorted(one.device for one in document.ports if one.network_id == network.id)),
    )


def _checked(network: HostNetwork, services: Services) -> Services:
    """Return services that can be written into the files of programs; raises Failure."""
    what = f"services of network {network.id}"
    if network.driver not in _DRIVERS:
        raise Failure(f"{what}: a network of {network.driver} cannot have any, those of {', '.join(_DRIVERS)} can")
    if services.domain and not _DOMAIN.fullmatch(services.domain):
        raise Failure(f"{what}: {services.domain[:80]!r} is no domain")
    try:
        IPv4Interface(services.address)
        if services.address6:
            IPv6Interface(services.address6)
        for address in (services.gateway, *services.dns, *(a for one in services.known for a in one.addresses)):
            if address:
                _address(address)
    except ValueError as wrong:
        raise Failure(f"{what}: {str(wrong)[:120]}") from None
    for one in services.known:
        if not (_MAC.fullmatch(one.mac) and _NAME.fullmatch(one.name)):
            raise Failure(f"{what}: {one.mac[:40]!r} and {one.name[:80]!r} must be a MAC and a name")
    return services


def _address(text: str) -> None:
    if "%" in text:
        raise ValueError(f"{text!r} is no address")
    ipaddress.ip_address(text)

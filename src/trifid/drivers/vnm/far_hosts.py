"""Addresses of the hosts that a document names by their names, as the host that asks sees them."""

import ipaddress
from collections.abc import Mapping

from trifid.core.network.host_document import HostDocument
from trifid.drivers.vnm.tools import Tools
from trifid.drivers.vnm.troubles import Troubles


def addresses(tools: Tools, document: HostDocument, troubles: Troubles) -> Mapping[str, str]:
    """Return the address of each host that vxlans of a document are about, by the name in it.

    The host's own may be missing when its name means itself only (127.0.1.1): the kernel then chooses.  The name of
    another host that means none that it could be reached by is missing, and the trouble of the networks with it.
    """
    networks = [network for network in document.networks if network.driver == "vxlan"]
    others = {peer for network in networks for peer in network.peers}
    found = {name: address_of(tools, name) for name in sorted(others)}
    for name, address in found.items():
        if not address:
            troubles.add(
                [network.id for network in networks if name in network.peers],
                f"host {tools.name} does not know where {name} is, and has guests in a vxlan with it:"
                f" give {name} the attribute VXLAN_ADDRESS, the address at which the other hosts reach it",
            )
    if networks and document.address:
        found[document.address] = address_of(tools, document.address)
    return {name: address for name, address in found.items() if address}


def address_of(tools: Tools, name: str) -> str:
    """Return the address of a host, IPv4 if it has one; empty when there is none that others could reach."""
    try:
        candidates = [ipaddress.ip_address(name)]
    except ValueError:
        said = tools.outcome("getent", "ahosts", name).out.decode(errors="replace")
        words = [line.split()[0].partition("%")[0] for line in said.splitlines() if line.strip()]
        candidates = [_unmapped(word) for word in words]
    usable = [ip for ip in candidates if not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)]
    return str(min(usable, key=lambda ip: ip.version, default=""))


def _unmapped(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address

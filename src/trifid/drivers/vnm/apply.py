"""A document, applied to a host: what is to be, what is, and the difference."""

import re
from collections.abc import Mapping

from trifid.core.network.host_document import HostDocument
from trifid.drivers.kit import Failure
from trifid.drivers.vnm import far_hosts, links, nft, ovswitch, present, services, shaping
from trifid.drivers.vnm.groups import inet_table
from trifid.drivers.vnm.spoofing import bridge_table
from trifid.drivers.vnm.tools import Tools
from trifid.drivers.vnm.troubles import Troubles

SWITCH = "/proc/sys/net/bridge/bridge-nf-call-iptables"
"""There when the kernel can show packets on bridges to the IP hooks."""
GUESTS = re.compile(r"one-[0-9]+-[0-9]+", re.ASCII)
"""Names of guests' interfaces, unless an administrator has chosen one."""
ENGINE_DIGITS = 8
"""So many of the engine's id are in the names of its tables."""


def apply(tools: Tools, document: HostDocument, *, vxlan_port: int = links.VXLAN_PORT) -> Troubles:
    """Make a host what a document says; the document was checked (names.check).

    Returns:
        Which networks could not be made, and why.  The rest is done, and the filters of all are in place.

    Raises:
        Failure: the host is not reached, or the filters cannot be put in place.
    """
    found = present.links(tools)
    _filters(tools, document, found)
    troubles = Troubles()
    _links(tools, document, found, vxlan_port, troubles)
    ovswitch.apply(tools, document, troubles)
    _limits(tools, document, troubles)
    services.apply(tools, document, troubles)
    return troubles


def table_name(engine_id: str) -> str:
    """Return the name of an engine's tables."""
    return f"trifid_{engine_id[:ENGINE_DIGITS]}"


def filters_text(
    document: HostDocument, addressed: frozenset[str] = frozenset(), strangers: frozenset[str] = frozenset()
) -> str:
    """Return all filters of a document, for nft to put in the place of those before, in one step.

    Args:
        addressed: bridges in which the host has an address.
        strangers: interfaces of guests that should not be there.
    """
    name = table_name(document.engine_id)
    bridge, inet = bridge_table(document, strangers), inet_table(document, addressed)
    return nft.table("bridge", name, bridge) + nft.table("inet", name, inet)


def _filters(tools: Tools, document: HostDocument, found: dict[str, present.Link]) -> None:
    if any(port.is_filtered for port in document.ports) and not tools.succeeds("test", "-e", SWITCH):
        tools.run("modprobe", "br_netfilter")
        if not tools.succeeds("test", "-e", SWITCH):
            raise Failure(
                f"host {tools.name}: there is no {SWITCH} although br_netfilter is loaded: no security groups"
            )
    addressed = frozenset(link.name for link in found.values() if link.kind == "bridge" and link.addresses)
    tools.feed(filters_text(document, addressed, strangers(document, found)), "nft", "-f", "-")


def strangers(document: HostDocument, found: Mapping[str, present.Link]) -> frozenset[str]:
    """Return the interfaces of guests at bridges of ours that the engine does not know to be on this host.

    A VM that was given up while its host was lost, or a NIC whose coming was reported failed: the addresses are
    others' by now, and there are no filters for it.
    """
    ours = {link.name for link in found.values() if link.kind == "bridge" and link.is_of(document.engine_id)}
    known = {*(port.device for port in document.ports), *document.others}
    guests = (name for name, link in found.items() if GUESTS.fullmatch(name) and link.master in ours)
    return frozenset(name for name in guests if name not in known)


def _links(
    tools: Tools, document: HostDocument, found: dict[str, present.Link], vxlan_port: int, troubles: Troubles
) -> None:
    wanted = links.desired(document, far_hosts.addresses(tools, document, troubles))
    todo = links.plan(wanted, found, document.engine_id, port=vxlan_port)
    broken = Troubles()  # not those whose far ends are not known: what can be made of them is
    for networks, why in todo.troubles:
        broken.add(networks, f"host {tools.name}: {why}")
    for step in todo.steps:
        if broken.have(step.networks):
            continue
        with broken.of(*step.networks):
            for argv in step.commands:
                tools.run(*argv)
    for uplink in wanted.uplinks:
        if uplink.kind == "vxlan" and not uplink.group and not broken.have(uplink.networks):
            with broken.of(*uplink.networks):
                for argv in links.far_end_plan(uplink, present.far_ends(tools, uplink.name)):
                    tools.run(*argv)
    troubles.take(broken)


def _limits(tools: Tools, document: HostDocument, troubles: Troubles) -> None:
    limited = [port for port in document.ports if shaping.is_limited(port.inbound) or shaping.is_limited(port.outbound)]
    with troubles.of(*sorted({port.network_id for port in limited})):
        found = present.links(tools)
        devices = [port.device for port in document.ports if port.device in found]
        todo = shaping.plan(document, found, shaping.look(tools, devices))
        network_of, broken = shaping.networks(document), Troubles()
        for argv in todo:
            networks = {network_of[word] for word in argv if word in network_of}
            if not broken.have(networks):
                with broken.of(*networks):
                    tools.run(*argv)
        troubles.take(broken)

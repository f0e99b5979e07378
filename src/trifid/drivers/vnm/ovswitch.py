"""Bridges of Open vSwitch: made in one step with their mark, tags on ports that are there."""

from collections.abc import Iterable

from trifid.core.network.host_document import HostDocument, HostNetwork, Port
from trifid.drivers.kit import Failure
from trifid.drivers.vnm.tools import Tools
from trifid.drivers.vnm.troubles import Troubles

DATABASE = "/run/openvswitch/db.sock"
MARK = "external_ids:trifid"
"""Where a bridge of ours says of which engine it is."""


def apply(tools: Tools, document: HostDocument, troubles: Troubles) -> None:
    """Make the bridges of Open vSwitch what a document says.

    A network's trouble is that Open vSwitch is not there, or refuses, or that it asks for what is not done there.
    """
    networks = [network for network in document.networks if network.driver == "ovswitch"]
    if not networks and not tools.succeeds("test", "-S", DATABASE):
        return
    for network in networks:
        with troubles.of(network.id):
            ports = [port for port in document.ports if port.network_id == network.id]
            _check(ports)
            _bridge(tools, network, document.engine_id)
            for port in ports if network.vlan_id else ():
                tools.run("ovs-vsctl", "--if-exists", "set", "Port", port.device, f"tag={network.vlan_id}")
    with troubles.of():
        _remove_others(tools, document.engine_id, {network.bridge for network in networks})


def _check(ports: Iterable[Port]) -> None:
    for port in ports:
        if port.keeps_mac or port.keeps_ip or port.is_filtered:
            raise Failure(
                f"network {port.network_id}: FILTER_MAC_SPOOFING, FILTER_IP_SPOOFING and security groups are not"
                " applied in Open vSwitch: take them out of the network, or give it VN_MAD=fw, 802.1Q or vxlan"
            )


def _bridge(tools: Tools, network: HostNetwork, engine_id: str) -> None:
    name = network.bridge
    if not tools.succeeds("ovs-vsctl", "br-exists", name):
        if not network.is_bridge_made:
            raise Failure(f"host {tools.name}: Open vSwitch has no bridge {name}: make it, or say CREATE_BRIDGE=YES")
        mark = ("--", "set", "Bridge", name, f"{MARK}={engine_id}")
        tools.run("ovs-vsctl", "--may-exist", "add-br", name, *mark)
    if network.phydev:
        tools.run("ovs-vsctl", "--may-exist", "add-port", name, network.phydev)


def _remove_others(tools: Tools, engine_id: str, kept: set[str]) -> None:
    """Remove bridges of ours that nobody needs and no guest is a port of."""
    ours = tools.run("ovs-vsctl", "--bare", "--columns=name", "find", "Bridge", f"{MARK}={engine_id}").split()
    for name in sorted(set(ours) - kept):
        if not any(port.startswith("one-") for port in tools.run("ovs-vsctl", "list-ports", name).split()):
            tools.run("ovs-vsctl", "--if-exists", "del-br", name)

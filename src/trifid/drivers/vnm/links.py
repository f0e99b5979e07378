"""From what a host's interfaces are to what they shall be: as commands, pure.

An interface is made in the group of ours and then given its alias; only such are ever removed.  What is there and
made by somebody else is used as it is, or refused.
"""

from collections.abc import Iterable, Mapping

import msgspec

from trifid.core.network.host_document import HostDocument, HostNetwork
from trifid.drivers.kit import Failure
from trifid.drivers.vnm.names import interface
from trifid.drivers.vnm.present import ALIAS, EVERYBODY, GROUP, Link
from trifid.drivers.vnm.services_plan import is_port

VXLAN_PORT = 4789
"""UDP port of vxlan (RFC 7348)."""
VXLAN_MTU = 1450
"""Of a vxlan on no interface in particular: what an MTU of 1500 leaves, over IPv4 (RFC 7348 §5)."""

Argv = tuple[str, ...]


class Uplink(msgspec.Struct, frozen=True):
    """What joins a bridge to other hosts.

    Attributes:
        kind: vlan or vxlan; empty for a card of the host.
        number: VLAN or vxlan number.
        lower: interface that it is on top of, empty = none.
        mtu: 0 = as it comes.
        local, group, peers: of a vxlan: where it is, the group, the others.
        knows_all: whether these are all the others; of some the address may not be known.
        networks: ids of those that leave by it.
    """

    name: str
    bridge: str
    kind: str = ""
    number: int = 0
    lower: str = ""
    mtu: int = 0
    local: str = ""
    group: str = ""
    peers: tuple[str, ...] = ()
    knows_all: bool = True
    networks: tuple[int, ...] = ()


class Bridge(msgspec.Struct, frozen=True):
    """A bridge.

    Attributes:
        is_made: it is made when it is missing.
        is_filtered: its packets are shown to the IP hooks.
        mtu: 0 = that of its ports.
        networks: ids of those that are on it.
    """

    name: str
    is_made: bool = False
    is_filtered: bool = False
    mtu: int = 0
    networks: tuple[int, ...] = ()


class Links(msgspec.Struct, frozen=True):
    """All that shall be there.

    Attributes:
        troubles: id of a network that asks for what cannot be -> why.
    """

    bridges: tuple[Bridge, ...] = ()
    uplinks: tuple[Uplink, ...] = ()
    troubles: dict[int, str] = {}


def desired(document: HostDocument, addresses: Mapping[str, str]) -> Links:
    """Return what a document asks for.

    Args:
        addresses: of the hosts that it names by names; those that are not known are left out.
    """
    filtered = {port.network_id for port in document.ports if port.is_filtered}
    bridges: dict[str, Bridge] = {}
    uplinks: dict[str, Uplink] = {}
    troubles: dict[int, str] = {}
    for network in document.networks:
        if network.driver == "ovswitch":
            continue
        before = bridges.get(network.bridge, Bridge(network.bridge))
        bridges[network.bridge] = Bridge(
            network.bridge,
            is_made=before.is_made or network.is_bridge_made,
            is_filtered=before.is_filtered or network.id in filtered,
            mtu=before.mtu or network.mtu,
            networks=(*before.networks, network.id),
        )
        try:
            uplink = _uplink(network, addresses, document.address)
            if uplink is not None:
                uplinks[uplink.name] = _joined(uplinks.get(uplink.name), uplink)
        except Failure as failure:
            troubles[network.id] = str(failure)
    return Links(
        tuple(bridges[name] for name in sorted(bridges)), tuple(uplinks[name] for name in sorted(uplinks)), troubles
    )


def _uplink(network: HostNetwork, addresses: Mapping[str, str], address: str) -> Uplink | None:
    if network.driver in ("802.1Q", "vxlan") and not network.vlan_id:
        raise Failure(f"network {network.id}: it has no VLAN_ID, a network of {network.driver} needs one")
    own = (network.id,)
    if network.driver == "802.1Q":
        if not network.phydev:
            raise Failure(f"network {network.id}: it has no PHYDEV, an 802.1Q network needs one")
        name = interface(f"{network.phydev}.{network.vlan_id}", f"network {network.id}: the VLAN's interface")
        return Uplink(name, network.bridge, "vlan", network.vlan_id, network.phydev, network.mtu, networks=own)
    if network.driver == "vxlan":
        return Uplink(
            f"vx-{network.vlan_id}",
            network.bridge,
            "vxlan",
            network.vlan_id,
            network.phydev,
            network.mtu or (0 if network.phydev else VXLAN_MTU),
            local=addresses.get(address, ""),
            group=network.multicast,
            peers=tuple(sorted({addresses[peer] for peer in network.peers if peer in addresses})),
            knows_all=all(peer in addresses for peer in network.peers),
            networks=own,
        )
    return Uplink(network.phydev, network.bridge, networks=own) if network.phydev else None


def _joined(one: Uplink | None, other: Uplink) -> Uplink:
    """Return what two networks on one uplink need; a reservation has its parent's."""
    if one is None:
        return other
    if one.bridge != other.bridge:
        raise Failure(f"bridges {one.bridge} and {other.bridge} cannot both leave by {one.name}")
    return msgspec.structs.replace(
        one,
        peers=tuple(sorted({*one.peers, *other.peers})),
        knows_all=one.knows_all and other.knows_all,
        mtu=one.mtu or other.mtu,
        networks=(*one.networks, *other.networks),
    )


class Step(msgspec.Struct, frozen=True):
    """Commands that make one interface, in this order.

    Attributes:
        networks: ids of those that cannot be made when one fails; none for what nobody needs any more.
    """

    networks: tuple[int, ...]
    commands: tuple[Argv, ...]


class Plan(msgspec.Struct):
    """What is to be done.

    Attributes:
        steps: in this order.
        troubles: (networks, why they cannot be made); the rest can.
    """

    steps: list[Step]
    troubles: list[tuple[tuple[int, ...], str]]

    @property
    def commands(self) -> list[Argv]:
        """Those of all steps."""
        return [argv for step in self.steps for argv in step.commands]


def plan(wanted: Links, present: Mapping[str, Link], engine_id: str, *, port: int = VXLAN_PORT) -> Plan:
    """Return the commands that make the interfaces what they shall be; none when they are.

    Something of somebody else's that is in the way of one network is no trouble of the others.
    """
    gone = [Step((), (argv,)) for argv in _leftovers(wanted, present, engine_id)]
    found = Plan(gone, [((network_id,), why) for network_id, why in wanted.troubles.items()])
    mark = ("alias", ALIAS + engine_id, "addrgenmode", "none")
    for bridge in wanted.bridges:
        try:
            found.steps.append(Step(bridge.networks, tuple(_bridge(bridge, present.get(bridge.name), mark, engine_id))))
        except Failure as failure:
            found.troubles.append((bridge.networks, str(failure)))
            continue
        for uplink in (one for one in wanted.uplinks if one.bridge == bridge.name):
            try:
                commands = _uplink_commands(uplink, present, mark, engine_id, port)
                found.steps.append(Step(uplink.networks, tuple(commands)))
            except Failure as failure:
                found.troubles.append((uplink.networks, str(failure)))
    return found


def _bridge(bridge: Bridge, found: Link | None, mark: Argv, engine_id: str) -> list[Argv]:
    name, commands = bridge.name, list[Argv]()
    if found is None:
        if not bridge.is_made:
            raise Failure(f"there is no bridge {name}: make it, or say CREATE_BRIDGE=YES in its network")
        commands.append(("ip", "link", "add", "name", name, "group", str(GROUP), *_BRIDGE))
    elif found.kind != "bridge":
        raise Failure(f"{name} is no bridge, it is {found.kind or 'a card'}: give the network another BRIDGE")
    is_ours = found is None or found.is_of(engine_id)
    if is_ours and (found is None or not found.alias):
        commands.append(("ip", "link", "set", "dev", name, *mark))
    if is_ours and bridge.mtu and (found is None or found.mtu != bridge.mtu):
        commands.append(("ip", "link", "set", "dev", name, "mtu", str(bridge.mtu)))
    if bridge.is_filtered and not (
        found and found.data.get("nf_call_iptables") and found.data.get("nf_call_ip6tables")
    ):
        shown = ("nf_call_iptables", "1", "nf_call_ip6tables", "1")
        commands.append(("ip", "link", "set", "dev", name, "type", "bridge", *shown))
    if found is None or not found.is_up:
        commands.append(("ip", "link", "set", "dev", name, "up"))
    return commands


_BRIDGE = ("type", "bridge", "forward_delay", "0", "stp_state", "0")


def _uplink_commands(uplink: Uplink, present: Mapping[str, Link], mark: Argv, engine_id: str, port: int) -> list[Argv]:
    found, commands = present.get(uplink.name), list[Argv]()
    needed = uplink.lower if uplink.kind else uplink.name
    if needed and needed not in present:
        raise Failure(f"there is no interface {needed}: correct the network's PHYDEV")
    if found is not None and uplink.kind and not _is_it(uplink, found, port):
        if not found.is_of(engine_id):
            what = f"{uplink.kind} {uplink.number}" + (f" on {uplink.lower}" if uplink.lower else "")
            raise Failure(f"the interface {uplink.name} is in the way of {what}: somebody else has made it, remove it")
        commands.append(("ip", "link", "del", "dev", uplink.name))
        found = None
    if found is None:
        commands.append(_adding(uplink, port))
    if found is None or (uplink.kind and found.is_of(engine_id) and not found.alias):
        commands.append(("ip", "link", "set", "dev", uplink.name, *mark))
    if uplink.kind and uplink.mtu and (found is None or found.mtu != uplink.mtu):
        commands.append(("ip", "link", "set", "dev", uplink.name, "mtu", str(uplink.mtu)))
    if found is None or found.master != uplink.bridge or not found.is_up:
        _check_free(uplink, found)
        commands.append(("ip", "link", "set", "dev", uplink.name, "master", uplink.bridge, "up"))
    return commands


def _adding(uplink: Uplink, port: int) -> Argv:
    lower = ("link", uplink.lower) if uplink.kind == "vlan" else ()
    head = ("ip", "link", "add", *lower, "name", uplink.name, "group", str(GROUP), "type", uplink.kind)
    if uplink.kind == "vlan":
        return (*head, "id", str(uplink.number))
    if uplink.group and not uplink.lower:
        raise Failure(f"{uplink.name} sends to the group {uplink.group}: its network needs a PHYDEV")
    return (
        *(*head, "id", str(uplink.number), "dstport", str(port)),
        *(("local", uplink.local) if uplink.local else ()),
        *(("group", uplink.group) if uplink.group else ()),
        *(("dev", uplink.lower) if uplink.lower else ()),
    )


def _is_it(uplink: Uplink, found: Link, port: int) -> bool:
    """Tell whether an interface is what is wanted."""
    if found.kind != uplink.kind or found.data.get("id") != uplink.number:
        return False
    if found.lower != uplink.lower:
        return False
    if uplink.kind == "vlan":
        return True
    local = found.data.get("local") or found.data.get("local6") or ""
    group = found.data.get("group") or found.data.get("group6") or ""
    return found.data.get("port") == port and (local, group) == (uplink.local, uplink.group)


def _check_free(uplink: Uplink, found: Link | None) -> None:
    """Refuse to take a card of the host from where it is needed."""
    if found is None or uplink.kind:
        return
    if found.master and found.master != uplink.bridge:
        raise Failure(f"{uplink.name} is a port of {found.master} and cannot be one of {uplink.bridge}, too")
    if found.addresses and not found.master:
        raise Failure(
            f"{uplink.name} has addresses of the host, {', '.join(found.addresses)}: as a port of {uplink.bridge} it"
            " would lose them; move them to the bridge first, or choose another PHYDEV"
        )


def _leftovers(wanted: Links, present: Mapping[str, Link], engine_id: str) -> list[Argv]:
    """Return what removes interfaces of ours that nobody needs; a bridge stays while others have ports of it."""
    names = {bridge.name for bridge in wanted.bridges} | {uplink.name for uplink in wanted.uplinks}
    ours = [link for link in present.values() if link.is_of(engine_id) and link.name not in names]
    gone = [link for link in ours if link.kind in ("vlan", "vxlan")]
    going = {link.name for link in gone}
    going |= {name for name in present if is_port(name, engine_id)}  # a service ends with the last guest of its network
    used = {link.master for link in present.values() if link.name not in going}
    gone += [link for link in ours if link.kind == "bridge" and link.name not in used]
    return [("ip", "link", "del", "dev", link.name) for link in gone]


def far_end_plan(vxlan: Uplink, found: Mapping[str, Iterable[str]]) -> list[Argv]:
    """Return the commands that have a vxlan send what is for many to its peers, and nothing to others.

    While the address of one is not known, what is there stays: it may be that one's.

    Args:
        found: address of a host -> the MACs that are thought to be there.
    """
    commands: list[Argv] = []
    for peer in vxlan.peers:
        if EVERYBODY not in found.get(peer, ()):
            commands.append(("bridge", "fdb", "append", EVERYBODY, "dev", vxlan.name, "dst", peer))
    for peer in sorted(set(found) - set(vxlan.peers)) if vxlan.knows_all else ():
        commands += [("bridge", "fdb", "del", mac, "dev", vxlan.name, "dst", peer) for mac in sorted(found[peer])]
    return commands

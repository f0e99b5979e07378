"""From a template to a virtual network: the classic forms (RANGED, FIXED) and address ranges.

A classic network becomes address ranges like any other, so that nothing behind this module knows
two kinds.  Source: reference/templates.md §4.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address

import msgspec
from msgspec.structs import replace

from trifid.core.network.address import parse_ipv4
from trifid.core.network.classic import fixed, ranged
from trifid.core.network.ranges import RandomSuffix, add_range, with_ranges
from trifid.core.network.record import LIMITS, AddressRange, Network
from trifid.core.network.services import ATTRIBUTES, with_services
from trifid.core.network.vlan import refuse_wrong_vlan
from trifid.core.restricted import Restricted
from trifid.core.template import types
from trifid.core.template.model import Template
from trifid.core.template.types import Type
from trifid.core.template.validate import check_name, shown
from trifid.errors import BadTemplate, Refused

NETWORK_DRIVERS = frozenset(("dummy", "bridge", "fw", "ebtables", "802.1Q", "vxlan", "ovswitch"))
_NOT_HERE = {
    "ovswitch_vxlan": "vxlan",
    "elastic": "bridge with ROUTER=YES, or routes of the host's own",
    "nodeport": "bridge with ROUTER=YES, or port forwarding of the host's own",
}
"""Upstream's network drivers that hosts do nothing for here, and what to use."""
CLASSIC_DRIVER = "dummy"
"""The network driver of templates from before there were any: the bridge is there already."""

FREE = "FREE_LEASES"
"""In TEMPLATE of a pool: how many addresses are given automatically, where SIZE and USED_LEASES do not tell."""
_FIELDS = ("NAME", "BRIDGE", "BRIDGE_TYPE", "VN_MAD", "PHYDEV", "VLAN_ID", "AR", "LEASES", FREE)
_LINK: tuple[tuple[str, Type], ...] = (
    ("BRIDGE", types.INTERFACE),
    ("BRIDGE_TYPE", types.TOKEN),
    ("PHYDEV", types.INTERFACE),
    ("VLAN_ID", types.whole(1, (1 << 24) - 1, "a VLAN id from 1 to 4094, or for vxlan up to 16777215")),
)
"""What drivers make commands and domain documents of: names of devices, nothing else."""
_MTU = types.whole(68, 65535, "a number of bytes from 68 to 65535")
VXLAN_MTU, USUAL_MTU = 1450, 1500
"""Of a vxlan that says nothing: what the usual MTU of its carrier leaves (RFC 7348 §5: 50 bytes, over IPv4)."""
_BANDWIDTH = types.whole(0, 1 << 40, "a whole number from 0")
_VALUES: tuple[tuple[str, Type], ...] = (
    ("MTU", _MTU),
    *((name, _BANDWIDTH) for name in LIMITS),
    *((name, types.YES_NO) for name in ("FILTER_IP_SPOOFING", "FILTER_MAC_SPOOFING")),
    *((name, types.YES_NO) for name in ("CREATE_BRIDGE", "AUTOMATIC_VLAN_ID")),
    ("GATEWAY", types.IPV4),
    ("GATEWAY6", types.IPV6),
    ("NETWORK_MASK", types.IPV4_MASK),
    ("DNS", types.NAME_SERVERS),
)
"""What hosts are told, and guests: what a host cannot read would be no filter, and a guest would be cut off."""
_ADDRESS_BITS = 32
RESTRICTED = (
    *("BRIDGE", "BRIDGE_TYPE", "VN_MAD", "PHYDEV", "VLAN_ID", "OUTER_VLAN_ID", "VLAN_TAGGED_ID", "CVLANS"),
    *("BRIDGE_CONF", "OVS_BRIDGE_CONF", "IP_LINK_CONF", "FILTER", "FILTER_IP_SPOOFING", "FILTER_MAC_SPOOFING"),
    *("CREATE_BRIDGE", "MTU", "VXLAN_MODE", "VXLAN_MC", *LIMITS),
    *ATTRIBUTES,
)
"""What a network is on a host, and what VMs in it may pretend to be: reservations have it of their network."""


class Defaults(msgspec.Struct, frozen=True):
    """What a template may leave out.

    Attributes:
        mac_prefix: first two bytes of MACs, 16 bits.
        network_size: NETWORK_SIZE of a classic ranged network.
    """

    mac_prefix: int
    network_size: int


def define(
    template: Template,
    *,
    network_id: int,
    uid: int,
    gid: int,
    defaults: Defaults,
    random_mac_suffix: RandomSuffix,
) -> Network:
    """Return the network that a template describes.

    Raises:
        BadTemplate: with upstream's text where clients match it (reference/api-modern.md §2), else the
            attribute, what it is and what it must be.
    """
    name = _name(template)
    classic = is_classic(template)
    driver = template.single("VN_MAD") or (CLASSIC_DRIVER if classic else "")
    if not driver:
        raise BadTemplate("No VN_MAD in template for Virtual Network.")
    check_driver(driver)
    network = Network(
        id=network_id,
        uid=uid,
        gid=gid,
        name=name,
        bridge=_bridge(template, network_id, classic),
        bridge_type=template.single("BRIDGE_TYPE") or "linux",
        vn_mad=driver,
        phydev=template.single("PHYDEV"),
        vlan_id=template.single("VLAN_ID"),
        template=template.without(*_FIELDS),
    )
    _check_link(network)
    if classic:
        return _whole(with_ranges(network, _classic_ranges(template, network_id, defaults)))
    for vector in _vectors(template, "AR"):
        network = add_range(network, vector, mac_prefix=defaults.mac_prefix, random_mac_suffix=random_mac_suffix)
    return _whole(network)


def _whole(network: Network, before: Network | None = None) -> Network:
    """Return a network with what its template left out; raises BadTemplate."""
    return with_services(_with_mtu(network), before)


def _with_mtu(network: Network) -> Network:
    """Return a network whose guests are told how long packets may be where that is less than they think.

    A bridge has no way to tell them that a packet is too long: it would be lost without a word.
    """
    template = network.template
    mtu = template.single("MTU")
    if network.vn_mad == "vxlan" and not mtu:
        mtu = str(VXLAN_MTU)
        template = template.having(("MTU", mtu))
    if mtu and int(mtu) < USUAL_MTU and not template.single("GUEST_MTU"):
        template = template.having(("GUEST_MTU", mtu))
    return network if template is network.template else replace(network, template=template)


def check_driver(driver: str) -> None:
    """Raise BadTemplate unless it is a network driver that hosts do something for."""
    if driver in _NOT_HERE:
        raise BadTemplate(f"VN_MAD {driver} is not supported here: use {_NOT_HERE[driver]}")
    if driver not in NETWORK_DRIVERS:
        raise BadTemplate(
            f'VN_MAD named "{driver}" is not defined in oned.conf; there are: {", ".join(sorted(NETWORK_DRIVERS))}'
        )


def is_classic(template: Template) -> bool:
    """Tell whether a template is of the form of 2009: a TYPE or LEASES of its own, or an address without a driver."""
    if "AR" in template:
        return False
    return "TYPE" in template or "LEASES" in template or ("NETWORK_ADDRESS" in template and "VN_MAD" not in template)


def _name(template: Template) -> str:
    name = template.single("NAME").strip()
    if not name:
        raise BadTemplate("No NAME in template for Virtual Network.")
    check_name(name)
    return name


def _bridge(template: Template, network_id: int, classic: bool) -> str:
    bridge = template.single("BRIDGE").strip()
    if bridge:
        return bridge
    if classic and not template.single("PHYDEV"):
        raise BadTemplate("No BRIDGE in template for Virtual Network.")
    return f"onebr{network_id}"


def _check_link(network: Network) -> None:
    """Raise BadTemplate unless what names devices of hosts could be such a name."""
    present = _link_of(network)
    for name, kind in _LINK:
        if present[name] and not kind.accepts(present[name]):
            raise BadTemplate(f'{name} must be {kind.expected}, is "{shown(present[name])}"')
    refuse_wrong_vlan(network)
    for name, kind in _VALUES:
        text = network.template.single(name).strip()
        if text and not kind.accepts(text):
            raise BadTemplate(f'{name} must be {kind.expected}, is "{shown(text)}"')
    group = network.template.single("VXLAN_MC")
    if group and not _is_multicast(parse_ipv4(group, "VXLAN_MC") + int(network.vlan_id or 0)):
        raise BadTemplate(f"VXLAN_MC must be a multicast group, also with VLAN_ID counted from it, is {group}")


def _is_multicast(address: int) -> bool:
    return not address >> _ADDRESS_BITS and IPv4Address(address).is_multicast


def _link_of(network: Network) -> dict[str, str]:
    return {
        "BRIDGE": network.bridge,
        "BRIDGE_TYPE": network.bridge_type,
        "VN_MAD": network.vn_mad,
        "PHYDEV": network.phydev,
        "VLAN_ID": network.vlan_id,
    }


def _classic_ranges(template: Template, network_id: int, defaults: Defaults) -> Iterable[AddressRange]:
    kind = template.single("TYPE").upper() or ("FIXED" if "LEASES" in template else "RANGED")
    if kind == "RANGED":
        return [ranged(template, defaults.mac_prefix, defaults.network_size)]
    if kind == "FIXED":
        return fixed(_vectors(template, "LEASES"), defaults.mac_prefix)
    raise BadTemplate(
        f"Wrong type in template for Virtual Network, id: {network_id}. TYPE must be RANGED or FIXED, is '{kind}'"
    )


def _vectors(template: Template, name: str) -> list[dict[str, str]]:
    vectors = template.vectors(name)
    if len(vectors) != len(template.all(name)):
        raise BadTemplate(f"{name} must be a vector: {name} = [ IP = … ]")
    return vectors


def update_template(
    network: Network, template: Template, *, uid: int, is_admin: bool, restricted: Restricted
) -> Network:
    """Return the network with the user's attributes replaced by `template`.

    BRIDGE, BRIDGE_TYPE, VN_MAD, PHYDEV and VLAN_ID keep their values unless they are given.  NAME, AR
    and LEASES of a template sent again as a whole change nothing: rename, and the calls for ranges, do.

    Args:
        uid: who asks, for the message.
        is_admin: who is none may send restricted attributes only as they are; those left out stay.
        restricted: these attributes.

    Raises:
        BadTemplate: an unknown VN_MAD, or a BRIDGE, PHYDEV … that names no device.
        NotAllowed: another value for a restricted attribute, from somebody who is no administrator.
        Refused: another value for a restricted attribute of a reservation, which has those of its parent.
    """
    if not is_admin:
        whole = _whole_template(network)
        restricted.refuse_changes(whole, template, uid=uid, what="Virtual Network", object_id=network.id)
        template = template.having(*restricted.left_out(network.template, template))
    if network.is_reservation:
        if changes := _changes_on_hosts(network, template):
            raise Refused(
                f"{changes[0]} of reservation {network.name} [{network.id}] cannot be changed: it is that of network "
                f"{network.parent_id}, change it there",
                network.id,
            )
        template = template.having(*network.template.only(*(n for n in RESTRICTED if n not in template)))
    driver = template.single("VN_MAD") or network.vn_mad
    if driver != network.vn_mad:
        check_driver(driver)
    changed = replace(
        network,
        bridge=template.single("BRIDGE").strip() or network.bridge,
        bridge_type=template.single("BRIDGE_TYPE") or network.bridge_type,
        vn_mad=driver,
        phydev=template.single("PHYDEV") if "PHYDEV" in template else network.phydev,
        vlan_id=template.single("VLAN_ID") if "VLAN_ID" in template else network.vlan_id,
        template=template.without(*_FIELDS),
    )
    _check_link(changed)
    changed = _whole(changed, network)
    return replace(changed, is_vlan_automatic=network.is_vlan_automatic and changed.vlan_id == network.vlan_id)


def moved(before: Network, after: Network) -> list[str]:
    """Return which attributes, of those that a NIC keeps a copy of, say that a network is elsewhere on hosts now."""
    old, new = _link_of(before), _link_of(after)
    return [name for name in ("BRIDGE", "VN_MAD", "PHYDEV", "VLAN_ID") if old[name] != new[name]]


def _whole_template(network: Network) -> Template:
    """Return what a network's template was made of: its attributes, and those that are fields of their own."""
    return network.template.having(*_link_of(network).items())


def _changes_on_hosts(network: Network, template: Template) -> list[str]:
    """Return what a template would change of what a network is on a host."""
    present = _whole_template(network)
    return [name for name in RESTRICTED if name in template and template.all(name) != present.all(name)]

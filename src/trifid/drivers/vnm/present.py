"""What is on a host now: its interfaces and what limits them."""

import ipaddress
from typing import Any

import msgspec

from trifid.drivers.vnm.tools import Json, Tools

GROUP = 32541
"""Group of interfaces that we make: it is given as they are made, what their alias says just after."""
ALIAS = "trifid:"
"""How the alias of an interface of ours begins; the engine's id follows."""
EVERYBODY = "00:00:00:00:00:00"
"""What a vxlan's table calls frames to many, or to nobody knows whom."""


class Link(msgspec.Struct, frozen=True):
    """An interface.

    Attributes:
        kind: bridge, vlan, vxlan, ifb …; empty for a card.
        master: the bridge that it is a port of, empty = none.
        lower: the interface that it is on top of, empty = none.
        addresses: of the host, but for link-local ones.
        data: what its kind says of it.
    """

    name: str
    kind: str = ""
    alias: str = ""
    group: str = "default"
    master: str = ""
    lower: str = ""
    mtu: int = 0
    is_up: bool = False
    addresses: tuple[str, ...] = ()
    data: dict[str, Any] = {}

    def is_of(self, engine_id: str) -> bool:
        """Tell whether an engine has made it, or somebody was killed who was about to."""
        return self.alias == ALIAS + engine_id or (self.group == str(GROUP) and not self.alias)


def links(tools: Tools) -> dict[str, Link]:
    """Return the interfaces of a host by name; raises Failure."""
    return {link.name: link for link in map(link_of, tools.objects("ip", "-j", "-d", "address", "show"))}


def link_of(found: Json) -> Link:
    """Return an interface as `ip -j -d address show` tells of it."""
    about = found.get("linkinfo", {})
    addresses = (entry.get("local", "") for entry in found.get("addr_info", ()))
    return Link(
        name=found["ifname"],
        kind=about.get("info_kind", ""),
        alias=found.get("ifalias", ""),
        group=str(found.get("group", "default")),
        master=found.get("master", ""),
        lower=found.get("link", "") or about.get("info_data", {}).get("link", ""),
        mtu=found.get("mtu", 0),
        is_up="UP" in found.get("flags", ()),
        addresses=tuple(text for text in addresses if text and not ipaddress.ip_address(text).is_link_local),
        data=about.get("info_data", {}),
    )


def far_ends(tools: Tools, vxlan: str) -> dict[str, set[str]]:
    """Return where a vxlan sends: address of a host -> the MACs that it thinks are there."""
    found: dict[str, set[str]] = {}
    for entry in tools.objects("bridge", "-j", "fdb", "show", "dev", vxlan):
        if entry.get("dst"):
            found.setdefault(entry["dst"], set()).add(entry["mac"])
    return found

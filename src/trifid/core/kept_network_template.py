"""Templates of networks: what is taken into one, and what whoever makes a network of it may bring.

Networks are made by administrators, because they name bridges and devices of hosts and the addresses that
VMs answer to (docs/decisions/0014).  A template is how an administrator lets users make some: all that
means something to a host comes from the template, what means something to the guests alone may be theirs.

Source: reference/api-modern.md §2 (texts), §4 (network templates).
"""

from trifid.core.network.define import check_driver
from trifid.core.network.kept import VnTemplate
from trifid.core.restricted import Restricted, refusal
from trifid.core.template.model import Template
from trifid.errors import BadTemplate

CLUSTERS = "CLUSTER_IDS"
"""The clusters of networks made of the template, with commas between; the default one when it is missing."""

_TAGGED = ("802.1Q", "vxlan", "ovswitch")
_NUMBERED = ("vxlan",)
"""Drivers that choose a number for a network that names none."""
_OF_ADMINISTRATORS = (CLUSTERS, "AUTOMATIC_VLAN_ID", "AUTOMATIC_OUTER_VLAN_ID")
_ADDRESSES = ("AR", "LEASES", "TYPE", "NETWORK_ADDRESS", "NETWORK_SIZE", "IP_START", "IP_END")


def kept(template: Template) -> Template:
    """Return the attributes to keep: all but NAME, which is the record's.

    Raises:
        BadTemplate: VN_MAD is missing, unknown or not supported, or CLUSTER_IDS is no list of ids.
    """
    driver = template.single("VN_MAD")
    if not driver:
        raise BadTemplate("Error inserting Template in DB. VN_MAD is mandatory")
    check_driver(driver)
    cluster_ids(template)
    return template.without("NAME")


def cluster_ids(template: Template) -> tuple[int, ...] | None:
    """Return the clusters that a template names, None when it names none; raises BadTemplate."""
    text = template.single(CLUSTERS)
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isascii() and word.isdecimal() and len(word) < 19 for word in words):
        raise BadTemplate(f"{CLUSTERS} must be ids of clusters with commas between, is '{text}'")
    return tuple(sorted({int(word) for word in words})) or None


def has_own_link(template: Template) -> bool:
    """Tell whether each network made of a template is a link of its own, which no other shares.

    Then it is harmless whatever addresses are in it.
    """
    driver = template.single("VN_MAD")
    if template.single("BRIDGE") or template.single("VLAN_ID"):
        return False
    if driver in _TAGGED:
        return driver in _NUMBERED or template.single("AUTOMATIC_VLAN_ID").upper() == "YES"
    return not template.single("PHYDEV")


def refuse_brought(before: Template, after: Template, uid: int, restricted: Restricted) -> None:
    """Raise NotAllowed for what somebody who is no administrator may not change of a template, or bring to it.

    Addresses may be brought where each network has a link of its own; elsewhere they could be those of others.

    Args:
        before, after: without and with what the user gives.
        restricted: what only administrators write of networks.
    """
    whole = [name for name in restricted.names if restricted.is_whole(name)]
    guarded = [*whole, *_OF_ADMINISTRATORS, *(() if has_own_link(before) else _ADDRESSES)]
    changed = [name for name in guarded if before.all(name) != after.all(name)]
    if forbidden := [*changed, *restricted.found(after, before)]:
        raise refusal(uid, "Virtual Network", forbidden[0])


def network_template(record: VnTemplate, extra: Template, name: str) -> Template:
    """Return the template of a network that is made of a kept one.

    An attribute of `extra` replaces all of the same name.

    Args:
        name: of the network.
    """
    return record.template.merged(extra).without(CLUSTERS).replacing("NAME", name)

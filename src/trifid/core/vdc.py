"""A virtual data centre as a record: which groups may use which clusters, hosts, datastores and networks.

What it means is access rules: they follow from the record, nobody writes them.
"""

from msgspec.structs import replace

from trifid.core.access import OfOneadmin, Right
from trifid.core.acl import ALL as EVERY
from trifid.core.acl import CLUSTER, GROUP, INDIVIDUAL, Words, words
from trifid.core.template.model import Template

Resource = tuple[int, int]
"""(zone id, object id); the object id ALL stands for every object of its kind in that zone."""

ALL = -10
"""Source: what today's clients send to add everything to a virtual data centre."""
RESOURCES = ("clusters", "hosts", "datastores", "networks")
THIS_ZONE_ID = 0
DEFAULT_ID, DEFAULT_NAME = 0, "default"
FIRST_FREE_ID = 100
"""Ids that are given begin here (reference/api-modern.md §7.12)."""


class Vdc(OfOneadmin, frozen=True):
    """A virtual data centre: its groups may use its resources.

    Attributes:
        group_ids: groups in it, ascending.
        clusters: (zone id, cluster id), ascending: with everything that is in those clusters.
        hosts: (zone id, host id), ascending.
        datastores: (zone id, datastore id), ascending.
        networks: (zone id, network id), ascending.
    """

    id: int
    name: str
    group_ids: tuple[int, ...] = ()
    clusters: tuple[Resource, ...] = ()
    hosts: tuple[Resource, ...] = ()
    datastores: tuple[Resource, ...] = ()
    networks: tuple[Resource, ...] = ()
    template: Template = Template()


def asked_words(vdc: Vdc) -> frozenset[Words]:
    """Return the access rules that a virtual data centre asks for: its groups may use its resources.

    MANAGE on hosts lets VMs be put there, USE on networks and datastores lets VMs use them; who may see hosts is not
    told by this.  Source: reference/api-modern.md §5.6.
    """
    kinds = (
        (vdc.clusters, CLUSTER, (("HOST", Right.MANAGE), ("NET+DATASTORE", Right.USE))),
        (vdc.hosts, INDIVIDUAL, (("HOST", Right.MANAGE),)),
        (vdc.datastores, INDIVIDUAL, (("DATASTORE", Right.USE),)),
        (vdc.networks, INDIVIDUAL, (("NET", Right.USE),)),
    )
    return frozenset(
        words(GROUP | gid, objects, EVERY if object_id == ALL else scope | object_id, right, INDIVIDUAL | zone_id)
        for gid in vdc.group_ids
        for resources, scope, granted in kinds
        for zone_id, object_id in resources
        for objects, right in granted
    )


def without_object(vdc: Vdc, pool: str, object_id: int) -> Vdc:
    """Return a virtual data centre in which an object that is deleted is not named.

    Args:
        pool: where it was: groups, clusters, hosts, datastores, networks, else nothing changes.
    """
    if pool == "groups":
        return replace(vdc, group_ids=tuple(gid for gid in vdc.group_ids if gid != object_id))
    if pool not in RESOURCES:
        return vdc
    left = tuple(one for one in getattr(vdc, pool) if one != (THIS_ZONE_ID, object_id))
    return replace(vdc, **{pool: left})

"""A virtual data centre as a record: which groups may use which clusters, hosts, datastores and networks."""

import msgspec

from trifid.core.template.model import Template

Resource = tuple[int, int]
"""(zone id, object id); the object id ALL stands for every object of its kind in that zone."""

ALL = -10
"""Source: what today's clients send to add everything to a virtual data centre."""
DEFAULT_ID, DEFAULT_NAME = 0, "default"
FIRST_FREE_ID = 100
"""Ids that are given begin here (reference/api-modern.md §7.12)."""


class Vdc(msgspec.Struct, frozen=True):
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

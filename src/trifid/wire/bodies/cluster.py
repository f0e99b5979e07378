"""The document of a cluster: the same alone and in a pool.

Source: reference/api-modern.md §5.1, §5.5 (cluster.xsd).
"""

from collections.abc import Iterable

import msgspec

from trifid.core.cluster import Cluster
from trifid.wire.bodies.parts import body, ids
from trifid.wire.xmltext import escape


class Members(msgspec.Struct, frozen=True):
    """What belongs to a cluster: ids."""

    hosts: Iterable[int] = ()
    datastores: Iterable[int] = ()
    networks: Iterable[int] = ()


def cluster(record: Cluster, members: Members) -> str:
    """Return the CLUSTER document."""
    return (
        f"<CLUSTER><ID>{record.id}</ID><NAME>{escape(record.name)}</NAME>{ids('HOSTS', members.hosts)}"
        f"{ids('DATASTORES', members.datastores)}{ids('VNETS', members.networks)}"
        f"{body('TEMPLATE', record.template)}</CLUSTER>"
    )

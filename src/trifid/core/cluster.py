"""A cluster as a record: hosts, datastores and networks that belong together.

Who belongs is told by the members: a host by its cluster_id, datastores and networks by their cluster_ids.
"""

from msgspec.structs import replace

from trifid.core.access import OfOneadmin
from trifid.core.host import Host
from trifid.core.template.model import Template

DEFAULT_ID, DEFAULT_NAME = 0, "default"
FIRST_FREE_ID = 100
"""Ids that are given begin here (reference/api-modern.md §7.12)."""


class Cluster(OfOneadmin, frozen=True):
    """A cluster.

    Attributes:
        template: the user's attributes (RESERVED_CPU, RESERVED_MEM …).
    """

    id: int
    name: str
    template: Template = Template()


RESERVES = ("RESERVED_CPU", "RESERVED_MEM")
"""What a cluster keeps from VMs on each of its hosts that does not say so itself."""


def within(host: Host, cluster: Cluster | None) -> Host:
    """Return a host with what its cluster reserves, where it reserves nothing itself.

    Source: reference/templates.md §5.1 (the host's own attributes come first).
    """
    if cluster is None:
        return host
    missing = tuple(pair for pair in cluster.template.only(*RESERVES) if pair[0] not in host.template)
    return replace(host, template=host.template.having(*missing)) if missing else host

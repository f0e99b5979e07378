"""New virtual networks: described by a template, numbered, with a name and a VLAN that no other has."""

from msgspec.structs import replace

from trifid.core.access import Caller
from trifid.core.network.address import parse_mac_prefix
from trifid.core.network.define import Defaults, define
from trifid.core.network.record import Network
from trifid.core.network.vlan import Starts, refuse_taken_vxlan, with_vlan
from trifid.core.template.model import Template
from trifid.engine.config import NetworkSettings
from trifid.engine.first_permissions import first_permissions
from trifid.engine.networks import random_mac_suffix
from trifid.engine.nic_groups import check_network_groups, check_range_groups
from trifid.engine.transaction import Draft
from trifid.errors import NotAllocated


def defaults(settings: NetworkSettings) -> Defaults:
    """Return the configured defaults of networks."""
    return Defaults(parse_mac_prefix(settings.mac_prefix), settings.network_size)


def add_network(
    draft: Draft,
    settings: NetworkSettings,
    template: Template,
    caller: Caller,
    network_id: int,
    cluster_ids: tuple[int, ...],
) -> Network:
    """Make a network that belongs to the caller, and return it.

    Args:
        cluster_ids: the clusters that it belongs to.

    Raises:
        BadTemplate: as `define` tells.
        NotAllocated: the caller has a network of that name.
        NoLease: no VLAN number is left.
        Refused: another vxlan has the VLAN number, elsewhere.
    """
    network = define(
        template,
        network_id=network_id,
        uid=caller.uid,
        gid=caller.gid,
        defaults=defaults(settings),
        random_mac_suffix=random_mac_suffix,
    )
    check_network_groups(draft, caller, Template(), network.template)
    check_range_groups(draft, caller, None, network)
    taken = draft.owned("networks", network.uid, network.name)
    if taken is not None:
        raise NotAllocated(f"NAME is already taken by NET {taken}.")
    starts = Starts(settings.vlan_start, settings.vxlan_start)
    network = with_vlan(network, draft.each("networks"), starts)
    network = replace(network, cluster_ids=cluster_ids, permissions=first_permissions(draft, caller))
    refuse_taken_vxlan(network, draft.each("networks"))
    draft.put(network)
    return network

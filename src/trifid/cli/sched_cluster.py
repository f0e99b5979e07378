"""The cluster as planners take it, read through the API, with the names that people know."""

from typing import NamedTuple

from trifid.cli import cluster
from trifid.cli.command import Given
from trifid.cli.shell import Shell
from trifid.placement.planners.cluster import Cluster, cluster_of
from trifid.placement.reading import ACTIVE, groups, hosts
from trifid.placement.reading_placed import placed_vms
from trifid.placement.view import View

_ALL = -2


class Look(NamedTuple):
    """A look at the hosts.

    Attributes:
        host_names, vm_names: by id.
    """

    cluster: Cluster
    host_names: dict[int, str]
    vm_names: dict[int, str]


def look(shell: Shell, given: Given, *, for_restart: bool = False) -> Look:
    """Return the cluster that was asked for, or all hosts; see cluster_of."""
    cluster_id = cluster.chosen(shell, given)
    placed = placed_vms(shell.call("one.vmpool.info", _ALL, -1, -1, ACTIVE), (ACTIVE,))
    in_groups = any(vm.vm_group_id >= 0 for vm in placed)
    view = View(
        (),
        tuple(hosts(shell.call("one.hostpool.info"), shell.call("one.clusterpool.info"))),
        placed=tuple(placed),
        groups=tuple(groups(shell.call("one.vmgrouppool.info", _ALL, -1, -1))) if in_groups else (),
    )
    return Look(
        cluster_of(view, cluster_id=cluster_id if cluster_id >= 0 else None, for_restart=for_restart),
        {host.id: host.name for host in view.hosts},
        {vm.id: vm.name for vm in view.placed},
    )

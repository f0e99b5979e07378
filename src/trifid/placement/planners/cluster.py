"""What planners are told, out of the view of a cluster: which VMs may move where, and what hosts may promise."""

from collections.abc import Collection

import msgspec
import numpy as np

from trifid.core.vm.files import UNSHARED
from trifid.errors import BadTemplate
from trifid.placement.expressions import Compiler
from trifid.placement.planners.groups import allowed_by
from trifid.placement.planners.model import Allows, Room, RunningVm, Usage
from trifid.placement.reading import ACTIVE, RUNNING
from trifid.placement.table import HostTable
from trifid.placement.view import MONITORED, HostView, PlacedVm, View

_NONE: frozenset[int] = frozenset()


class Cluster(msgspec.Struct, frozen=True):
    """VMs and hosts as planners take them.

    Attributes:
        allows: what VM groups say; None when no VM is in one.
    """

    vms: list[RunningVm]
    rooms: list[Room]
    allows: Allows | None = None


def cluster_of(
    view: View, *, cluster_id: int | None = None, held: Collection[int] = (), for_restart: bool = False
) -> Cluster:
    """Return the VMs that are charged on hosts, and the hosts.

    A VM may be where its requirement, its cluster and its driver allow.  One that does not run, whose files are each
    host's own, that has PCI devices, that is a lease in time, that is marked to be moved already, whose VM group is
    not in the view, or whose requirement speaks of what hosts carry, stays where it is: a plan cannot promise that it
    may be elsewhere.

    Args:
        cluster_id: only the hosts of this cluster.
        held: ids of VMs that are left where they are.
        for_restart: where VMs may be started anew, not where they can move to.
    """
    hosts = sorted(
        (host for host in view.hosts if cluster_id is None or host.cluster_id == cluster_id), key=lambda host: host.id
    )
    ids = {host.id for host in hosts}
    here = [vm for vm in view.placed if vm.state == ACTIVE and vm.host_id in ids]
    places = _Places(hosts)
    known = {one.group.id for one in view.groups}
    vms = [
        RunningVm(
            vm.id,
            vm.host_id,
            vm.cpu_percent,
            vm.memory_mib,
            places.of(vm) if for_restart or (vm.id not in held and _can_move(vm, known)) else _NONE,
        )
        for vm in here
    ]
    allows = allowed_by(view.groups, hosts) if view.groups else None
    return Cluster(vms, [_room(host, vms) for host in hosts], allows)


def _can_move(vm: PlacedVm, known: Collection[int]) -> bool:
    is_free = vm.vm_group_id < 0 or vm.vm_group_id in known
    may_leave = vm.tm not in UNSHARED and vm.lease is None and not vm.is_marked
    return vm.lcm_state == RUNNING and may_leave and is_free


def _room(host: HostView, vms: list[RunningVm]) -> Room:
    cpu_percent, memory_mib = host.max_cpu_percent, host.max_memory_kib // 1024
    told = [vm for vm in vms if vm.host_id == host.id]
    # A VM that moves is charged on two hosts, and told of one.
    taken = Usage(
        max(0, cpu_percent - host.free_cpu_percent - sum(vm.cpu_percent for vm in told)),
        max(0, (host.max_memory_kib - host.free_memory_kib) // 1024 - sum(vm.memory_mib for vm in told)),
    )
    return Room(host.id, cpu_percent, memory_mib, host.state == MONITORED, taken)


class _Places:
    """Where VMs may be, asked once for all that want the same."""

    def __init__(self, hosts: list[HostView]) -> None:
        self._hosts = hosts
        self._table = HostTable(hosts)
        self._compiler = Compiler()
        self._kept: dict[tuple[object, ...], frozenset[int] | None] = {}

    def of(self, vm: PlacedVm) -> frozenset[int] | None:
        """Return the hosts where a VM may be; None = on all."""
        # Nobody knows here which hosts have the devices that it would need.
        if vm.has_devices:
            return _NONE
        key = (vm.requirement, vm.cluster_ids, vm.vmm)
        if key not in self._kept:
            self._kept[key] = self._of(vm)
        return self._kept[key]

    def _of(self, vm: PlacedVm) -> frozenset[int] | None:
        try:
            requirement = self._compiler.requirement(vm.requirement)
        except BadTemplate:
            return _NONE
        if requirement.changes:
            return _NONE
        mask = requirement.mask(self._table)
        may = np.ones(len(self._hosts), np.bool_) if mask is None else mask.copy()
        if vm.cluster_ids is not None:
            may &= np.isin(self._table.cluster_id, list(vm.cluster_ids))
        may &= np.array([vm.vmm in ("", host.vmm) for host in self._hosts], dtype=np.bool_)
        return None if may.all() else frozenset(self._hosts[index].id for index in np.flatnonzero(may))

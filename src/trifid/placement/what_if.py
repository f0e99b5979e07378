"""The cluster as it would be: a view with VMs put where a plan says, and nothing done."""

from collections.abc import Iterable

from msgspec.structs import replace

from trifid.core.vm.files import needed_mib, place_of
from trifid.placement.reading import ACTIVE, RUNNING
from trifid.placement.table import OF_CPU, OF_MEMORY
from trifid.placement.view import DatastoreView, GroupView, HostView, PlacedVm, View, WaitingVm


def after(view: View, placements: Iterable[tuple[WaitingVm, int, int]]) -> View:
    """Return a view with VMs put on hosts; they wait no more.

    Args:
        placements: (VM, host id, datastore id); a host or datastore that is not in the view is left out.
    """
    hosts = {host.id: host for host in view.hosts}
    datastores = {one.record.id: one for one in view.datastores}
    placed = {vm.id: vm for vm in view.placed}
    gone: set[int] = set()
    for vm, host_id, datastore_id in placements:
        gone.add(vm.id)
        host, datastore = hosts.get(host_id), datastores.get(datastore_id)
        if host is None:
            continue
        hosts[host_id] = _with_vm(host, vm)
        placed[vm.id] = _placed(vm, host, view.now)
        if datastore is not None:
            _take_room(hosts, datastores, vm, host_id, datastore)
    waiting = tuple(vm for vm in view.vms if vm.id not in gone)
    return replace(
        view,
        vms=waiting,
        hosts=tuple(hosts.values()),
        datastores=tuple(datastores.values()),
        placed=tuple(placed.values()),
        groups=tuple(_with_members(one, placed.values()) for one in view.groups),
    )


def _with_members(known: GroupView, placed: Iterable[PlacedVm]) -> GroupView:
    members = {vm.id: vm.role for vm in placed if vm.vm_group_id == known.group.id}
    return replace(known, members={**known.members, **members})


def _placed(vm: WaitingVm, host: HostView, now: int) -> PlacedVm:
    return PlacedVm(
        id=vm.id,
        host_id=host.id,
        cpu_percent=vm.cpu_percent,
        memory_mib=vm.memory_mib,
        state=ACTIVE,
        lcm_state=RUNNING,
        name=vm.name,
        uid=vm.uid,
        gid=vm.gid,
        vm_group_id=vm.vm_group_id,
        role=vm.role,
        priority=vm.priority,
        since=now,
        here_since=now,
        lease=vm.lease,
        requirement=vm.requirement,
        cluster_ids=vm.cluster_ids,
        vmm=host.vmm,
    )


def _with_vm(host: HostView, vm: WaitingVm) -> HostView:
    attributes = {**host.attributes, "RUNNING_VMS": [str(host.running_vms + 1)]}
    for names, taken in ((OF_CPU, vm.cpu_percent), (OF_MEMORY, vm.memory_mib * 1024)):
        for name in names:
            value = attributes.get(name, [""])[0]
            if value.lstrip("-").isdecimal():
                attributes[name] = [str(int(value) + (taken if name.endswith("USAGE") else -taken))]
    return replace(
        host,
        free_cpu_percent=host.free_cpu_percent - vm.cpu_percent,
        free_memory_kib=host.free_memory_kib - vm.memory_mib * 1024,
        running_vms=host.running_vms + 1,
        vm_ids=host.vm_ids | {vm.id},
        attributes=attributes,
    )


def _take_room(
    hosts: dict[int, HostView], datastores: dict[int, DatastoreView], vm: WaitingVm, host_id: int, one: DatastoreView
) -> None:
    record, host = one.record, hosts[host_id]
    taken_mib = needed_mib(vm.files, record.id, record.tm_mad)
    if place_of(record.id, record.tm_mad, host_id)[0] == "host":
        if host.free_disk_mib is not None:
            hosts[host_id] = replace(host, free_disk_mib=host.free_disk_mib - taken_mib)
    elif one.free_mib is not None:
        free_mib = one.free_mib - taken_mib
        attributes = {**one.attributes, "FREE_MB": [str(max(free_mib, 0))]}
        datastores[record.id] = replace(one, free_mib=free_mib, attributes=attributes)

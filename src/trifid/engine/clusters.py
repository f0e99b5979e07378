"""Clusters as placement sees them: a VM's networks, image datastores and host belong together.

Source: reference/templates.md §5.1; core/together.py.
"""

from collections.abc import Iterable

from trifid.core import together
from trifid.core.access import Caller, Right, check
from trifid.core.cluster import DEFAULT_ID, within
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore
from trifid.core.ledger import charged_hosts
from trifid.core.network.record import Network
from trifid.core.template.model import Template
from trifid.core.together import Part
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft
from trifid.errors import NotAllocated, Refused

OF_NO_CHOICE = -1
"""As a new object's cluster: the default one."""
_AT_REST_ON_HOST = (VmState.POWEROFF, VmState.SUSPENDED)
_SHOWN_MAX = 5


def chosen(draft: Draft, caller: Caller, cluster_id: int) -> int:
    """Return the cluster of a new object; who chooses one must administer it.  Raises NotFound, NotAllowed."""
    if cluster_id == OF_NO_CHOICE:
        return draft.cluster(DEFAULT_ID).id
    cluster = draft.cluster(cluster_id)
    check(caller, Right.ADMIN, "CLUSTER", cluster)
    return cluster.id


def parts_of(draft: Draft, template: Template) -> list[Part]:
    """Return what a VM of this template needs beside its host."""
    return together.parts_of(template, draft.find_network, draft.find_datastore)


def requirement_of(memory: Memory, vm: VM) -> str:
    """Return AUTOMATIC_REQUIREMENTS of a VM as it is now, empty when it needs nothing of any cluster."""
    return together.requirement(
        together.common(together.parts_of(vm.template, memory.networks.get, memory.datastores.get))
    )


def refuse_nowhere(draft: Draft, template: Template) -> None:
    """Raise NotAllocated when no cluster has all that a new VM needs, so that it would wait for ever."""
    parts = parts_of(draft, template)
    if together.common(parts) == frozenset():
        raise NotAllocated(f"Incompatible cluster IDs. No cluster has all that the VM needs: {_told(draft, parts)}")


def refuse_apart(draft: Draft, vm: VM, host: Host) -> None:
    """Raise Refused when a VM's networks or image datastores are not in the cluster of a host."""
    apart = together.outside(parts_of(draft, vm.template), host.cluster_id)
    if apart:
        raise Refused(
            f"VM {vm.id} cannot be on host {host.name} [{host.id}], which is in cluster "
            f"{named(draft, host.cluster_id)}: {_told(draft, apart)}",
            vm.id,
        )


def refuse_device_apart(draft: Draft, vm: VM, device: tuple[str, dict[str, str]]) -> None:
    """Raise Refused when a further DISK or NIC of a VM needs what is not where the VM is.

    Args:
        device: its name and vector.
    """
    host = draft.find_host(vm.current.host_id) if vm.history else None
    more = Template((device,))
    if host is not None and _is_placed(vm):
        apart = together.outside(parts_of(draft, more), host.cluster_id)
        here = f"host {host.name} [{host.id}] is in cluster {named(draft, host.cluster_id)}"
    else:
        parts = parts_of(draft, vm.template.having(device))
        apart = parts if together.common(parts) == frozenset() else []
        here = "no cluster has all that it would need"
    if apart:
        raise Refused(f"VM {vm.id} cannot have this {device[0]}: {here}; {_told(draft, apart)}", vm.id)


def named(draft: Draft, cluster_id: int) -> str:
    """Return a cluster as messages call it."""
    cluster = draft.find_cluster(cluster_id)
    return f"{cluster.name} [{cluster_id}]" if cluster is not None else f"[{cluster_id}]"


def _told(draft: Draft, parts: Iterable[Part]) -> str:
    """Return parts and their clusters."""
    return "; ".join(together.where(part, lambda cluster_id: named(draft, cluster_id)) for part in parts)


def host_in_cluster(draft: Draft, host: Host) -> Host:
    """Return a host with what its cluster reserves of it."""
    return within(host, draft.find_cluster(host.cluster_id))


# -- members -----------------------------------------------------------------------------------------


def _is_placed(vm: VM) -> bool:
    """Tell whether a VM is on its host, or its files wait there for it."""
    return bool(vm.history) and (vm.state.is_active or vm.state in _AT_REST_ON_HOST)


def _hosts_of(vm: VM) -> frozenset[int]:
    """Return the hosts that a VM is on; two while it moves."""
    return charged_hosts(vm) | (frozenset((vm.current.host_id,)) if _is_placed(vm) else frozenset())


def refuse_moved_host(draft: Draft, host: Host, cluster_id: int) -> None:
    """Raise Refused when a VM on a host needs what is not in the cluster that the host would be in."""
    here: list[VM] = sorted((vm for vm in draft.each("vms") if host.id in _hosts_of(vm)), key=lambda vm: vm.id)
    for vm in here:
        parts = [*parts_of(draft, vm.template), *_files_on(draft, vm, host.id)]
        apart = together.outside(parts, cluster_id)
        if apart:
            raise Refused(
                f"host {host.name} [{host.id}] cannot move to cluster {named(draft, cluster_id)}: VM {vm.id} is there, "
                f"and {_told(draft, apart)}: migrate it first, or add these to the cluster",
                host.id,
            )


def refuse_left(draft: Draft, member: Network | Datastore, cluster_id: int) -> None:
    """Raise Refused when VMs on hosts of a cluster use a network or datastore that would leave it."""
    hosts = {host.id for host in draft.each("hosts") if host.cluster_id == cluster_id}
    vms = [vm.id for vm in draft.each("vms") if _hosts_of(vm) & hosts and _uses(vm, member)]
    if vms:
        what = "network" if isinstance(member, Network) else "datastore"
        some = ", ".join(map(str, sorted(vms)[:_SHOWN_MAX]))
        raise Refused(
            f"{what} {member.name} [{member.id}] cannot leave cluster {named(draft, cluster_id)}: {len(vms)} VMs on "
            f"hosts there use it ({some}): terminate or move them first",
            member.id,
        )


def _files_on(draft: Draft, vm: VM, host_id: int) -> Iterable[Part]:
    """Yield the system datastores that a VM's files on a host are in."""
    for stay in vm.history[-2:]:
        is_there = stay.host_id == host_id and (stay is vm.current or not stay.etime)
        datastore = draft.find_datastore(stay.datastore_id) if is_there else None
        if datastore is not None:
            yield Part(f"datastore {datastore.name} [{datastore.id}]", datastore.cluster_ids)


def _uses(vm: VM, member: Network | Datastore) -> bool:
    vector, key = ("NIC", "NETWORK_ID") if isinstance(member, Network) else ("DISK", "DATASTORE_ID")
    if any(one.get(key) == str(member.id) for one in vm.template.vectors(vector)):
        return True
    return isinstance(member, Datastore) and any(stay.datastore_id == member.id for stay in vm.history[-1:])

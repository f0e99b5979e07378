"""The view of the cluster out of the documents that the API answers."""

from typing import Any

from trifid.core.image.datastore import Datastore, DatastoreState, DatastoreType
from trifid.core.image.define_datastore import PROMISED
from trifid.core.together import REQUIREMENTS, clusters_of
from trifid.core.vm.events import DeleteRecreate
from trifid.core.vm.files import Files, files_of_disks
from trifid.placement import fields
from trifid.placement.reading_devices import free_devices, wishes
from trifid.placement.reading_networks import nic_wishes
from trifid.placement.view import DatastoreView, Expression, GroupView, HostView, WaitingVm
from trifid.wire.elements import BadDocument, iter_elements, numbers, several
from trifid.wire.vm_group_reading import read_group, read_members

ACTIVE, RUNNING = 3, 3
"""STATE and LCM_STATE of a VM that can be moved."""

ClusterTemplates = dict[str, dict[str, Any]]
"""The elements of each cluster's TEMPLATE by its id."""

_SYSTEM = str(DatastoreType.SYSTEM.value)

_OTHER_NAMES = {
    "HOSTNAME": "NAME",
    "TOTALCPU": "TOTAL_CPU",
    "TOTALMEMORY": "TOTAL_MEM",
    "FREECPU": "FREE_CPU",
    "FREEMEMORY": "FREE_MEMORY",
    "FREE_MEM": "FREE_MEMORY",
    "USEDCPU": "USED_CPU",
    "USEDMEMORY": "USED_MEMORY",
    "USED_MEM": "USED_MEMORY",
}
"""Names that expressions of older releases use, each with the one it has in today's document."""

_BRANCHES = (
    (),
    ("HOST_SHARE",),
    ("HOST_SHARE", "DATASTORES"),
    ("TEMPLATE",),
    ("MONITORING", "CAPACITY"),
    ("MONITORING", "SYSTEM"),
    ("CLUSTER_TEMPLATE",),
)
"""Where the attributes of expressions are found, in document order (reference/templates.md §5.1)."""


def waiting_vms(document: str) -> list[WaitingVm]:
    """Return the VMs of a VM_POOL or VM document that want a host: pending ones and those to be moved.

    Raises:
        BadDocument: not XML.
    """
    return [vm for element in iter_elements(document, "VM") if (vm := _waiting_vm(element)) is not None]


def _waiting_vm(element: dict[str, Any]) -> WaitingVm | None:
    state, lcm_state = fields.integer(element.get("STATE")), fields.integer(element.get("LCM_STATE"))
    moves = state == ACTIVE and lcm_state == RUNNING and element.get("RESCHED") == "1"
    if state != 1 and not moves:
        return None
    body = fields.branch(element, ("TEMPLATE",))
    user = fields.branch(element, ("USER_TEMPLATE",))
    needs = fields.needs(fields.text(body, "CPU"), fields.text(body, "MEMORY"))
    group = fields.vm_group_of(body, user)
    record = (several(fields.branch(element, ("HISTORY_RECORDS",)).get("HISTORY")) or [{}])[-1]
    return WaitingVm(
        id=fields.integer(element.get("ID")),
        cpu_percent=needs.cpu_percent,
        memory_mib=needs.memory_mib,
        requirement=fields.expression(user, "REQUIREMENTS"),
        rank=fields.expression(user, "RANK"),
        message=fields.text(user, "SCHED_MESSAGE"),
        priority=fields.number(fields.text(user, "USER_PRIORITY")),
        host_id=fields.integer(record.get("HID"), -1) if moves else -1,
        vmm=str(record.get("VM_MAD", "")) if moves else "",
        cluster_ids=clusters_of(fields.text(body, REQUIREMENTS) or fields.text(user, REQUIREMENTS)),
        files=_files(body, record),
        datastore_requirement=Expression(fields.text(user, "SCHED_DS_REQUIREMENTS"), "modern", "SCHED_DS_REQUIREMENTS"),
        datastore_rank=Expression(fields.text(user, "SCHED_DS_RANK"), "modern", "SCHED_DS_RANK"),
        name=fields.text(element, "NAME"),
        uid=fields.integer(element.get("UID"), -1),
        gid=fields.integer(element.get("GID"), -1),
        vm_group_id=fields.integer(group.get("VMGROUP_ID"), -1),
        role=fields.text(group, "ROLE"),
        since=fields.integer(element.get("STIME")),
        lease=fields.lease_of(user),
        nics=nic_wishes(body),
        devices=wishes(body, user),
    )


def _files(body: dict[str, Any], record: dict[str, Any]) -> Files:
    """Return what the disks say; a VM that was on a host left its files there, unless it begins anew."""
    disks = fields.vectors(body, "DISK")
    if not record or fields.integer(record.get("ACTION")) == DeleteRecreate.number:
        return files_of_disks(disks)
    return files_of_disks(disks, fields.integer(record.get("DS_ID"), -1), fields.text(record, "TM_MAD"))


def hosts(document: str, clusters: str = "") -> list[HostView]:
    """Return the hosts of a HOST_POOL document, lowest id first.

    Args:
        clusters: a CLUSTER_POOL document: expressions see the attributes of a host's cluster behind its own.

    Raises:
        BadDocument: not XML.
    """
    templates = cluster_templates(clusters) if clusters else {}
    found = (host_view(element, templates) for element in iter_elements(document, "HOST"))
    return sorted(found, key=lambda host: host.id)


def cluster_templates(document: str) -> ClusterTemplates:
    """Return what expressions see of each cluster of a CLUSTER_POOL document.

    Raises:
        BadDocument: not XML.
    """
    return {
        fields.text(element, "ID"): fields.branch(element, ("TEMPLATE",))
        for element in iter_elements(document, "CLUSTER")
    }


def host_view(element: dict[str, Any], templates: ClusterTemplates) -> HostView:
    """Return the host that a HOST element shows."""
    element = {**element, "CLUSTER_TEMPLATE": templates.get(fields.text(element, "CLUSTER_ID"), {})}
    share = fields.branch(element, ("HOST_SHARE",))
    disk = fields.branch(share, ("DATASTORES",))
    is_told = fields.integer(disk.get("MAX_DISK")) > 0
    return HostView(
        id=fields.integer(element.get("ID")),
        name=fields.text(element, "NAME"),
        state=fields.integer(element.get("STATE")),
        vmm=fields.text(element, "VM_MAD"),
        free_cpu_percent=fields.integer(share.get("MAX_CPU")) - fields.integer(share.get("CPU_USAGE")),
        free_memory_kib=fields.integer(share.get("MAX_MEM")) - fields.integer(share.get("MEM_USAGE")),
        running_vms=fields.integer(share.get("RUNNING_VMS")),
        attributes=_attributes(element),
        vm_ids=frozenset(numbers(element.get("VMS"))),
        cluster_id=fields.integer(element.get("CLUSTER_ID")),
        free_disk_mib=fields.integer(disk.get("FREE_DISK")) - fields.integer(disk.get("DISK_USAGE"))
        if is_told
        else None,
        max_cpu_percent=fields.integer(share.get("MAX_CPU")),
        max_memory_kib=fields.integer(share.get("MAX_MEM")),
        devices=free_devices(share),
    )


def datastores(document: str) -> list[DatastoreView]:
    """Return the datastores of a DATASTORE_POOL document, lowest id first.

    Raises:
        BadDocument: not XML.
    """
    found = (_datastore(element) for element in iter_elements(document, "DATASTORE"))
    return sorted(found, key=lambda one: one.record.id)


def groups(document: str) -> list[GroupView]:
    """Return the VM groups of a VM_GROUP_POOL document.

    Raises:
        BadDocument: not XML, or not of groups.
    """
    try:
        return [
            GroupView(read_group(element), read_members(element)) for element in iter_elements(document, "VM_GROUP")
        ]
    except (KeyError, ValueError) as bad:
        raise BadDocument(f"a VM group cannot be read: {bad}") from None


def _datastore(element: dict[str, Any]) -> DatastoreView:
    cluster_ids = tuple(numbers(element.get("CLUSTERS")))
    attributes = fields.collected(element, ((), ("TEMPLATE",)))
    attributes["CLUSTERS/ID"] = [str(cluster_id) for cluster_id in cluster_ids]
    free_mib: int | None = None
    if fields.integer(element.get("TOTAL_MB")):
        free_mib = fields.integer(element.get("FREE_MB")) - fields.integer(
            fields.text(fields.branch(element, ("TEMPLATE",)), PROMISED)
        )
        attributes["FREE_MB"] = [str(max(free_mib, 0))]
    record = Datastore(
        id=fields.integer(element.get("ID")),
        uid=fields.integer(element.get("UID")),
        gid=fields.integer(element.get("GID")),
        name=fields.text(element, "NAME"),
        type=DatastoreType.SYSTEM if element.get("TYPE") == _SYSTEM else DatastoreType.IMAGE,
        ds_mad=fields.text(element, "DS_MAD"),
        tm_mad=fields.text(element, "TM_MAD"),
        state=DatastoreState.DISABLED if fields.integer(element.get("STATE")) else DatastoreState.READY,
        cluster_ids=cluster_ids,
    )
    return DatastoreView(record, free_mib, fields.integer(element.get("USED_MB")), attributes)


def _attributes(element: dict[str, Any]) -> dict[str, list[str]]:
    found = fields.collected(element, _BRANCHES)
    for name, today in _OTHER_NAMES.items():
        if name not in found and today in found:
            found[name] = found[today]
    return found

"""The document of a host, alone and within a pool alike.

Source: reference/api-modern.md §5.1, §5.5 (host.xsd, host_pool.xsd).
"""

import re
from collections.abc import Collection, Mapping

import msgspec

from trifid.core.host import Host, HostObservation
from trifid.core.host_failure.fence import FENCED
from trifid.core.image.datastore import Space
from trifid.core.pci import described_devices
from trifid.core.template.model import Template
from trifid.core.wild import wild_attributes
from trifid.wire.bodies.parts import DEFAULT_CLUSTER, body, cdata, ids, words
from trifid.wire.xmltext import escape, is_element_name

_DEVICE_ORDER = words(
    "ADDRESS BUS CLASS CLASS_NAME DEVICE DEVICE_NAME DOMAIN FUNCTION IFNAME NUMA_NODE PROFILES SHORT_ADDRESS SLOT "
    "SRIOV SRIOV_NUM TYPE UUID VENDOR VENDOR_NAME"
)
_NOT_ALWAYS = words("PROFILES SRIOV_NUM UUID")
_UNTOLD = {"NUMA_NODE": "-", "SRIOV": "no"}
"""What a device is said to be that nobody told; all else is empty then."""
_NOBODY = -1
"""VMID of a device that no VM has."""
_COUNTERS = ("NETRX", "NETTX")
_INTEGER = re.compile(r"[+-]?[0-9]+\Z", re.ASCII)
_NO_OBSERVATION = HostObservation()


class HostUsage(msgspec.Struct, frozen=True):
    """What a host carries for VMs.

    Attributes:
        cpu_percent: promised, 100 = one core.
        memory_kib: promised, KiB.
        running_vms: how many VMs are charged here.
        vm_ids: which.
        disk_mib: promised to VMs whose files are not here yet, MiB, in datastores that are this host's own.
        devices: PCI devices that VMs have, address to VM id.
    """

    cpu_percent: int = 0
    memory_kib: int = 0
    running_vms: int = 0
    vm_ids: Collection[int] = ()
    disk_mib: int = 0
    devices: Mapping[str, int] = {}


def host_full(
    host: Host,
    usage: HostUsage,
    observation: HostObservation = _NO_OBSERVATION,
    cluster: str = DEFAULT_CLUSTER,
    reserving: Host | None = None,
) -> str:
    """Return the HOST document.

    Args:
        observation: newest monitoring; one with `at` 0 leaves MONITORING empty.
        cluster: name of the host's cluster.
        reserving: the host with what its cluster reserves; the host itself by default.
    """
    return (
        f"<HOST><ID>{host.id}</ID><NAME>{escape(host.name)}</NAME><STATE>{host.state.value}</STATE>"
        f"<PREV_STATE>{host.prev.value}</PREV_STATE><IM_MAD>{cdata(host.im)}</IM_MAD><VM_MAD>{cdata(host.vmm)}</VM_MAD>"
        f"<CLUSTER_ID>{host.cluster_id}</CLUSTER_ID><CLUSTER>{escape(cluster)}</CLUSTER>"
        f"{_share(reserving or host, usage, observation.disk)}"
        f"{ids('VMS', usage.vm_ids)}{body('TEMPLATE', _template(host, observation))}"
        f"<MONITORING>{_monitoring(host.id, observation)}</MONITORING></HOST>"
    )


def _template(host: Host, seen: HostObservation) -> Template:
    """Return the host's attributes with what is seen of wild domains; that is not kept: it is old news tomorrow.

    And whether it is fenced.
    """
    told = host.template.merged(wild_attributes(seen.wilds)) if seen.wilds else host.template
    return told if host.fence is None else told.replacing(FENCED, "YES" if host.fence.is_confirmed else "NO")


def _share(host: Host, usage: HostUsage, disk: Space) -> str:
    """Return HOST_SHARE; MAX is what VMs may have, TOTAL what there is.

    The disk's figures are of the directory of the datastores; DISK_USAGE is promised and not written yet.
    """
    return (
        f"<HOST_SHARE><MEM_USAGE>{usage.memory_kib}</MEM_USAGE><CPU_USAGE>{usage.cpu_percent}</CPU_USAGE>"
        f"<TOTAL_MEM>{host.total_memory_kib}</TOTAL_MEM><TOTAL_CPU>{host.total_cpu_percent}</TOTAL_CPU>"
        f"<MAX_MEM>{host.total_memory_kib - host.reserved_memory_kib}</MAX_MEM>"
        f"<MAX_CPU>{host.total_cpu_percent - host.reserved_cpu_percent}</MAX_CPU>"
        f"<RUNNING_VMS>{usage.running_vms}</RUNNING_VMS><VMS_THREAD>1</VMS_THREAD>"
        f"<DATASTORES><DISK_USAGE>{usage.disk_mib}</DISK_USAGE><FREE_DISK>{disk.free_mib}</FREE_DISK>"
        f"<MAX_DISK>{disk.total_mib}</MAX_DISK><USED_DISK>{disk.used_mib}</USED_DISK></DATASTORES>"
        f"<PCI_DEVICES>{_devices(host, usage)}</PCI_DEVICES><NUMA_NODES></NUMA_NODES></HOST_SHARE>"
    )


def _devices(host: Host, usage: HostUsage) -> str:
    """Return the PCI devices of a host, each with the VM that has it."""
    if "PCI" not in host.template:
        return ""
    told = described_devices(host.template)
    return "".join([_device(vector, usage.devices.get(address, _NOBODY)) for address, vector in told.items()])


def _device(told: Mapping[str, str], vm_id: int) -> str:
    names = [name for name in _DEVICE_ORDER if name not in _NOT_ALWAYS or told.get(name)]
    keys = "".join([f"<{name}>{cdata(told.get(name) or _UNTOLD.get(name, ''))}</{name}>" for name in names])
    return f"<PCI>{keys}<VMID>{cdata(str(vm_id))}</VMID></PCI>"


def _monitoring(host_id: int, seen: HostObservation) -> str:
    """Return the children of MONITORING; a probe's own figures follow those that the schema knows."""
    if not seen.at:
        return ""
    known = [name for name in _COUNTERS if _INTEGER.match(seen.more.get(name, ""))]
    own = [name for name in sorted(seen.more) if name not in _COUNTERS and is_element_name(name)]
    system = "".join([f"<{name}>{cdata(seen.more[name])}</{name}>" for name in (*known, *own)])
    return (
        f"<TIMESTAMP>{seen.at}</TIMESTAMP><ID>{host_id}</ID>"
        f"<CAPACITY><FREE_CPU>{seen.free_cpu_percent}</FREE_CPU><FREE_MEMORY>{seen.free_memory_kib}</FREE_MEMORY>"
        f"<USED_CPU>{seen.used_cpu_percent}</USED_CPU><USED_MEMORY>{seen.used_memory_kib}</USED_MEMORY></CAPACITY>"
        f"<SYSTEM>{system}</SYSTEM>"
    )

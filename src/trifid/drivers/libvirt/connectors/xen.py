"""Xen through libvirt's xl driver: PV, PVH and HVM guests.

Source: libvirt's drvxen and libxl driver; reference/drivers.md §7.1 (2009).
"""

from xml.etree import ElementTree

from trifid.drivers.libvirt.connector import Connector, Hypervisor, Place
from trifid.drivers.libvirt.connectors.xen_devices import disk, plugged_interface
from trifid.drivers.libvirt.connectors.xen_domain import MAPPINGS, NOT_USED, domain_xml, hints
from trifid.drivers.libvirt.connectors.xen_figures import HostGauge, statistics, weigh

WEIGHT_PER_CORE = 256
"""Xen's scheduler gives a domain 256 unless told otherwise, dom0 too.  2009's CREDIT was the same."""

_DRIVER = "libvirt's Xen driver"
_NOT_LIVE = (
    "a running VM is not moved under Xen: without shadow paging, which Debian's has not, PV guests cannot be, and the "
    "rest is not proven here: migrate it without --live, which saves it and restores it there"
)


def hypervisor(place: Place) -> Hypervisor:
    """Return what domains are made for; --cpu-shares none leaves all with Xen's own weight."""
    return Hypervisor("xen", WEIGHT_PER_CORE if place.shares_per_core else 0)


def facts(capabilities: str) -> dict[str, str]:
    """Return what a host is: memory in KiB and processors are the hypervisor's, of which dom0 sees its own share."""
    found = ElementTree.fromstring(capabilities)  # noqa: S314 (libvirt's own)
    said = {"HYPERVISOR": "xen"}
    cells = found.findall("host/topology/cells/cell")
    memory_kib = sum(int(cell.findtext("memory") or 0) for cell in cells)
    if memory_kib:
        said["TOTALMEMORY"] = str(memory_kib)
    if processors := sum(len(cell.findall("cpus/cpu")) for cell in cells):
        said["TOTALCPU"] = str(100 * processors)
    kinds = {"xen": "PV", "linux": "PV", "xenpvh": "PVH", "hvm": "HVM"}
    offered = {kinds[kind] for guest in found.iterfind("guest") if (kind := guest.findtext("os_type", "")) in kinds}
    if offered:
        said["XEN_TYPES"] = " ".join(sorted(offered))
    return said


CONNECTOR = Connector(
    name="xen",
    title="Xen",
    types=("XEN",),
    uri="xen:///system",
    mappings=MAPPINGS,
    domain_xml=domain_xml,
    hypervisor=hypervisor,
    not_used=NOT_USED,
    cannot={
        "RESET": f"{_DRIVER} has no reset button: reboot the VM, or power it off hard and resume it",
        "SNAPSHOTCREATE": f"{_DRIVER} makes no snapshots of a machine: save its disks (onevm disk-saveas) instead",
        "SNAPSHOTREVERT": f"{_DRIVER} has no snapshots to go back to",
        "SNAPSHOTDELETE": f"{_DRIVER} has no snapshots",
        "DISKSNAPSHOTCREATE": f"{_DRIVER} makes no snapshots of a disk in use: power the VM off first",
        "DISKSNAPSHOTDELETE": f"{_DRIVER} merges no disk in use: power the VM off first",
        "RESIZEDISK": f"{_DRIVER} resizes no disk in use: power the VM off first",
        "MIGRATE": _NOT_LIVE,
        "MIGRATECOPY": _NOT_LIVE,
    },
    disk=disk,
    interface=plugged_interface,
    pluggable=("xen",),
    checkpoints=(b"libvirt-xml\n",),
    statistics=statistics,
    facts=facts,
    hints=hints,
    gauge=HostGauge,
    weigh=weigh,
)

"""Snapshots of a running domain, its memory with its disks, kept inside its qcow2 images.

The SNAPSHOT with an ACTION in the VM's document is meant.  libvirt forgets what it knows of the snapshots
of a domain when the domain ends; the images do not, so libvirt is told again when one is needed.
Source: reference/drivers.md §2.3, lifecycle.md §5.2.
"""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import libvirt

from trifid.drivers.kit import Failure, Request, Verb
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.mapping import child
from trifid.drivers.libvirt.present import running
from trifid.drivers.libvirt.vm import Vector, snapshot_name


class Snapshots:
    """Makes snapshots, goes back to them, forgets them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def verbs(self) -> dict[str, Verb]:
        """Return what is done for each word on the wire."""
        return {
            "SNAPSHOTCREATE": self.create,
            "SNAPSHOTREVERT": self.revert,
            "SNAPSHOTDELETE": self.delete,
        }

    def create(self, request: Request) -> str:
        """Make the marked snapshot and return its name; it is there: good."""
        data, vm, connection = self._desk.about(request)
        vector = vm.template.marked("SNAPSHOT", "ACTION", "CREATE")
        name = snapshot_name(vector)
        with connection.open() as opened:
            domain = running(opened, vm, request, data.host)
            wanted = snapshot_xml(domain.XMLDesc(), vector)
            if (found := _find(domain, name)) is not None:
                if _description(found.getXMLDesc()) == _description(wanted):
                    return name
                found.delete()  # of an attempt that failed: its name was given again
            domain.snapshotCreateXML(wanted)
        return name

    def revert(self, request: Request) -> str:
        """Make the domain what it was in the marked snapshot, running."""
        data, vm, connection = self._desk.about(request)
        vector = vm.template.marked("SNAPSHOT", "ACTION", "REVERT")
        with connection.open() as opened:
            domain = running(opened, vm, request, data.host)
            snapshot = _known(domain, vector)
            domain.revertToSnapshot(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING)
        return ""

    def delete(self, request: Request) -> str:
        """Remove the marked snapshot from the images; it is gone: good."""
        data, vm, connection = self._desk.about(request)
        vector = vm.template.marked("SNAPSHOT", "ACTION", "DELETE")
        with connection.open() as opened:
            domain = running(opened, vm, request, data.host)
            _known(domain, vector).delete()
        return ""


def snapshot_xml(domain_xml: str, vector: Vector) -> str:
    """Return what libvirt is asked for.

    Raises:
        Failure: the domain has a disk that cannot hold a snapshot.
    """
    element = Element("domainsnapshot")
    child(element, "name", snapshot_name(vector))
    child(element, "description", f"{vector.get('NAME', '')} at {vector.get('TIME', '')}")
    child(element, "memory", snapshot="internal")
    disks = child(element, "disks")
    unfit = []
    for disk in ElementTree.fromstring(domain_xml).iterfind("devices/disk"):  # noqa: S314 (libvirt's own)
        target, driver = disk.find("target"), disk.find("driver")
        name = "" if target is None else target.get("dev", "")
        is_kept = disk.find("readonly") is None and disk.get("device") not in ("cdrom", "floppy")
        if is_kept and (driver is None or driver.get("type") != "qcow2"):
            unfit.append(name)
        child(disks, "disk", name=name, snapshot="internal" if is_kept else "no")
    if unfit:
        raise Failure(
            f"a snapshot is kept inside the images, and only qcow2 can: {', '.join(unfit)} "
            f"{'is' if len(unfit) == 1 else 'are'} not; use qcow2 for every disk that is written to "
            "(qemu-img convert -O qcow2, DRIVER=qcow2; volatile disks: FORMAT=qcow2)"
        )
    if not any(disk.get("snapshot") == "internal" for disk in disks):
        raise Failure("a snapshot is kept inside a qcow2 disk that is written to: this VM has none")
    return ElementTree.tostring(element, encoding="unicode")


def forget_metadata(domain: "libvirt.virDomain") -> None:
    """Have libvirt forget the snapshots of a domain; they stay in its images."""
    for snapshot in domain.listAllSnapshots():
        snapshot.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)


def _description(snapshot_xml: str) -> str:
    return ElementTree.fromstring(snapshot_xml).findtext("description", "")  # noqa: S314 (libvirt's own)


def _find(domain: "libvirt.virDomain", name: str) -> "libvirt.virDomainSnapshot | None":
    try:
        return domain.snapshotLookupByName(name)
    except libvirt.libvirtError as fault:
        if fault.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT:
            return None
        raise


def _known(domain: "libvirt.virDomain", vector: Vector) -> "libvirt.virDomainSnapshot":
    """Return a snapshot; libvirt is told of one that it forgot."""
    found = _find(domain, snapshot_name(vector))
    if found is not None:
        return found
    element = ElementTree.fromstring(snapshot_xml(domain.XMLDesc(), vector))  # noqa: S314 (our own text)
    child(element, "state", "running")
    child(element, "creationTime", vector.get("TIME") or "0")
    element.append(ElementTree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)))  # noqa: S314 (libvirt's own)
    text = ElementTree.tostring(element, encoding="unicode")
    return domain.snapshotCreateXML(text, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)

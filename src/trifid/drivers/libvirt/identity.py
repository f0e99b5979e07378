"""Who a domain is: name, UUID and mark of its VM, the same for every hypervisor behind libvirt."""

import uuid
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.mapping import child
from trifid.drivers.libvirt.mark import ENGINE, METADATA_NAMESPACE
from trifid.drivers.libvirt.vm import VmDocument

ElementTree.register_namespace("one", METADATA_NAMESPACE)

_UUIDS = uuid.UUID("6f1c2a52-6f0b-5c59-9a3b-6b9f6f2d1b7e")


def domain_uuid(vm: VmDocument) -> str:
    """Return the UUID of a VM's domain: always the same one, so that a foreign domain of its name is known as such.

    Raises:
        Failure: OS/UUID is not a UUID.
    """
    wanted = vm.template.vector("OS").get("UUID", "")
    if not wanted:
        return str(uuid.uuid5(_UUIDS, f"{vm.engine_id} {vm.id} {vm.stime}"))
    try:
        return str(uuid.UUID(wanted))
    except ValueError:
        raise Failure(f"OS: UUID must be like {_UUIDS}, is {wanted}") from None


def domain_element(vm: VmDocument, directory: str, hypervisor: Hypervisor) -> Element:
    """Return the domain of a VM with nothing but name, UUID, title and mark.

    Args:
        directory: of the VM on its host.

    Raises:
        Failure: OS/UUID is not a UUID.
    """
    domain = Element("domain", type=hypervisor.type)
    child(domain, "name", vm.domain_name)
    child(domain, "uuid", domain_uuid(vm))
    if vm.name:
        child(domain, "title", " ".join(vm.name.split()))
    _put_metadata(domain, vm, directory)
    return domain


def text_of(domain: Element) -> str:
    """Return a domain as a text that people can read, too."""
    ElementTree.indent(domain)
    return ElementTree.tostring(domain, encoding="unicode") + "\n"


def _put_metadata(domain: Element, vm: VmDocument, directory: str) -> None:
    metadata = SubElement(domain, "metadata")
    about = SubElement(metadata, f"{{{METADATA_NAMESPACE}}}vm")
    said = {
        ENGINE: vm.engine_id,
        "system_datastore": directory,
        "name": vm.name,
        "uname": vm.uname,
        "uid": vm.uid,
        "gname": vm.gname,
        "gid": vm.gid,
        "stime": vm.stime,
        "deployment_time": vm.run_since,
    }
    for tag, text in said.items():
        if text:
            child(about, f"{{{METADATA_NAMESPACE}}}{tag}", text)

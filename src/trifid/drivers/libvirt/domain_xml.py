"""A VM's document as a libvirt domain.  Source: reference/drivers.md §7.2 (2009) and §7.4 (today).

Where we differ on purpose: an image cannot lead to other files of its host; nothing is written for
CACHE when it is not given (qemu flushes when the guest does); the emulator is libvirt's choice.
"""

import uuid
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.devices import (
    CHANNEL,
    EMULATOR,
    GRAPHICS,
    HOSTDEV,
    INPUT,
    QEMU_NAMESPACE,
    RAW,
    TPM,
    VIDEO,
    put_console,
    put_extras,
    put_raw,
)
from trifid.drivers.libvirt.disks import (
    BLOCK_QUEUES,
    CONTEXT,
    CONTROLLER,
    DISK,
    IOTHREADS,
    context_disks,
    controllers,
    disk,
)
from trifid.drivers.libvirt.machine import (
    BACKING,
    CLOCK,
    CPU,
    DOMAIN,
    FEATURES,
    OS,
    TOPOLOGY,
    Hypervisor,
    put_capacity,
    put_cpu,
    put_features,
    put_os,
    vcpus,
)
from trifid.drivers.libvirt.mapping import Mapping, child
from trifid.drivers.libvirt.mark import ENGINE, METADATA_NAMESPACE
from trifid.drivers.libvirt.nics import INTERFACE, interface
from trifid.drivers.libvirt.vm import VmDocument

_UUIDS = uuid.UUID("6f1c2a52-6f0b-5c59-9a3b-6b9f6f2d1b7e")

MAPPINGS: tuple[Mapping, ...] = (
    DOMAIN,
    BACKING,
    OS,
    CPU,
    TOPOLOGY,
    FEATURES,
    CLOCK,
    EMULATOR,
    IOTHREADS,
    DISK,
    CONTEXT,
    BLOCK_QUEUES,
    CONTROLLER,
    INTERFACE,
    CHANNEL,
    INPUT,
    TPM,
    GRAPHICS,
    VIDEO,
    HOSTDEV,
    RAW,
)
"""Every declaration, in the order of the page."""

ElementTree.register_namespace("one", METADATA_NAMESPACE)
ElementTree.register_namespace("qemu", QEMU_NAMESPACE)


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


def domain_xml(vm: VmDocument, directory: str, hypervisor: Hypervisor) -> str:
    """Return the domain of a VM.

    Args:
        directory: of the VM on its host, where its disks are.

    Raises:
        Failure: a value of the template cannot be carried out; the text names the attribute.
    """
    domain = Element("domain", type=hypervisor.type)
    child(domain, "name", vm.domain_name)
    child(domain, "uuid", domain_uuid(vm))
    if vm.name:
        child(domain, "title", " ".join(vm.name.split()))
    _put_metadata(domain, vm, directory)
    put_capacity(domain, vm, hypervisor)
    IOTHREADS.fill(domain, vm.template.vector("FEATURES"))
    orders = put_os(domain, vm, directory)
    put_features(domain, vm)
    put_cpu(domain, vm, hypervisor)
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        child(domain, event, action)
    _put_devices(domain, vm, directory, orders)
    if orders:
        raise Failure(f"OS: BOOT names {', '.join(orders)}, which this VM does not have")
    put_raw(domain, vm)
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


def _put_devices(domain: Element, vm: VmDocument, directory: str, orders: dict[str, str]) -> None:
    """Add all devices; `orders` loses the entries that found their device."""
    devices = SubElement(domain, "devices")
    EMULATOR.fill(devices, {"EMULATOR": vm.template.single("EMULATOR")})
    os = vm.template.vector("OS")
    block_queues, scsi_queues = queues(vm, "VIRTIO_BLK_QUEUES"), queues(vm, "VIRTIO_SCSI_QUEUES")
    disks = []
    for vector in vm.template.vectors("DISK"):
        order = orders.pop(f"disk{vector.get('DISK_ID', '')}", "")
        disks.append(disk(vector, directory, os, block_queues, order))
    for context in vm.template.vectors("CONTEXT"):
        if context.get("TARGET"):
            order = orders.pop(f"disk{context.get('DISK_ID', '')}", "")
            disks += context_disks(context, directory, os, order)
    devices.extend(disks)
    devices.extend(controllers(disks, scsi_queues))
    for number, nic in enumerate(vm.template.vectors("NIC")):
        devices.append(interface(nic, orders.pop(f"nic{nic.get('NIC_ID') or number}", "")))
    put_console(devices)
    put_extras(devices, vm)


def queues(vm: VmDocument, name: str) -> str:
    """Return a number of queues out of FEATURES; auto is one for each virtual CPU."""
    value = vm.template.vector("FEATURES").get(name, "")
    return str(vcpus(vm)) if value.lower() == "auto" else value

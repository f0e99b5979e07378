"""A VM's document as a domain of QEMU, with KVM or emulated.

Source: reference/drivers.md §7.2 (2009) and §7.4 (today).

Where we differ on purpose: an image cannot lead to other files of its host; nothing is written for
CACHE when it is not given (qemu flushes when the guest does); the emulator is libvirt's choice.
"""

from xml.etree.ElementTree import Element, SubElement

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.capacity import DOMAIN, put_capacity, vcpus
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.console import CONSOLE, put_console
from trifid.drivers.libvirt.devices import (
    CHANNEL,
    EMULATOR,
    GRAPHICS,
    HOSTDEV,
    INPUT,
    TPM,
    USB,
    VIDEO,
    WATCHDOG,
    put_extras,
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
from trifid.drivers.libvirt.identity import domain_element, text_of
from trifid.drivers.libvirt.machine import (
    BACKING,
    CLOCK,
    CPU,
    FEATURES,
    OS,
    TOPOLOGY,
    put_backing,
    put_cpu,
    put_features,
    put_os,
)
from trifid.drivers.libvirt.mapping import Mapping, child
from trifid.drivers.libvirt.nics import INTERFACE, interface
from trifid.drivers.libvirt.numa import NUMA_NODE, PINNING
from trifid.drivers.libvirt.raw import QEMU_NAMESPACE, put_raw, raw_mapping
from trifid.drivers.libvirt.vm import Vector, VmDocument

RAW_TYPES = ("kvm", "qemu")
RAW = raw_mapping(RAW_TYPES, "elements appended to the domain; qemu: is the name space of qemu's options")

MAPPINGS: tuple[Mapping, ...] = (
    DOMAIN,
    BACKING,
    OS,
    CPU,
    TOPOLOGY,
    NUMA_NODE,
    PINNING,
    FEATURES,
    CLOCK,
    EMULATOR,
    IOTHREADS,
    DISK,
    CONTEXT,
    BLOCK_QUEUES,
    CONTROLLER,
    INTERFACE,
    CONSOLE,
    CHANNEL,
    INPUT,
    WATCHDOG,
    TPM,
    GRAPHICS,
    VIDEO,
    HOSTDEV,
    USB,
    RAW,
)
"""Every declaration, in the order of the page."""


def domain_xml(vm: VmDocument, directory: str, hypervisor: Hypervisor) -> str:
    """Return the domain of a VM.

    Args:
        directory: of the VM on its host, where its disks are.

    Raises:
        Failure: a value of the template cannot be carried out; the text names the attribute.
    """
    domain = domain_element(vm, directory, hypervisor)
    put_capacity(domain, vm, hypervisor)
    put_backing(domain, vm)
    IOTHREADS.fill(domain, vm.template.vector("FEATURES"))
    orders = put_os(domain, vm, directory)
    put_features(domain, vm)
    put_cpu(domain, vm, hypervisor)
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        child(domain, event, action)
    _put_devices(domain, vm, directory, orders)
    if orders:
        raise Failure(f"OS: BOOT names {', '.join(orders)}, which this VM does not have")
    put_raw(domain, vm, RAW_TYPES, {"qemu": QEMU_NAMESPACE})
    return text_of(domain)


def _put_devices(domain: Element, vm: VmDocument, directory: str, orders: dict[str, str]) -> None:
    """Add all devices; `orders` loses the entries that found their device."""
    devices = SubElement(domain, "devices")
    EMULATOR.fill(devices, {"EMULATOR": vm.template.single("EMULATOR")})
    os = vm.template.vector("OS")
    block_queues, scsi_queues = queues(vm, "VIRTIO_BLK_QUEUES"), queues(vm, "VIRTIO_SCSI_QUEUES")
    disks = []
    for vector in vm.template.vectors("DISK"):
        order = orders.pop(f"disk{vector.get('DISK_ID', '')}", "")
        disks.append(disk(vector, directory, os, block_queues, order, vm.id))
    for context in vm.template.vectors("CONTEXT"):
        if context.get("TARGET"):
            order = orders.pop(f"disk{context.get('DISK_ID', '')}", "")
            disks += context_disks(context, directory, os, order)
    devices.extend(disks)
    devices.extend(controllers(disks, scsi_queues))
    for number, nic in enumerate(vm.template.vectors("NIC")):
        devices.append(interface(nic, orders.pop(f"nic{nic.get('NIC_ID') or number}", "")))
    put_console(devices, vm, directory)
    put_extras(devices, vm)


def queues(vm: VmDocument, name: str) -> str:
    """Return a number of queues out of FEATURES; auto is one for each virtual CPU."""
    value = vm.template.vector("FEATURES").get(name, "")
    return str(vcpus(vm)) if value.lower() == "auto" else value


def plugged_disk(vm: VmDocument, vector: Vector, directory: str) -> Element:
    """Return the device of a DISK that comes to a running VM.

    Raises:
        Failure: a value that cannot be carried out.
    """
    return disk(vector, directory, vm.template.vector("OS"), queues(vm, "VIRTIO_BLK_QUEUES"), "", vm.id)


def plugged_interface(_: VmDocument, vector: Vector) -> Element:
    """Return the device of a NIC that comes to a running VM."""
    return interface(vector, "")


def plugged_controllers(vm: VmDocument, disks: list[Element]) -> list[Element]:
    """Return the controllers that disks need which come to a running VM without any."""
    return controllers(disks, queues(vm, "VIRTIO_SCSI_QUEUES"))

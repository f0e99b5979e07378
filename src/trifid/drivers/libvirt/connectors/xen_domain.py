"""A VM's document as a domain of Xen.

Source: reference/drivers.md §7.1 (2009); libvirt's drvxen and formatdomain.  Today's OpenNebula has no Xen, so that
OS/XEN_TYPE is ours.
"""

from xml.etree.ElementTree import Element, SubElement

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.capacity import DOMAIN, put_capacity
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.connectors.xen_devices import (
    CONTEXT,
    DISK,
    INTERFACE,
    Kind,
    disks,
    guest_name,
    interface,
    kind_of,
    put_console,
)
from trifid.drivers.libvirt.connectors.xen_extras import GRAPHICS, INPUT, VIDEO, put_extras
from trifid.drivers.libvirt.devices import EMULATOR, HOSTDEV
from trifid.drivers.libvirt.disks import THROTTLES
from trifid.drivers.libvirt.identity import domain_element, text_of
from trifid.drivers.libvirt.mapping import Mapping, Property, child, if_yes, is_yes
from trifid.drivers.libvirt.raw import put_raw, raw_mapping
from trifid.drivers.libvirt.vm import Vector, VmDocument

RAW_TYPES = ("xen",)
RAW = raw_mapping(RAW_TYPES, "elements of libvirt appended to the domain; not lines for xl, as in 2009")
PROGRAMS = "/usr/"
"""A bootloader runs as root on the host, and comes from packages."""

_TYPES = {Kind.PV: ("linux", "xenpv"), Kind.PVH: ("xenpvh", "xenpvh"), Kind.HVM: ("hvm", "xenfv")}
_BOOT_DEVICES = ("hd", "cdrom", "network")


def _local(value: str) -> str:
    if not value.startswith("/"):
        raise Failure(f"OS: {value} must be an absolute path on the host, the hypervisor does not fetch files")
    return value


def _root(value: str) -> str:
    """Return the kernel's root= : a disk by the name that the guest gives it, or what kernels take as well."""
    device = guest_name(value.removeprefix("/dev/"), is_cd=False)
    if device:
        return f"root=/dev/{device}"
    return f"root={value}" if value.startswith("/") or "=" in value else f"root=/dev/{value}"


def _bootloader(value: str) -> str:
    if not value.startswith(PROGRAMS) or ".." in value.split("/"):
        raise Failure(f"OS: BOOTLOADER must be a program below {PROGRAMS}, like pygrub's, is {value}")
    return value


XEN_DOMAIN = Mapping(
    DOMAIN.name,
    DOMAIN.tag,
    (
        *(
            one
            for one in DOMAIN.properties
            if one.key not in ("CPU", "MEMORY_SLOTS", "MEMORY_RESIZE_MODE", "max_memory")
        ),
        Property(".", "MEMORY_RESIZE_MODE", note="HOTPLUG is refused: Xen's memory balloons"),
        Property(
            "cputune/shares", "CPU", note="the weight of Xen's scheduler: times 256, as 2009's CREDIT, rounded up"
        ),
    ),
)

OS = Mapping(
    "OS",
    "os",
    (
        Property(".", "XEN_TYPE", note="PV, PVH or HVM; else PV with a KERNEL or BOOTLOADER, and HVM without"),
        Property("type", "type", note="PV linux, PVH xenpvh, HVM hvm"),
        Property("type/@arch", "ARCH", default="x86_64"),
        Property("type/@machine", "machine", note="PV xenpv, PVH xenpvh, HVM xenfv"),
        Property("@firmware", "FIRMWARE", note="HVM: UEFI"),
        Property("kernel", "KERNEL", convert=_local),
        Property("initrd", "INITRD", convert=_local),
        Property(".", "KERNEL_DS", note="without KERNEL: the kernel is `kernel` in the VM's directory on the host"),
        Property(".", "INITRD_DS", note="without INITRD: the same, `initrd`"),
        Property("cmdline", "ROOT", convert=_root, note="root=/dev/ROOT, sda1 being xvda1; with a KERNEL only"),
        Property("cmdline", "KERNEL_CMD", joins=True, note="after ROOT; with a KERNEL only"),
        Property(".", "BOOTLOADER", note=f"PV: `<bootloader>`, a program below {PROGRAMS}"),
        Property(".", "BOOT", note="HVM: hd, cdrom, network: `<boot dev>`, hd when not given"),
        Property(".", "UUID", note="`<uuid>` of the domain, else made from the engine, id and time of submission"),
    ),
)

FEATURES = Mapping(
    "FEATURES",
    "features",
    (
        Property("acpi/", "ACPI", default="yes", convert=if_yes, note="HVM: without it it cannot be shut down"),
        Property("apic/", "APIC", default="yes", convert=if_yes, note="HVM"),
        Property("pae/", "PAE", default="yes", convert=if_yes, note="HVM"),
    ),
)

CLOCK = Mapping(
    "FEATURES",
    "clock",
    (
        Property("@offset", default="utc"),
        Property("@offset", "LOCALTIME", convert=lambda value: "localtime" if is_yes(value) else "utc"),
        Property("timer/@name", "timer", note="PVH: tsc, native: an emulated one lacks an instruction that guests use"),
        Property("timer/@mode", "mode"),
    ),
)

MAPPINGS: tuple[Mapping, ...] = (
    XEN_DOMAIN,
    OS,
    FEATURES,
    CLOCK,
    EMULATOR,
    DISK,
    CONTEXT,
    INTERFACE,
    INPUT,
    GRAPHICS,
    VIDEO,
    HOSTDEV,
    RAW,
)
"""Every declaration, in the order of the page."""

_NOT_OF_XEN = "not under Xen"
_UNSHAPED = ("INBOUND_AVG_BW", "INBOUND_PEAK_BW", "INBOUND_PEAK_KB", "OUTBOUND_PEAK_BW", "OUTBOUND_PEAK_KB")

NOT_USED = {
    "MEMORY_SLOTS": "memory balloons under Xen",
    "CPU_MODEL/MODEL": "guests see the host's processor",
    "CPU_MODEL/FEATURES": "guests see the host's processor",
    "TOPOLOGY/HUGEPAGE_SIZE": "Xen chooses the size of pages",
    "TOPOLOGY/MEMORY_ACCESS": _NOT_OF_XEN,
    "TOPOLOGY/SOCKETS": _NOT_OF_XEN,
    "TOPOLOGY/CORES": _NOT_OF_XEN,
    "TOPOLOGY/THREADS": _NOT_OF_XEN,
    "FEATURES/HYPERV": "use RAW",
    "FEATURES/GUEST_AGENT": "Xen talks to guests itself",
    "FEATURES/IOTHREADS": "QEMU's",
    "FEATURES/VIRTIO_BLK_QUEUES": "virtio's",
    "FEATURES/VIRTIO_SCSI_QUEUES": "virtio's",
    "OS/MACHINE": "OS/XEN_TYPE tells",
    "OS/SD_DISK_BUS": "the TARGET tells",
    "OS/FIRMWARE_SECURE": "refused: Xen has no secure boot",
    "OS/NVRAM": "Xen keeps no variables of the firmware",
    "DISK/BUS": "the TARGET tells",
    "DISK/CACHE": "dom0's kernel serves disks without a cache, QEMU with Xen's choice",
    "DISK/IO": "QEMU's",
    "DISK/IOTHREAD": "QEMU's",
    **{f"DISK/{key}": "Xen limits no disks" for key in THROTTLES},
    "NIC/FILTER": "the network driver filters",
    **{f"NIC/{key}": "Xen limits what a guest sends on the average, and nothing else" for key in _UNSHAPED},
    "TPM/MODEL": "refused: there is none",
    "CONSOLE": "each has Xen's own console, HVM guests a serial port",
    "DISK/SERIAL": "QEMU's",
    "DISK/SIZE_IOPS_SEC": "Xen limits no disks",
    "HYPERV_OPTIONS": "use RAW",
    "SPICE_OPTIONS": "use RAW",
    "INPUT/BUS": "usb",
    "MEMORY_ENCRYPTION": _NOT_OF_XEN,
    "NUMA_NODE": "Xen places memory and processors itself",
    "TOPOLOGY/PIN_POLICY": "Xen places memory and processors itself",
    "TOPOLOGY/NODE_AFFINITY": "Xen places memory and processors itself",
    "OS/FIRMWARE_FORMAT": _NOT_OF_XEN,
    "USB": "refused: only PCI devices are handed over",
    "VIDEO/ATS": _NOT_OF_XEN,
    "VIDEO/IOMMU": _NOT_OF_XEN,
    "VIDEO/RESOLUTION": _NOT_OF_XEN,
    "WATCHDOG": "refused: there is none",
    **{f"OS/{key}": "of containers" for key in ("INIT", "INIT_ARGS", "INIT_ENV", "STOP_SIGNAL")},
    "LXC_UNPRIVILEGED": "of containers",
}
"""Attributes that have no part in a domain of Xen, each with why."""


def domain_xml(vm: VmDocument, directory: str, hypervisor: Hypervisor) -> str:
    """Return the domain of a VM.

    Args:
        directory: of the VM on its host, where its disks are.

    Raises:
        Failure: a value of the template cannot be carried out; the text names the attribute.
    """
    kind = kind_of(vm)
    _refuse(vm)
    domain = domain_element(vm, directory, hypervisor)
    put_capacity(domain, vm, hypervisor)
    _put_os(domain, vm, kind, directory)
    features = {key: value for key, value in vm.template.vector("FEATURES").items() if value}
    if kind is Kind.HVM:
        domain.append(FEATURES.element(features))
    timer = {"timer": "tsc", "mode": "native"} if kind is Kind.PVH else {}
    domain.append(CLOCK.element({**features, **timer}))
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        child(domain, event, action)
    _put_devices(domain, vm, kind, directory)
    put_raw(domain, vm, RAW_TYPES, {})
    return text_of(domain)


def hints(vm: VmDocument) -> list[str]:
    """Return what of a template its owner may miss: limits that Xen does not keep."""
    limited = [vector.get("DISK_ID", "") for vector in vm.template.vectors("DISK") if _is_limited(vector)]
    shaped = [vector.get("NIC_ID", "") for vector in vm.template.vectors("NIC") if _is_shaped(vector)]
    said = [f"DISK {disk_id}: its limits have no effect, Xen limits no disks" for disk_id in limited]
    return said + [f"NIC {nic_id}: Xen limits OUTBOUND_AVG_BW only" for nic_id in shaped]


def _is_limited(vector: Vector) -> bool:
    return any(key in vector for key in THROTTLES)


def _is_shaped(vector: Vector) -> bool:
    return any(vector.get(key) for key in _UNSHAPED)


def _refuse(vm: VmDocument) -> None:
    """Raise Failure for what Xen, or its libvirt, would refuse later, or leave out in silence."""
    os = vm.template.vector("OS")
    if vm.template.single("MEMORY_RESIZE_MODE").upper() == "HOTPLUG" and vm.template.single("MEMORY_MAX"):
        raise Failure("MEMORY_RESIZE_MODE: HOTPLUG is KVM's, memory under Xen balloons: use BALLOONING")
    if is_yes(os.get("FIRMWARE_SECURE", "")):
        raise Failure("OS: FIRMWARE_SECURE: Xen has no secure boot")
    for name, why in (
        ("TPM", "there is none under Xen"),
        ("WATCHDOG", "there is none under Xen"),
        ("USB", "only PCI devices are handed over under Xen"),
    ):
        if vm.template.vectors(name):
            raise Failure(f"{name}: {why}: leave it out")


def _put_os(domain: Element, vm: VmDocument, kind: Kind, directory: str) -> None:
    os = vm.template.vector("OS")
    given = {**os, **{key: f"{directory}/{key.lower()}" for key in ("KERNEL", "INITRD") if _is_brought(os, key)}}
    if not given.get("KERNEL"):
        given = {key: value for key, value in given.items() if key not in ("INITRD", "ROOT", "KERNEL_CMD")}
    firmware = given.pop("FIRMWARE", "").upper()
    if firmware not in ("", "BIOS") and (firmware not in ("UEFI", "EFI") or kind is not Kind.HVM):
        raise Failure(f"OS: FIRMWARE under Xen is BIOS, or UEFI in HVM guests, is {firmware} ({kind})")
    bootloader = _bootloader_of(given, kind)
    if bootloader:
        child(domain, "bootloader", bootloader)
    type_, machine = _TYPES[kind]
    uefi = "efi" if firmware in ("UEFI", "EFI") else ""
    element = OS.element({**given, "type": type_, "machine": machine, "FIRMWARE": uefi})
    for device in _boot(given, kind):
        child(element, "boot", dev=device)
    domain.append(element)


def _is_brought(os: Vector, key: str) -> bool:
    """Tell whether the transfer driver brought a kernel or an initial RAM disk from the catalogue."""
    return bool(os.get(f"{key}_DS")) and not os.get(key)


def _bootloader_of(given: Vector, kind: Kind) -> str:
    """Return the program that fetches the kernel out of the guest's disk, if one does.

    Raises:
        Failure: nothing tells what to boot; it is not for this kind of guest, or no program of the host's packages.
    """
    bootloader = given.get("BOOTLOADER", "")
    if bootloader and kind is not Kind.PV:
        raise Failure(f"OS: BOOTLOADER is for PV guests, this one is {kind}: leave it out, or set XEN_TYPE=PV")
    if kind is Kind.PV and not bootloader and not given.get("KERNEL"):
        raise Failure("OS: a PV guest needs a KERNEL, or a BOOTLOADER that finds one on its disk (pygrub)")
    if kind is Kind.PVH and not given.get("KERNEL"):
        raise Failure("OS: a PVH guest needs a KERNEL")
    return _bootloader(bootloader) if bootloader and not given.get("KERNEL") else ""


def _boot(given: Vector, kind: Kind) -> list[str]:
    """Return the devices that an HVM guest without a kernel boots from, in order."""
    words = [word.strip() for word in given.get("BOOT", "").split(",") if word.strip()]
    if kind is not Kind.HVM or (given.get("KERNEL") and not words):
        return []
    if wrong := [word for word in words if word not in _BOOT_DEVICES]:
        raise Failure(
            f"OS: BOOT under Xen is of {','.join(_BOOT_DEVICES)}, is {wrong[0]}: an order of single disks is KVM's"
        )
    return words or ["hd"]


def _put_devices(domain: Element, vm: VmDocument, kind: Kind, directory: str) -> None:
    devices = SubElement(domain, "devices")
    if kind is Kind.HVM:
        EMULATOR.fill(devices, {"EMULATOR": vm.template.single("EMULATOR")})
    devices.extend(disks(vm, directory))
    devices.extend([interface(kind, nic) for nic in vm.template.vectors("NIC")])
    put_console(devices, kind)
    put_extras(devices, vm, kind)

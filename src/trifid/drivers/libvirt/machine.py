"""Firmware, processor and features of a template as the machine of a domain.

Source: reference/drivers.md §7.2 and §7.4.
"""

import re
from xml.etree.ElementTree import Element

from trifid.core.template.hardware import topology_of
from trifid.core.template.types import BOOT_DEVICES
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.capacity import vcpus
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.mapping import Mapping, Property, child, if_yes, is_yes, switch
from trifid.drivers.libvirt.numa import put_numa
from trifid.drivers.libvirt.vm import Vector, VmDocument, refused_by_name

FIRMWARE_PLACE = "/usr/share/"
"""Firmware comes from packages: any other file of the host would be readable in the guest."""

_NEW_BOOT = re.compile(r"(disk|nic)([0-9]+)\Z")
_HOST_MODELS = ("host-passthrough", "host-model", "maximum")


def _root(value: str) -> str:
    """Return the kernel's root= : the device without /dev of 2009, or what today's kernels take as well."""
    return f"root={value}" if value.startswith("/") or "=" in value else f"root=/dev/{value}"


def _local(value: str) -> str:
    if not value.startswith("/"):
        raise Failure(f"OS: {value} must be an absolute path on the host, the hypervisor does not fetch files")
    return value


def _loader(value: str) -> str:
    if not value.startswith("/"):
        return ""
    if not value.startswith(FIRMWARE_PLACE) or ".." in value.split("/"):
        raise Failure(f"OS: FIRMWARE must be BIOS, UEFI or a file below {FIRMWARE_PLACE}, is {value}")
    return value


def _firmware(value: str) -> str:
    if value.upper() not in ("BIOS", "UEFI", "EFI") and not value.startswith("/"):
        raise Failure(f"OS: FIRMWARE must be BIOS, UEFI or a file below {FIRMWARE_PLACE}, is {value}")
    return "efi" if value.upper() in ("UEFI", "EFI") else ""


BACKING = Mapping(
    "TOPOLOGY",
    "memoryBacking",
    (
        Property("hugepages/page/@size", "HUGEPAGE_SIZE", note="MiB"),
        Property("hugepages/page/@unit", "unit"),
        Property("source/@type", "source", note="memfd for MEMORY_ACCESS without HUGEPAGE_SIZE"),
        Property("access/@mode", "MEMORY_ACCESS", convert=str.lower),
    ),
)

OS = Mapping(
    "OS",
    "os",
    (
        Property("@firmware", "FIRMWARE", convert=_firmware, note="UEFI: libvirt chooses one"),
        Property("type/@arch", "ARCH", default="x86_64"),
        Property("type/@machine", "MACHINE", default="pc", note="pc has IDE for CDs; q35 has PCI express"),
        Property("type", default="hvm"),
        Property("loader", "FIRMWARE", convert=_loader, note=f"a path below {FIRMWARE_PLACE}"),
        Property("loader/@readonly", "loader_readonly"),
        Property("loader/@type", "loader_type"),
        Property("loader/@secure", "FIRMWARE_SECURE", convert=if_yes, note="with MACHINE=q35"),
        Property("nvram/@template", "NVRAM", convert=_loader, note=f"a path below {FIRMWARE_PLACE}"),
        Property("nvram", "nvram", note="with UEFI: the VM's own variables, in its directory"),
        Property("kernel", "KERNEL", convert=_local),
        Property("initrd", "INITRD", convert=_local),
        Property(".", "KERNEL_DS", note="without KERNEL: the kernel is `kernel` in the VM's directory on the host"),
        Property(".", "INITRD_DS", note="without INITRD: the same, `initrd`"),
        Property("cmdline", "ROOT", convert=_root, note="root=/dev/ROOT; with a KERNEL only"),
        Property("cmdline", "KERNEL_CMD", joins=True, note="after ROOT; with a KERNEL only"),
        Property(
            ".", "BOOT", note="hd,cdrom,network,fd: `<boot dev>`, hd when not given; disk0,nic0: order of devices"
        ),
        Property(".", "BOOTLOADER", note="refused without a KERNEL: it is Xen's"),
        Property(".", "UUID", note="`<uuid>` of the domain, else made from the engine, id and time of submission"),
        Property(".", "SD_DISK_BUS", note="bus of disks called sd…, scsi when not given"),
    ),
)

CPU = Mapping(
    "CPU_MODEL",
    "cpu",
    (
        Property("@mode", "mode", note="host-passthrough, host-model, else custom; emulated: host-… become maximum"),
        Property("model", "MODEL"),
        Property("model/@fallback", "fallback"),
        Property(".", "FEATURES", note="`<feature policy='require'>` each"),
    ),
)

TOPOLOGY = Mapping(
    "TOPOLOGY",
    "cpu",
    (
        Property("topology/@sockets", "SOCKETS", note="else as many as the virtual CPUs need"),
        Property("topology/@cores", "CORES", note="as many as the virtual CPUs need, when SOCKETS is given; else 1"),
        Property("topology/@threads", "THREADS", note="1 when not given"),
    ),
)

FEATURES = Mapping(
    "FEATURES",
    "features",
    (
        Property("acpi/", "ACPI", default="yes", convert=if_yes, note="a domain without it cannot be shut down"),
        Property("apic/", "APIC", convert=if_yes),
        Property("pae/", "PAE", convert=if_yes),
        Property("hyperv/relaxed/@state", "HYPERV", convert=switch),
        Property("hyperv/vapic/@state", "HYPERV", convert=switch),
        Property("hyperv/spinlocks/@state", "HYPERV", convert=switch),
        Property("hyperv/spinlocks/@retries", "HYPERV", convert=lambda value: "4096" if is_yes(value) else ""),
        Property("smm/@state", "smm", note="on for OS/FIRMWARE_SECURE"),
    ),
)

CLOCK = Mapping(
    "FEATURES",
    "clock",
    (
        Property("@offset", default="utc"),
        Property("@offset", "LOCALTIME", convert=lambda value: "localtime" if is_yes(value) else "utc"),
    ),
)


def put_backing(domain: Element, vm: VmDocument) -> None:
    """Add where the memory comes from, if the template says it."""
    topology = vm.template.vector("TOPOLOGY")
    unit = "MiB" if topology.get("HUGEPAGE_SIZE") else ""
    # memory of the hypervisor's own process cannot be shared
    source = "memfd" if topology.get("MEMORY_ACCESS") and not unit else ""
    backing = BACKING.element({**topology, "unit": unit, "source": source})
    if len(backing):
        domain.append(backing)


def put_os(domain: Element, vm: VmDocument, directory: str) -> dict[str, str]:
    """Add firmware, kernel and boot devices; return the boot order of devices, {`disk0`: `1`, …}.

    Raises:
        Failure: a value that cannot be carried out.
    """
    given = _with_files(vm.template.vector("OS"), directory)
    if not given.get("KERNEL"):
        if given.get("BOOTLOADER"):
            raise Failure("OS: BOOTLOADER is Xen's; under KVM give a KERNEL, or boot from a disk with BOOT=hd")
        given = {key: value for key, value in given.items() if key not in ("INITRD", "ROOT", "KERNEL_CMD")}
    is_file = bool(_loader(given.get("FIRMWARE", "")))
    if is_yes(given.get("FIRMWARE_SECURE", "")) and "q35" not in given.get("MACHINE", ""):
        raise Failure("OS: FIRMWARE_SECURE=YES needs MACHINE=q35, other machines cannot keep the firmware's secrets")
    if given.get("NVRAM") and not is_file:
        raise Failure("OS: NVRAM belongs to a FIRMWARE that is named by its path; of UEFI, libvirt chooses both")
    is_uefi = is_file or bool(given.get("FIRMWARE") and _firmware(given["FIRMWARE"]))
    element = OS.element(
        {
            **given,
            "loader_readonly": "yes" if is_file else "",
            "loader_type": "pflash" if is_file else "",
            "nvram": f"{directory}/nvram" if is_uefi else "",
            "FIRMWARE_SECURE": given.get("FIRMWARE_SECURE", "") if is_uefi else "",
        }
    )
    devices, orders = _boot(given)
    for device in devices:
        child(element, "boot", dev=device)
    domain.append(element)
    return orders


def _with_files(given: Vector, directory: str) -> Vector:
    """Return an OS vector with the kernel and initial RAM disk that the transfer driver brought from the catalogue."""
    keys = [key for key in ("KERNEL", "INITRD") if given.get(f"{key}_DS") and not given.get(key)]
    brought = {key: f"{directory}/{key.lower()}" for key in keys}
    return {**given, **brought}


def _boot(given: Vector) -> tuple[list[str], dict[str, str]]:
    """Return the old form's kinds of devices, or the new form's order of single devices."""
    words = [word.strip() for word in given.get("BOOT", "").split(",") if word.strip()]
    if not words:
        return ([] if given.get("KERNEL") else ["hd"]), {}
    if all(word in BOOT_DEVICES for word in words):
        return words, {}
    if all(_NEW_BOOT.match(word) for word in words):
        return [], {word: str(order) for order, word in enumerate(words, 1)}
    raise Failure(f"OS: BOOT is either of {','.join(BOOT_DEVICES)} or devices like disk0,nic0, is {given['BOOT']}")


def put_cpu(domain: Element, vm: VmDocument, hypervisor: Hypervisor) -> None:
    """Add the model, topology and memory nodes of the CPU, and pins, if any are asked for.

    Raises:
        Failure: a value that cannot be carried out.
    """
    given = vm.template.vector("CPU_MODEL")
    model = given.get("MODEL", "")
    cpu = Element("cpu")
    if model in _HOST_MODELS:
        mode = "maximum" if hypervisor.type == "qemu" else model  # emulation has no host model to pass on
        CPU.fill(cpu, {"mode": mode})
    elif model:
        CPU.fill(cpu, {"MODEL": model, "mode": "custom", "fallback": "forbid"})
    if model:
        for feature in given.get("FEATURES", "").split(","):
            if feature.strip():
                child(cpu, "feature", policy="require", name=feature.strip())
    _put_topology(cpu, vm)
    put_numa(domain, cpu, vm, hypervisor, vcpus(vm))
    if domain.find("maxMemory") is not None and cpu.find("numa") is None:
        memory = domain.findtext("memory", "")
        child(child(cpu, "numa"), "cell", id="0", cpus=f"0-{vcpus(vm) - 1}", memory=memory, unit="KiB")
    if len(cpu) or cpu.attrib:
        domain.append(cpu)


def _put_topology(cpu: Element, vm: VmDocument) -> None:
    with refused_by_name():
        found = topology_of(vm.template.vector("TOPOLOGY"), vcpus(vm))
    if found:
        TOPOLOGY.fill(cpu, dict(zip(("SOCKETS", "CORES", "THREADS"), map(str, found), strict=True)))


def put_features(domain: Element, vm: VmDocument) -> None:
    """Add features and clock."""
    given = {key: value for key, value in vm.template.vector("FEATURES").items() if value}
    if not is_yes(given.get("HYPERV", "")):
        given.pop("HYPERV", None)
    is_secure = is_yes(vm.template.vector("OS").get("FIRMWARE_SECURE", ""))
    features = FEATURES.element({**given, "smm": "on" if is_secure else ""})
    if len(features):
        domain.append(features)
    domain.append(CLOCK.element(given))

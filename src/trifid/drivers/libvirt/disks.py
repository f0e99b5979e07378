"""DISK and CONTEXT of a template as disks of a domain.

Source: reference/drivers.md §7.2 and §7.4, reference/templates.md §2.
"""

from xml.etree.ElementTree import Element

from trifid.core.template.types import DISK_DEVICE, IMAGE_FORMATS
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.mapping import Mapping, Property, if_yes, is_yes, lower, put
from trifid.drivers.libvirt.vm import Vector

_BUS_OF_PREFIX = {"vd": "virtio", "xvd": "virtio", "sd": "scsi", "hd": "ide", "fd": "fdc"}

SEED_SUFFIX = ".cidata"
"""What the CD for cloud-init is called after that of the context (drivers/tm/context.py)."""

THROTTLES = tuple(
    f"{what}_{unit}_SEC{suffix}"
    for unit in ("BYTES", "IOPS")
    for suffix in ("", "_MAX", "_MAX_LENGTH")
    for what in ("TOTAL", "READ", "WRITE")
)


def _format(value: str) -> str:
    """Return the image format that FORMAT tells; for volatile disks it names a file system instead."""
    return value.lower() if value.lower() in IMAGE_FORMATS else ""


def _driver(value: str) -> str:
    if value.lower() not in IMAGE_FORMATS:
        raise Failure(f"DISK: DRIVER must be one of {', '.join(IMAGE_FORMATS)}, is {value}: convert it with qemu-img")
    return value.lower()


DISK = Mapping(
    "DISK",
    "disk",
    (
        Property("@type", "type", note="block for TYPE=BLOCK or DISK_TYPE=BLOCK, else file"),
        Property("@device", "TYPE", note="CDROM cdrom, FLOPPY floppy, everything else disk"),
        Property("driver/@name", default="qemu"),
        Property("driver/@type", default="raw"),
        Property("driver/@type", "FORMAT", convert=_format, note="when it is raw or qcow2"),
        Property("driver/@type", "DRIVER", convert=_driver, note="raw or qcow2, goes before FORMAT"),
        Property("driver/@cache", "CACHE", convert=lower, note="none with IO=NATIVE, which works with no other"),
        Property("driver/@io", "IO", convert=lower),
        Property("driver/@discard", "DISCARD", convert=lower, note="disks: unmap when not given"),
        Property("driver/@iothread", "IOTHREAD"),
        Property(".", "DISK_ID", note="the image is disk.DISK_ID in the VM's directory on the host"),
        Property("source/@file", "file"),
        Property("source/@dev", "dev", note="for TYPE=BLOCK"),
        Property("backingStore/", "closed", note="an image cannot name another file …"),
        Property("backingStore/@type", "layer", note="… but a layer of the qcow2 transfer driver names its image"),
        Property("backingStore/format/@type", "backing_format"),
        Property("backingStore/source/@file", "backing"),
        Property("backingStore/backingStore/", "layer", convert=lambda _: "yes", note="which names no other"),
        Property("target/@dev", "TARGET"),
        Property(
            "target/@bus", "BUS", note="else from TARGET: vd and xvd virtio, sd scsi, hd ide, fd fdc; sata on q35"
        ),
        Property("serial", "SERIAL", note="AUTO: the VM's id, - and DISK_ID"),
        Property("readonly/", "READONLY", convert=if_yes, note="CDROM always"),
        Property("boot/@order", "order", note="from OS/BOOT=disk0,…"),
        *(Property(f"iotune/{key.lower()}", key) for key in (*THROTTLES, "SIZE_IOPS_SEC")),
    ),
)

CONTEXT = Mapping(
    "CONTEXT",
    "disk",
    (
        Property(".", "DISK_ID", note="a read-only cdrom disk.DISK_ID; on a virtio bus a read-only disk"),
        Property("target/@dev", "TARGET"),
        Property(
            "target/@dev",
            "cidata",
            note="CIDATA_TARGET, the engine's: a second one, disk.DISK_ID.cidata, for cloud-init",
        ),
    ),
)

BLOCK_QUEUES = Mapping(
    "FEATURES",
    "disk",
    (Property("driver/@queues", "VIRTIO_BLK_QUEUES", note="on a virtio bus; a number, or auto: one a virtual CPU"),),
)

IOTHREADS = Mapping("FEATURES", "domain", (Property("iothreads", "IOTHREADS", note="named by DISK/IOTHREAD"),))

CONTROLLER = Mapping(
    "FEATURES",
    "controller",
    (
        Property("@type", default="scsi"),
        Property("@index", default="0"),
        Property("@model", default="virtio-scsi"),
        Property("driver/@queues", "VIRTIO_SCSI_QUEUES", note="a number, or auto: one a virtual CPU"),
    ),
    note="when a disk is on a scsi bus",
)


def disk(vector: Vector, directory: str, os: Vector, queues: str, order: str, vm_id: int = 0) -> Element:
    """Return the disk of a DISK.

    Args:
        directory: of the VM on its host.
        os: the OS vector: MACHINE and SD_DISK_BUS choose buses.
        queues: of virtio disks, empty = libvirt's choice.
        order: in which it is tried at boot, empty = not.
        vm_id: of the VM, for SERIAL=AUTO.

    Raises:
        Failure: a value that cannot be carried out, by the name of its attribute.
    """
    disk_id = vector.get("DISK_ID", "")
    where = f"DISK {disk_id}"
    if not disk_id.isdigit():
        raise Failure(f"{where}: DISK_ID must be a number")
    if not vector.get("TARGET"):
        raise Failure(f"{where}: TARGET is missing, give a device name like vda or sda")
    bus = _bus(vector, os, where)
    device = _device(vector.get("TYPE", "").upper(), bus)
    is_block = "BLOCK" in (vector.get("TYPE", "").upper(), vector.get("DISK_TYPE", "").upper())
    if device == "floppy" and bus != "fdc":
        raise Failure(f"{where}: a floppy is on the fdc bus: give it a TARGET like fda")
    path = image_path(vector, directory)
    is_readonly = is_yes(vector.get("READONLY", "")) or vector.get("TYPE", "").upper() == "CDROM"
    element = DISK.element(
        {
            **vector,
            "type": "block" if is_block else "file",
            "TYPE": device,
            "BUS": bus,
            "CACHE": vector.get("CACHE", "") or ("none" if vector.get("IO", "").upper() == "NATIVE" else ""),
            "DISCARD": vector.get("DISCARD", "") or ("unmap" if device == "disk" else ""),
            "file": "" if is_block else path,
            "dev": path if is_block else "",
            "closed": "yes",
            **_layer(vector, where),
            "SERIAL": f"{vm_id}-{disk_id}" if vector.get("SERIAL", "").upper() == "AUTO" else vector.get("SERIAL", ""),
            "READONLY": "YES" if is_readonly else "NO",
            "order": order,
        }
    )
    return BLOCK_QUEUES.fill(element, {"VIRTIO_BLK_QUEUES": queues}) if bus == "virtio" else element


def _layer(vector: Vector, where: str) -> dict[str, str]:
    """Return what a layer stands on: BACKING_SOURCE and BACKING_FORMAT, which only the engine writes."""
    backing = vector.get("BACKING_SOURCE", "")
    if not backing:
        return {}
    image_format, own = vector.get("BACKING_FORMAT", ""), vector.get("DRIVER", "").lower()
    if not backing.startswith("/"):
        raise Failure(f"{where}: BACKING_SOURCE must be an absolute path, is {backing}")
    if image_format not in IMAGE_FORMATS or own != "qcow2":
        raise Failure(
            f"{where}: a layer over {backing} needs DRIVER=qcow2 and BACKING_FORMAT={' or '.join(IMAGE_FORMATS)}, "
            f"has {own or 'none'} and {image_format or 'none'}"
        )
    return {"layer": "file", "backing": backing, "backing_format": image_format}


def image_path(vector: Vector, directory: str) -> str:
    """Return where the image of a DISK is on its host."""
    return f"{directory}/disk.{vector.get('DISK_ID', '')}"


def context_disks(context: Vector, directory: str, os: Vector, order: str) -> list[Element]:
    """Return the disk that carries the context, and the one for cloud-init when there is one.

    Source: reference/drivers.md §8.2, docs/decisions/0015.
    """
    vector: Vector = {key: context[key] for key in ("DISK_ID", "TARGET") if key in context}
    found = [disk({**vector, "TYPE": "CDROM"}, directory, os, queues="", order=order)]
    if target := context.get("CIDATA_TARGET", ""):
        seed = disk({**vector, "TARGET": target, "TYPE": "CDROM"}, directory, os, queues="", order="")
        put(seed, "source/@file", f"{image_path(vector, directory)}{SEED_SUFFIX}")
        found.append(seed)
    return found


def _device(kind: str, bus: str) -> str:
    if bus == "fdc" or kind == "FLOPPY":
        return "floppy"
    # there are no CDs on a virtio bus; a read-only disk mounts just as well
    return "cdrom" if kind == "CDROM" and bus != "virtio" else "disk"


def _bus(vector: Vector, os: Vector, where: str) -> str:
    """Return the bus that BUS says, else the one that the first letters of TARGET tell."""
    bus = vector.get("BUS", "").lower()
    if not bus:
        target = vector["TARGET"]
        prefix = DISK_DEVICE.match(target)
        if not prefix:
            raise Failure(f"{where}: TARGET {target} tells no bus, use vda, sda, hda or fda, or say BUS")
        bus = _BUS_OF_PREFIX[prefix.group(1)]
        if prefix.group(1) == "sd":
            bus = os.get("SD_DISK_BUS", "").lower() or bus
    if bus == "xen":
        return "virtio"
    return "sata" if bus == "ide" and "q35" in os.get("MACHINE", "") else bus


def controllers(disks: list[Element], queues: str) -> list[Element]:
    """Return the controllers that the disks need: libvirt's own choice for scsi is one that Linux has no driver for."""
    if not any(target.get("bus") == "scsi" for one in disks for target in one.iter("target")):
        return []
    return [CONTROLLER.element({"VIRTIO_SCSI_QUEUES": queues})]

"""What becomes of a VM's disks where it runs: the same template means other files under other transfer drivers."""

import re

import msgspec

from trifid.core.template.types import IMAGE_FORMATS
from trifid.core.vm.record import VM

Vector = dict[str, str]
LAYERS, VOLUMES = "qcow2", "lvm"
"""Transfer drivers that make disks as layers over their images, and as volumes."""
_NAME_OF_IMAGE = re.compile(r".*/[0-9a-f]{32}")
"""Where an image lies whose place the engine chose; one that was there before (SOURCE=…) is copied, as it may go."""


def is_layer(vm: VM, disk: Vector) -> bool:
    """Tell whether a disk is a qcow2 layer over its image: it holds only what differs from it."""
    if not vm.history or vm.current.tm != LAYERS or disk.get("CLONE") != "YES":
        return False
    return bool(disk.get("IMAGE_ID")) and _NAME_OF_IMAGE.fullmatch(disk.get("SOURCE", "")) is not None


def for_drivers(vm: VM) -> VM:
    """Return a VM as hypervisor drivers must see it: with the files that its disks are on its host.

    DRIVER is the format of the disk's own file; BACKING_SOURCE and BACKING_FORMAT name the image under a layer.
    """
    disks = vm.template.vectors("DISK")
    seen = [_seen(vm, disk) for disk in disks]
    return msgspec.structs.replace(vm, template=vm.template.replacing("DISK", *seen)) if seen != disks else vm


def _seen(vm: VM, disk: Vector) -> Vector:
    if is_layer(vm, disk):
        under = {"BACKING_SOURCE": disk["SOURCE"], "BACKING_FORMAT": _format(disk)}
        return {**disk, **under, "DRIVER": "qcow2", "FORMAT": "qcow2"}
    if vm.history and vm.current.tm == VOLUMES:
        return {**disk, "DISK_TYPE": "BLOCK"}
    return disk


def _format(disk: Vector) -> str:
    stated = disk.get("DRIVER", "").lower()
    return stated if stated in IMAGE_FORMATS else "raw"

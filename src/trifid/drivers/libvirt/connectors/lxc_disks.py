"""DISK and CONTEXT of a template as file systems of a container.

The first disk is its root, the others are mounted at /media/DISK_ID, the files of the context at /context.
"""

import msgspec

from trifid.core.template.types import IMAGE_FORMATS
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.disks import image_path
from trifid.drivers.libvirt.mapping import Mapping, Property, if_yes, is_yes
from trifid.drivers.libvirt.vm import Vector, VmDocument

PLACES = "/run/trifid/lxc"
"""Where disks are mounted on a host while a container starts."""
CONTEXT_NAME = "context"
CONTEXT_AT = "/context"
_PASSED_OVER = ("SWAP", "CDROM", "FLOPPY")

FILE_SYSTEM = Mapping(
    "DISK",
    "filesystem",
    (
        Property("@type", default="mount"),
        Property("@accessmode", default="passthrough"),
        Property("source/@dir", "dir", note="where disk.DISK_ID of the VM's directory is mounted while it starts"),
        Property("target/@dir", "at", note="/ for the first disk, then /media/DISK_ID; /context for CONTEXT"),
        Property(".", "DISK_ID"),
        Property(".", "TYPE", note="SWAP, CDROM and FLOPPY are passed over"),
        Property(".", "FORMAT", note="raw; qcow2 is refused"),
        Property(".", "DRIVER", note="raw, goes before FORMAT"),
        Property("readonly/", "READONLY", convert=if_yes),
    ),
)


class FileSystem(msgspec.Struct, frozen=True):
    """What a container has mounted.

    Attributes:
        name: of the directory in place_of(vm), DISK_ID or CONTEXT_NAME.
        image: on the host.
        source: where it is mounted while the container starts.
        at: where it is in the container.
    """

    name: str
    image: str
    source: str
    at: str
    is_readonly: bool

    @property
    def values(self) -> Vector:
        """For FILE_SYSTEM."""
        return {"dir": self.source, "at": self.at, "READONLY": "YES" if self.is_readonly else "NO"}


def place_of(vm: VmDocument) -> str:
    """Return the directory of a VM in PLACES: no other VM of any engine has the same."""
    return f"{PLACES}/{vm.domain_name}.{vm.engine_id or 'engine'}"


def file_systems(vm: VmDocument, directory: str) -> list[FileSystem]:
    """Return what a container has mounted, its root first.

    Raises:
        Failure: there is no root, or a disk is not one that can be mounted.
    """
    place = place_of(vm)
    found: list[FileSystem] = []
    for vector in vm.template.vectors("DISK"):
        if vector.get("TYPE", "").upper() in _PASSED_OVER:
            continue
        disk_id = vector.get("DISK_ID", "")
        _check(disk_id, vector)
        at = f"/media/{disk_id}" if found else "/"
        is_readonly = is_yes(vector.get("READONLY", ""))
        found.append(FileSystem(disk_id, image_path(vector, directory), f"{place}/{disk_id}", at, is_readonly))
    if not found:
        raise Failure("a container needs a DISK with its root file system: give it an image, like ext4 in a raw file")
    for context in vm.template.vectors("CONTEXT")[:1]:
        if context.get("TARGET"):
            image, source = image_path(context, directory), f"{place}/{CONTEXT_NAME}"
            found.append(FileSystem(CONTEXT_NAME, image, source, CONTEXT_AT, is_readonly=True))
    return found


def passed_over(vm: VmDocument) -> list[str]:
    """Return which disks a container does not get."""
    vectors = [vector for vector in vm.template.vectors("DISK") if vector.get("TYPE", "").upper() in _PASSED_OVER]
    return [f"disk {vector.get('DISK_ID')} ({vector.get('TYPE', '').lower()})" for vector in vectors]


def _check(disk_id: str, vector: Vector) -> None:
    if not disk_id.isdigit():
        raise Failure(f"DISK {disk_id}: DISK_ID must be a number")
    formats = [vector[key].lower() for key in ("DRIVER", "FORMAT") if vector.get(key, "").lower() in IMAGE_FORMATS]
    if vector.get("BACKING_SOURCE") or (formats and formats[0] != "raw"):
        raise Failure(
            f"DISK {disk_id}: a container is given raw images only, this is {formats[0] if formats else 'a layer'}: "
            "convert it with qemu-img, and use a datastore whose transfer driver is not qcow2"
        )

"""A DISK that names an image: what the image tells of it.

Source: reference/templates.md §2.1 (types, defaults, persistent images).
"""

from trifid.core.image.record import Image, ImageType
from trifid.errors import BadTemplate

Vector = dict[str, str]

ENGINES_OWN = frozenset(
    {
        *("ATTACH", "BACKING_FORMAT", "BACKING_SOURCE", "DATASTORE", "DATASTORE_ID", "DISK_SNAPSHOT_ACTIVE"),
        *(
            "DISK_SNAPSHOT_ID",
            "GROW",
            "ORIGINAL_SIZE",
            "PERSISTENT",
            "RESIZE",
            "SAVEAS",
            "SAVEAS_IMAGE",
            "SAVEAS_SNAPSHOT",
        ),
        *("SAVEAS_SOURCE", "SIZE_PREV"),
    }
)
"""Keys of a DISK that only the engine writes: what it later believes of the disk."""

TOLD_BY_IMAGE = ("BUS", "DEV_PREFIX", "TARGET", "READONLY", "CACHE", "IO", "DISCARD")
"""Keys that an image may give as defaults of the disks made of it, with values that a DISK takes."""
_DEVICE = ("TARGET", "DEV_PREFIX", "BUS")
"""Each of these says something of a disk's device: who writes one does not want another from the image as TARGET."""


def disk_from(disk: Vector, image: Image, *, owner: str, datastore: str) -> Vector:
    """Return a DISK with everything that its image tells.

    Args:
        disk: as the user wrote it, with IMAGE or IMAGE_ID; SIZE may ask for more than the image has.
        owner, datastore: names of the image's owner and of its datastore.

    Raises:
        BadTemplate: the image is no disk, or SIZE is less than it has.
    """
    about = f"image {image.name} [{image.id}]"
    if image.type.is_file or image.type is ImageType.BACKUP:
        raise BadTemplate(f"{about} is of type {image.type.name}, which no disk can be made of")
    filled = {key: value for key, value in disk.items() if key not in ("SOURCE", "IMAGE_UID")}
    is_device_chosen = any(filled.get(key) for key in _DEVICE)
    for key in TOLD_BY_IMAGE:
        if not filled.get(key) and not (key == "TARGET" and is_device_chosen) and (told := image.template.single(key)):
            filled[key] = told
    is_cdrom = image.type is ImageType.CDROM
    if is_cdrom:
        filled["READONLY"] = "YES"
    if image.is_persistent:
        filled |= {"CLONE": "NO", "SAVE": "YES", "PERSISTENT": "YES"}
    else:
        filled |= {"CLONE": "YES", "SAVE": (disk.get("SAVE") or "NO").upper()}
    filled |= {
        "IMAGE": image.name,
        "IMAGE_ID": str(image.id),
        "IMAGE_UNAME": owner,
        "DATASTORE": datastore,
        "DATASTORE_ID": str(image.datastore_id),
        "TYPE": "CDROM" if is_cdrom else "DISK",
    }
    return filled | contents_of(filled, image)


def contents_of(disk: Vector, image: Image) -> Vector:
    """Return the keys of a DISK that say what its image holds: known once the image is there.

    Raises:
        BadTemplate: SIZE is less than the image has, or other than a persistent image has.
    """
    told: Vector = {"SOURCE": image.source}
    if image.format:
        told |= {"DRIVER": image.format, "FORMAT": image.format}
    if image.size_mib:
        asked = int(disk["SIZE"]) if disk.get("SIZE", "").isdecimal() else image.size_mib
        if asked < image.size_mib:
            raise BadTemplate(f"SIZE {asked} is less than the {image.size_mib} MiB of image {image.name} [{image.id}]")
        if asked != image.size_mib and (image.is_persistent or image.type is ImageType.CDROM):
            kind = "persistent, and is" if image.is_persistent else "a CDROM, which is"
            raise BadTemplate(f"image {image.name} [{image.id}] is {kind} used as it is, with {image.size_mib} MiB")
        told |= {"SIZE": str(asked), "ORIGINAL_SIZE": str(image.size_mib)}
    return told
